"""Whether a judge's caption is the one before it with one error more: pure functions of texts.

A step replaces words in one place, of at most `PLACE` words and half the caption. Two runs of words that change places
("from left to right" -> "from right to left") are one place of at most `SWAP` words, and of `MOVE` for the types of error
that exchange clauses. Nothing of what is checked here depends on the type of the error otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from rapidfuzz.distance import Levenshtein, Opcode

from vidalign.data.chains.tokens import Token, tokens
from vidalign.text.stems import word_set

PLACE = 8
SWAP = 12
MOVE = 40
LENGTH = 0.1
"""Share of the first caption's words by which a caption's number of words may differ; `LENGTH_WORDS` in any case."""
LENGTH_WORDS = 3

HINTS = {
    "unchanged": "the caption still says the same; another word must stand in one place",
    "not_local": "it was changed in more than one place; change one place and leave all other words",
    "too_much": "too many words were replaced; replace one word or a few",
    "only_added": "words were only added; replace words that are there",
    "only_removed": "words were only taken away; put others in their place",
    "reverts_earlier": "an earlier error was undone; leave the places of earlier errors as they stand",
    "touches_earlier": "the place of an earlier error was changed; change another place",
    "length": "the caption became too long or too short; keep everything else in it, word for word",
    "denies": "something was denied; say something else in its place",
    "repeats": "this caption was given already; put in another error",
}
"""What the model is told, by the reason of a rejection."""

_ARTICLES = word_set("a an the this that his her its their")
# Words that follow a changed one in form, and say nothing of their own.
_AGREEING = _ARTICLES | word_set(
    "these those is are was were has have does do he she it they him them himself herself itself themselves 's"
)
_OF_PLACE = word_set("in on at to into onto inside through from by with near off")
_DENIALS = word_set("not no never without neither nor none nobody nothing")
_DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_SAME = {
    **{word: str(n) for n, word in enumerate(_DIGITS)},
    "a": "1", "an": "1", "eleven": "11", "twelve": "12", "gray": "grey", "color": "colour", "colors": "colours",
}  # fmt: skip


class Rejected(ValueError):
    """A caption that is no step. reason: a key of `HINTS`."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"{reason}: {HINTS[reason]}")
        self.reason = reason


@dataclass(frozen=True)
class Span:
    """A place in a caption that an error has. start, end: characters. before: the words that it replaced."""

    start: int
    end: int
    before: str


@dataclass(frozen=True)
class Draft:
    """A caption, and the places that no further error may touch."""

    text: str
    used: tuple[Span, ...] = ()

    def words(self) -> list[str]:
        """The words in order, "" for each in a used place."""
        found = tokens(self.text)
        words = [token.word for token in found]
        for span in self.used:
            for at, token in enumerate(found):
                if span.start < token.end and token.start < span.end:
                    words[at] = ""
        return words

    def around(self, span: Span, reach: int = 3) -> str:
        """A used place with the words next to it, by which it can be found."""
        near = tokens(self.text)
        first = next((i for i, token in enumerate(near) if token.end > span.start), 0)
        last = next((i for i, token in enumerate(near) if token.end >= span.end), len(near) - 1)
        return self.text[near[max(0, first - reach)].start : near[min(len(near) - 1, last + reach)].end]


@dataclass(frozen=True)
class Change:
    """What a step does to a draft: `after` in place of `before`, which stands at `start` to `end`."""

    start: int
    end: int
    before: str
    after: str
    caption: str

    def added_to(self, draft: Draft) -> Draft:
        """The changed caption as the next draft."""
        shift = len(self.after) - (self.end - self.start)
        moved = [
            replace(span, start=span.start + shift, end=span.end + shift) if span.start >= self.end else span
            for span in draft.used
        ]
        own = Span(self.start, self.start + len(self.after), self.before)
        return Draft(self.caption, (*moved, own))

    def marked_in(self, draft: Draft) -> Draft:
        """The draft as it is, but its place is used."""
        return Draft(draft.text, (*draft.used, Span(self.start, self.end, self.before)))


