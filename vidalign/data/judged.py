"""What every build with a judge says of it: to its journal, on the bar, and of the rows that have no answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any

from vidalign.data.costs import Asks, Prices
from vidalign.judge.tasks import version_of
from vidalign.llm.question import Judge
from vidalign.stages import Stage
from vidalign.stages.run import Run, Running


def judge_or_default(judge: Judge | None, tasks: Sequence[str]) -> Judge:
    """The judge, or the environment's; where nobody named one for these tasks, it is said."""
    # Here, not above: a command line that only shows its help must not load a client.
    from vidalign.judge.environment import default_judge, notice_unnamed

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


def names_of(given: Iterable[str]) -> list[str]:
    """Names one by one, where several may stand in one text with commas between them."""
    texts = [given] if isinstance(given, str) else given
    return [name.strip() for text in texts for name in text.split(",") if name.strip()]


def storable(text: str) -> str:
    """A model's JSON can escape half a surrogate pair, which Arrow cannot hold."""
    return text.encode("utf-8", "replace").decode("utf-8")


def stage_of(
    name: str,
    work: Callable[[Any], Awaitable[Any]],
    settings: Mapping[str, Any],
    judge: Judge,
    tasks: Sequence[str],
    run: Run,
    asks: Callable[[Any], Iterable[Asks]],
) -> Stage:
    """A stage that asks a judge.

    Args:
        name: of the stage.
        work: what is asked of an item; it raises `Unfinished` where there is no usable answer.
        settings: what the results depend on, besides the judge and its questions.
        judge, tasks: who is asked, and what.
        run: how many items are under way at once.
        asks: an item -> its questions, for a dry run.
    """
    prices = Prices(judge)
    return Stage(
        name,
        lambda item, found: work(item),
        {**settings, **asked_of(judge, tasks)},
        window=window_of(judge, tasks) if run.window is None else run.window,
        cost=lambda item, found: prices.cost(asks(item)),
    )


def work(running: Running, judge: Judge, name: str, **shown: Callable[[], Any]) -> dict[int, str] | None:
    """As `Running.work`, with what was asked and spent on the bar. shown: what else is, functions without arguments."""

    def said() -> dict[str, Any]:
        return {**{key: value() for key, value in shown.items()}, **status(judge)}

    return running.work(name, "the judge has no usable answer", status=said)
