"""AVoCaDO's checklist-based reward R_C (Eq. 3): the share of the keypoints that a caption states."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from vidalign.judge.tasks import checklist
from vidalign.rewards.reward import Batch, JudgedReward, Score


def checklist_score(verdicts: Sequence[bool]) -> float:
    """R_C = (1/|K|) sum_i Judge(S_gen, k_i), in [0, 1] (AVoCaDO Eq. 3).

    Raises:
        ValueError: no verdicts; Eq. 3 divides by their number.

    Examples:
        >>> checklist_score([True, False, True, True])
        0.75
    """
    if not verdicts:
        raise ValueError("a checklist without keypoints has no score")
    return sum(map(bool, verdicts)) / len(verdicts)


@dataclass
class ChecklistReward(JudgedReward):
    """R_C over the `keypoints` column: one question to the judge per caption.

    `keypoints` is a list of sentences for each row; None or []: does not apply. An empty caption states none of them and is
    0 without a question. A column `keypoint_dimensions`, of the same shape, makes it log the share by dimension.

    Args:
        judge: default the environment's (`VIDALIGN_JUDGE`).

    Raises:
        ValueError: at the call, no `keypoints` column, or a row of it that is no list of strings.
        JudgeError: the judge cannot answer any more.
    """

    tasks: ClassVar = ("checklist",)
    __name__ = "checklist_reward"

    async def scores(self, batch: Batch) -> list[Score]:
        rows = [keypoints_of(row, i) for i, row in enumerate(batch.column("keypoints", self.__name__))]
        asked = [i for i, row in enumerate(rows) if row and batch.texts[i].strip()]
        questions = [checklist.question(batch.texts[i], rows[i]) for i in asked]
        answers = dict(zip(asked, await self.asked().ask_all(questions), strict=True))
        verdicts: list[list[bool] | None] = []
        scores = []
        for i, row in enumerate(rows):
            answer = answers.get(i)
            found = answer.value if answer is not None else [False] * len(row) if row else None
            verdicts.append(found)
            reason = answer.reason if answer is not None else None
            scores.append(Score(checklist_score(found)) if found else Score(reason=reason))
        batch.mean("checklist/keypoints", [float(len(row)) for row in rows if row])
        batch.log_extra("checklist", [v and "".join("1" if said else "0" for said in v) for v in verdicts])
        _log_dimensions(batch, verdicts)
        self.log_judge(batch, scores, "checklist")
        return scores


def keypoints_of(row: Any, index: int) -> list[str]:
    """A row of the `keypoints` column as sentences; {"text": ...} also stands for one."""
    if row is None:
        return []
    if isinstance(row, str) or not isinstance(row, Sequence):
        raise ValueError(f"keypoints of completion {index}: {row!r:.80} is not a list of strings")
    texts: list[str] = []
    for item in row:
        text = item.get("text") if isinstance(item, Mapping) else item
        if not isinstance(text, str) or not text.strip():
            raise ValueError(f"keypoints of completion {index}: {item!r:.80} is not a sentence")
        texts.append(text)
    return texts


def _log_dimensions(batch: Batch, verdicts: Sequence[Sequence[bool] | None]) -> None:
    found: dict[str, list[float | None]] = {}
    for names, row in zip(batch.columns.get("keypoint_dimensions") or [], verdicts, strict=False):
        for name, said in zip(names or [], row or [], strict=False):
            found.setdefault(str(name), []).append(float(said))
    for name in sorted(found):
        batch.mean(f"checklist/{name}", found[name])
