"""Whether a caption states a keypoint, by its words alone; in doubt it does not.

A sentence states a keypoint if it has all its words, inflected or not, in the keypoint's order, with nothing between two of
them but articles, auxiliaries and adverbs, or, where the keypoint has an article, an article and one or two words more
("holds a shiny red ball" states "holds a ball"). What parts a verb from its subject may be left out (see `clauses`). Any
other word starts another statement: "a blue square and a red circle moves left" says nothing of where the square moves.

The keypoint's first noun must not hang on a preposition or on a noun's "holding" ("near a square moves"), except as what is
shown or heard ("the sound of a dog barking"). A sentence states nothing if it asks, denies, doubts, reports or speaks to a judge in words that the
keypoint does not have, or is longer than `MAX_WORDS`. Quoted words are what somebody says, not what the caption states: they
count only for keypoints about speech or writing. A sentence that denies the keypoint voids it for the caption.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from functools import lru_cache
from itertools import groupby, pairwise

from vidalign.judge.lexical.clauses import BOUNDS, BREAKS, clause_start, is_verb, reduced, subject_end
from vidalign.judge.lexical.english import ABOUT_WORDS, ADDRESSES, DOUBTS, REPORTS, SHOWN
from vidalign.text.english import DIRECTIONS, NEGATIONS, inflected
from vidalign.text.sentences import END, Token, sentences

MAX_WORDS = 200
_MARKS = DOUBTS | ADDRESSES


class _Reading:
    """marks: its words that doubt or speak to a judge. negations: how often it denies."""

    def __init__(self, tokens: Sequence[Token], marks: Set[str] = frozenset()) -> None:
        self.tokens = tokens
        stems = [token.stem for token in tokens]
        self.stems = set(stems)
        self.marks = _MARKS.intersection([*stems, *map(" ".join, pairwise(stems))]) | marks
        self.negations = sum(token.word in NEGATIONS for token in tokens)


class _Keypoint(_Reading):
    """words: those that have to occur. quotes: it is about speech or writing. exists: it is a noun phrase without more,
    "there is a red circle"."""

    def __init__(self, text: str) -> None:
        parts = list(sentences(text))
        super().__init__([token for part in parts for token in part.opened])
        self.quotes = bool(self.stems & ABOUT_WORDS) or any(part.quotes for part in parts)
        words = reduced(self.tokens, self.stems)
        kept = [at for at, word in enumerate(words) if word.role not in BREAKS]
        words = words[kept[0] : kept[-1] + 1] if kept else []
        there = [word.stem for word in words[:2]] == ["there", "be"]
        self.words = words[2 * there :]
        self.exists = there or len(words) == 1
        self.needed = {word.stem for word in self.words if word.role != "be"}


_keypoint = lru_cache(maxsize=1 << 12)(_Keypoint)


def stated(caption: str, keypoints: Sequence[str]) -> list[bool]:
    """Whether the caption states each keypoint, by the rules at the top of this file."""
    plain, opened = list[_Reading](), list[_Reading]()  # without the words of quotations, and with them
    addresses: Set[str] = frozenset()
    listed = False
    for part in sentences(caption):
        reading = _Reading(part.opened, addresses)
        # What speaks to a judge also covers what follows a semicolon, and lists after a colon up to a blank line.
        listed = (listed or any(token.role == "colon" for token in part.tokens)) and part.end.count("\n") < 2
        addresses = reading.marks & ADDRESSES if listed or ";" in part.end else frozenset()
        if "?" not in part.end and len(part.tokens) <= MAX_WORDS:
            opened.append(reading)
            plain.append(_Reading(part.tokens, reading.marks & ADDRESSES) if part.quotes else reading)
    return [_states(opened if point.quotes else plain, point) for point in map(_keypoint, keypoints)]


def _states(readings: Sequence[_Reading], keypoint: _Keypoint) -> bool:
    near = [reading for reading in readings if keypoint.words and keypoint.needed <= reading.stems]
    alike = [x for x in near if (x.marks, x.negations) == (keypoint.marks, keypoint.negations)]
    if not any(_match(keypoint, reduced(reading.tokens, keypoint.stems)) for reading in alike):
        return False
    return not any(_denied(keypoint, x.tokens) for x in near if x.negations != keypoint.negations)


def _denied(keypoint: _Keypoint, tokens: Sequence[Token]) -> bool:
    """Whether a clause has all the keypoint's words in their order, with a negation before the last of them."""
    wanted = [word.stem for word in keypoint.words if word.role not in BREAKS | {"be"}]
    for _, group in groupby(tokens, lambda token: token.role in BREAKS):
        clause = list(group)
        rest = iter(clause)
        whole = all(any(word.stem == stem for word in rest) for stem in wanted)
        if whole and any(word.word in NEGATIONS for word in clause[: len(clause) - len([*rest])]):
            return True
    return False


