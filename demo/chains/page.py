"""The study of chains as sections of the page, with one chain to look at."""

from __future__ import annotations

from html import escape
from statistics import fmean

from demo.chains import plots
from demo.chains.summary import base_values, summarise
from demo.results import ChainExample, ChainStudy, Results
from vidalign.report import html

_LEAD = """\
<p>A <b>chain</b> is a row of captions of one clip. The first is exact; each further one keeps the errors of the one before
and has one more, so that all are ordered by how much of them is true, and all have the same length and build. Here a
rule-based judge puts in the errors, through the same build as <code>vidalign build chains</code>; with a language model as
the judge the captions may be of real videos.</p>
<p><b>DPO</b> learns that the first caption is better than the second. <b>MPO</b> learns that the first is better than all
others. <b>Ranking</b> (Plackett-Luce) learns the whole order. <b>SFT</b> learns the first caption and sees no errors. The
paper on caption chains finds that ranking gains most if the vision encoder (the <b>tower</b>, which turns frames into
features) learns too; so each method is run with the tower <b>trainable</b>, and with it <b>frozen</b>.</p>"""


def sections(results: Results) -> list[str]:
    study = results.chains
    assert study is not None
    summary = summarise(results)
    return [
        html.section(summary.title, _LEAD + _example(study.example)),
        html.section(
            "Chains: what came out", html.listed(summary.sentences) + html.table(summary, plots.COLOURS)
        ),
        html.section("Chains: in pictures", _charts(results, study)),
        html.section("Chains: what this cannot show", html.listed(summary.caveats)),
    ]


def details(results: Results, study: ChainStudy) -> str:
    """How it was run, in a line."""
    settings = results.settings["chains"]
    rates = "; ".join(
        f"tower {tower}: " + ", ".join(f"{method} {runs[0].rate:g}" for method, runs in methods.items())
        for tower, methods in study.runs.items()
    )
    return (
        f"{study.chains.train} of at most {max(study.chains.lengths)} captions; {settings['steps']} steps of "
        f"{settings['batch_size']} chains a run, {results.settings['seeds']} seeds, β 0.1; learning rates of {rates}"
    )


def _charts(results: Results, study: ChainStudy) -> str:
    base = {name: fmean(values) for name, values in base_values(results, study).items()}
    order, recall = base["pairs in order"], base["recall"]
    return html.charts(
        [
            (
                "Pairs of held-out chains in order; a dot is a seed, the axis is cut",
                plots.by_method(study, lambda e: e.mean_order, order, "share of pairs in order", zoom=True),
            ),
            (
                "Recall on held-out clips; a dot is a seed",
                plots.by_method(study, lambda e: e.mean_recall, recall, "keypoint recall"),
            ),
            (
                "Pairs in order by the length of the chains learnt from; the axis is cut",
                plots.by_length(study, lambda e: e.mean_order, order, "share of pairs in order"),
            ),
            (
                "Recall by the length of the chains learnt from; the axis is cut",
                plots.by_length(study, lambda e: e.mean_recall, recall, "keypoint recall"),
            ),
            (
                "Learning rates tried; filled: taken, by recall on validation clips; dashed: frozen",
                plots.search(study, lambda t: t.recall, results.base_validation, "recall, validation"),
            ),
            (
                "The same trials: pairs in order on validation clips, by which none was chosen",
                plots.search(
                    study, lambda t: t.order or 0.0, study.base_validation, "pairs in order, validation"
                ),
            ),
        ]
    )


def _example(example: ChainExample) -> str:
    titles = list(example.logps)
    head = '<th></th><th class="caption">caption</th>' + "".join(f"<th>{escape(t)}</th>" for t in titles)
    lines = []
    for rank, pieces in enumerate(example.spans):
        caption = html.stops(
            " ".join(
                escape(text) if right else f'<span class="wrong">{escape(text)}</span>'
                for text, right in pieces
            )
        )
        cells = "".join(
            f"<td{_marked(example.logps[title], rank)}>{_nats(example.logps[title][rank])}</td>"
            for title in titles
        )
        lines.append(f'<tr><th scope="row">{rank}</th><td class="caption">{caption}</td>{cells}</tr>')
    return (
        f'<div class="chain">{html.video(example.video)}<div class="scroll"><table>\n<thead><tr>{head}</tr></thead>\n'
        "<tbody>\n"
        + "\n".join(lines)
        + "\n</tbody>\n</table></div></div>\n"
        + html.notes(
            [
                "The first test clip's chain, by its number of errors, which are underlined. Beside it the log-prob of each "
                "caption, in nats, by the checkpoint and by each method's first seed with the tower trainable; underlined "
                "where a caption has a higher one than one with fewer errors.",
            ]
        )
    )


def _marked(logps: list[float], rank: int) -> str:
    return ' class="wrong"' if any(logps[rank] >= better for better in logps[:rank]) else ""


def _nats(value: float) -> str:
    return f"{value:.1f}".replace("-", "−")
