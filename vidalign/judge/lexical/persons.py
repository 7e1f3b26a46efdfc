"""Whether descriptions of speakers can be meant for one person, by their words alone; in doubt they are not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from vidalign.text.english import NEGATIONS
from vidalign.text.sentences import END, sentences
from vidalign.text.stems import word_set

_MEN = word_set("father dad husband grandfather uncle")
_WOMEN = word_set("mother mom mum wife grandmother aunt")
_TRAITS = {
    "<male>": _MEN | word_set("he him his male males guy guys sir mr man men gentleman gentlemen boy boys"),
    "<female>": _WOMEN | word_set("she her hers female females mrs ms woman women lady ladies girl girls"),
    "<adult>": _MEN | _WOMEN | word_set("man men gentleman gentlemen woman women lady ladies adult adults"),
    "<child>": word_set("boy boys girl girls child children kid kids"),
    "<many>": word_set("males guys men gentlemen boys females women ladies girls children kids they them"),
}
_EMPTY = word_set(
    "speaker speakers person persons people voice voices voice-over voiceover someone somebody individual character figure one ones "
    "unknown unidentified unnamed unseen another other i you we it off-screen offscreen"
)
_ORDINALS = {"first": "1", "second": "2", "third": "3", "fourth": "4", "fifth": "5", "sixth": "6"}


def person(description: str) -> frozenset[str]:
    """Stems that describe, traits of the noun ("the woman next to the man" is no man), and digits, for "first" as well."""
    found = set[str]()
    before, hangs = END, False
    text = description.replace("'s voice", "").replace("’s voice", "")
    for token in (token for sentence in sentences(text) for token in sentence.tokens):
        wearing = token.word.endswith("ing") and before.role == "word"
        hangs = hangs or wearing or token.role in ("preposition", "to", "relative", "pause")
        traits = {trait for trait, words in _TRAITS.items() if token.word in words}
        number = _ORDINALS.get(token.word, token.stem)
        if number.isdigit() and (token.word != "one" or before.word in _EMPTY):
            found.add(number)  # "speaker one", but not "the tall one"
        elif traits and not hangs:
            found |= traits | (_MEN | _WOMEN) & {token.word}
        elif token.role == "word" and token.word not in _EMPTY:
            found.add(token.stem)
        before = token
    return frozenset(found)


def same(pairs: Sequence[tuple[str, str]]) -> list[bool]:
    """Whether of each pair's descriptions one holds the other, with the same numbers and negations, and none stands for two persons.

    Of the partners that a description has in the pairs, only the one that it is paired with most often counts, the first of
    equals: "a man" for everybody is right for one man at most.
    """
    read = [(person(one), person(other)) for one, other in pairs]
    partner: dict[frozenset[str], frozenset[str]] = {}
    for (one, other), _ in Counter(read).most_common():
        apart = any(word == "<many>" or word in NEGATIONS or word.isdigit() for word in one ^ other)
        alike = one and other and not apart and (one <= other or other <= one)
        if alike and one not in partner and other not in partner.values():
            partner[one] = other
    return [partner.get(one) == other for one, other in read]
