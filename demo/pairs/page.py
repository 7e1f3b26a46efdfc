"""The study of pairs as sections of the page."""

from __future__ import annotations

from demo.pairs import plots
from demo.pairs.summary import summarise
from demo.results import PairStudy, Results
from vidalign.report import html

LEAD = (
    "The captioner captions fresh clips several times over. Of each clip, its best caption and its worst make a pair, and "
    "the captioner is trained on the same pairs by DPO, by SynPO, and by plain supervised training on the best ones."
)


def sections(results: Results) -> list[str]:
    study = results.pairs
    assert study is not None
    summary = summarise(results)
    table = html.table(summary, plots.COLOURS)
    return [
        html.section(summary.title, f"<p>{LEAD}</p>" + html.listed(summary.sentences) + table),
        html.section("Pairs: over training", _charts(results, study)),
        html.section("Pairs: clips and captions", _LEGEND + html.clips(study.examples, plots.COLOURS)),
        html.section("Pairs: what this cannot show", html.listed(summary.caveats)),
    ]


def _charts(results: Results, study: PairStudy) -> str:
    pairs = study.pairs.probes
    return html.charts(
        [
            ("Recall on held-out clips; a dot is a seed", plots.recall(results, study)),
            (
                "Learning rates tried on validation clips; filled: the one taken",
                plots.search(results, study),
            ),
            (
                f"Chosen captions of {pairs} held-out pairs; band: the seeds' range",
                plots.probe(study, "chosen"),
            ),
            (f"Rejected captions of the same {pairs} pairs", plots.probe(study, "rejected")),
            (
                "The trainers' own log on training batches: mean log-prob of a token",
                plots.logged(study, "logps_mean", "nats a token"),
            ),
            (
                "The trainers' own log: geometric mean of a caption's token probabilities",
                plots.logged(study, "prob_geo", "probability"),
            ),
            (
                "The trainers' own log: gradient of the loss by a token's log-prob",
                plots.logged(study, "grad", "norm, per token"),
            ),
        ]
    )


_LEGEND = (
    '<p class="notes">The first clips of the test split, not a selection; captions of each method\'s first seed. '
    '<span class="right">Right</span>, <span class="wrong">wrong</span>: a motion counts only with the right '
    "object.</p>"
)
