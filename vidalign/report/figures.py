"""One look for all charts, as SVG text to put into a page."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from statistics import fmean

import matplotlib

matplotlib.use("agg")

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

BASE = "#5f6b7a"
"""The colour of the checkpoint."""

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


def figure(draw: Callable[[Axes], None]) -> str:
    with plt.rc_context(STYLE):  # type: ignore[arg-type]
        page: Figure = plt.figure(figsize=(5.4, 3.3), layout="constrained")
        draw(page.add_subplot())
        buffer = io.StringIO()
        page.savefig(buffer, format="svg", metadata={"Date": None})
        plt.close(page)
    text = buffer.getvalue()
    return text[text.index("<svg") :]


def band(
    axes: Axes,
    label: str,
    series: Sequence[Sequence[tuple[float, float]]],
    colour: str,
    line: str = "-",
) -> None:
    """The mean of several curves over the same steps, and their range."""
    steps = [step for step, _ in series[0]]
    values = list(zip(*([value for _, value in one] for one in series), strict=True))
    axes.plot(steps, [fmean(at) for at in values], line, color=colour, label=label, linewidth=1.8)
    axes.fill_between(
        steps, [min(at) for at in values], [max(at) for at in values], color=colour, alpha=0.15, lw=0
    )


def bar(
    axes: Axes,
    place: float,
    seeds: Sequence[float],
    colour: str,
    *,
    width: float = 0.55,
    hollow: bool = False,
    dots_only: bool = False,
) -> None:
    """A bar as high as the mean, with a dot a seed. dots_only: a line at the mean instead of the bar."""
    mean = fmean(seeds)
    if dots_only:
        axes.plot([place - width / 2, place + width / 2], [mean, mean], color=colour, linewidth=1.8)
    elif hollow:
        axes.bar(place, mean, width=width, facecolor="none", edgecolor=colour, linewidth=1.2)
    else:
        axes.bar(place, mean, width=width, color=colour, alpha=0.35)
    spots = [place + 0.15 * width * (index - (len(seeds) - 1) / 2) for index in range(len(seeds))]
    axes.plot(spots, seeds, "o", color=colour, markersize=5, markerfacecolor="white" if hollow else colour)


def level(axes: Axes, value: float, label: str) -> Line2D:
    """A dashed line across: the checkpoint."""
    return axes.axhline(value, color=BASE, linestyle="--", linewidth=1.2, label=label)
