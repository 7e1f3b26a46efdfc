"""The comparison's table, and what it says in plain words, generated from the numbers alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import fmean

from demo.measures import Evaluation, Run, clip_means, pairs_in_order
from demo.results import ChainStudy, Results
from demo.wording import VERDICTS, at_the_edge, plus_minus, verdict, with_error
from vidalign.report.statistics import Difference, difference
from vidalign.report.tables import Summary

BASE = "SFT checkpoint"
RANKING = "Ranking 5"
APART = "at different learning rates"
HEADERS = ("", "recall", "precision", "in order", "recall gained", "order gained", "s/step")
MEASURES: dict[str, Callable[[Evaluation], Sequence[float]]] = {
    "recall": lambda evaluation: evaluation.recall,
    "pairs in order": lambda evaluation: evaluation.order,
}


def summarise(results: Results) -> Summary:
    study = results.chains
    assert study is not None
    return Summary(
        title="Chains: captions with one more error at each step",
        headers=HEADERS,
        rows=_rows(results, study),
        notes=_notes(results, study),
        sentences=_sentences(results, study),
        caveats=_caveats(results, study),
    )


def title_of(method: str, tower: str = "trainable") -> str:
    """Ranking chains of two is DPO by definition, and so trained once."""
    name = "DPO = Ranking 2" if method == "DPO" else method
    return name if tower == "trainable" else f"{name}, tower {tower}"


def base_values(results: Results, study: ChainStudy) -> dict[str, list[float]]:
    """Each measure of the checkpoint, by clip."""
    return {
        "recall": results.base.evaluation.recall,
        "pairs in order": [pairs_in_order(logps) for logps in study.base_logps],
    }


def _rows(results: Results, study: ChainStudy) -> list[tuple[str, ...]]:
    """One row for the checkpoint and one for each method and tower, as `HEADERS` names them."""
    evaluation, base = results.base.evaluation, base_values(results, study)
    table: list[tuple[str, ...]] = [
        (
            BASE,
            f"{evaluation.mean_recall:.3f}",
            f"{evaluation.mean_precision:.3f}",
            f"{fmean(base['pairs in order']):.3f}",
            "",
            "",
            f"{results.base.step_seconds:.3f}",
        )
    ]
    for tower, methods in study.runs.items():
        for method, runs in methods.items():
            table.append(
                (
                    title_of(method) + (", frozen" if tower == "frozen" else ""),
                    plus_minus([run.evaluation.mean_recall for run in runs]),
                    plus_minus([run.evaluation.mean_precision for run in runs]),
                    plus_minus([run.evaluation.mean_order for run in runs]),
                    *(
                        with_error(difference(clip_means(runs, of), base[name]))
                        for name, of in MEASURES.items()
                    ),
                    f"{fmean(run.step_seconds for run in runs):.3f}",
                )
            )
    return table


def _notes(results: Results, study: ChainStudy) -> list[str]:
    """What the table's numbers are."""
    settings, runs = results.settings, study.runs["trainable"][RANKING]
    return [
        f"Recall and precision of keypoints over {len(results.base.evaluation.recall)} held-out clips, greedy captions. "
        f"In order: over the chains of {study.chains.test} held-out clips, the share of all pairs of one chain whose better "
        "caption has the higher log-prob. Mean ± standard deviation over "
        f"{len(runs)} seeds (order of batches; one checkpoint, one set of chains).",
        f"Gained: against the checkpoint, paired over clips, in brackets the standard error over clips. {VERDICTS}",
        "SFT learns from the chains' first captions; DPO from the first two, which is what ranking chains of 2 is, so it "
        "was trained once; MPO sets the first against the other four; Ranking 3 and 5 learn the order of so many. All but "
        "SFT add the next-token loss on the first caption with weight 0.1. Frozen: the vision encoder (the tower) "
        "did not learn, the projector and the language model did.",
        "s/step: median time of one optimiser step, after its batch was put together, on "
        f"{settings['chains']['batch_size']} clips (the checkpoint's: {settings['sft_batch_size']}); "
        f"{settings['workers']} runs go side by side, one core each.",
    ]


