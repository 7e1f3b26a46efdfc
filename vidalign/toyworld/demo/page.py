"""Results -> one HTML page beside the clips that it plays."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from html import escape
from pathlib import Path

from vidalign.toyworld.demo import plots, summary
from vidalign.toyworld.demo.results import Example, Results
from vidalign.toyworld.demo.style import CSS


def write(results: Results, path: Path) -> None:
    """Write the page. Its clips' paths are relative to its folder; everything else is in the file itself."""
    path.write_text(render(results), encoding="utf-8")


def render(results: Results) -> str:
    body = "\n".join(
        [
            "<h1>Preferences in a toy world</h1>",
            "<p class=lead>A captioner of 0.76 million parameters learns to describe clips of moving shapes, captions "
            "fresh clips several times over, and is then trained from one checkpoint on the same pairs of best and "
            "worst captions by DPO, by SynPO, and by plain supervised training on the best ones.</p>",
            _section("What came out", _list(summary.sentences(results)) + _table(results)),
            _section("Over training", _charts(results)),
            _section("Clips and captions", _legend() + _examples(results.examples)),
            _section("What this cannot show", _list(summary.caveats(results))),
            _section("How it was run", _details(results)),
        ]
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>vidalign: the toy world</title>\n<style>{CSS}</style>\n</head>\n"
        f"<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def _section(title: str, content: str) -> str:
    return f"<section>\n<h2>{escape(title)}</h2>\n{content}\n</section>"


def _list(items: Iterable[str]) -> str:
    return "<ul>\n" + "\n".join(f"<li>{escape(item)}</li>" for item in items) + "\n</ul>"


def _table(results: Results) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in summary.HEADERS)
    lines = []
    for first, *rest in summary.rows(results):
        cells = "".join(f"<td>{escape(cell)}</td>" for cell in rest)
        lines.append(f'<tr><th scope="row">{_swatch(first)}{escape(first)}</th>{cells}</tr>')
    notes = "".join(f"<p>{escape(note)}</p>" for note in summary.notes(results))
    return (
        f'<div class="scroll"><table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n'
        + "\n".join(lines)
        + f'\n</tbody>\n</table></div>\n<div class="notes">{notes}</div>'
    )


def _swatch(name: str) -> str:
    return f'<span class="swatch" style="background:{plots.COLOURS[name]}"></span>'


def _charts(results: Results) -> str:
    pairs = results.pairs.probes
    charts = [
        ("Recall on held-out clips; a dot is a seed", plots.recall(results)),
        ("Learning rates tried on validation clips; filled: the one taken", plots.search(results)),
        (
            f"Chosen captions of {pairs} held-out pairs; band: the seeds' range",
            plots.probe(results, "chosen"),
        ),
        (f"Rejected captions of the same {pairs} pairs", plots.probe(results, "rejected")),
        (
            "The trainers' own log on training batches: mean log-prob of a token",
            plots.logged(results, "logps_mean", "nats a token"),
        ),
        (
            "The trainers' own log: geometric mean of a caption's token probabilities",
            plots.logged(results, "prob_geo", "probability"),
        ),
        (
            "The trainers' own log: gradient of the loss by a token's log-prob",
            plots.logged(results, "grad", "norm, per token"),
        ),
        ("The supervised stage", plots.teaching(results)),
    ]
    return '<div class="charts">\n' + "\n".join(_chart(*chart) for chart in charts) + "\n</div>"


def _chart(title: str, svg: str) -> str:
    # As an image: several inline SVGs from one library would share ids.
    data = base64.b64encode(svg.encode()).decode()
    label = escape(title)
    return f'<figure><figcaption>{label}</figcaption><img alt="{label}" src="data:image/svg+xml;base64,{data}"></figure>'


def _legend() -> str:
    return (
        '<p class="notes">The first clips of the test split, not a selection; captions of each method\'s first seed. '
        '<span class="right">Right</span>, <span class="wrong">wrong</span>: a motion counts only with the right '
        "object.</p>"
    )


def _examples(examples: list[Example]) -> str:
    return '<div class="clips">\n' + "\n".join(map(_example, examples)) + "\n</div>"


def _example(example: Example) -> str:
    said = "\n".join(
        f"<dt>{_swatch(title)}{escape(title)}</dt><dd>{_spans(spans)}</dd>"
        for title, spans in example.spans.items()
    )
    return (
        f'<article>\n<video src="{escape(example.video)}" controls loop muted autoplay playsinline '
        f'preload="metadata"></video>\n<dl>\n<dt>Reference</dt><dd>{_stops(escape(example.reference))}</dd>\n{said}\n</dl>\n'
        "</article>"
    )


def _spans(spans: list[tuple[str, bool]]) -> str:
    if not spans:
        return '<span class="wrong">(nothing)</span>'
    marked = [f'<span class="{"right" if right else "wrong"}">{escape(text)}</span>' for text, right in spans]
    return _stops(" ".join(marked))


def _stops(text: str) -> str:
    """Full stops where people put them; the captions' tokens stand apart."""
    return text.replace(" .", ".")


def _details(results: Results) -> str:
    settings = results.settings
    clips = ", ".join(f"{count} {name}" for name, count in settings["clips"].items())
    facts = {
        **{name.capitalize(): value for name, value in results.environment.items()},
        "Clips": f"{clips}; all different, 56 × 56 pixels, 16 frames at 8 fps",
        "Supervised stage": f"{settings['sft_steps']} steps, learning rate {settings['sft_rate']:g}",
        "Pairs": f"best and worst of {settings['candidates']} samples at temperature {settings['temperature']:g}, by F1 "
        "of keypoints",
        "Preference stage": f"{settings['preference_steps']} steps a run, {settings['seeds']} seeds; learning rates "
        + ", ".join(f"{method} {runs[0].rate:g}" for method, runs in results.runs.items()),
        "All stages": f"batches of {settings['batch_size']}, Muon for hidden matrices with AdamW for the rest, cosine, "
        f"{settings['threads']} thread a process, seed {settings['seed']}",
        "Duration": "; ".join(f"{name} {seconds:.0f} s" for name, seconds in results.seconds.items()),
    }
    lines = "\n".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in facts.items())
    return f'<dl class="facts">\n{lines}\n</dl>'
