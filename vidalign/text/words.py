"""Text -> words, the same way wherever texts are compared."""

from __future__ import annotations

import unicodedata

import regex

# Scripts written without spaces between words: every character, with its marks, is a word.
UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
APOSTROPHES = regex.compile("['\u2018\u2019\u02bc\uff07]")
_WORD = regex.compile(
    rf"[{UNSPACED}--\p{{M}}]\p{{M}}*|[\p{{L}}\p{{N}}--[{UNSPACED}]][\p{{L}}\p{{N}}\p{{M}}--[{UNSPACED}--\p{{M}}]]*",
    regex.V1,
)


def words(text: str) -> list[str]:
    """The words of a text: NFKC and case folded, apostrophes dropped ("don't" -> "dont"), split at everything that is
    neither letter, mark nor digit; scripts without spaces by character."""
    return _WORD.findall(APOSTROPHES.sub("", folded(text)))


def folded(text: str) -> str:
    """NFKC and case folded."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


_UNSPACED_WORD = regex.compile(rf"[{UNSPACED}--\p{{M}}]", regex.V1)


def plain(text: str) -> str:
    """A text as its words only, with one space between them and none between those of scripts without spaces."""
    out: list[str] = []
    for word in words(text):
        if out and not (_UNSPACED_WORD.match(word) and _UNSPACED_WORD.match(out[-1])):
            out.append(" ")
        out.append(word)
    return "".join(out)
