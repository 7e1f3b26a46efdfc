"""Whether a caption states a keypoint, by its words alone; in doubt it does not.

A sentence states a keypoint if it has all of its words but articles, forms of "be", "there" and relative pronouns, inflected
or not, in the keypoint's order, and if between two of them stands no more than:
- articles, auxiliaries and adverbs: "is slowly moving", "can be heard barking";
- an article and modifiers, where the keypoint has an article: "holds a shiny red ball" states "holds a ball";
- "to the", before a direction;
- and once in a sentence, before a verb, one of: a prepositional phrase ("a man in a red hat walks"), a first verb and "and"
  ("appears and moves"), a parenthesis in two commas ("a man, wearing a red hat, walks"), a relative pronoun.
Any other noun, conjunction or mark between them may start another statement, so it ends this one: "a blue square and a red
circle moves left" says nothing of where the square moves, and a list of words states none.

What the keypoint's first words stand in counts too. They need an article if the keypoint has one, and must not hang on a
preposition ("near a square moves"), except as what is shown or heard ("the sound of a dog barking").

A sentence states nothing if it asks, denies or doubts in words that the keypoint does not have, if it speaks of keypoints,
verdicts or instructions, or if it is longer than `MAX_WORDS`. Quoted words are what somebody says, not what the caption
states: they count only for keypoints about speech or writing. A sentence that denies the keypoint voids it for the caption.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache

import regex

from vidalign.judge.lexicon import DIRECTIONS, NEGATIONS, inflected, reports, stem, word_set
from vidalign.judge.reading import Keypoint, View, meta_words, read, view_of
from vidalign.judge.sentences import Sentence, Token, sentences

MAX_WORDS = 200
_WINDOW = 16  # words between two of the keypoint's
_SHOWN = word_set("sound noise shot up view image footage voice picture scene pan cut zoom focus")

_FILL = "(?:BT?|[FCH])*"
_PHRASE = "[PT]+D?F*W{1,2}"
_MODIFIED = regex.compile(f"{_FILL}D(?:W{{1,2}}Z)?F*W{{0,2}}")
_TOWARDS = regex.compile(f"{_FILL}TD?F*")
_POSTMODIFIED = regex.compile(f"{_FILL}(?:{_PHRASE}){{1,2}}(?P<rest>{_FILL})")
_CHAINED = regex.compile(f"{_FILL}W{{1,2}}F*(?:[PT]+(?:D?W{{1,2}})?)?F*A{_FILL}")
_ENCLOSED = regex.compile(f",[FPRSW][^,:Q]*,{_FILL}")
_RELATIVE = regex.compile(f"R{_FILL}")
_CLAUSE = regex.compile("[,:APSTWZQ]")


def stated(caption: str, keypoints: Sequence[str]) -> list[bool]:
    """Whether the caption states each keypoint, by the rules at the top of this file."""
    text = _Text(caption)
    return [text.states(read(keypoint)) for keypoint in keypoints]


class _Text:
    def __init__(self, caption: str) -> None:
        # What is repeated is stated once.
        unlike = {_told(sentence, meta): (sentence, meta) for sentence, meta in reversed(_addressed(caption))}
        kept = [item for item in reversed(unlike.values()) if len(item[0].tokens) <= MAX_WORDS]
        # With the words of quotations and without.
        self.views = {
            quoted: [view_of(sentence, quoted, meta) for sentence, meta in kept] for quoted in (True, False)
        }
        self.where = {quoted: _where(views) for quoted, views in self.views.items()}

    def states(self, keypoint: Keypoint) -> bool:
        if not keypoint.words or len(keypoint.words) > MAX_WORDS:
            return False
        where = self.where[keypoint.quotes]
        held = sorted((where.get(name, set()) for name in {word.stem for word in keypoint.words}), key=len)
        views = [self.views[keypoint.quotes][index] for index in sorted(set.intersection(*held))]
        found = False
        for view in views:
            if view.asks or not view.meta <= keypoint.meta:
                continue
            if view.marks == keypoint.marks:
                found = found or _match(keypoint, view) is not None
            elif view.denials and _denied(keypoint, view):
                return False
        return found


def _addressed(caption: str) -> list[tuple[Sentence, frozenset[str]]]:
    """The sentences, with the words in them that speak of judging.

    Such words hold for what a semicolon or a colon at the line's end ties to them: "The keypoints are: one; another".
    """
    found: list[tuple[Sentence, frozenset[str]]] = []
    listed = False
    for sentence in sentences(caption):
        meta = meta_words(sentence)
        if found:
            before, carried = found[-1]
            line = "\n" in sentence.after and "\n\n" not in sentence.after
            listed = line and (listed or before.tokens[-1].kind == ":")
            if listed or sentence.after in (";", "；"):
                meta |= carried
        found.append((sentence, meta))
    return found


def _told(sentence: Sentence, meta: frozenset[str]) -> tuple[object, ...]:
    return (
        meta,
        sentence.asks,
        *((token.word, token.kind, token.joined, bool(token.quote)) for token in sentence.tokens),
    )


def _where(views: Sequence[View]) -> dict[str, set[int]]:
    where: dict[str, set[int]] = defaultdict(set)
    for index, view in enumerate(views):
        for name in view.places:
            where[name].add(index)
    return where


def _match(keypoint: Keypoint, view: View, *, lax: bool = False) -> tuple[int, int] | None:
    """First and last token of a place that states the keypoint. lax: whatever leads up to it."""
    dead: set[tuple[int, int, bool]] = set()
    for start in view.places.get(keypoint.words[0].stem, ()):
        if view.tokens[start].joined or not (lax or _introduced(keypoint, view.tokens, start)):
            continue
        last = _follow(keypoint, view, start, dead)
        if last is not None:
            return start, last
    return None


def _follow(keypoint: Keypoint, view: View, start: int, dead: set[tuple[int, int, bool]]) -> int | None:
    """The last token of a match from `start`, depth first; `dead` holds what has been tried in vain."""
    tokens = view.tokens
    stack = [(0, start, False)]
    while stack:
        state = stack.pop()
        if state in dead:
            continue
        dead.add(state)
        index, at, used = state
        if index + 1 == len(keypoint.words):
            if _ends(keypoint, tokens, at) and not (keypoint.exists and _isolated(tokens, start, at)):
                return at
            continue
        following = keypoint.words[index + 1]
        tied = at + 1 < len(tokens) and tokens[at + 1].joined
        for place in reversed(range(at + 1, min(at + 2 + _WINDOW, len(tokens)))):
            token = tokens[place]
            if stem(token.word) != following.stem or ((tied or token.joined) and place > at + 1):
                continue
            step = _step(keypoint, index + 1, tokens, at, place)
            if step is not None and not (step and used):
                stack.append((index + 1, place, used or step))
    return None


def _step(keypoint: Keypoint, index: int, tokens: list[Token], at: int, place: int) -> bool | None:
    """Whether tokens may stand between two words of the keypoint: False yes, True as the one long insertion, None no."""
    word, token = keypoint.words[index], tokens[place]
    gap = "".join(t.kind for t in tokens[at + 1 : place])
    before = keypoint.words[index - 1].kind in "PT"
    if not _same_voice(keypoint, index, gap, tokens, place):
        return None
    bare, wanted = _bare(gap), _bare(word.gap)
    article = "D" in word.gap or before
    if bare == wanted or (bare == wanted.replace("D", "")) or (bare == "D" and wanted == "" and before):
        return False
    if token.word in DIRECTIONS:
        if set(word.gap) <= set("TD") and (_full(_TOWARDS, gap) or not bare):
            return False
    elif article and _full(_MODIFIED, gap) and set(word.gap) <= set("CD"):
        return False
    verb = "C" in word.gap or inflected(word.word)
    counted = keypoint.words[index - 1].stem.isdigit()  # "three of the 25 birds" are not three birds
    if not verb or keypoint.exists or counted or set(word.gap) - set("CR"):
        return None
    if _full(_RELATIVE, gap):
        return True
    if match := _POSTMODIFIED.fullmatch(gap):
        return True if "C" in match["rest"] or not token.word.endswith("ing") else None
    if _full(_CHAINED, gap):
        first = next(t.word for t in tokens[at + 1 : place] if t.kind == "W")
        same = first.endswith("ing") == token.word.endswith("ing")
        alone = all(t.word != "with" for t in tokens[at + 1 : place])
        return True if inflected(first) and same and alone else None
    if _full(_ENCLOSED, gap):
        opens = tokens[at + 2]
        return True if (opens.kind != "W" or opens.word.endswith(("ing", "ed"))) else None
    return None


@lru_cache(maxsize=1 << 14)
def _full(form: regex.Pattern[str], gap: str) -> bool:
    return form.fullmatch(gap) is not None


@lru_cache(maxsize=1 << 14)
def _bare(gap: str) -> str:
    return regex.sub("BT?|[FCHR]" if "R" in gap[1:] else "BT?|[FCH]", "", gap)


def _same_voice(keypoint: Keypoint, index: int, gap: str, tokens: list[Token], place: int) -> bool:
    """Whether both say "is grey", "is hit", or both say "hits", "is hitting": who does it, and to whom."""
    word, token = keypoint.words[index], tokens[place].word
    passive = "C" in word.gap and not word.word.endswith("ing")
    trailing = _CLAUSE.split(gap)[-1]
    if passive != ("C" in trailing and not token.endswith("ing")):
        return False
    following = keypoint.words[index + 1].word if index + 1 < len(keypoint.words) else ""
    by = place + 1 < len(tokens) and tokens[place + 1].word == "by" and following != "by"
    return passive or not (by and token.endswith(("ed", "en", "wn")))


def _introduced(keypoint: Keypoint, tokens: list[Token], start: int) -> bool:
    """Whether what stands before the first word lets it be the head of a statement."""
    first = keypoint.words[0]
    at, modifiers = start - 1, 0
    while at >= 0 and tokens[at].kind in "WFZ" and modifiers < 2:
        modifiers += tokens[at].kind == "W"
        at -= 1
    leading = tokens[at] if at >= 0 else None
    article = leading is not None and leading.kind == "D"
    opens = start == 0 or tokens[start - 1].kind in ",:S"
    if "D" in first.gap and not article and not (opens and len(keypoint.words) > 2):
        return False
    if keypoint.exists and "D" not in first.gap and not any(token.kind in "DCP" for token in tokens):
        return False
    if not keypoint.exists and first.kind not in "PTS":
        before = at - 1 if article else at
        if before >= 0 and tokens[before].kind in "PT" and not _shown(tokens, before):
            return False
    return not _reported(tokens, start)


def _shown(tokens: list[Token], preposition: int) -> bool:
    """The sound of a dog, a shot of a man, zooms in on a man."""
    at = preposition
    while at > 0 and tokens[at].kind in "PT":
        at -= 1
    return stem(tokens[at].word) in _SHOWN


def _reported(tokens: list[Token], start: int) -> bool:
    """Whether it is said rather than seen: a verb of saying before it in its clause."""
    for token in reversed(tokens[:start]):
        if token.kind in ",:SA":
            return False
        if reports(token.word):
            return True
    return False


def _ends(keypoint: Keypoint, tokens: list[Token], last: int) -> bool:
    """Whether what follows the last word leaves it its meaning: not "moves left hand", "is grey and white", "man's"."""
    if last + 1 == len(tokens):
        return True
    word, following = keypoint.words[-1], tokens[last + 1]
    if following.joined or following.kind == "Z":
        return False
    quality = "C" in word.gap and "D" not in word.gap and not word.word.endswith(("ing", "ed"))
    if word.word not in DIRECTIONS and not quality:
        return True
    if following.kind == "W" or following.word == "of":
        return False
    after = tokens[last + 2] if last + 2 < len(tokens) else None
    return not (
        following.kind in "A," and after is not None and after.kind == "W" and not inflected(after.word)
    )


def _isolated(tokens: list[Token], start: int, last: int) -> bool:
    """Whether it is an item of a list or a heading: nothing else between two marks but articles."""
    while start > 0 and tokens[start - 1].kind not in ",:":
        start -= 1
        if tokens[start].kind not in "DA":
            return False
    return last + 1 == len(tokens) or tokens[last + 1].kind in ",:A"


def _denied(keypoint: Keypoint, view: View) -> bool:
    """Whether the sentence would state the keypoint without its negation, which stands in it or right before it."""
    rest = [(place, token) for place, token in enumerate(view.tokens) if token.word not in NEGATIONS]
    plain = view_of(Sentence(tuple(token for _, token in rest), 0, 0, False), keypoint.quotes, view.meta)
    if len(plain.tokens) != len(rest) or (found := _match(keypoint, plain, lax=True)) is None:
        return False
    first, last = rest[found[0]][0], rest[found[1]][0]
    return any(first - 4 <= place < last for place in view.denials)
