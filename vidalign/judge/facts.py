"""The facts of a caption, sentences and clauses of its own, each with one of the keypoints' dimensions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from vidalign.judge.lexicon import PRONOUNS, inflected, speaks, stem, stem_set, word_set
from vidalign.judge.quotes import quotes
from vidalign.judge.sentences import Token, sentences
from vidalign.judge.statements import MAX_WORDS, stated

_TIES = word_set("as while when whenever")
_TIED = (
    "in time with",
    "in sync with",
    "in step with",
    "in rhythm with",
    "to the beat",
    "to the rhythm",
    "to the music",
)
_SOUND = stem_set(
    "sound music song melody beat rhythm voice noise audio silence silent quiet loud loudly bark meow chirp click thud bang "
    "crash hum buzz ring roar applause applaud cheer laugh laughter clap cry whistle drum guitar piano violin narration "
    "narrator speech hear heard audible rumble rustle splash echo footsteps siren honk beep tune soundtrack singing "
    "engine dialogue"
)
_CAMERA = stem_set(
    "camera shot zoom pan tilt dolly closeup frame transition fade cut montage angle handheld footage lens "
    "timelapse flashback viewpoint scene cinematic animation animated"
)
_STILL = stem_set(
    "is are was were be stand sit wear have contain feature lie hang show include consist look stay"
)


class Fact(NamedTuple):
    """dimension: a key of `tasks.keypoints.DIMENSIONS`. text: a sentence or clause of the caption."""

    dimension: str
    text: str


def facts(caption: str) -> list[Fact]:
    """What the caption states, in order: sentences, divided where two whole clauses meet at "; " or ", and".

    Only what the caption states by the rules of `statements`, so that it always covers its own facts.
    """
    pieces = list(_pieces(caption))
    texts = list(dict.fromkeys(text for clauses in pieces for text, _ in clauses))
    held = dict(zip(texts, stated(caption, texts), strict=True))
    found: dict[str, Fact] = {}
    for whole, *clauses in pieces:
        # Divided only if the clauses say it all.
        divided = clauses and all(held[text] for text, _ in clauses)
        for text, tokens in clauses if divided else [whole]:
            if held[text]:
                found.setdefault(text, Fact(_dimension(tokens), text))
    return list(found.values())


_Piece = tuple[str, Sequence[Token]]


def _pieces(caption: str) -> Iterator[list[_Piece]]:
    """Each sentence, followed by its clauses if it has several."""
    spans = quotes(caption)

    def piece(tokens: Sequence[Token]) -> _Piece:
        # With the marks of a quotation that begins or ends it.
        start, end = tokens[0].start, tokens[-1].end
        if tokens[0].quote:
            start = spans[tokens[0].quote - 1].start
        if tokens[-1].quote:
            end = spans[tokens[-1].quote - 1].end
        return " ".join(caption[start:end].split()), tokens

    for sentence in sentences(caption):
        if sentence.asks or len(sentence.tokens) > MAX_WORDS:
            continue
        clauses = _clauses(sentence.tokens)
        yield [piece(sentence.tokens), *map(piece, clauses if len(clauses) > 1 else [])]


def _clauses(tokens: Sequence[Token]) -> list[Sequence[Token]]:
    """Divided at ", and" before an article or a pronoun, where both sides have a subject and a verb."""
    cuts = [0]
    for place in range(1, len(tokens) - 3):
        comma, joint, subject = tokens[place : place + 3]
        if (
            comma.kind == ","
            and joint.kind == "A"
            and not comma.quote
            and (subject.kind == "D" or subject.word in PRONOUNS)
            and _is_clause(tokens[cuts[-1] : place])
            and _is_clause(tokens[place + 2 :])
        ):
            cuts += [place, place + 2]
    cuts.append(len(tokens))
    return [tokens[cuts[i] : cuts[i + 1]] for i in range(0, len(cuts), 2)]


def _is_clause(tokens: Sequence[Token]) -> bool:
    """Whether a verb follows a subject before the next comma, as far as its form tells."""
    lead = []
    for token in tokens:
        if token.kind in ",:AS":
            break
        lead.append(token)
    subject = bool(lead) and (lead[0].kind == "D" or lead[0].word in PRONOUNS)
    return subject and any(
        t.kind == "C" or (t.kind == "W" and inflected(t.word)) for t in lead[2 - (lead[0].kind != "D") :]
    )


def _dimension(tokens: Sequence[Token]) -> str:
    outer = [token for token in tokens if not token.quote]
    stems = {stem(token.word) for token in outer}
    text = f" {' '.join(token.word for token in outer)} "
    heard = bool(stems & _SOUND) or any(speaks(token.word) for token in outer) or len(outer) < len(tokens)
    tied = any(token.word in _TIES for token in outer) or any(f" {words} " in text for words in _TIED)
    if heard and tied:
        return "narrative"
    if heard:
        return "sound"
    if stems & _CAMERA or " close up " in text:
        return "cinematography"
    moving = any(
        token.word in ("do", "does", "did")
        or (token.kind == "W" and inflected(token.word) and stem(token.word) not in _STILL)
        for token in outer[1:]
    )
    return "action" if moving else "entity"
