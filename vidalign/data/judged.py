"""What every build with a judge says of it: to its journal, on the bar, and of the rows that have no answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vidalign.judge.environment import default_judge, notice_unnamed
from vidalign.judge.tasks import version_of
from vidalign.llm.question import Judge
from vidalign.stages import MissingRows, Pipeline

_SHOWN = 5


def judge_or_default(judge: Judge | None, tasks: Sequence[str]) -> Judge:
    """The judge, or the environment's; where nobody named one for these tasks, it is said."""
    judge = judge if judge is not None else default_judge()
    notice_unnamed(judge, tasks)
    return judge


def name_of(judge: Judge, tasks: Sequence[str]) -> dict[str, Any]:
    """What answers depend on: of one judge, or by task. Not `max_tokens`: too small a one is raised to finish the missing
    rows."""
    names = {task: _name_of(judge.of(task)) for task in tasks}
    first, *others = names.values()
    return first if all(other == first for other in others) else names


def asked_of(judge: Judge, tasks: Sequence[str]) -> dict[str, Any]:
    """Settings of a stage that asks: who, and the versions of the questions."""
    return {
        "judge": name_of(judge, tasks),
        "questions": {task: version_of(task) for task in sorted(set(tasks))},
    }


def _name_of(judge: Judge) -> dict[str, Any]:
    params = dict(getattr(judge, "params", {}))
    return {"model": judge.name, "temperature": getattr(judge, "temperature", None), "params": params}


def shown_name(judge: Judge, tasks: Sequence[str]) -> str:
    """For a card: without the server's address, which is nobody's business who reads it."""
    shown = {task: _shown_name(judge.of(task)) for task in tasks}
    if len(set(shown.values())) == 1:
        return shown[tasks[0]]
    return "; ".join(f"{task}: {name}" for task, name in shown.items())


def _shown_name(judge: Judge) -> str:
    temperature = getattr(judge, "temperature", None)
    return judge.name if temperature is None else f"{judge.name}, temperature {temperature}"


def accounts(judge: Judge) -> list[str]:
    """What was asked and spent, a line a task and judge, and the total."""
    lines = [
        f"{task} ({part.name}): {counts}"
        for part in judge.parts()
        for task, counts in part.ledger.tasks.items()
    ]
    return [*(lines if len(lines) > 1 else []), str(judge.ledger)]


def window_of(judge: Judge, tasks: Sequence[str]) -> int:
    """Rows under way at once, so that a row that is written leaves no slot of a judge empty."""
    return 2 * max(getattr(judge.of(task), "max_concurrency", 32) for task in tasks)


def status(judge: Judge) -> dict[str, Any]:
    ledger = judge.ledger
    return {"calls": ledger.calls, "unscored": ledger.unscored.total(), "dollars": f"{ledger.dollars:.4f}"}


def storable(text: str) -> str:
    """A model's JSON can escape half a surrogate pair, which Arrow cannot hold."""
    return text.encode("utf-8", "replace").decode("utf-8")


def run(
    pipeline: Pipeline, judge: Judge, name: str, *, allow_missing: bool, progress: bool, **shown: Any
) -> dict[int, str]:
    """Runs a pipeline that asks a judge.

    Args:
        name: of the rows, for the message.
        allow_missing: whether rows may be left without an answer, as long as there are others.
        shown: on the bar, beside what was asked and spent: functions without arguments.

    Returns:
        The reasons of the items that have no usable answer, by number.

    Raises:
        MissingRows: there are some, or there is nothing else.
    """

    def said() -> dict[str, Any]:
        return {**{key: value() for key, value in shown.items()}, **status(judge)}

    outcome = pipeline.run(progress=progress, status=said)
    missing = {index: reason for index, (_, reason) in outcome.missing.items()}
    if missing and not (allow_missing and len(missing) < outcome.total):
        raise MissingRows(_missing_message(name, missing, pipeline), missing)
    return missing


def _missing_message(name: str, missing: Mapping[int, str], pipeline: Pipeline) -> str:
    lines = [f"{name}: the judge has no usable answer for {len(missing)} of {pipeline.total} rows"]
    lines += [f"  row {index}: {reason}" for index, reason in list(missing.items())[:_SHOWN]]
    if len(missing) > _SHOWN:
        lines.append(f"  ... and {len(missing) - _SHOWN} more")
    if len(missing) < pipeline.total:
        lines.append(
            f"The others are kept in {str(pipeline.folder)!r}: run the same again to ask for these only, or "
            "give --allow-missing to leave them out."
        )
    return "\n".join(lines)
