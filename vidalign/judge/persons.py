"""Whether descriptions of speakers can be meant for one person, by their words alone; in doubt they are not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from vidalign.judge.lexicon import kind, stem, word_set
from vidalign.judge.sentences import sentences

_CLASSES = {
    "male": "man men boy boys he him his male males guy guys father dad grandfather grandpa son brother uncle husband king "
    "gentleman gentlemen sir mr lad actor policeman businessman salesman fisherman waiter",
    "female": "woman women girl girls she her hers female females lady ladies mother mom mum grandmother grandma daughter "
    "sister aunt wife queen mrs ms madam actress policewoman businesswoman waitress",
    "child": "boy boys girl girls child children kid kids baby babies toddler toddlers infant lad",
    "adult": "man men woman women adult adults father dad mother mom mum grandfather grandmother grandpa grandma husband wife "
    "lady ladies gentleman gentlemen policeman policewoman businessman businesswoman waiter waitress",
    "many": "men women boys girls males females guys ladies gentlemen adults children kids babies toddlers people they them "
    "crowd group audience choir both students voices speakers persons everyone everybody",
}
_OF_WORD: dict[str, frozenset[str]] = {
    word: frozenset(name for name, text in _CLASSES.items() if word in text.split())
    for text in _CLASSES.values()
    for word in text.split()
}
# Replaced by their classes; the others, such as "father", say more than that.
_PLAIN = word_set(
    "man men boy boys he him his male males guy guys woman women girl girls she her hers female females lady ladies child "
    "children kid kids adult adults gentleman gentlemen they them mr mrs ms sir madam"
)
_EMPTY = word_set(
    "speaker speakers person persons people voice voices someone somebody individual character figure one ones unknown "
    "unidentified unnamed unseen another other i you we it off-screen offscreen"
)
_ORDINALS = {"first": "1", "second": "2", "third": "3", "fourth": "4", "fifth": "5", "sixth": "6"}


@dataclass(frozen=True)
class Person:
    """words: content words, with classes in place of plain words. classes: sex, age and number. numbers: 1 for "first"."""

    words: frozenset[str]
    classes: frozenset[str]
    numbers: frozenset[str]


def person(description: str) -> Person:
    tokens = [token for sentence in sentences(description) for token in sentence.tokens]
    words: set[str] = set()
    numbers: set[str] = set()
    classes: dict[str, str] = {}
    head, owner = True, False
    before = ""
    for token in tokens:
        last, before = before, token.word
        word, place = token.word, kind(token.word)
        owner = owner or place == "Z"
        # "the man next to the woman", "a boy wearing": what is said of the one who is meant ends here.
        head = head and place not in "PTRS,:" and not (bool(words) and word.endswith("ing"))
        if place in "ACHRPTZSB,:" or (place == "D" and word not in _OF_WORD):
            continue
        known = _OF_WORD.get(word, frozenset())
        number = _ORDINALS.get(word, stem(word))
        # "speaker one", but not "the tall one".
        if number.isdigit() and (word != "one" or last in _EMPTY or last in _OF_WORD):
            numbers.add(number)
        elif head and known:
            if owner:  # "the woman's son"
                classes, owner = {}, False
            classes.update((_axis(name), name) for name in known)
            if word not in _PLAIN:
                words.add(stem(word))
        elif word not in _EMPTY:
            words.add(stem(word))
    named = frozenset(classes.values())
    return Person(frozenset(words | {f"<{name}>" for name in named}), named, frozenset(numbers))


def _axis(name: str) -> str:
    return {"male": "sex", "female": "sex", "child": "age", "adult": "age"}.get(name, name)


def alike(one: Person, other: Person) -> bool:
    """Whether one description holds the other, and sex, age and number do not differ. Descriptions of nobody: no."""
    if not one.words | one.numbers or not other.words | other.numbers or one.numbers != other.numbers:
        return False
    if any(_axis(a) == _axis(b) and a != b for a in one.classes for b in other.classes):
        return False
    if ("many" in one.classes) != ("many" in other.classes):
        return False
    return one.words <= other.words or other.words <= one.words


def same(pairs: Sequence[tuple[str, str]]) -> list[bool]:
    """Whether each pair's descriptions are alike, where no description may stand for two persons.

    Of the partners that a description is alike to in the pairs, only the one that it is paired with most often counts, the
    first of equals: "a man" for everybody is right for one man at most.
    """
    read = [(person(one), person(other)) for one, other in pairs]
    counts = Counter(pair for pair in read if alike(*pair))
    partners: tuple[set[Person], set[Person]] = (set(), set())
    kept = set()
    for pair, _ in counts.most_common():
        if pair[0] not in partners[0] and pair[1] not in partners[1]:
            kept.add(pair)
            partners[0].add(pair[0])
            partners[1].add(pair[1])
    return [pair in kept for pair in read]
