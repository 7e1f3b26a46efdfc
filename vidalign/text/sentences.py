"""Text -> sentences of tokens."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

import regex

from vidalign.text.english import role
from vidalign.text.stems import stem, word_set
from vidalign.text.words import APOSTROPHES, UNSPACED, folded

# What joins two letters makes one word of them: "man's", "twenty-five", "example.com".
_WORD = rf"""[{UNSPACED}--\p{{M}}]\p{{M}}*
    | [\p{{L}}\p{{N}}--[{UNSPACED}]] (?: [\p{{L}}\p{{N}}\p{{M}}--[{UNSPACED}--\p{{M}}]]
      | (?<=\p{{N}})[,:](?=\p{{N}}) | ['’ʼ＇.\-‐‑/&@_+=](?=[\p{{L}}\p{{N}}]) )*"""
# Each pattern excludes its own opening mark and the line's end, so that no character is scanned more than a few times. Not
# quotations: the inches of 5", the apostrophes of "boys'" and "'n roll".
_QUOTE = r"""(?<![\p{L}\p{N}])["＂][^"＂\n]{1,2000}["＂] | [“„][^“”„\n]{1,2000}[“”] | «[^«»\n]{1,2000}»
    | 「[^「」\n]{1,2000}」 | 『[^『』\n]{1,2000}』
    | (?:‘|(?<![\p{L}\p{N}])'(?=\p{L}))(?:[^'‘’\n]|(?<=\p{L})['’](?=\p{L})){1,2000}+(?<!\s)['’](?!\p{L})"""
_END = r"[.!?…。．！？｡;；]++\s*+ | \n\s*+"
_TOKEN = regex.compile(
    rf"(?P<word>{_WORD}) | (?P<quote>{_QUOTE}) | (?P<end>{_END}) | (?P<mark>[^\s*\#])",
    regex.VERBOSE | regex.V1,
)
_WORDS = regex.compile(_WORD, regex.VERBOSE | regex.V1)
_GOES_ON = regex.compile(r"\s*+[\p{Ll},.;:)]")
_MARKS = {**dict.fromkeys(",，、(（)）—–-‐[]{}", "pause"), ":": "colon", "：": "colon"}
ENDS = tuple(".!?…。！？")
_ABBREVIATIONS = word_set("mr mrs ms dr st vs prof sr jr")
_CONTRACTIONS = {"can't": "can not", "won't": "will not"} | {
    f"{word}'s": f"{word} is" for word in word_set("it he she there that what who here where")
}
_ENDINGS = {"n't": " not", "'re": " are", "'ll": " will", "'ve": " have", "'m": " am", "'d": " would"}


class Token(NamedTuple):
    """role: as in `text.english.role`, or "pause", "colon", "mark", "end"; "quote", without a stem, for what stands between
    two marks, and "quoted" for a word of it with content. start, end: its place in the text; a word of a quotation has that
    of the quotation. article: whether one stands before it, as `clauses.reduced` finds out."""

    word: str
    role: str
    stem: str
    start: int
    end: int
    article: bool = False


END = Token("", "end", "", 0, 0)


class Sentence(NamedTuple):
    """tokens: a quotation is one. opened: with the words of quotations in their place, and no comma or colon before them.
    end: the marks and the space after it. quotes: whether it has quotations."""

    tokens: list[Token]
    opened: list[Token]
    end: str
    quotes: bool


def sentences(text: str) -> Iterator[Sentence]:
    """Split at . ! ? … ; their CJK forms and line ends, but not in numbers, abbreviations, quotations and after a colon.

    A quotation that ends a sentence inside its marks ends the outer one too, unless it goes on in lower case.
    """
    tokens, opened, quotes = list[Token](), list[Token](), False
    for match in _TOKEN.finditer(f"{text}\n."):
        piece, end, last = match.group(), match["end"], tokens[-1] if tokens else END
        if match["quote"]:
            content, quotes = piece[1:-1].strip(), True
            tokens.append(Token(content, "quote", "", *match.span()))
            del opened[len(opened) - (last.role in ("pause", "colon")) :]
            inner = [token for word in _WORDS.finditer(content) for token in _read(word.group())]
            opened += [
                Token(word, "quoted" if role == "word" else role, stem, *match.span())
                for word, role, stem in inner
            ]
            end = "" if content.endswith(ENDS) and not _GOES_ON.match(text, match.end()) else None
        elif end is None:
            read = _read(piece) if match["word"] else [(piece, _MARKS.get(piece, "mark"), piece)]
            added = [Token(*token, *match.span()) for token in read]
            tokens += added
            opened += added
        elif (end[0] == "." and last.word in _ABBREVIATIONS) or (end[0] == "\n" and last.role == "colon"):
            end = None
        if tokens and end is not None:
            yield Sentence(tokens, opened, folded(end), quotes)
            tokens, opened, quotes = [], [], False


@lru_cache(maxsize=1 << 16)
def _read(piece: str) -> list[tuple[str, str, str]]:
    """The word, or the words of a contraction, each with its role and stem."""
    word = APOSTROPHES.sub("'", folded(piece))
    ending = next((ending for ending in _ENDINGS if word.endswith(ending)), "")
    words = _CONTRACTIONS.get(word, word.removesuffix(ending) + _ENDINGS.get(ending, ""))
    return [(part, role(part), stem(part)) for part in words.split()]
