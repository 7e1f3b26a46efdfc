"""Whether descriptions of speakers can be meant for one person, by their words alone; in doubt they are not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from vidalign.judge.lexical.clauses import head_end
from vidalign.judge.lexical.text import sentences
from vidalign.text.stems import word_set

_TRAITS = {
    "<male>": "he him his male males guy guys sir mr man men gentleman gentlemen boy boys lad",
    "<female>": "she her hers female females madam mrs ms woman women lady ladies girl girls",
    "<adult>": "man men gentleman gentlemen woman women lady ladies adult adults",
    "<child>": "boy boys lad girl girls child children kid kids",
    "<many>": "males guys men gentlemen boys females women ladies girls adults children kids they them",
}
_EMPTY = word_set(
    "speaker speakers person persons people voice voices someone somebody individual character figure one ones unknown unidentified "
    "unnamed unseen another other i you we it off-screen offscreen"
)
_ORDINALS = {"first": "1", "second": "2", "third": "3", "fourth": "4", "fifth": "5", "sixth": "6"}


def person(description: str) -> frozenset[str]:
    """Stems that describe, traits of the noun ("the woman next to the man" is no man), and digits, for "first" as well."""
    parts = sentences(description.replace("'s voice", "").replace("’s voice", ""))
    tokens = [token for part in parts for token in part.tokens]
    head, found = head_end(tokens, 0, len(tokens)), set[str]()
    for place, token in enumerate(tokens):
        number = _ORDINALS.get(token.word, token.stem)
        traits = {trait for trait, text in _TRAITS.items() if token.word in text.split()}
        if number.isdigit() and (token.word != "one" or (place and tokens[place - 1].word in _EMPTY)):
            found.add(number)  # "speaker one", but not "the tall one"
        elif traits and place < head:
            found |= traits
        elif token.role == "word" and token.word not in _EMPTY:
            found.add(token.stem)
    return frozenset(found)


def alike(one: frozenset[str], other: frozenset[str]) -> bool:
    """Whether one description holds the other, with the same numbers. Descriptions of nobody: no."""
    apart = any(word == "<many>" or word.isdigit() for word in one ^ other)
    return bool(one and other) and not apart and (one <= other or other <= one)


def same(pairs: Sequence[tuple[str, str]]) -> list[bool]:
    """Whether each pair's descriptions are alike, where no description may stand for two persons.

    Of the partners that a description is alike to in the pairs, only the one that it is paired with most often counts, the
    first of equals: "a man" for everybody is right for one man at most.
    """
    read = [(person(one), person(other)) for one, other in pairs]
    partner: dict[frozenset[str], frozenset[str]] = {}
    for (one, other), _ in Counter(pair for pair in read if alike(*pair)).most_common():
        if one not in partner and other not in partner.values():
            partner[one] = other
    return [partner.get(one) == other for one, other in read]