def _sentences(results: Results, study: ChainStudy) -> list[str]:
    """What came out, in plain words."""
    base, towers = base_values(results, study), study.runs
    trained, frozen = towers["trainable"], towers["frozen"]
    whole = study.chains.lengths
    said = [
        f"The checkpoint finds {fmean(base['recall']):.0%} of the keypoints of unseen clips, and puts "
        f"{fmean(base['pairs in order']):.1%} of the pairs of unseen chains in order before any training on chains.",
        f"{study.chains.train} chains for training, of length "
        + ", ".join(f"{length} ({count})" for length, count in whole.items())
        + "; their errors: "
        + ", ".join(f"{name} {count}" for name, count in study.chains.errors.items())
        + ".",
    ]
    for tower, methods in towers.items():
        for method, runs in methods.items():
            gaps = {name: difference(clip_means(runs, of), base[name]) for name, of in MEASURES.items()}
            said.append(f"{title_of(method, tower)} against the checkpoint: {_both(gaps)}.")
    for other, runs in trained.items():
        if other != RANKING:
            said.append(f"{RANKING} against {title_of(other)}: {_between(trained[RANKING], runs)}.")
    for method, runs in trained.items():
        said.append(f"{title_of(method)}, tower trainable against frozen: {_between(runs, frozen[method])}.")
    return said


def _caveats(results: Results, study: ChainStudy) -> list[str]:
    """What these numbers cannot show."""
    settings = results.settings
    comparisons = 2 * len(_sentences(results, study)[2:])
    said = [
        f"{comparisons} differences are listed: by chance alone about {max(1, round(comparisons * 0.05))} of them would "
        "come out beyond two standard errors.",
        "One checkpoint and one set of chains: the standard errors cover the choice of test clips, and the spread over "
        "seeds covers the order of batches; neither covers another checkpoint or other errors in the chains.",
        f"Learning rates were chosen from {', '.join(f'{rate:g}' for rate in settings['chains']['rates'])} by recall on "
        f"{settings['clips']['validation']} validation clips with one seed, for each method and tower alike. So they suit "
        "the captions that a model writes, not the order that it gives to chains.",
        *_confounded(results, study),
        "The training clips' captions are exact and new to the checkpoint, which was taught on other clips: plain "
        "supervised training has as much to learn from them as the other methods have, and more weight on it. "
        "The held-out chains come from the same rules as those for training.",
        "Errors are single words of a small vocabulary, the vision tower has two layers, and the captioner learnt from "
        "scratch with it: what is found here of freezing says little about large pretrained towers.",
    ]
    edges = (
        at_the_edge(title_of(method, tower), trials, study.runs[tower][method][0].rate)
        for tower, methods in study.trials.items()
        for method, trials in methods.items()
    )
    return said + [edge for edge in edges if edge]


def _confounded(results: Results, study: ChainStudy) -> list[str]:
    apart = sum(APART in text for text in _sentences(results, study))
    if not apart:
        return []
    ranges = [
        max(trial.recall for trial in trials) - min(trial.recall for trial in trials)
        for methods in study.trials.values()
        for trials in methods.values()
    ]
    return [
        f"{apart} of the comparisons of two methods or towers are between runs {APART}: there a difference, beyond noise or "
        "not, may be that of the rates alone. The choice of a rate is itself uncertain, which no standard error here covers: "
        f"between the best and the worst rate of a method lie {min(ranges):.3f} to {max(ranges):.3f} of recall on the "
        "validation clips."
    ]


def _between(ours: list[Run], theirs: list[Run]) -> str:
    """How two methods differ, and whether their learning rates do as well."""
    gaps = {name: difference(clip_means(ours, of), clip_means(theirs, of)) for name, of in MEASURES.items()}
    rates = ours[0].rate, theirs[0].rate
    return _both(gaps) + (f"; {APART} ({rates[0]:g} and {rates[1]:g})" if rates[0] != rates[1] else "")


def _both(gaps: dict[str, Difference]) -> str:
    return ", ".join(f"{name} {verdict(gap)}" for name, gap in gaps.items())
