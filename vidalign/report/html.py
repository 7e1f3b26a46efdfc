"""Pieces of the page."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Protocol

from vidalign.report.style import CSS
from vidalign.report.tables import Summary


def page(title: str, heading: str, lead: str, sections: Sequence[str]) -> str:
    """The whole file."""
    body = "\n".join([f"<h1>{escape(heading)}</h1>", f"<p class=lead>{escape(lead)}</p>", *sections])
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{CSS}</style>\n</head>\n"
        f"<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def section(title: str, content: str) -> str:
    return f"<section>\n<h2>{escape(title)}</h2>\n{content}\n</section>"


def listed(items: Iterable[str]) -> str:
    return "<ul>\n" + "\n".join(f"<li>{escape(item)}</li>" for item in items) + "\n</ul>"


def notes(items: Iterable[str]) -> str:
    return '<div class="notes">' + "".join(f"<p>{escape(item)}</p>" for item in items) + "</div>"


def facts(values: Mapping[str, str]) -> str:
    lines = "\n".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in values.items())
    return f'<dl class="facts">\n{lines}\n</dl>\n'


MANY = 7
"""Columns of a table up to which the usual type fits the page."""


def table(summary: Summary, colours: Mapping[str, str]) -> str:
    """colours: by the first word or words of a row."""
    head = "".join(f"<th>{escape(name)}</th>" for name in summary.headers)
    lines = []
    for first, *rest in summary.rows:
        cells = "".join(f"<td>{escape(cell)}</td>" for cell in rest)
        colour = next((colours[name] for name in (first, first.split(",")[0]) if name in colours), None)
        mark = swatch(colour) if colour else ""
        lines.append(f'<tr><th scope="row">{mark}{escape(first)}</th>{cells}</tr>')
    many = ' class="many"' if len(summary.headers) > MANY else ""
    return (
        f'<div class="scroll"><table{many}>\n<thead><tr>{head}</tr></thead>\n<tbody>\n'
        + "\n".join(lines)
        + f"\n</tbody>\n</table></div>\n{notes(summary.notes)}"
    )


def swatch(colour: str) -> str:
    return f'<span class="swatch" style="background:{colour}"></span>'


def charts(items: Iterable[tuple[str, str]]) -> str:
    """items: titles and SVG texts."""
    return '<div class="charts">\n' + "\n".join(_chart(*item) for item in items) + "\n</div>"


def _chart(title: str, svg: str) -> str:
    # As an image: several inline SVGs from one library would share ids.
    data = base64.b64encode(svg.encode()).decode()
    label = escape(title)
    return f'<figure><figcaption>{label}</figcaption><img alt="{label}" src="data:image/svg+xml;base64,{data}"></figure>'


def video(source: str, *, sound: bool = False) -> str:
    """sound: waits to be played, as browsers play by themselves only what is muted."""
    how = "" if sound else "loop muted autoplay "
    return f'<video src="{escape(source)}" controls {how}playsinline preload="metadata"></video>'


class Shown(Protocol):
    """A clip of a report. video: its file. spans: by title, a caption in pieces and whether each is right."""

    @property
    def video(self) -> str: ...
    @property
    def reference(self) -> str: ...
    @property
    def spans(self) -> Mapping[str, Iterable[tuple[str, bool]]]: ...


def clips(examples: Iterable[Shown], colours: Mapping[str, str], *, sound: bool = False) -> str:
    """Clips beside what was said of them."""
    articles = "\n".join(_clip(example, colours, sound) for example in examples)
    return f'<div class="clips">\n{articles}\n</div>'


def _clip(example: Shown, colours: Mapping[str, str], sound: bool) -> str:
    said = "\n".join(
        f"<dt>{swatch(colours[title])}{escape(title)}</dt><dd>{spans(pieces)}</dd>"
        for title, pieces in example.spans.items()
    )
    return (
        f"<article>\n{video(example.video, sound=sound)}\n<dl>\n<dt>Reference</dt>"
        f"<dd>{stops(escape(example.reference))}</dd>\n{said}\n</dl>\n</article>"
    )


def spans(pieces: Iterable[tuple[str, bool]]) -> str:
    """Pieces of a caption, marked as right or wrong."""
    marked = [
        f'<span class="{"right" if right else "wrong"}">{escape(text)}</span>' for text, right in pieces
    ]
    return stops(" ".join(marked)) if marked else '<span class="wrong">(nothing)</span>'


def stops(text: str) -> str:
    """Full stops where people put them; the captions' tokens stand apart."""
    return text.replace(" .", ".")
