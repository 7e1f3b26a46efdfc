"""Whether a caption states a keypoint, by its words alone; in doubt it does not.

A sentence states a keypoint if it has all its words, inflected or not, in the keypoint's order, with nothing between two of
them but articles, auxiliaries and adverbs, or, where the keypoint has an article, an article and one or two words more
("holds a shiny red ball" states "holds a ball"). What stands between a subject and its verb may be left out (see `clauses`).
Any other word starts another statement: "a blue square and a red circle moves left" says nothing of where the square moves,
and a list of words states none.

The keypoint's first noun must not hang on a preposition ("near a square moves"), except as what is shown or heard ("the sound
of a dog barking"). A sentence states nothing if it asks, denies, doubts or reports in words that the keypoint does not have,
if it speaks to a judge, or if it is longer than `MAX_WORDS`. Quoted words are what somebody says, not what the caption
states: they count only for keypoints about speech or writing. A sentence that denies the keypoint voids it for the caption.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence, Set
from functools import lru_cache
from itertools import pairwise

import regex

from vidalign.judge.lexical import english
from vidalign.judge.lexical.clauses import BREAKS, head_end, is_verb, reduced, subject
from vidalign.judge.lexical.text import Token, sentences
from vidalign.text.stems import stem_set

MAX_WORDS = 200
_REPORTS = english.SPEECH | stem_set("read write list mention")
_ABOUT_WORDS = english.SPEECH | stem_set("read written text sign title subtitle caption label word display")
_SHOWN = stem_set("sound noise shot up view image footage voice picture scene pan cut zoom focus")
_NOTHING = Token("", "end", "", 0, 0)
_TOWARDS = regex.compile(rf"(?i)\bto(?:wards?)? (?:the )?(?=(?:{'|'.join(english.DIRECTIONS)})\b)")


class _View:
    """A sentence. marks: its words of denial and doubt, counted. addresses: those that speak to a judge."""

    def __init__(self, tokens: Sequence[Token], addresses: Set[str], asks: bool = False) -> None:
        self.tokens, self.addresses, self.asks = tokens, addresses, asks
        self.stems = {token.stem for token in tokens}
        denials = sum(token.word in english.NEGATIONS for token in tokens)
        self.marks = Counter({"not": denials, **_phrases(tokens, english.DOUBTS)})


class _Keypoint(_View):
    """words: those that have to occur, and `needed` their stems. quotes: it is about speech or writing.

    exists: it is a noun phrase without more, "there is a red circle".
    """

    def __init__(self, text: str) -> None:
        parts = sentences(_TOWARDS.sub("", text))
        tokens = [token for part in parts for token in part.unquoted()]
        super().__init__(tokens, _phrases(tokens, english.ADDRESSES).keys())
        about_words = bool(self.stems & _ABOUT_WORDS)
        self.quotes = about_words or any(part.quotes for part in parts)
        words = reduced(tokens, self.stems)
        kept = [place for place, word in enumerate(words) if word.role not in ("pause", "colon", "mark")]
        words = words[kept[0] : kept[-1] + 1] if kept else []
        there = [word.stem for word in words[:2]] == ["there", "be"]
        self.words = words[2 * there :]
        self.exists = there or len(words) == 1
        self.needed = {word.stem for word in self.words if word.role != "be"}


_keypoint = lru_cache(maxsize=1 << 12)(_Keypoint)


def stated(caption: str, keypoints: Sequence[str]) -> list[bool]:
    """Whether the caption states each keypoint, by the rules at the top of this file."""
    views: dict[bool, list[_View]] = {True: [], False: []}  # with the words of quotations, and without
    addresses: Set[str] = frozenset()
    for sentence in sentences(_TOWARDS.sub("", caption)):
        opened = sentence.unquoted()
        addresses = _phrases(opened, english.ADDRESSES).keys() | (addresses if sentence.tied else frozenset())
        view = _View(sentence.tokens, addresses, sentence.asks)
        views[False].append(view)
        views[True].append(_View(opened, addresses, sentence.asks) if sentence.quotes else view)
    return [_states(views[keypoint.quotes], keypoint) for keypoint in map(_keypoint, keypoints)]


def _phrases(tokens: Sequence[Token], known: Set[str]) -> Counter[str]:
    """The stems, and pairs of neighbouring stems, that are among the known ones."""
    stems = [token.stem for token in tokens]
    return Counter(phrase for phrase in (*stems, *map(" ".join, pairwise(stems))) if phrase in known)


def _states(views: Sequence[_View], keypoint: _Keypoint) -> bool:
    found = False
    for view in views if 0 < len(keypoint.words) <= MAX_WORDS else ():
        if view.asks or len(view.tokens) > MAX_WORDS or not view.addresses <= keypoint.addresses:
            continue
        if keypoint.needed <= view.stems and view.marks == keypoint.marks:
            found = found or _match(keypoint, reduced(view.tokens, keypoint.stems)) is not None
        elif keypoint.needed <= view.stems and view.marks["not"] and _denied(keypoint, view.tokens):
            return False
    return found


def _denied(keypoint: _Keypoint, tokens: Sequence[Token]) -> bool:
    """Whether the sentence would state the keypoint without its negation, which stands in it or right before it."""
    rest = reduced([token for token in tokens if token.word not in english.NEGATIONS], keypoint.stems)
    if not (found := _match(keypoint, rest, anywhere=True)):
        return False
    start, end = rest[found[0] - 4].start if found[0] > 3 else 0, rest[found[1]].start
    return any(start <= token.start < end for token in tokens if token.word in english.NEGATIONS)


def _match(keypoint: _Keypoint, words: list[Token], anywhere: bool = False) -> tuple[int, int] | None:
    """First and last place of what states the keypoint. anywhere: whatever leads up to it."""
    for start, word in enumerate(words):
        if word.stem == keypoint.words[0].stem and (anywhere or _begins(keypoint, words, start)):
            last: int | None = start
            for wanted in keypoint.words[1:]:
                last = None if last is None else _next(wanted, words, last, keypoint.exists)
            if last is not None and _ends(keypoint, words, start, last):
                return start, last
    return None


def _next(wanted: Token, words: list[Token], at: int, exists: bool) -> int | None:
    """Where the keypoint's next word stands: next, after one or two words that an article opens, or, if it is the verb of
    the noun before it, farther on."""
    before, following = words[at], words[at + 1 : at + 4]
    for skipped, word in enumerate(following):
        opened = following[0].article
        if word.stem == wanted.stem and (wanted.article or before.role == "preposition" or not opened):
            return at + 1 + skipped
        if not (wanted.article and opened and _modifies(word)):
            break
    if exists or before.stem.isdigit():  # "three of the 25 birds" are not three birds
        return None
    for place in range(at + 2, len(words)):
        word = words[place]
        loose = word.word.endswith("ing") and word.role == "word" and words[place - 1].role != "and"
        if word.stem == wanted.stem and is_verb(words, place) and not loose:
            found = subject(words, place)
            if found and head_end(words, *found) == at + 1:
                return place
    return None


def _modifies(word: Token) -> bool:
    """Whether it may stand between an article and its noun; a verb in -s may not."""
    return word.role in ("word", "adverb") and not (english.inflected(word.word) and word.word.endswith("s"))


def _begins(keypoint: _Keypoint, words: list[Token], start: int) -> bool:
    """Whether what stands before the first word lets it be the head of a statement."""
    at = start
    while at > max(0, start - 2) and not words[at].article and _modifies(words[at - 1]):
        at -= 1
    if words[start].role == "quoted" and keypoint.words[0].role != "quoted":
        return False
    opens = start == 0 or words[start - 1].role in BREAKS
    if keypoint.words[0].article and not words[at].article and not (opens and len(keypoint.words) > 2):
        return False
    if not keypoint.exists and at and words[at - 1].role in ("preposition", "to"):
        while at > 1 and words[at - 1].role in ("preposition", "to"):
            at -= 1
        if words[at - 1].stem not in _SHOWN:
            return False
    # What somebody says in the same clause is not seen.
    clause = next((at for at in range(start, 0, -1) if words[at - 1].role in BREAKS | {"and"}), 0)
    return not any(word.stem in _REPORTS for word in words[clause:start])


def _ends(keypoint: _Keypoint, words: list[Token], start: int, last: int) -> bool:
    """Whether what follows leaves the last word its meaning ("moves left hand", "is grey and white"), and a thing that is
    there is no heading or item of a list: nothing else between two marks but an article."""
    start -= start > 0 and words[start - 1].role == "and"
    following = words[last + 1].role if last + 1 < len(words) else "end"
    if keypoint.exists and following in BREAKS | {"and"} and (not start or words[start - 1].role in BREAKS):
        return False
    word, be = keypoint.words[-1], [before.stem for before in keypoint.words[-2:-1]] == ["be"]
    quality = be and not word.article and not word.word.endswith(("ing", "ed"))
    if following == "end" or not (quality or word.word in english.DIRECTIONS):
        return True
    first, second = ([*words[last + 1 : last + 3], _NOTHING])[:2]
    listed = first.role in ("and", "pause") and _is_content(second) and not english.inflected(second.word)
    return not (listed or _is_content(first) or first.word == "of")


def _is_content(word: Token) -> bool:
    return word.role == "word" and not word.article
