"""The study of pairs as figures."""

from __future__ import annotations

from matplotlib.axes import Axes

from demo.results import PairStudy, Results
from vidalign.report.figures import BASE, band, bar, figure, level

COLOURS = {"SFT": BASE, "DPO": "#c8553d", "SynPO": "#2a7f9e", "SFT on best": "#8a6fb0"}


def recall(results: Results, study: PairStudy) -> str:
    """Recall on the test clips: a bar a method, a dot a seed, the checkpoint as a line."""

    def draw(axes: Axes) -> None:
        base = results.base.evaluation.mean_recall
        values = {name: [run.evaluation.mean_recall for run in runs] for name, runs in study.runs.items()}
        for place, (method, seeds) in enumerate(values.items()):
            bar(axes, place, seeds, COLOURS[method])
        level(axes, base, f"SFT {base:.3f}")
        axes.legend(fontsize=9.5, loc="upper left")
        axes.set_xticks(range(len(values)), list(values))
        axes.grid(visible=False, axis="x")
        everything = [base, *(value for seeds in values.values() for value in seeds)]
        # Bars start at 0, so that their lengths may be compared.
        axes.set_ylim(0, min(1.0, max(everything) * 1.2))
        axes.set_ylabel("keypoint recall")

    return figure(draw)


def probe(study: PairStudy, which: str) -> str:
    """Log-prob of held-out "chosen" or "rejected" captions over training: a line a method, a band over seeds."""
    column = 1 if which == "chosen" else 2

    def draw(axes: Axes) -> None:
        for method, runs in study.runs.items():
            series = [[(point[0], point[column]) for point in run.probe] for run in runs]
            band(axes, method, series, COLOURS[method])
        axes.set_xlabel("optimiser step")
        axes.set_ylabel(f"log p({which}), nats a caption")
        axes.legend(fontsize=9.5)

    return figure(draw)


def logged(study: PairStudy, key: str, label: str) -> str:
    """A quantity of the trainers' own logs, `key`/chosen (solid) and `key`/rejected (dashed)."""

    def draw(axes: Axes) -> None:
        for method, runs in study.runs.items():
            for side, line in (("chosen", "-"), ("rejected", "--")):
                name = f"{key}/{side}"
                series = [
                    [(entry["step"], entry[name]) for entry in run.log if name in entry] for run in runs
                ]
                if all(series):
                    band(axes, f"{method}, {side}", series, COLOURS[method], line)
        axes.set_xlabel("optimiser step")
        axes.set_ylabel(label)
        axes.legend(fontsize=9)

    return figure(draw)


def search(results: Results, study: PairStudy) -> str:
    """Recall on the validation clips against the learning rate; the chosen rate is filled."""

    def draw(axes: Axes) -> None:
        for method, trials in study.trials.items():
            rates, recalls = [trial.rate for trial in trials], [trial.recall for trial in trials]
            axes.plot(rates, recalls, "-o", color=COLOURS[method], markerfacecolor="white", label=method)
            at = rates.index(study.runs[method][0].rate)
            axes.plot(rates[at], recalls[at], "o", color=COLOURS[method])
        level(axes, results.base_validation, "SFT")
        axes.set_xscale("log")
        axes.set_xlabel("learning rate of the matrices")
        axes.set_ylabel("keypoint recall, validation")
        axes.legend(fontsize=9.5)

    return figure(draw)
