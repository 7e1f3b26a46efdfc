"""The study of chains as figures. Filled: the vision tower learns; open: it is frozen."""

from __future__ import annotations

from collections.abc import Callable
from statistics import fmean
from typing import Any

from matplotlib.axes import Axes
from matplotlib.patches import Patch

from demo.measures import Evaluation, Trial
from demo.results import ChainStudy
from vidalign.report.figures import BASE as GREY
from vidalign.report.figures import bar, figure, level

COLOURS = {
    "SFT checkpoint": GREY,
    "SFT": "#8a6fb0",
    "DPO": "#c8553d",
    "DPO = Ranking 2": "#c8553d",
    "MPO": "#b8892b",
    "Ranking 3": "#69a8a0",
    "Ranking 5": "#1f7a6d",
}
_LENGTHS = {"DPO": 2, "Ranking 3": 3, "Ranking 5": 5}
_LINES = {"trainable": "-", "frozen": "--"}
# A legend over the chart lies on no point of it.
_ABOVE: dict[str, Any] = {
    "fontsize": 9,
    "loc": "lower left",
    "bbox_to_anchor": (0, 1.0),
    "ncols": 3,
    "columnspacing": 1.0,
    "handlelength": 1.6,
}


def by_method(
    study: ChainStudy, of: Callable[[Evaluation], float], base: float, label: str, *, zoom: bool = False
) -> str:
    """A pair of bars a method, trainable and frozen; a dot is a seed.

    zoom: the axis begins near the lowest value: for shares that differ little. Then there are dots only, as the lengths
    of cut bars say nothing.
    """

    def draw(axes: Axes) -> None:
        values = {
            (place, tower): [of(run.evaluation) for run in runs]
            for tower, methods in study.runs.items()
            for place, runs in enumerate(methods.values())
        }
        methods = list(study.runs["trainable"])
        for (place, tower), seeds in values.items():
            frozen = tower == "frozen"
            colour = COLOURS[methods[place]]
            bar(
                axes,
                place + (0.2 if frozen else -0.2),
                seeds,
                colour,
                width=0.34,
                hollow=frozen,
                dots_only=zoom,
            )
        line = level(axes, base, f"checkpoint {base:.3f}")
        axes.set_xticks(range(len(methods)), [method.replace(" ", "\n") for method in methods])
        axes.grid(visible=False, axis="x")
        everything = [base, *(value for seeds in values.values() for value in seeds)]
        if zoom:
            margin = 0.15 * (max(everything) - min(everything) or 0.01)
            axes.set_ylim(min(everything) - margin, min(1.0, max(everything) + margin))
        else:
            axes.set_ylim(0, min(1.0, max(everything) * 1.1))
        axes.set_ylabel(label)
        axes.legend(
            handles=[
                Patch(facecolor=GREY, alpha=0.6, label="tower trainable"),
                Patch(facecolor="none", edgecolor=GREY, label="tower frozen"),
                line,
            ],
            **_ABOVE,
        )

    return figure(draw)


def by_length(study: ChainStudy, of: Callable[[Evaluation], float], base: float, label: str) -> str:
    """A measure against the length of the chains that were ranked; bars: the seeds' range."""

    def draw(axes: Axes) -> None:
        for tower, methods in study.runs.items():
            seeds = [[of(run.evaluation) for run in methods[name]] for name in _LENGTHS]
            means = [fmean(values) for values in seeds]
            reach = [
                [mean - min(values) for mean, values in zip(means, seeds, strict=True)],
                [max(values) - mean for mean, values in zip(means, seeds, strict=True)],
            ]
            # Side by side, so that the ranges do not lie on each other.
            shift = -0.04 if tower == "trainable" else 0.04
            axes.errorbar(
                [length + shift for length in _LENGTHS.values()],
                means,
                yerr=reach,
                marker="o",
                color=COLOURS["Ranking 5"],
                capsize=3,
                label=f"tower {tower}",
                linestyle=_LINES[tower],
                markerfacecolor="white" if tower == "frozen" else COLOURS["Ranking 5"],
            )
        level(axes, base, f"checkpoint {base:.3f}")
        axes.set_xticks(list(_LENGTHS.values()), ["2 (DPO)", "3", "5"])
        axes.set_xlabel("captions of a chain that are ranked")
        axes.set_ylabel(label)
        axes.legend(**_ABOVE)

    return figure(draw)


def search(study: ChainStudy, of: Callable[[Trial], float], base: float, label: str) -> str:
    """A measure on the validation clips against the learning rate; dashed: tower frozen; filled: the rate taken."""

    def draw(axes: Axes) -> None:
        for tower, methods in study.trials.items():
            line = _LINES[tower]
            for method, trials in methods.items():
                rates, values = [trial.rate for trial in trials], [of(trial) for trial in trials]
                name = method if tower == "trainable" else None
                axes.plot(
                    rates,
                    values,
                    line,
                    marker="o",
                    color=COLOURS[method],
                    markerfacecolor="white",
                    label=name,
                )
                at = rates.index(study.runs[tower][method][0].rate)
                axes.plot(rates[at], values[at], "o", color=COLOURS[method])
        level(axes, base, "checkpoint")
        axes.set_xscale("log")
        axes.set_xlabel("learning rate of the matrices")
        axes.set_ylabel(label)
        axes.legend(fontsize=9)

    return figure(draw)
