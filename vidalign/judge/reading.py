"""What a keypoint asks of a sentence and what a sentence offers: words, and marks of denial, doubt and address."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import regex

from vidalign.judge.lexicon import DIRECTIONS, DOUBTED, DOUBTS, NEGATIONS, speaks, stem, stem_set
from vidalign.judge.sentences import Sentence, Token, sentences

_DROPPED = frozenset("DCR")
_WRITING = stem_set("read written text sign title subtitle caption label word display titled")
_META = regex.compile(
    r"\b(?:keypoints?|key points?|checklists?|verdicts?|instructions?|instructed|prompts?|graders?|grading|evaluators?"
    r"|evaluation|rubrics?|full (?:marks?|score|points|credit)|maximum (?:score|reward)|ignore (?:all|the|any|every|previous)"
    r"|disregard|mentioned|true for all|all (?:of )?(?:the |these |those )?(?:facts?|statements|following|above|items)"
    r"|(?:the )?following (?:is|are)|ground truth|json|boolean|language model|(?:this|the|my) caption)\b"
)


@dataclass(frozen=True)
class Word:
    """A word of a keypoint that has to occur. gap: kinds of the dropped words before it."""

    word: str
    stem: str
    kind: str
    gap: str


@dataclass(frozen=True)
class Keypoint:
    """quotes: whether it is about speech or writing. exists: it is a noun phrase without more, "there is a red circle".

    marks: words that deny or doubt, counted. meta: words that speak of judging.
    """

    words: tuple[Word, ...]
    quotes: bool
    exists: bool
    marks: Counter[str]
    meta: frozenset[str]


@dataclass
class View:
    """The tokens of a sentence that a keypoint is looked for in.

    marks, meta: as a keypoint's. denials: where words that deny stand. places: where each stem stands.
    """

    tokens: list[Token]
    asks: bool
    meta: frozenset[str]
    denials: list[int] = field(default_factory=list)
    marks: Counter[str] = field(default_factory=Counter)
    places: dict[str, list[int]] = field(default_factory=dict)


def read(keypoint: str) -> Keypoint:
    """Quotations in a keypoint, or a verb of speech or a word for writing, make it one about speech or writing."""
    parts = sentences(keypoint)
    tokens = [token for part in parts for token in part.tokens]
    quotes = any(t.quote for t in tokens) or any(speaks(t.word) or stem(t.word) in _WRITING for t in tokens)
    sentence = Sentence(tuple(tokens), 0, 0, False)
    view = view_of(sentence, quotes, meta_words(sentence))
    kept, gap = [], ""
    first = [token.word for token in view.tokens[:2]]
    exists = first[:1] == ["there"] and len(view.tokens) > 1 and view.tokens[1].kind == "C"
    for index, token in enumerate(view.tokens):
        direction = view.tokens[index + 1 : index + 3]
        if token.kind in _DROPPED or token.kind in ",:" or (exists and index == 0):
            gap += token.kind if not (exists and index < 2) else ""
        elif token.kind == "T" and any(t.word in DIRECTIONS for t in direction):
            gap += "T"
        else:
            kept.append(Word(token.word, stem(token.word), token.kind, gap))
            gap = ""
    return Keypoint(tuple(kept), quotes, exists or len(kept) == 1, view.marks, view.meta)


def meta_words(sentence: Sentence) -> frozenset[str]:
    """What in it speaks of judging, quoted or not."""
    return frozenset(_META.findall(" ".join(token.word for token in sentence.tokens)))


def view_of(sentence: Sentence, quoted: bool, meta: frozenset[str]) -> View:
    """quoted: with the words of quotations; without, each quotation is one token that nothing matches."""
    tokens: list[Token] = []
    for token in sentence.tokens:
        if quoted:
            # The comma or colon that leads to a quotation is no pause in the statement.
            if token.quote and tokens and tokens[-1].kind in ",:" and not tokens[-1].quote:
                tokens.pop()
            tokens.append(token)
        elif not token.quote:
            tokens.append(token)
        elif not tokens or tokens[-1].quote != token.quote:
            tokens.append(Token("", "Q", False, token.quote, token.start, token.end))
    view = View(tokens, sentence.asks, meta)
    previous = ""
    for index, token in enumerate(tokens):
        if token.word in NEGATIONS:
            view.denials.append(index)
            view.marks["not"] += 1
        elif token.word in DOUBTS:
            view.marks[token.word] += 1
        if (pair := f"{previous} {token.word}") in DOUBTED:
            view.marks[pair] += 1
        previous = token.word
        view.places.setdefault(stem(token.word), []).append(index)
    return view
