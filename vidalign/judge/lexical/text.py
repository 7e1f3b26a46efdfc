"""Text -> sentences of tokens, a quotation being one of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import regex

from vidalign.judge.lexical.english import role
from vidalign.text.stems import stem, word_set
from vidalign.text.words import APOSTROPHES, UNSPACED, folded

# What joins two letters makes one word of them: "man's", "twenty-five", "example.com".
_WORD = rf"""[{UNSPACED}--\p{{M}}]\p{{M}}*
    | [\p{{L}}\p{{N}}--[{UNSPACED}]] (?: [\p{{L}}\p{{N}}\p{{M}}--[{UNSPACED}--\p{{M}}]]
      | (?<=\p{{N}})[,:](?=\p{{N}}) | ['’ʼ＇.\-‐‑/&@_+=](?=[\p{{L}}\p{{N}}]) )*"""
# Each pattern excludes its own opening mark and the line's end, so that no character is scanned more than a few times.
_QUOTE = r"""(?<![\p{L}\p{N}])["＂][^"＂\n]{1,2000}["＂]      # not the inches of 5"
    | [“„][^“”„\n]{1,2000}[“”] | «[^«»\n]{1,2000}» | 「[^「」\n]{1,2000}」 | 『[^『』\n]{1,2000}』
    | ‘(?:[^‘’\n]|’(?=\p{L})){1,2000}+’(?!\p{L})             # ’ before a letter is an apostrophe
    | (?<![\p{L}\p{N}])'(?=\p{L})(?:[^'\n]|(?<=\p{L})'(?=\p{L})){1,2000}+(?<!\s)'(?!\p{L})"""
_TOKEN = regex.compile(
    rf"(?P<quote>{_QUOTE}) | (?P<word>{_WORD}) | (?P<end>[.!?…。．！？｡;；\n]) | (?P<mark>[^\s*\#])",
    regex.VERBOSE | regex.V1,
)
_WORDS = regex.compile(_WORD, regex.VERBOSE | regex.V1)
_GOES_ON = regex.compile(r"\s*+[\p{Ll},.;:)]")
_MARKS = {**dict.fromkeys(",，、(（)）—–-‐[]{}", "pause"), ":": "colon", "：": "colon"}
ENDS = tuple(".!?…。！？")
_ABBREVIATIONS = word_set("mr mrs ms dr st vs prof sr jr")
_WHOLE = {
    "can't": "can not", "won't": "will not",
    **{f"{word}'s": f"{word} is" for word in ("it", "he", "she", "there", "that", "what", "who", "here", "where")},
}  # fmt: skip
_ENDINGS = {"n't": " not", "'re": " are", "'ll": " will", "'ve": " have", "'m": " am", "'d": " would"}


class Token(NamedTuple):
    """role: as in `english.role`, or "pause", "colon", "mark", "quote". start, end: its place in the text.

    A quotation's `word` is what stands between its marks, and it has no stem. article: set by `clauses.reduced`.
    """

    word: str
    role: str
    stem: str
    start: int
    end: int
    article: bool = False


@dataclass(frozen=True)
class Sentence:
    """asks: it ends in a question mark. tied: to the sentence before, by a semicolon or as part of a list after a colon."""

    tokens: tuple[Token, ...]
    asks: bool
    tied: bool

    @property
    def quotes(self) -> bool:
        return any(token.role == "quote" for token in self.tokens)

    def unquoted(self) -> list[Token]:
        """With the words of quotations in their place, role "quoted" in place of "word", and no comma or colon before."""
        tokens: list[Token] = []
        for token in self.tokens:
            if token.role != "quote":
                tokens.append(token)
                continue
            if tokens and tokens[-1].role in ("pause", "colon"):
                tokens.pop()
            for match in _WORDS.finditer(token.word):
                inner = (word._replace(start=token.start, end=token.end) for word in _tokens(match))
                tokens += (word._replace(role="quoted") if word.role == "word" else word for word in inner)
        return tokens


def sentences(text: str) -> list[Sentence]:
    """Split at . ! ? … ; their CJK forms and line ends, but not in numbers, abbreviations, quotations and after a colon.

    A quotation that ends a sentence inside its marks ends the outer one too, unless it goes on in lower case.
    """
    found: list[Sentence] = []
    tokens: list[Token] = []
    marks = ""  # since the sentence before
    listed = False  # after a colon at a line's end

    def close(mark: str) -> None:
        nonlocal marks, listed
        if tokens:
            listed = listed and "\n\n" not in marks
            found.append(Sentence(tuple(tokens), mark in ("?", "？"), listed or marks in (";", "；")))
            tokens.clear()
            marks = ""
        marks += mark

    for match in _TOKEN.finditer(text):
        piece = match.group()
        if match["word"]:
            tokens += _tokens(match)
        elif match["quote"]:
            tokens.append(Token(piece[1:-1], "quote", "", *match.span()))
            if piece[:-1].rstrip().endswith(ENDS) and not _GOES_ON.match(text, match.end()):
                close(".")
        elif match["mark"]:
            tokens.append(Token(piece, _MARKS.get(piece, "mark"), piece, *match.span()))
        elif piece == "\n" and tokens and tokens[-1].role == "colon":
            listed = True
        elif not (piece == "." and tokens and tokens[-1].word in _ABBREVIATIONS):
            close(piece)
    close("")
    return found


def _tokens(match: regex.Match[str]) -> Iterator[Token]:
    """The word, or the words of a contraction."""
    return (Token(*word, *match.span()) for word in _written_out(match.group()))


@lru_cache(maxsize=1 << 16)
def _written_out(piece: str) -> list[tuple[str, str, str]]:
    word = APOSTROPHES.sub("'", folded(piece))
    ending = next((ending for ending in _ENDINGS if word.endswith(ending)), "")
    whole = _WHOLE.get(word, word.removesuffix(ending) + _ENDINGS.get(ending, ""))
    return [(part, role(part), stem(part)) for part in whole.split()]
