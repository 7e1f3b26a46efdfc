"""Where a text quotes: the spans between quotation marks."""

from __future__ import annotations

from typing import NamedTuple

import regex

# Each pattern excludes its own opening mark and the line's end, so that no character is scanned more than a few times.
_LONGEST = 2000
_QUOTED = regex.compile(
    rf"""
      (?<![\p{{L}}\p{{N}}])["＂]([^"＂\n]{{1,{_LONGEST}}})["＂]      # not the inches of 5"
    | “([^“”\n]{{1,{_LONGEST}}})”
    | „([^„“”\n]{{1,{_LONGEST}}})[“”]
    | «([^«»\n]{{1,{_LONGEST}}})»
    | 「([^「」\n]{{1,{_LONGEST}}})」
    | 『([^『』\n]{{1,{_LONGEST}}})』
    | ‘((?:[^‘’\n]|’(?=\p{{L}})){{1,{_LONGEST}}}+)’(?!\p{{L}})       # ’ before a letter is an apostrophe
    | (?<![\p{{L}}\p{{N}}])'(?=\p{{L}})((?:[^'\n]|(?<=\p{{L}})'(?=\p{{L}})){{1,{_LONGEST}}}+)(?<!\s)'(?!\p{{L}})
    """,
    regex.VERBOSE,
)


class Quote(NamedTuple):
    """start, end: the span with its marks. text: what stands between them."""

    start: int
    end: int
    text: str


def quotes(text: str) -> list[Quote]:
    """The outermost quotations, none across lines; a mark without its partner is none, and neither is an apostrophe."""
    return [
        Quote(match.start(), match.end(), next(group for group in match.groups() if group is not None))
        for match in _QUOTED.finditer(text)
    ]