def change(
    draft: Draft, answer: str, first: str, earlier: Collection[str] = (), *, moves: bool = False
) -> Change:
    """The one change that leads from the draft to the answer.

    The caption that comes of it is the draft's with the changed words put in, so what else a model did to it (case,
    punctuation, spaces, quotation marks around it) is not in it.

    Args:
        draft: the caption to be changed.
        answer: the judge's caption.
        first: the first caption of the chain, which the length is measured by.
        earlier: captions that it may not equal.
        moves: whether whole clauses may change places.

    Raises:
        Rejected: it is none.
    """
    before, after = tokens(draft.text), tokens(answer)
    old, new = _words(before), _words(after)
    if _same(old, new):
        raise Rejected("unchanged")
    # First of all, since an answer may be of any length.
    count = len(tokens(first))
    if abs(len(new) - count) > max(LENGTH_WORDS, math.ceil(LENGTH * count)):
        raise Rejected("length")
    if any(new == _words(tokens(text)) for text in earlier):
        raise Rejected("repeats")
    blocks = [block for block in Levenshtein.opcodes(old, new) if block.tag != "equal"]
    _check_used(draft, before, new, blocks)
    head, old_end, new_end = blocks[0].src_start, blocks[-1].src_end, blocks[-1].dest_end
    start, gone, put = blocks[0].dest_start, old[head:old_end], new[blocks[0].dest_start : new_end]
    if not gone:
        raise Rejected("only_added")
    if not put:
        raise Rejected("only_removed")
    _check_size(gone, put, len(old), moves)
    if not (_exchanged(gone, put, moves) or _one_place(blocks, old, new)):
        raise Rejected("not_local")
    if _denies(put) and not _denies(gone):
        raise Rejected("denies")
    span = slice(before[head].start, before[old_end - 1].end)
    if any(used.start < span.stop and span.start < used.end for used in draft.used):
        raise Rejected("touches_earlier")
    words = answer[after[start].start : after[new_end - 1].end]
    words = words if "\n" in draft.text[span] else " ".join(words.split())
    text = draft.text[: span.start] + words + draft.text[span.stop :]
    return Change(span.start, span.stop, draft.text[span], words, text)


def _words(found: Sequence[Token]) -> list[str]:
    return [token.word for token in found]


def _same(old: Sequence[str], new: Sequence[str]) -> bool:
    """Equal but for spelling: "two" is "2"."""
    return [_SAME.get(word, word) for word in old] == [_SAME.get(word, word) for word in new]


def _check_used(draft: Draft, before: Sequence[Token], new: Sequence[str], blocks: Sequence[Opcode]) -> None:
    """Raises Rejected if a block changes the place of an earlier error."""
    for block in blocks:
        if block.src_start == block.src_end:
            # Between two words: in a used place only if both are in the same.
            if not 0 < block.src_start < len(before):
                continue
            low, high = before[block.src_start - 1].end - 1, before[block.src_start].start + 1
            hit = [span for span in draft.used if span.start <= low and high <= span.end]
        else:
            low, high = before[block.src_start].start, before[block.src_end - 1].end
            hit = [span for span in draft.used if span.start < high and low < span.end]
        put = new[block.dest_start : block.dest_end]
        for span in hit:
            was = _words(tokens(span.before))
            raise Rejected("reverts_earlier" if put and _holds(put, was) else "touches_earlier")


def _holds(words: Sequence[str], part: Sequence[str]) -> bool:
    """Whether one is a run of the other: a difference names only the words that differ."""
    short, long = sorted((list(part), list(words)), key=len)
    return any(long[i : i + len(short)] == short for i in range(len(long) - len(short) + 1))


def _check_size(gone: Sequence[str], put: Sequence[str], count: int, moves: bool) -> None:
    size = max(len(gone), len(put))
    if size <= (MOVE if moves else SWAP) and _exchanged(gone, put, moves):
        return
    if size > min(PLACE, max(2, count // 2)):
        # Words that stay in between tell two places that lie apart from a long one.
        raise Rejected("not_local" if size > 2 * int(Levenshtein.distance(gone, put)) else "too_much")


def _exchanged(gone: Sequence[str], put: Sequence[str], moves: bool) -> bool:
    """Whether two runs of words have changed places: X M Y -> Y M X, where M may be empty."""
    gone, put = list(gone), list(put)
    count = len(gone)
    if count < 2 or sorted(gone) != sorted(put):
        return False
    middles = (
        gone[first : count - last]
        for first in range(1, count)
        for last in range(1, count - first + 1)
        if put == gone[count - last :] + gone[first : count - last] + gone[:first]
    )
    # "A cat and a dog" are a dog and a cat; clauses that "and" joins come one after the other.
    return any({*middle} - _ARTICLES != {"and"} or (moves and count > 5) for middle in middles)


def _denies(words: Sequence[str]) -> bool:
    return any(word in _DENIALS or word.endswith("n't") for word in words)


def _one_place(blocks: Sequence[Opcode], old: Sequence[str], new: Sequence[str]) -> bool:
    """One block; or one that says something, with others whose words only follow it: "one of them is" -> "two of them are",
    and "in the kitchen" -> "at the beach"."""
    runs: list[list[Opcode]] = []
    for block in blocks:
        if runs and runs[-1][-1].src_end == block.src_start:
            runs[-1].append(block)
        else:
            runs.append([block])
    changed = [
        (
            run[0].src_start,
            run[-1].src_end,
            {*old[run[0].src_start : run[-1].src_end], *new[run[0].dest_start : run[-1].dest_end]},
        )
        for run in runs
    ]
    telling = [
        (start, end) for start, end, words in changed if not words <= _AGREEING and not words <= _OF_PLACE
    ]
    if len(changed) == 1:
        return True
    if len(telling) != 1:
        return False
    place = telling[0][0]
    return all(
        words <= _AGREEING or (end == place - 1 and old[end] in _ARTICLES)
        for start, end, words in changed
        if (start, end) != telling[0]
    )
