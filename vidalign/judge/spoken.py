"""The speech that a caption quotes, with who speaks: quotations beside a verb of speech or after a label, and script lines.

A quotation is speech if in its sentence
- the nearest verb of saying or writing before it is one of saying, and its subject is no sign, text or screen, or
- there is none before it, and one of saying follows ("Hi," says the man), or
- a label of a few words and a colon stands before it (Man in red: "Hi"), or
- it goes on after speech: "Yes," he says, "of course" (one turn); he says "A" and then "B" (two turns of one speaker).
Every other quotation, such as a sign's or a title, is not speech. Script lines without quotation marks (Speaker 1: hello)
count with a numbered label, or where two lines have labels that name persons.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field

import regex

from vidalign.judge.lexicon import DOUBTS, NEGATIONS, PRONOUNS, speaks, stem, stem_set, word_set
from vidalign.judge.quotes import Quote, quotes
from vidalign.judge.sayers import TEXTS, inverted, named, subject
from vidalign.judge.sentences import Token, sentences
from vidalign.judge.tasks.dialogue import Turn

_REACH = 12  # words between the verb and the quotation

_WRITES = stem_set(
    "reads displays shows written writes printed labelled labeled titled entitled subtitled captioned"
) | stem_set("marked named bears spells inscribed emblazoned features dubbed")
_NO_LABELS = TEXTS | stem_set(
    "audio dialogue scene sound music transcript lyrics summary example time visual shot background"
)
_ON = word_set(", : and then again later or finally followed by next also repeatedly")
_PERSONS = word_set(
    "speaker person man woman boy girl child kid voice male female host guest narrator interviewer interviewee reporter "
    "teacher student mother father presenter announcer singer player officer doctor lady guy actor actress"
)
_NUMBERED = regex.compile(
    r"(?i:speaker|person|man|woman|boy|girl|voice|male|female|guest|host)[ _]?#?(?:\d{1,3}|[A-Z])"
)
_LINE = regex.compile(
    r"^[ \t]*+(?:[-*•][ \t]++)?(?:[\[(]?\d{1,2}:\d{2}\S{0,12}[ \t]++)?\*{0,2}(?P<label>[\p{L}][^:\n*\"“”]{0,39})\*{0,2}:\*{0,2}"
    r"[ \t]*+(?P<content>\S[^\n]*+)$",
    regex.MULTILINE,
)
_ENDS = tuple(".!?…。！？")


@dataclass
class _Gap:
    """What stands between two quotations. first: the sentence that goes on after the one. last: that leads to the other.

    count: its sentences. verb, named: the verb in `first` that says who spoke before, and the end of that phrase.
    """

    first: list[Token] = field(default_factory=list)
    last: list[Token] = field(default_factory=list)
    count: int = 0
    verb: int = -1
    named: int = 0

    @property
    def single(self) -> bool:
        return bool(self.first) and bool(self.last) and self.count == 1

    def goes_on(self) -> bool:
        """Whether nothing in it keeps the speaker from speaking on: "A" and then "B"; "A," he says. "B"."""
        rest = self.last[self.named :] if self.single else self.last
        only = self.count == 0 or (self.count == 1 and (self.verb >= 0 or bool(self.last)))
        return only and all(token.word in _ON or token.kind == "F" for token in rest)


def turns(caption: str) -> list[Turn]:
    """The turns of dialogue, in the order of the text."""
    spans = quotes(caption)
    edges = [0, *(edge for span in spans for edge in (span.start, span.end)), len(caption)]
    gaps = [_gap(caption, edges[i], edges[i + 1]) for i in range(0, len(edges), 2)]
    found = [*_quoted(caption, spans, gaps), *_script(caption, spans)]
    return [turn for _, turn in sorted(found, key=lambda item: item[0])]


def _gap(text: str, start: int, end: int) -> _Gap:
    piece = text[start:end]
    parts = sentences(piece)
    gap = _Gap(count=len(parts))
    if not parts:
        return gap
    opening = [t._replace(start=t.start + start, end=t.end + start) for t in parts[0].tokens]
    closing = opening
    if len(parts) > 1:
        closing = [t._replace(start=t.start + start, end=t.end + start) for t in parts[-1].tokens]
    lead = piece[: parts[0].start]
    if start and not any(mark in lead for mark in (*_ENDS, ";", "\n")):
        gap.first = opening
    tail = piece[parts[-1].end :]
    if not any(mark in tail for mark in (*_ENDS, ";")) and (
        "\n" not in tail or parts[-1].tokens[-1].kind in ",:"
    ):
        gap.last = closing
    return gap


def _quoted(text: str, spans: Sequence[Quote], gaps: list[_Gap]) -> list[tuple[int, Turn]]:
    found: list[tuple[int, Turn]] = []
    speaker: str | None = None  # of the quotation before; None if there is none, or it is not speech
    for index, span in enumerate(spans):
        before, content = gaps[index], span.text.strip()
        if speaker is not None and _split(spans[index - 1], before):
            place, turn = found.pop()
            found.append((place, Turn(turn.speaker, f"{turn.content} {content}")))
            continue
        told, leading = _leading(text, before)
        if told:
            speaker = leading
        else:
            following = _following(text, span, gaps[index + 1])
            speaker = following or (speaker if index and before.goes_on() else None)
        if speaker is not None:
            found.append((span.start, Turn(speaker, content)))
    return found


def _split(span: Quote, between: _Gap) -> bool:
    """Whether the utterance goes on after who says it: "Yes," he says, "of course"."""
    told = between.single and between.verb >= 0 and between.last[-1].word == ","
    return told and len(_verbs(between.last)) == 1 and not span.text.rstrip().endswith(_ENDS)


def _leading(text: str, gap: _Gap) -> tuple[bool, str | None]:
    """Whether what leads to a quotation says what it is, and the speaker, None if it is not speech."""
    tokens = gap.last
    verbs = [(place, says) for place, says in _verbs(tokens) if not (gap.single and place == gap.verb)]
    if verbs and len(tokens) - verbs[-1][0] <= _REACH:
        place, says = verbs[-1]
        return True, subject(text, tokens, place) if says and not _unreal(tokens, place) else None
    label = _label(text, tokens)
    return label is not None, label


def _following(text: str, span: Quote, gap: _Gap) -> str | None:
    """The speaker named after a quotation, None if what follows does not say that it is speech."""
    tokens = gap.first
    inner = span.text.rstrip()[-1:]
    ended = inner in (".", "。") or (inner in _ENDS and gap.single)
    if not tokens or tokens[0].kind in "AS" or (ended and text[tokens[0].start].isupper()):
        return None
    offset = int(tokens[0].kind == ",")
    verbs = _verbs(tokens)
    if not verbs or verbs[0][0] > _REACH or not verbs[0][1] or _unreal(tokens, verbs[0][0]):
        return None
    gap.verb = place = verbs[0][0]
    gap.named = place + 1
    if place > offset and not (place + 1 < len(tokens) and tokens[place + 1].word == "by"):
        return subject(text, tokens[offset:], place - offset)
    phrase = inverted(tokens[place + 1 + (place > offset) :])
    gap.named += (place > offset) + len(phrase)
    return named(text, phrase)


def _verbs(tokens: Sequence[Token]) -> list[tuple[int, bool]]:
    """Places of verbs of saying (True) and of writing (False)."""
    found = []
    for place, token in enumerate(tokens):
        before = tokens[place - 1] if place else None
        after = tokens[place + 1].word if place + 1 < len(tokens) else ""
        noun = before is not None and before.kind in "DPZ" and not token.word.endswith("ing")
        if noun:
            continue
        if stem(token.word) == "call":
            # "a dog called "Rex"", "he calls it "Rex"" are names; "he calls, "Wait"" is not.
            found.append((place, after in ("out", ",", ":") or (not after and token.word != "called")))
        elif stem(token.word) in _WRITES:
            found.append((place, stem(token.word) == "read" and after in ("aloud", "out")))
        elif speaks(token.word):
            found.append((place, True))
    return found


def _unreal(tokens: Sequence[Token], verb: int) -> bool:
    return any(token.word in NEGATIONS or token.word in DOUBTS for token in tokens[max(0, verb - 3) : verb])


def _label(text: str, tokens: Sequence[Token]) -> str | None:
    """The words before a colon that leads to a quotation, if they can name a speaker."""
    if not tokens or tokens[-1].kind != ":" or tokens[-1].word not in (":", "："):
        return None
    first = next(
        (i for i, token in enumerate(tokens) if token.kind in "DW" and not token.word[0].isdigit()),
        len(tokens),
    )
    phrase = tokens[first:-1]
    if not 0 < len(phrase) <= 5 or any(t.kind not in "DWPFZ" for t in phrase) or phrase[0].word in PRONOUNS:
        return None
    if any(stem(token.word) in _NO_LABELS for token in phrase if token.kind == "W"):
        return None
    return text[phrase[0].start : phrase[-1].end]


def _script(text: str, spans: Sequence[Quote]) -> list[tuple[int, Turn]]:
    starts = [match.end() for match in regex.finditer("\n", text)]
    quoted = {bisect_right(starts, span.start) for span in spans}
    lines = []
    for match in _LINE.finditer(text):
        label = match["label"].strip()
        numbered = _NUMBERED.fullmatch(label) is not None
        names = label.casefold().split()
        person = len(names) <= 4 and bool(_PERSONS & {names[0], names[-1]})
        capitals = len(names) <= 3 and label.isupper()
        named = (person or capitals) and not _NO_LABELS & set(map(stem, names))
        if (numbered or named) and bisect_right(starts, match.start()) not in quoted:
            content = match["content"].strip(" *\t")
            lines.append((match.start("content"), numbered, Turn(label, content)))
    return [(place, turn) for place, numbered, turn in lines if numbered or len(lines) > 1]
