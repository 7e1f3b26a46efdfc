"""The words of a caption with their places, so that a change of one can be found and nothing else be touched."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import NamedTuple

import regex

# Scripts written without spaces between words: every character, with its marks, is a word.
_UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
_LETTERS = rf"[\p{{L}}\p{{N}}--[{_UNSPACED}]][\p{{L}}\p{{N}}\p{{M}}--[{_UNSPACED}--\p{{M}}]]*"
_APOSTROPHE = "['\u2018\u2019\u02bc\uff07]"
# A possessive 's is a word of its own: "the man's hat" has a man.
_WORD = regex.compile(
    rf"[{_UNSPACED}--\p{{M}}]\p{{M}}*"
    rf"|(?<=[\p{{L}}\p{{N}}\p{{M}}]){_APOSTROPHE}[sS]\b"
    rf"|{_LETTERS}(?:{_APOSTROPHE}(?![sS]\b){_LETTERS})*",
    regex.V1,
)
# The same where there is nothing but ASCII, ten times as fast.
_ASCII_WORD = re.compile(r"(?<=[a-z0-9])'s\b|[a-z0-9]+(?:'(?!s\b)[a-z0-9]+)*", re.IGNORECASE | re.ASCII)
_APOSTROPHES = regex.compile(_APOSTROPHE)


class Token(NamedTuple):
    """start, end: place in the text. word: without case and width, "'" for every apostrophe."""

    start: int
    end: int
    word: str


@lru_cache(maxsize=4096)
def tokens(text: str) -> tuple[Token, ...]:
    """The words in order. Hyphens and all other signs stand between words."""
    # A caption is looked at many times while its chain grows.
    if text.isascii():
        return tuple(
            Token(match.start(), match.end(), match[0].lower()) for match in _ASCII_WORD.finditer(text)
        )
    return tuple(Token(match.start(), match.end(), _plain(match[0])) for match in _WORD.finditer(text))


def _plain(word: str) -> str:
    return _APOSTROPHES.sub("'", unicodedata.normalize("NFKC", word).casefold())