def _match(keypoint: _Keypoint, words: list[Token]) -> bool:
    for start, word in enumerate(words):
        if word.stem == keypoint.words[0].stem and _begins(keypoint, words, start):
            last: int | None = start
            for wanted in keypoint.words[1:]:
                last = None if last is None else _next(wanted, words, last, keypoint.exists)
            if last is not None and _ends(keypoint, words, start, last):
                return True
    return False


def _begins(keypoint: _Keypoint, words: list[Token], start: int) -> bool:
    """Whether what stands before the first word lets it be the head of a statement."""
    wanted, head = keypoint.words[0], start
    while head > max(0, start - 2) and not words[head].article and _modifies(words[head - 1]):
        head -= 1
    lead = words[clause_start(words, head) : head]
    told = [word.stem for word in lead if word.role not in ("preposition", "to")]
    participle = len(lead) > 1 and lead[-1].role == "word" and lead[-1].word.endswith("ing")
    on = participle or (lead and lead[-1].role in ("preposition", "to"))
    hangs = on and SHOWN.isdisjoint(told[-1:]) and not keypoint.exists
    opens = start == 0 or words[start - 1].role in BREAKS
    bare = wanted.article and not words[head].article and not (opens and len(keypoint.words) > 2)
    quoted = words[start].role == "quoted" != wanted.role
    # What somebody says in the same clause is not seen.
    return not (bare or quoted or REPORTS.intersection(told) or hangs)


def _next(wanted: Token, words: list[Token], at: int, exists: bool) -> int | None:
    """Where the keypoint's next word stands: next, after one or two words that an article opens, or, if it is a verb, where
    it may be said of the word before."""
    opened = at + 1 < len(words) and words[at + 1].article
    fits = wanted.article or not opened or words[at].role == "preposition"
    for place in range(at + 1, min(at + 4, len(words))):
        if fits and words[place].stem == wanted.stem:
            return place
        if not (wanted.article and opened and _modifies(words[place])):
            break
    if exists or words[at].stem.isdigit():  # "three of the 25 birds" are not three birds
        return None
    verbs = (at for at in range(at + 2, len(words)) if words[at].stem == wanted.stem and is_verb(words, at))
    return next((verb for verb in verbs if subject_end(words, at, verb) is not None), None)


def _ends(keypoint: _Keypoint, words: list[Token], start: int, last: int) -> bool:
    """Whether a thing that is there is more than a heading or an item of a list, alone between two marks; and whether what
    follows leaves a direction or a quality its meaning ("moves left hand", "is grey and white")."""
    first, second = [*words[last + 1 : last + 3], END, END][:2]
    lead = [word.role for word in words[max(0, start - 2) : start] if word.role != "and"][-1:]
    if keypoint.exists and first.role in BOUNDS and BREAKS.issuperset(lead):
        return False
    before, word = [END, *keypoint.words][-2:]
    quality = before.role == "be" and not word.article and not word.word.endswith(("ing", "ed"))
    listed = first.role in ("and", "pause") and not inflected(second.word)
    follower = second if listed else first
    more = (follower.role == "word" and not follower.article) or first.word == "of"
    return not (more and (quality or word.word in DIRECTIONS))


def _modifies(word: Token) -> bool:
    """Whether it may stand between an article and its noun; a verb in -s may not."""
    return word.role in ("word", "adverb") and not (inflected(word.word) and word.word.endswith("s"))
