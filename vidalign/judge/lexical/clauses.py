"""What a sentence says of whom: the words that count, and the noun phrases that its verbs are said of."""

from __future__ import annotations

from collections.abc import Sequence, Set

from vidalign.text.english import DIRECTIONS, inflected
from vidalign.text.sentences import END, Token

BREAKS = frozenset(("pause", "colon", "mark", "quote", "conjunction", "end"))
"""What ends a clause."""
BOUNDS = BREAKS | {"and"}


def reduced(tokens: Sequence[Token], keep: Set[str] = frozenset()) -> list[Token]:
    """Without articles, which the words after them note, and without adverbs and auxiliaries but those with the stems to
    keep: "can now be heard barking" is "barking", "starts to sing" is "sing", "to the left" is "left". Every form of "be" is
    "be", none before "walking", which gets the role "verb", and one before "hit by"."""
    found: list[Token] = []
    article, started = END, False
    for token in tokens:
        last, aux = found[-1] if found else END, token.role in ("adverb", "auxiliary", "start")
        if token.role == "article":
            article = token
        elif aux and token.stem not in keep:
            started = token.role == "start"
        elif not (started and token.role == "to") and not (last.role == token.role == "be"):
            if token.role == "be":
                article = END
            elif token.word in DIRECTIONS and last.role == "to":
                found.pop()
                article = END
            elif last.role == "be" and token.role == "word" and token.word.endswith("ing") and article is END:
                found.pop()
                token = token._replace(role="verb")
            elif token.word == "by" and last.word.endswith(("ed", "en", "wn")) and found[-2:][0].role != "be":
                found.insert(-1, Token("be", "be", "be", last.start, last.start))
            stem = "be" if token.role == "be" else token.stem
            start = token.start if article is END else article.start
            found.append(token._replace(stem=stem, start=start, article=article is not END))
            article, started = END, False
    return found


def subject_end(words: Sequence[Token], noun: int, verb: int) -> int | None:
    """The end of the noun phrase of this noun, if the verb farther on may be said of it; None if it may not.

    The verb stands next, after "who", after what hangs on the noun by "who" or a preposition, after an aside between commas,
    or, after "and" or a comma, beside the noun's first verb: "the man, in a hat, turns and says"."""
    word, follower, ing = words[verb], words[noun + 1], words[verb].word.endswith("ing")
    breaks = [at for at in range(noun + 1, verb) if words[at].role in BOUNDS]
    if not breaks:
        if follower.role == "relative" and verb == noun + 2:
            return noun + 1
        hangs = follower.role == "preposition" or (follower.role == "relative" and is_verb(words, noun + 2))
        loose = (ing and word.role == "word") or words[verb - 1].role == "relative"
        return verb if verb == noun + 1 or (hangs and not loose) else None
    first = next((at for at in range(noun + 1, breaks[0]) if is_verb(words, at)), 0)
    for at in breaks:
        following, verbal = words[at + 1], is_verb(words, at + 1)
        aside = following.role in ("preposition", "relative", "pause", "and")
        aside = aside or (verbal and following.word.endswith(("ing", "ed")))
        if words[at].role not in ("pause", "and") or not (aside or verbal or at + 1 == verb):
            return None
        if verbal and not aside and not first:
            if at == breaks[0]:  # "the man, smiles"
                return None
            first = at + 1
    before, end = words[verb - 1].role, min(first or breaks[0], breaks[0])
    # "A man watches dogs jumping and barking" says nothing of a man who barks.
    alike = first and (words[first].word[-1] == word.word[-1] or word.role in ("be", "verb"))
    active = first and words[first].role in ("be", "verb") and word.word.endswith("s")
    joined = before == "pause" or (before == "and" and (alike or active))
    own = end == noun + 1 or follower.role == "preposition"
    other = any(is_verb(words, at) for at in range(clause_start(words, noun) + 1, noun))
    return end if joined and own and not other else None


def clause_start(words: Sequence[Token], end: int) -> int:
    """Where the clause starts that goes on up to this place."""
    return next((at for at in range(end, 0, -1) if words[at - 1].role in BOUNDS), 0)


def is_verb(words: Sequence[Token], at: int) -> bool:
    """Whether it may be a verb, as far as its form and the word before it tell; plurals may be."""
    word, noun = words[at], words[at].article or (at and words[at - 1].role in ("preposition", "to"))
    return not noun and (word.role in ("be", "verb") or (word.role == "word" and inflected(word.word)))
