"""The stem that the inflections of an English word share, and sets of words and stems written as text."""

from __future__ import annotations

from functools import lru_cache

import snowballstemmer

_SAME = {
    "one": "1", "two": "2", "three": "3", "four": "4", "five": "5", "six": "6", "seven": "7", "eight": "8", "nine": "9",
    "ten": "10", "eleven": "11", "twelve": "12", "gray": "grey", "an": "a", "toward": "towards",
    "leftward": "left", "leftwards": "left", "rightward": "right", "rightwards": "right", "upward": "up", "upwards": "up",
    "downward": "down", "downwards": "down", "said": "say", "sang": "sing", "sung": "sing", "told": "tell", "spoke": "speak",
    "spoken": "speak",
}  # fmt: skip
_LONGEST_WORD = 40  # the stemmer takes more than linear time


def word_set(text: str) -> frozenset[str]:
    """The words of a list separated by spaces."""
    return frozenset(text.split())


def stem_set(text: str) -> frozenset[str]:
    """The stems of a list separated by spaces."""
    return frozenset(map(stem, text.split()))


_UNSTEMMED = word_set(
    "glasses news does this his its gas bus lens series species always perhaps during evening building ceiling"
)


@lru_cache(maxsize=1 << 16)
def stem(word: str) -> str:
    """The word without its inflection. Derivations stay apart: "quickly" is not "quick", "organs" not "organize"."""
    if word in _SAME:
        return _SAME[word]
    if not word.isascii() or not word.isalpha() or word in _UNSTEMMED or len(word) > _LONGEST_WORD:
        return word
    # A stemmer has a state: one object in several threads would mix their words.
    root = snowballstemmer.stemmer("english").stemWord(word)
    longest = 4 if word.endswith("ing") else 3 if word.endswith("ed") else 2 if word.endswith("s") else 1
    return root if len(word) - len(root) <= longest else word
