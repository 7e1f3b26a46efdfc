"""The comparison's table, and what it says in plain words, generated from the numbers alone."""

from __future__ import annotations

from statistics import fmean

from demo.measures import Run, clip_means
from demo.results import PairStudy, Results
from demo.wording import VERDICTS, at_the_edge, memory, nats, plus_minus, verdict, with_error
from vidalign.report.statistics import difference
from vidalign.report.tables import Summary

BASE = "SFT"
HEADERS = ("", "recall", "precision", "recall − SFT", "log p(chosen)", "log p(rejected)", "s/step", "memory")


def summarise(results: Results) -> Summary:
    study = results.pairs
    assert study is not None
    return Summary(
        title="Pairs: best and worst of the checkpoint's own captions",
        headers=HEADERS,
        rows=_rows(results, study),
        notes=_notes(results, study),
        sentences=_sentences(results, study),
        caveats=_caveats(results, study),
    )


def _rows(results: Results, study: PairStudy) -> list[tuple[str, ...]]:
    """One row for the checkpoint and one for each method, as `HEADERS` names them."""
    base = results.base
    table: list[tuple[str, ...]] = [
        (
            BASE,
            f"{base.evaluation.mean_recall:.3f}",
            f"{base.evaluation.mean_precision:.3f}",
            "",
            *_probe_ends([run for runs in study.runs.values() for run in runs], at=0),
            f"{base.step_seconds:.3f}",
            memory([base]),
        )
    ]
    for method, runs in study.runs.items():
        table.append(
            (
                method,
                plus_minus([run.evaluation.mean_recall for run in runs]),
                plus_minus([run.evaluation.mean_precision for run in runs]),
                with_error(difference(_recall(runs), base.evaluation.recall)),
                *_probe_ends(runs, at=-1),
                f"{fmean(run.step_seconds for run in runs):.3f}",
                memory(runs),
            )
        )
    return table


def _notes(results: Results, study: PairStudy) -> list[str]:
    """What the table's numbers are."""
    runs = len(next(iter(study.runs.values())))
    return [
        f"Recall and precision of keypoints over {len(results.base.evaluation.recall)} held-out clips, greedy captions. "
        f"Mean ± standard deviation over {runs} seeds (order of batches; one checkpoint, one set of pairs).",
        f"recall − SFT: paired over clips, in brackets its standard error over clips. {VERDICTS}",
        f"log p: of whole captions, in nats, mean over {study.pairs.probes} pairs that nothing was trained on; for "
        f"{BASE} before, for the others after their training.",
        "s/step: median time of one optimiser step, after its batch was put together; of the preference runs, "
        f"{results.settings['workers']} go side by side, one core each.",
        "memory: growth of the process's peak resident memory during training, the models and the clips in memory "
        "before; mostly activations.",
    ]


def _sentences(results: Results, study: PairStudy) -> list[str]:
    """What came out, in plain words."""
    base, methods, pairs = results.base.evaluation, list(study.runs), study.pairs
    said = [
        f"The supervised checkpoint finds {base.mean_recall:.0%} of the keypoints of unseen clips.",
        f"Of {pairs.clips} fresh clips, {pairs.kept + pairs.probes} gave a pair and {pairs.ties} had candidates that all "
        f"score the same. The chosen captions' mean F1 is {pairs.chosen:.2f}, the rejected ones' {pairs.rejected:.2f}.",
    ]
    for method in methods:
        gap = difference(_recall(study.runs[method]), base.recall)
        said.append(f"{method} against the checkpoint: recall {verdict(gap)}.")
    for index, method in enumerate(methods):
        for other in methods[index + 1 :]:
            gap = difference(_recall(study.runs[method]), _recall(study.runs[other]))
            said.append(f"{method} against {other}: recall {verdict(gap)}.")
    for method in methods:
        said.append(_moved(method, study.runs[method]))
    return said


def _caveats(results: Results, study: PairStudy) -> list[str]:
    """What these numbers cannot show."""
    settings = results.settings
    said = [
        "One checkpoint and one set of pairs: the standard errors cover the choice of test clips, and the spread over "
        "seeds covers the order of batches; neither covers another checkpoint or another sampling of candidates.",
        f"Learning rates were chosen from {', '.join(f'{rate:g}' for rate in settings['pairs']['rates'])} on "
        f"{settings['clips']['validation']} validation clips with one seed, for each method alike; a finer search could "
        "change the order.",
        "Each method has its default strength (DPO: β 0.1; SynPO: α 30, β 0.2). A toy of moving shapes says how the "
        "objectives move likelihoods; it says little about captions of real videos.",
    ]
    edges = (
        at_the_edge(method, trials, study.runs[method][0].rate) for method, trials in study.trials.items()
    )
    return said + [edge for edge in edges if edge]


def _recall(runs: list[Run]) -> list[float]:
    return clip_means(runs, lambda evaluation: evaluation.recall)


def _moved(method: str, runs: list[Run]) -> str:
    (chosen, rejected), (chosen_after, rejected_after) = _probe_ends(runs, 0), _probe_ends(runs, -1)
    return (
        f"{method} moves the log-prob of chosen captions from {chosen} to {chosen_after} and that of "
        f"rejected ones from {rejected} to {rejected_after}."
    )


def _probe_ends(runs: list[Run], at: int) -> tuple[str, str]:
    chosen, rejected = (fmean(run.probe[at][column] for run in runs) for column in (1, 2))
    return nats(chosen), nats(rejected)
