"""The demo with sound as figures."""

from __future__ import annotations

from statistics import fmean

from matplotlib.axes import Axes

from demo.av.measures import DECODINGS, SAMPLED, means, measure
from demo.av.results import Results
from demo.av.settings import ARMS
from vidalign.report.figures import BASE, band, bar, figure, level

COLOURS = {"SFT": BASE, **dict(zip(ARMS, ("#8a6fb0", "#c8553d", "#d19a2a", "#2a7f9e"), strict=True))}
SHORT = dict(zip(ARMS, ("SFT cont.", "R_D", "R_D + R_C", "all three"), strict=True))
SMOOTH = 5  # steps


def logged(results: Results, key: str, label: str) -> str:
    """A quantity of the trainer's own log over training: a line an arm of GRPO, a band over its seeds."""

    def draw(axes: Axes) -> None:
        for arm, runs in results.runs.items():
            series = [smooth([(e["step"], e[key]) for e in run.log if key in e]) for run in runs]
            if all(series):
                band(axes, SHORT[arm], series, COLOURS[arm])
        axes.set_xlabel("optimiser step")
        axes.set_ylabel(label)
        axes.legend(fontsize=9.5)

    return figure(draw)


def smooth(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """The mean of each step and those before it, `SMOOTH` at most: one step has few clips."""
    return [
        (step, fmean(value for _, value in points[max(0, at + 1 - SMOOTH) : at + 1]))
        for at, (step, _) in enumerate(points)
    ]


def by_arm(results: Results, name: str, label: str, scale: float = 1.0) -> str:
    """A measure on the test clips: two bars an arm, hollow for samples, a dot a seed, and the checkpoint as lines."""

    def draw(axes: Axes) -> None:
        highest = 0.0
        for decoding in DECODINGS:
            of = measure(name, decoding)
            base = scale * means([results.base], of)[0]
            line = level(axes, base, f"SFT, {decoding} {base:.3g}")
            line.set_linestyle(":" if decoding == SAMPLED else "--")
            for place, (arm, runs) in enumerate(results.runs.items()):
                seeds = [scale * value for value in means(runs, of)]
                aside = 0.2 if decoding == SAMPLED else -0.2
                bar(axes, place + aside, seeds, COLOURS[arm], width=0.34, hollow=decoding == SAMPLED)
                highest = max(highest, base, *seeds)
        axes.legend(fontsize=9.5, loc="upper left")
        axes.set_xticks(range(len(results.runs)), [SHORT[arm] for arm in results.runs])
        axes.grid(visible=False, axis="x")
        # Bars start at 0, so that their lengths may be compared.
        axes.set_ylim(0, 1.35 * highest if highest else 1)
        axes.set_ylabel(label)

    return figure(draw)


def teaching(results: Results) -> str:
    """The loss of the supervised stage."""

    def draw(axes: Axes) -> None:
        log = results.base.log
        axes.plot([entry["step"] for entry in log], [entry["loss"] for entry in log], color=BASE)
        axes.set_xlabel("optimiser step")
        axes.set_ylabel("loss, nats a token")
        axes.set_ylim(bottom=0)

    return figure(draw)
