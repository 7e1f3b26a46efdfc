"""Whether the speakers of matched dialogue turns are the same person (AVoCaDO §3.2.3, S_speaker), in one question."""

from __future__ import annotations

from collections.abc import Sequence

from vidalign.judge.tasks import verdicts
from vidalign.judge.tasks.dialogue import Turn
from vidalign.llm.media import Medium
from vidalign.llm.question import Question

_INSTRUCTIONS = """\
You compare who speaks in two transcripts of one video. The material has numbered `pairs`: in each, `generated` and \
`reference` give the same utterance, each with the name or description that its transcript gives the speaker. `caption`, if \
there, is the text that the generated transcript is from.

For each pair decide whether both descriptions can only be meant for the same person or voice in this video. Look at the \
video or listen to it if it is given. Descriptions may use other words for one person (a name, clothes, a role, a voice). \
Descriptions that differ in sex, age, number or role, or that the rest of the pairs give to somebody else, are not the same. \
If it cannot be told, answer false.

Give exactly one verdict for each index, in order."""


def question(
    pairs: Sequence[tuple[Turn, Turn]], caption: str = "", media: Sequence[Medium] = ()
) -> Question[list[bool]]:
    """Whether each pair (generated turn, reference turn) has the same speaker -> one bool a pair, in order."""
    count = len(pairs)
    rows = [
        {"index": index, "generated": generated._asdict(), "reference": reference._asdict()}
        for index, (generated, reference) in enumerate(pairs, 1)
    ]
    return Question(
        task="speakers",
        instructions=_INSTRUCTIONS,
        data={"pairs": rows, **({"caption": caption} if caption else {})},
        schema=verdicts.schema("same", count),
        read=lambda answer: verdicts.read(answer, count, "same"),
        media=tuple(media),
    )
