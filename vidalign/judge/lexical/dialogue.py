"""The speech that a caption quotes, with who speaks.

A quotation is speech if a verb of saying stands before it in its sentence, no later one of writing, and not of a sign or a
text; if a label of a few words and a colon does (Man in red: "Hi"); if neither does and a verb of saying follows ("Hi," says
the man. "Hi!" The man shouts.); or if it goes on after speech: "Yes," he says, "of course" (one turn), he says "A" and then "B"
(two). Script lines without quotation marks (Speaker 1: hello) count with a numbered label, or where two lines have labels that
name persons.
"""

from __future__ import annotations

from collections.abc import Sequence

import regex

from vidalign.judge.lexical.clauses import BOUNDS, BREAKS, clause_start, is_verb, reduced, subject_end
from vidalign.judge.lexical.english import ALOUD, DOUBTS, NO_LABELS, PERSONS, SPEECH, TEXTS, WRITING
from vidalign.judge.tasks.dialogue import Turn
from vidalign.text.english import NEGATIONS, PRONOUNS
from vidalign.text.sentences import END, ENDS, Token, sentences
from vidalign.text.stems import stem_set, word_set
from vidalign.text.words import words

UNKNOWN = "unknown"
_TELLS = SPEECH | WRITING
_GOES_ON = word_set("and later or finally followed by next repeatedly")
_LINE = regex.compile(
    r"""^[ \t]*+(?:[-*•][ \t]++)?(?P<label>\p{L}[\p{L} .]{1,40}?(?P<number>[ _]?\#?\d{1,3}|[ _][A-Z])?):[ \t]*+
    (?P<content>[^\s"“”„«「『][^\n"“”„«「『]*+)$""",
    regex.MULTILINE | regex.VERBOSE,
)


def turns(caption: str) -> list[Turn]:
    """The turns of dialogue, in the order of the text."""
    text = _with_script_quoted(caption)
    tokens = [token for sentence in sentences(text) for token in (*reduced(sentence.tokens), END)]
    found: list[Turn] = []
    lead: str | None = None  # who speaks next, by the words since the last quotation; "" is nobody
    speaker, told = "", False  # of the last quotation, and whether the words after it told it
    asked, resume = -1, 0  # the last quotation if its speaker is open, and what follows it and its speaker
    for place, token in enumerate(tokens):
        before = tokens[place - 1].role if place else "end"
        if token is END:
            lead, resume = None, place + 1 if told else resume
        elif token.role == "quote":
            if lead is None and before == "colon":
                lead = _label(text, tokens, place - 1)
            if lead is None and told and before == "pause" and not found[-1].content.endswith(ENDS):
                found[-1] = Turn(speaker, f"{found[-1].content} {token.word}")
            else:
                between = {word.word for word in tokens[resume:place] if word.role not in ("pause", "end")}
                if lead is not None or between - _GOES_ON:
                    speaker = lead or ""
                found.append(Turn(speaker, token.word))
                asked, told = place if lead is None else -1, False
            lead, resume = None, place + 1
        elif place >= resume and (speaks := _speaks(tokens, place)) is not None:
            after = _after(tokens, asked, place) if asked >= 0 else None
            named = _named(text, tokens, after or _subject(tokens, place)) if speaks else ""
            if after:
                found[-1] = Turn(named, found[-1].content)
                speaker, told, asked, resume = named, True, -1, max(place + 1, after[1])
            else:
                lead = named
    return [turn for turn in found if turn.speaker]


def _with_script_quoted(caption: str) -> str:
    """With quotation marks around what follows the label in script lines."""
    lines = [line for line in _LINE.finditer(caption) if _names_person(line["label"])]
    for line in reversed(lines):
        if line["number"] or len(lines) > 1:
            caption = f"{caption[: line.start('content')]}“{line['content']}”{caption[line.end() :]}"
    return caption


def _names_person(label: str) -> bool:
    person = label.isupper() or not PERSONS.isdisjoint(words(label))
    return person and NO_LABELS.isdisjoint(stem_set(label.casefold()))


def _speaks(tokens: Sequence[Token], at: int) -> bool | None:
    """Whether it says that somebody speaks; None if it is no verb of saying, writing or naming, but "a sign"."""
    token, before = tokens[at], tokens[max(0, at - 3) : at]
    noun = token.article or (before and before[-1].role == "preposition")
    if token.stem not in _TELLS or (noun and not token.word.endswith("ing")):
        return None
    denied = any(word.word in NEGATIONS or word.stem in DOUBTS for word in before)
    aloud = ALOUD.get(token.stem, {tokens[at + 1].word} if token.stem in SPEECH else ())
    return not denied and tokens[at + 1].word in aloud


def _subject(tokens: Sequence[Token], verb: int) -> tuple[int, int] | None:
    """Start and end of the noun phrase that the verb is said of; None if there is none."""
    begin = next((at for at in range(verb, 0, -1) if tokens[at - 1].role in BREAKS - {"pause"}), 0)
    for noun in (at for at in range(begin, verb) if tokens[at].role == "word"):
        if end := subject_end(tokens, noun, verb):
            while noun > begin and not tokens[noun].article and tokens[noun - 1].role == "word":
                if is_verb(tokens, noun - 1):  # "he hears Anna shout"
                    break
                noun -= 1
            return noun, end
    return None


def _after(tokens: Sequence[Token], quote: int, verb: int) -> tuple[int, int] | None:
    """The noun phrase of who is told to speak right after a quotation; None if the verb is not said of the quotation."""
    start = quote + 1 + (tokens[quote + 1].role in ("pause", "be", "end"))
    if tokens[quote + 1] is END and tokens[verb + 1] is not END:  # "Hi!" The man shouts.
        return None
    if verb > start:
        return found if (found := _subject(tokens, verb)) and found[0] == start else None
    first = verb + 1 + (tokens[verb + 1].word == "by")
    return first, next(at for at in range(first, len(tokens)) if tokens[at].role in BOUNDS | {"to"})


def _named(text: str, tokens: Sequence[Token], span: tuple[int, int] | None) -> str:
    """A noun phrase as the text has it, "unknown" if there is none; "" if its noun is a sign or the like."""
    phrase = tokens[slice(*span)] if span else []
    if not any(token.role == "word" for token in phrase):
        return UNKNOWN
    hangs = next((at for at, token in enumerate(phrase) if token.role in ("preposition", "relative")), None)
    sign = any(token.stem in TEXTS for token in phrase[:hangs])
    return "" if sign else text[phrase[0].start : phrase[-1].end]


def _label(text: str, tokens: Sequence[Token], colon: int) -> str:
    """Whom the words before a colon name; "" if they cannot name a speaker."""
    start = clause_start(tokens, colon)
    phrase = tokens[start:colon]
    plain = 0 < len(phrase) <= 5 and {token.role for token in phrase} <= {"word", "preposition"}
    other = any(token.stem in NO_LABELS or token.word in PRONOUNS for token in phrase)
    return "" if other or not plain or phrase[0].word[0].isdigit() else _named(text, tokens, (start, colon))
