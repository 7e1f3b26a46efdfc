"""The noun phrase that says who speaks, before or after a verb of speech."""

from __future__ import annotations

from collections.abc import Sequence

from vidalign.judge.lexicon import PRONOUNS, inflected, stem, stem_set
from vidalign.judge.sentences import Token

UNKNOWN = "unknown"
_LONGEST = 24  # words of a phrase; 12 after the verb

TEXTS = stem_set(
    "sign text title subtitle caption screen logo poster banner label shirt tshirt board graphic overlay word headline "
    "card page book message letter billboard chyron ticker watermark credit plaque sticker newspaper note lettering "
    "keypoint checklist prompt instruction description video"
)


def subject(text: str, tokens: Sequence[Token], verb: int) -> str | None:
    """The noun phrase before a verb of speech; None for a sign's, "unknown" where there is none."""
    left = verb
    while left and tokens[left - 1].kind in "FCHBT":
        left -= 1
    chained = left > 0 and tokens[left - 1].kind == "A"
    if left and tokens[left - 1].kind == ",":
        # "the man, smiling, says"; "he turns, saying"
        opening = max((i for i in range(left - 1) if tokens[i].kind == ","), default=None)
        participle = tokens[verb].word.endswith("ing") and left == verb
        chained = chained or participle
        left = left - 1 if participle or opening is None else opening
    end = left - 1 if left > 0 and tokens[left - 1].kind == "A" else left
    start = end
    while (
        start
        and end - start < _LONGEST
        and tokens[start - 1].kind not in ":SA"
        and not _ends_phrase(tokens, start, chained)
    ):
        start -= 1
    phrase = list(tokens[start:end])
    relative = bool(phrase) and phrase[-1].kind == "R"
    while phrase and phrase[-1].kind in "RFCH":
        phrase.pop()
    while phrase and phrase[0].kind in "F,":
        phrase.pop(0)
    if phrase and phrase[0].kind == "P":
        starts = [i for i in range(1, len(phrase)) if phrase[i].kind == "D" and phrase[i - 1].kind in "W,"]
        phrase = phrase[starts[0] :] if starts else phrase[-1:]
    finite = _finite(phrase)
    bare = not inflected(tokens[verb].word) and tokens[verb].word not in ("said", "told", "sang", "spoke")
    if finite is not None and (relative or (not chained and (bare or tokens[verb].word.endswith("ing")))):
        # "the man points to a sign saying", "she hears a boy shout"
        phrase = phrase[max((i for i, token in enumerate(phrase) if token.kind == "D"), default=finite + 1) :]
    elif finite is not None and chained:
        phrase = phrase[:finite]
    return named(text, phrase)


def _ends_phrase(tokens: Sequence[Token], start: int, chained: bool) -> bool:
    return tokens[start - 1].kind == "," and not chained


def _finite(phrase: Sequence[Token]) -> int | None:
    """Where a verb in -s may stand in a noun phrase and what follows it; None if there is none."""
    if phrase and phrase[0].word in PRONOUNS:
        return 1 if len(phrase) > 1 else None
    for place in range(1, len(phrase)):
        word, before = phrase[place].word, phrase[place - 1].kind
        if (
            word.endswith("s")
            and inflected(word)
            and before not in "DPT"
            and any(t.kind == "W" for t in phrase[:place])
        ):
            return place
    return None


def inverted(tokens: Sequence[Token]) -> list[Token]:
    """The noun phrase after the verb: says the man in the hat."""
    phrase: list[Token] = []
    for token in tokens[: _LONGEST // 2]:
        noun = any(t.kind == "W" for t in phrase)
        if (
            token.kind in ",:SATF"
            or (noun and token.word.endswith("ing"))
            or (not phrase and token.kind == "P")
        ):
            break
        phrase.append(token)
    return phrase


def named(text: str, phrase: Sequence[Token]) -> str | None:
    """The phrase as the text has it; None if its noun is a sign or the like, which does not speak."""
    head = []
    for token in phrase:
        if token.kind in "PTR,":
            break
        head.append(token)
    if any(stem(token.word) in TEXTS for token in head):
        return None
    if not any(token.kind == "W" for token in phrase):
        return UNKNOWN
    return text[phrase[0].start : phrase[-1].end]
