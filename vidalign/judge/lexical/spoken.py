"""The speech that a caption quotes, with who speaks.

A quotation is speech if in its sentence
- the last verb of saying or writing before it is one of saying, and its subject is no sign, text or screen, or
- a label of a few words and a colon stands before it (Man in red: "Hi"), or
- there is neither, and a verb of saying follows ("Hi," says the man), or
- it goes on after speech: "Yes," he says, "of course" (one turn); he says "A" and then "B" (two turns of one speaker).
Script lines without quotation marks (Speaker 1: hello) count with a numbered label, or where two lines have labels that name
persons. Every other quotation, such as a sign's or a title, is not speech.
"""

from __future__ import annotations

from collections.abc import Sequence

import regex

from vidalign.judge.lexical.clauses import BREAKS, clause_start, head_end, reduced, subject
from vidalign.judge.lexical.english import DOUBTS, NEGATIONS, PRONOUNS, SPEECH, TEXTS, WRITING
from vidalign.judge.lexical.text import ENDS, Token, sentences
from vidalign.judge.tasks.dialogue import Turn
from vidalign.text.stems import stem_set, word_set

UNKNOWN = "unknown"
_NO_LABELS = TEXTS | stem_set(
    "audio dialogue scene sound music transcript lyrics summary example time visual shot background"
)
_ON = word_set("and later or finally followed by next repeatedly")
_PERSONS = (
    "speaker|person|man|woman|boy|girl|child|kid|voice|male|female|host|guest|narrator|interviewer|reporter|teacher|student|mother|"
    "father|presenter|announcer|singer|player|officer|doctor|lady|guy"
)
_LINE = regex.compile(
    rf"^[ \t]*+(?:[-*•][ \t]++)?(?P<label>(?P<number>(?i:{_PERSONS})[ _]?\#?(?:\d{{1,3}}|[A-Z]))|\p{{Lu}}[\p{{Lu}} .]{{1,30}}"
    rf"|(?i:(?:\p{{L}}+[ ]){{0,3}}(?:{_PERSONS})(?:[ ]\p{{L}}+){{0,2}})):[ \t]*+(?P<content>[^\s\"“„«「『][^\n\"“„«「『]*+)$",
    regex.MULTILINE,
)
_END = Token("", "end", "", 0, 0)


def turns(caption: str) -> list[Turn]:
    """The turns of dialogue, in the order of the text."""
    lines = [line for line in _LINE.finditer(caption) if not stem_set(line["label"].casefold()) & _NO_LABELS]
    lines = [line for line in lines if line["number"] or len(lines) > 1]
    script = [(line.start(), Turn(line["label"], line["content"].strip())) for line in lines]
    return [turn for _, turn in sorted([*_quoted(caption), *script], key=lambda item: item[0])]


def _quoted(text: str) -> list[tuple[int, Turn]]:
    tokens = [token for sentence in sentences(text) for token in (*reduced(sentence.tokens), _END)]
    places = [place for place, token in enumerate(tokens) if token.role == "quote"]
    found: list[tuple[int, Turn]] = []
    speaker: str | None = None  # of the quotation before; None if there is none, or it is not speech
    told = 0  # the end of the quotation before and, if they follow it, of the words for who spoke it
    for place, limit in zip(places, [*places, len(tokens)][1:], strict=True):
        content, start = tokens[place].word.strip(), told
        after = start > 0 and tokens[start - 1].role != "quote"
        lead = next((at for at in range(place, start, -1) if tokens[at - 1] is _END), start)
        verbs = _verbs(tokens, lead, place)
        told = place + 1
        if verbs:
            speaker = _named(text, tokens, subject(tokens, verbs[-1])) if _speaks(tokens, verbs[-1]) else None
        elif place > lead and tokens[place - 1].role == "colon":
            speaker = _label(text, tokens, place - 1)
        elif speaker and after and lead == start and tokens[place - 1].role == "pause":
            _, turn = found[-1]  # "Yes," he says, "of course"
            if not turn.content.endswith(ENDS):
                found[-1] = (found[-1][0], Turn(speaker, f"{turn.content} {content}"))
                continue
        else:
            following, told = _following(text, tokens, place, limit)
            # "Yes," he says, nodding. "Of course."
            between = tokens[lead if after else start : place]
            goes_on = all(token.word in _ON or token.role in ("pause", "end") for token in between)
            speaker = following or (speaker if goes_on else None)
        if speaker:
            found.append((tokens[place].start, Turn(speaker, content)))
    return found


def _following(text: str, tokens: Sequence[Token], place: int, limit: int) -> tuple[str | None, int]:
    """The speaker told right after a quotation and the end of the words that do; None if it is not said to be speech."""
    start = place + 1 + (tokens[place + 1].role in ("pause", "be"))
    end = min(tokens.index(_END, place), limit)
    verb = next(iter(_verbs(tokens, start, end)), None)
    if verb is None or not _speaks(tokens, verb):
        return None, place + 1
    found = subject(tokens, verb)
    if found and found[0] == start:  # "Hi," the man says
        return _named(text, tokens, found), verb + 1
    first = last = verb + 1 + (tokens[verb + 1].word == "by")
    if verb > start and first == verb + 1:
        return None, place + 1
    while last < end and tokens[last].role not in BREAKS | {"and", "to"}:
        last += 1
    return _named(text, tokens, (first, last)), last


def _verbs(tokens: Sequence[Token], start: int, end: int) -> list[int]:
    """Places of verbs of saying, writing or naming, not of nouns such as "a sign"."""
    found = [at for at in range(start, end) if tokens[at].stem in SPEECH | WRITING]
    nouns = [at for at in found if tokens[at].article or tokens[at - 1].role == "preposition"]
    return [at for at in found if at not in nouns or tokens[at].word.endswith("ing")]


def _speaks(tokens: Sequence[Token], verb: int) -> bool:
    """Whether it says that somebody speaks: not "a dog called "Rex"", "she does not say"."""
    stem, following = tokens[verb].stem, tokens[verb + 1].word
    if any(token.word in NEGATIONS or token.stem in DOUBTS for token in tokens[max(0, verb - 3) : verb]):
        return False
    if stem in ("call", "read"):
        return following in ("out", "aloud") or (stem == "call" and following in (",", ":"))
    return stem in SPEECH


def _named(text: str, tokens: Sequence[Token], span: tuple[int, int] | None) -> str | None:
    """A noun phrase as the text has it, "unknown" if there is none; None if its noun is a sign or the like."""
    start, end = span or (0, 0)
    if not any(token.role == "word" for token in tokens[start:end]):
        return UNKNOWN
    if any(token.stem in TEXTS for token in tokens[start : head_end(tokens, start, end)]):
        return None
    return text[tokens[start].start : tokens[end - 1].end]


def _label(text: str, tokens: Sequence[Token], colon: int) -> str | None:
    """Whom the words before a colon name; None if they cannot name a speaker."""
    start = clause_start(tokens, colon)
    phrase = tokens[start:colon]
    if not 0 < len(phrase) <= 5 or not {token.role for token in phrase} <= {"word", "preposition"}:
        return None
    other = any(token.stem in _NO_LABELS or token.word in PRONOUNS for token in phrase)
    return None if other or phrase[0].word[0].isdigit() else _named(text, tokens, (start, colon))
