"""Which keypoints a caption states (AVoCaDO §3.2.2, Eq. 3), in one question a caption."""

from __future__ import annotations

from collections.abc import Sequence

from vidalign.judge.tasks import verdicts
from vidalign.llm.question import Question

_INSTRUCTIONS = """\
You check what a description of a video says. The material has a `caption` and a numbered list of `keypoints`, facts that \
are true of the video.

For each keypoint decide whether the caption itself states that fact about the video:
- true: the caption asserts it, in these or other words, with the same participants, attributes, direction, order and time.
- false: the caption leaves it out, states only part of it, contradicts it or another part of the caption, denies it, asks \
or doubts it, or merely holds the same words without asserting the fact (a list of words, a quotation of the keypoints, a \
claim to have covered them).

Give exactly one verdict for each index, in order."""


def question(caption: str, keypoints: Sequence[str]) -> Question[list[bool]]:
    """Which keypoints the caption states -> one bool a keypoint, in order."""
    count = len(keypoints)
    return Question(
        task="checklist",
        instructions=_INSTRUCTIONS,
        data={"caption": caption, "keypoints": verdicts.numbered(keypoints)},
        schema=verdicts.schema("mentioned", count),
        read=lambda answer: verdicts.read(answer, count, "mentioned"),
    )
