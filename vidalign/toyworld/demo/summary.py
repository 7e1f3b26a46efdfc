"""Results -> the comparison's table, and what it says in plain words, generated from the numbers alone."""

from __future__ import annotations

from statistics import fmean

from vidalign.toyworld.demo.results import Difference, Results, Run, clip_recall, difference, spread

BASE = "SFT"
HEADERS = ("", "recall", "precision", "recall − SFT", "log p(chosen)", "log p(rejected)", "s/step", "memory")


def rows(results: Results) -> list[tuple[str, ...]]:
    """One row for the checkpoint and one for each method, as `HEADERS` names them."""
    base = results.base
    table: list[tuple[str, ...]] = [
        (
            BASE,
            f"{base.evaluation.mean_recall:.3f}",
            f"{base.evaluation.mean_precision:.3f}",
            "",
            *_probe_ends([run for runs in results.runs.values() for run in runs], at=0),
            f"{base.step_seconds:.3f}",
            _memory([base]),
        )
    ]
    for method, runs in results.runs.items():
        gap = difference(clip_recall(runs), base.evaluation.recall)
        table.append(
            (
                method,
                _plus_minus([run.evaluation.mean_recall for run in runs]),
                _plus_minus([run.evaluation.mean_precision for run in runs]),
                f"{_signed(gap.mean)} ({gap.error:.3f})",
                *_probe_ends(runs, at=-1),
                f"{fmean(run.step_seconds for run in runs):.3f}",
                _memory(runs),
            )
        )
    return table


def notes(results: Results) -> list[str]:
    """What the table's numbers are."""
    runs = len(next(iter(results.runs.values())))
    return [
        f"Recall and precision of keypoints over {len(results.base.evaluation.recall)} held-out clips, greedy captions. "
        f"Mean ± standard deviation over {runs} seeds (order of batches; one checkpoint, one set of pairs).",
        "recall − SFT: paired over clips, in brackets its standard error over clips. Differences below one standard "
        "error are called within noise, below two a hint, and the others beyond noise.",
        f"log p: of whole captions, in nats, mean over {results.pairs.probes} pairs that nothing was trained on; for "
        f"{BASE} before, for the others after their training.",
        "s/step: median time of one optimiser step, after its batch was put together; of the preference runs, "
        f"{results.settings['workers']} go side by side, one core each.",
        "memory: growth of the process's peak resident memory during training, the models and the clips in memory "
        "before; mostly activations.",
    ]


def sentences(results: Results) -> list[str]:
    """What came out, without taking sides."""
    base, methods = results.base.evaluation, list(results.runs)
    pairs = results.pairs
    said = [
        f"The supervised checkpoint finds {base.mean_recall:.0%} of the keypoints of unseen clips.",
        f"Of {pairs.clips} fresh clips, {pairs.kept + pairs.probes} gave a pair and {pairs.ties} had candidates that all "
        f"score the same. The chosen captions' mean F1 is {pairs.chosen:.2f}, the rejected ones' {pairs.rejected:.2f}.",
    ]
    for method in methods:
        gap = difference(clip_recall(results.runs[method]), base.recall)
        said.append(f"{method} against the checkpoint: recall {_gap(gap)}.")
    for index, method in enumerate(methods):
        for other in methods[index + 1 :]:
            gap = difference(clip_recall(results.runs[method]), clip_recall(results.runs[other]))
            said.append(f"{method} against {other}: recall {_gap(gap)}.")
    for method in methods:
        said.append(_moved(method, results.runs[method]))
    return said


def caveats(results: Results) -> list[str]:
    """What these numbers cannot show."""
    settings = results.settings
    said = [
        "One checkpoint and one set of pairs: the standard errors cover the choice of test clips, and the spread over "
        "seeds covers the order of batches; neither covers another checkpoint or another sampling of candidates.",
        f"Learning rates were chosen from {', '.join(f'{rate:g}' for rate in settings['rates'])} on "
        f"{settings['clips']['validation']} validation clips with one seed, for each method alike; a finer search could "
        "change the order.",
        "Each method has its default strength (DPO: β 0.1; SynPO: α 30, β 0.2). A toy of moving shapes says how the "
        "objectives move likelihoods; it says little about captions of real videos.",
    ]
    for method, trials in results.trials.items():
        rate = results.runs[method][0].rate
        if len(trials) > 1 and rate in (trials[0].rate, trials[-1].rate):
            side = "lowest" if rate == trials[0].rate else "highest"
            said.append(
                f"{method} chose the {side} learning rate of the grid ({rate:g}): its best may lie outside."
            )
    return said


def _gap(gap: Difference) -> str:
    size = abs(gap.errors)
    verdict = "within noise" if size < 1 else "a hint" if size < 2 else "beyond noise"
    return f"{_signed(gap.mean)} ({size:.1f} standard errors, {verdict})"


def _signed(value: float) -> str:
    return f"{value:+.3f}".replace("-", "−")


def _nats(value: float) -> str:
    return f"{value:.2f}".replace("-", "−")


def _moved(method: str, runs: list[Run]) -> str:
    def ends(column: int) -> tuple[float, float]:
        return fmean(run.probe[0][column] for run in runs), fmean(run.probe[-1][column] for run in runs)

    (chosen, chosen_after), (rejected, rejected_after) = ends(1), ends(2)
    return (
        f"{method} moves the log-prob of chosen captions from {_nats(chosen)} to {_nats(chosen_after)} and that of "
        f"rejected ones from {_nats(rejected)} to {_nats(rejected_after)}."
    )


def _plus_minus(values: list[float]) -> str:
    mean, deviation = spread(values)
    return f"{mean:.3f} ± {deviation:.3f}"


def _probe_ends(runs: list[Run], at: int) -> tuple[str, str]:
    chosen, rejected = (fmean(run.probe[at][column] for run in runs) for column in (1, 2))
    return _nats(chosen), _nats(rejected)


def _memory(runs: list[Run]) -> str:
    known = [run.peak_mb for run in runs if run.peak_mb is not None]
    return f"{fmean(known):.0f} MB" if known else "n/a"
