"""Text -> sentences of tokens, with the marks, quotations and hyphens that decide what a sentence says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import regex

from vidalign.judge.lexicon import kind, word_set
from vidalign.judge.quotes import quotes
from vidalign.judge.words import words

_TOKEN = regex.compile(
    r"""
      (?P<number>\p{N}+(?:[.,:]\p{N}+)+(?![\p{L}\p{N}]))
    | (?P<word>[\p{L}\p{N}][\p{L}\p{N}\p{M}]*(?:['’ʼ＇][\p{L}\p{M}]+)*)
    | (?P<end>[.!?…。．！？｡;；\n])
    | (?P<mark>[^\s\p{L}\p{N}])
    """,
    regex.VERBOSE | regex.V1,
)
_APOSTROPHE = regex.compile("['’ʼ＇]")
_ABBREVIATIONS = word_set("mr mrs ms dr st vs prof sr jr")
_SYMBOLS = {"%": "percent", "$": "dollar", "€": "euro", "£": "pound", "°": "degree"}
_PAUSES = frozenset(",，、(（)）—–[]{}")
_JOINTS = frozenset("-‐‑/&@_+=*")
_CONTRACTED = {"re": "are", "ll": "will", "ve": "have", "m": "am", "d": "would"}
_IS = word_set("it he she there that what who here where")


class Token(NamedTuple):
    """word: normalised. kind: a letter of `lexicon.kind`; "," for a pause, ":" for any other mark.

    joined: a hyphen or the like ties it to the token before. quote: number of its quotation, from 1; 0 outside.
    start, end: its place in the text.
    """

    word: str
    kind: str
    joined: bool
    quote: int
    start: int
    end: int


@dataclass(frozen=True)
class Sentence:
    """start, end: the place in the text, without the end mark. asks: whether it ends in a question mark.

    after: the end marks and line ends between it and the sentence before.
    """

    tokens: tuple[Token, ...]
    start: int
    end: int
    asks: bool
    after: str = ""


def sentences(text: str) -> list[Sentence]:
    """Split at . ! ? … ; their CJK forms and line ends, but not in numbers, abbreviations and quotations.

    A quotation that ends a sentence inside its marks ends the outer one too, unless it goes on in lower case.
    """
    spans = iter(enumerate(quotes(text), 1))
    number, span = next(spans, (0, None))
    found: list[Sentence] = []
    tokens: list[Token] = []
    marks: list[str] = []
    joint = False

    def close(mark: str) -> None:
        nonlocal tokens, marks
        if tokens:
            asks = mark in ("?", "？")
            found.append(Sentence(tuple(tokens), tokens[0].start, tokens[-1].end, asks, "".join(marks)))
            tokens, marks = [], []
        marks.append(mark)

    for match in _TOKEN.finditer(text):
        start, end, piece = match.start(), match.end(), match.group()
        while span is not None and span.end <= start:
            if span.text.rstrip()[-1:] in tuple(".!?…。！？") and _opens(text, span.end):
                close(".")
            number, span = next(spans, (0, None))
        inside = number if span is not None and span.start <= start else 0
        if span is not None and (start == span.start or end == span.end):
            continue  # the marks themselves
        if match["end"]:
            if inside:
                joint = False
            elif piece == "." and _within(text, start):
                joint = True
            elif piece == "." and tokens and tokens[-1].word in _ABBREVIATIONS and tokens[-1].end == start:
                joint = False
            else:
                close(piece)
        elif match["mark"]:
            joint = piece in _JOINTS and text[start - 1 : start].isalnum() and text[end : end + 1].isalnum()
            if piece in _SYMBOLS:
                tokens.append(Token(_SYMBOLS[piece], "W", joint, inside, start, end))
            elif not joint and piece not in _JOINTS and not inside:
                tokens.append(Token(piece, "," if piece in _PAUSES else ":", False, inside, start, end))
        else:
            for word, first, last in _split(piece, start, bool(match["number"])):
                tokens.append(Token(word, kind(word), joint, inside, first, last))
                joint = False
    close("")
    return found


def _within(text: str, dot: int) -> bool:
    return 0 < dot < len(text) - 1 and text[dot - 1].isalnum() and text[dot + 1].isalnum()


_NEXT = regex.compile(r"\s*+(\S)?")


def _opens(text: str, end: int) -> bool:
    following = _NEXT.match(text, end)
    mark = following[1] if following else None
    return mark is None or not (mark.islower() or mark in ",.;:)")


def _split(piece: str, start: int, number: bool) -> list[tuple[str, int, int]]:
    """The words of a piece of text, contractions written out, characters of unspaced scripts one by one."""
    end = start + len(piece)
    if number:
        return [(piece, start, end)]
    parts = _APOSTROPHE.split(piece)
    if len(parts) > 1:
        head, tail = "".join(parts[:-1]).casefold(), parts[-1].casefold()
        if tail == "t" and head.endswith("n"):
            stem = {"ca": "can", "wo": "will", "sha": "shall"}.get(head[:-1], head[:-1])
            return [(stem, start, end), ("not", start, end)]
        if tail in _CONTRACTED:
            return [(head, start, end), (_CONTRACTED[tail], start, end)]
        if tail == "s":
            return [(head, start, end), ("is" if head in _IS else "'s", start, end)]
    if piece.isascii():
        return [("".join(parts).lower(), start, end)]
    found = words(piece)
    if len(found) == len(piece):
        return [(word, start + i, start + i + 1) for i, word in enumerate(found)]
    return [(word, start, end) for word in found]
