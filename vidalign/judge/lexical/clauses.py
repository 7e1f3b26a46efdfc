"""What a sentence says of whom: its words, reduced to those that count, and the subjects of its verbs."""

from __future__ import annotations

from collections.abc import Sequence, Set

from vidalign.judge.lexical.english import inflected
from vidalign.judge.lexical.text import Token

BREAKS = frozenset(("pause", "colon", "mark", "quote", "conjunction", "end"))
"""What ends a clause."""

_BE = Token("be", "be", "be", 0, 0)


def reduced(tokens: Sequence[Token], keep: Set[str] = frozenset()) -> list[Token]:
    """Without adverbs and auxiliaries but those with the stems to keep: "can now be heard barking" is "barking", "starts to
    sing" is "sing". Without articles, which the words after them note. With "be" for its forms, but none in "is walking",
    where "walking" gets the role "verb", and one in "hit by"."""
    found: list[Token] = []
    article, be, started = None, False, False
    for token, following in zip(tokens, [*tokens, _BE][1:], strict=True):
        dropped = token.role in ("adverb", "auxiliary", "start") and token.stem not in keep
        if token.role == "article":
            article = token
        elif token.role == "be":
            be, article = True, None
        elif not dropped and not (started and token.role == "to"):
            ing = token.word.endswith("ing")
            if (be and not ing) or (following.word == "by" and token.word.endswith(("ed", "en", "wn"))):
                found.append(_BE._replace(start=token.start, end=token.start))
            start = article.start if article else token.start
            role = "verb" if be and ing else token.role
            found.append(token._replace(role=role, start=start, article=article is not None))
            article, be = None, False
        started = dropped and token.role == "start"
    return [*found, _BE] if be else found


def subject(words: Sequence[Token], verb: int) -> tuple[int, int] | None:
    """Start and end of the noun phrase that the verb at this place is said of; None if it is not clear."""
    stop = verb
    while stop and words[stop - 1].role in ("and", "pause"):
        stop -= 1
    start = clause_start(words, stop)
    if stop < verb:
        return _shared(words, start, stop, verb)
    nearest = max((at for at in range(start, verb) if words[at].article), default=start)
    loose = words[verb].role == "word" and not words[verb].word.endswith(("s", "ed"))
    if start < verb and words[verb - 1].role == "relative":  # "he sees a woman who asks"
        return nearest, verb - 1
    if loose and _first_verb(words, start, verb):  # "she hears a boy shout", "he points to a sign saying"
        start = nearest
    elif start < verb and words[start].role == "preposition":  # "in the hall a man sings"
        start = nearest if nearest > start + 1 else start
    return (start, verb) if start < verb else None


def _shared(words: Sequence[Token], start: int, stop: int, verb: int) -> tuple[int, int] | None:
    """The subject of a verb that a comma or "and" parts from it: "the man, smiling, says", "he turns and says"."""
    pause = words[verb - 1].role == "pause"
    if pause and 0 < start < stop and words[start - 1].role == "pause":
        participle = words[start].word.endswith(("ing", "ed")) and is_verb(words, start)
        if participle or words[start].role in ("preposition", "relative"):
            return subject(words, start - 1)
    first = _first_verb(words, start, stop)
    if first is None:
        return subject(words, start) if start < stop and is_verb(words, start) else None
    # "A man watches dogs jumping and barking" says nothing of a man who barks.
    alike = words[first].word[-1] == words[verb].word[-1] or words[verb].role in ("be", "verb")
    active = words[first].role == "be" and words[verb].word.endswith("s")
    return (start, first) if pause or alike or active else None


def _first_verb(words: Sequence[Token], start: int, end: int) -> int | None:
    return next((at for at in range(start + 1, end) if is_verb(words, at)), None)


def is_verb(words: Sequence[Token], at: int) -> bool:
    """Whether it may be a verb, as far as its form and the word before it tell; plurals may be."""
    word, before = words[at], words[at - 1].role if at else ""
    if word.article or before in ("preposition", "to"):
        return False
    return word.role in ("be", "verb") or (word.role == "word" and inflected(word.word))


def clause_start(words: Sequence[Token], end: int) -> int:
    while end and words[end - 1].role not in BREAKS | {"and"}:
        end -= 1
    return end


def head_end(words: Sequence[Token], start: int, end: int) -> int:
    """The end of a noun phrase without what hangs on its noun: a man | in a hat, a man | wearing a hat."""
    for at in range(start + 1, end):
        wearing = words[at].word.endswith("ing") and words[at - 1].role == "word" and not words[at].article
        if wearing or words[at].role in ("preposition", "to", "relative", "pause"):
            return at
    return end
