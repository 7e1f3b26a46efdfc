"""What a judge's questions would cost, for a dry run: guessed from their texts, and from what is known of the judge."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from vidalign.llm.background import run_sync
from vidalign.llm.question import Judge, Question
from vidalign.stages.estimate import Cost

BYTES = 4
"""Of a token, as a rule of thumb."""


@dataclass(frozen=True)
class Asks:
    """A question, or several of its size.

    answer: bytes that its answer is expected to have. times: that it is asked if every answer can be used. most: times at most.
    """

    question: Question[Any]
    answer: int
    times: int = 1
    most: int = 1


class _Rates(NamedTuple):
    """price: dollars for a token, in and out, None if not known. seconds: from one call to the next, None if not known. calls:
    at most for one question."""

    price: tuple[float, float] | None
    seconds: float | None
    calls: int


class Prices:
    """What a judge takes for its answers. Nothing is asked, and what is in its cache is not looked up."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self._rates: dict[str, _Rates] = {}

    def cost(self, asked: Iterable[Asks]) -> Cost:
        return sum(map(self._cost, asked), Cost())

    def _cost(self, asks: Asks) -> Cost:
        task = asks.question.task
        if task not in self._rates:
            self._rates[task] = _rates_of(self._judge.of(task))
        rates, times = self._rates[task], asks.times
        text = sum(len(message["content"].encode("utf-8", "replace")) for message in asks.question.messages())
        given, answered = times * -(-text // BYTES), times * -(-asks.answer // BYTES)
        return Cost(
            times,
            given,
            answered,
            None if rates.price is None else given * rates.price[0] + answered * rates.price[1],
            None if rates.seconds is None else times * rates.seconds,
            asks.most * rates.calls,
        )


def length(value: Any) -> int:
    """Bytes of a text, or of a value as JSON."""
    return len((value if isinstance(value, str) else json.dumps(value)).encode("utf-8", "replace"))


def _rates_of(judge: Judge) -> _Rates:
    from vidalign.llm import providers
    from vidalign.llm.client import LLMJudge

    if not isinstance(judge, LLMJudge):
        return _Rates((0.0, 0.0), 0.0, 1)
    price = None
    if judge.price is not None:
        price = (judge.price[0] / 1e6, judge.price[1] / 1e6)
    elif judge.api_base is None:
        price = run_sync(providers.price(judge.model))
    pace = judge.requests_per_minute
    return _Rates(price, None if pace is None else 60.0 / pace, 1 + judge.max_reasks)
