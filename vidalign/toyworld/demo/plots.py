"""Results -> figures, as SVG text to put into a page."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from statistics import fmean

import matplotlib

matplotlib.use("agg")

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vidalign.toyworld.demo.results import Results

COLOURS = {"SFT": "#5f6b7a", "DPO": "#c8553d", "SynPO": "#2a7f9e", "SFT on best": "#8a6fb0"}
STYLE = {
    "font.family": "sans-serif",
    "font.size": 10.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#9aa4af",
    "axes.labelcolor": "#3b4550",
    "xtick.color": "#5b6672",
    "ytick.color": "#5b6672",
    "axes.grid": True,
    "grid.color": "#e6eaee",
    "axes.axisbelow": True,
    "legend.frameon": False,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "svg.fonttype": "path",
    # Identical figures give identical files.
    "svg.hashsalt": "vidalign",
}


def recall(results: Results) -> str:
    """Recall on the test clips: a bar a method, a dot a seed, the checkpoint as a line."""

    def draw(axes: Axes) -> None:
        base = results.base.evaluation.mean_recall
        values = {name: [run.evaluation.mean_recall for run in runs] for name, runs in results.runs.items()}
        for place, (method, seeds) in enumerate(values.items()):
            axes.bar(place, fmean(seeds), width=0.55, color=COLOURS[method], alpha=0.35)
            spots = [place + 0.08 * (index - (len(seeds) - 1) / 2) for index in range(len(seeds))]
            axes.plot(spots, seeds, "o", color=COLOURS[method], markersize=5)
        axes.axhline(base, color=COLOURS["SFT"], linestyle="--", linewidth=1.2)
        axes.annotate(
            f"SFT {base:.3f}",
            (0.01, base),
            xycoords=("axes fraction", "data"),
            va="bottom",
            color=COLOURS["SFT"],
            fontsize=9.5,
        )
        axes.set_xticks(range(len(values)), list(values))
        axes.grid(visible=False, axis="x")
        everything = [base, *(value for seeds in values.values() for value in seeds)]
        # Bars start at 0, so that their lengths may be compared.
        axes.set_ylim(0, min(1.0, max(everything) * 1.15))
        axes.set_ylabel("keypoint recall")

    return _figure(draw)


def probe(results: Results, which: str) -> str:
    """Log-prob of held-out "chosen" or "rejected" captions over training: a line a method, a band over seeds."""
    column = 1 if which == "chosen" else 2

    def draw(axes: Axes) -> None:
        for method, runs in results.runs.items():
            _band(axes, method, [[(point[0], point[column]) for point in run.probe] for run in runs])
        axes.set_xlabel("optimiser step")
        axes.set_ylabel(f"log p({which}), nats a caption")
        axes.legend(fontsize=9.5)

    return _figure(draw)


def logged(results: Results, key: str, label: str) -> str:
    """A quantity of the trainers' own logs, `key`/chosen (solid) and `key`/rejected (dashed)."""

    def draw(axes: Axes) -> None:
        for method, runs in results.runs.items():
            for side, line in (("chosen", "-"), ("rejected", "--")):
                name = f"{key}/{side}"
                series = [
                    [(entry["step"], entry[name]) for entry in run.log if name in entry] for run in runs
                ]
                if all(series):
                    _band(axes, f"{method}, {side}", series, colour=COLOURS[method], line=line)
        axes.set_xlabel("optimiser step")
        axes.set_ylabel(label)
        axes.legend(fontsize=9)

    return _figure(draw)


def teaching(results: Results) -> str:
    """The supervised stage's loss."""

    def draw(axes: Axes) -> None:
        log = results.base.log
        axes.plot([entry["step"] for entry in log], [entry["loss"] for entry in log], color=COLOURS["SFT"])
        axes.set_xlabel("optimiser step")
        axes.set_ylabel("loss, nats a token")
        axes.set_ylim(bottom=0)

    return _figure(draw)


def search(results: Results) -> str:
    """Recall on the validation clips against the learning rate; the chosen rate is filled."""

    def draw(axes: Axes) -> None:
        for method, trials in results.trials.items():
            rates, recalls = [trial.rate for trial in trials], [trial.recall for trial in trials]
            axes.plot(rates, recalls, "-o", color=COLOURS[method], markerfacecolor="white", label=method)
            at = rates.index(results.runs[method][0].rate)
            axes.plot(rates[at], recalls[at], "o", color=COLOURS[method])
        axes.axhline(
            results.base_validation, color=COLOURS["SFT"], linestyle="--", linewidth=1.2, label="SFT"
        )
        axes.set_xscale("log")
        axes.set_xlabel("learning rate of the matrices")
        axes.set_ylabel("keypoint recall, validation")
        axes.legend(fontsize=9.5)

    return _figure(draw)


def _band(
    axes: Axes,
    label: str,
    series: Sequence[Sequence[tuple[float, float]]],
    colour: str | None = None,
    line: str = "-",
) -> None:
    steps = [step for step, _ in series[0]]
    values = list(zip(*([value for _, value in one] for one in series), strict=True))
    colour = colour or COLOURS[label]
    axes.plot(steps, [fmean(at) for at in values], line, color=colour, label=label, linewidth=1.8)
    axes.fill_between(
        steps, [min(at) for at in values], [max(at) for at in values], color=colour, alpha=0.15, lw=0
    )


def _figure(draw: Callable[[Axes], None]) -> str:
    with plt.rc_context(STYLE):  # type: ignore[arg-type]
        figure: Figure = plt.figure(figsize=(5.4, 3.3), layout="constrained")
        draw(figure.add_subplot())
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None})
        plt.close(figure)
    text = buffer.getvalue()
    return text[text.index("<svg") :]
