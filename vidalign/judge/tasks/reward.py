"""An answer to a question on a video -> points by a caption that stands for the video (LLaVA-Hound §3.3, its Fig. 22)."""

from __future__ import annotations

from typing import Any

from vidalign.judge.tasks.forms import STRING, object_of
from vidalign.judge.tasks.scores import Score
from vidalign.llm.question import Question, Unusable

LOWEST, HIGHEST = 1, 5
GOOD = 3
"""Answers with so many points are good (§3.3)."""

_INSTRUCTIONS = f"""\
You judge an answer to a question about a video that you do not see. The material has a `caption` that describes the video and is \
right, the `question`, a `reference` answer, and the `prediction` to judge.

Say in one to three sentences (`reason`) what of the prediction the caption bears out, what it contradicts, what it makes up, and \
whether the question is answered. Words need not be those of the reference: what the caption states is right, and what neither has \
may be made up. Then give points (`score`): {HIGHEST}: right and complete; 4: right, with a small gap or slip; {GOOD}: the main point is \
right; 2: the main point is missed, though something is right; {LOWEST}: wrong, made up, or no answer. Length is no merit."""

_POINTS = {"type": "integer", "minimum": LOWEST, "maximum": HIGHEST}


def question(caption: str, asked: str, reference: str, prediction: str) -> Question[Score]:
    """The reasons come before the points, as in the paper."""
    return Question(
        task="reward",
        instructions=_INSTRUCTIONS,
        data={"caption": caption, "question": asked, "reference": reference, "prediction": prediction},
        schema=object_of(reason=STRING, score=_POINTS),
        read=read,
    )


def read(answer: Any) -> Score:
    """Raises `Unusable`: "wrong_form" or "out_of_range". A number in the reasons is no score."""
    points = answer.get("score") if isinstance(answer, dict) else None
    if type(points) is not int:
        raise Unusable("wrong_form", f"the score is {points!r:.40}, not an integer")
    if not LOWEST <= points <= HIGHEST:
        raise Unusable("out_of_range", f"{points}, not from {LOWEST} to {HIGHEST}")
    reason = answer.get("reason")
    return Score(points, " ".join(reason.split()) if isinstance(reason, str) else "")
