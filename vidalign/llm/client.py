"""A language model as judge: any provider through litellm, or an OpenAI-compatible server of one's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeVar

from vidalign.llm import background, providers
from vidalign.llm.forks import PerProcess
from vidalign.llm.ledger import Ledger
from vidalign.llm.question import Answer, Judge, Question
from vidalign.llm.session import Session
from vidalign.llm.settings import LLMSettings

T = TypeVar("T")


@dataclass(repr=False)
class LLMJudge(LLMSettings, Judge):
    """A model that answers questions. Its arguments are those of `LLMSettings`.

    All objects in a process work in one thread of their own, so that one can be asked from sync and async code, from any
    thread and event loop, at once. It is pickled and forked as its settings; the ledger starts anew.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        self._session = PerProcess(self._begin)

    def _begin(self) -> Session:
        if self._session.inherited:
            self.ledger = Ledger()
        return Session(self, self.ledger)

    def __repr__(self) -> str:
        given = [
            f for f in fields(self) if f.init and getattr(self, f.name) != f.default and f.name != "params"
        ]
        return f"LLMJudge({', '.join(f'{f.name}={getattr(self, f.name)!r}' for f in given)})"

    def __getstate__(self) -> dict[str, Any]:
        return {f.name: getattr(self, f.name) for f in fields(self) if f.init}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]

    @property
    def name(self) -> str:
        return self.model

    async def senses(self, task: str) -> frozenset[str]:
        return await providers.senses(self)

    async def ask(self, question: Question[T]) -> Answer[T]:
        """Raises:
        BudgetExceeded: the next call does not fit the budget.
        JudgeDown: `patience` questions in a row had no usable answer.
        JudgeError: the key, the model's name or the cache is wrong.
        """
        return await background.run(self._ask(question))

    async def ask_all(self, questions: Sequence[Question[T]]) -> list[Answer[T]]:
        # One hop between threads for all of them.
        return await background.run(super().ask_all(questions))

    async def _ask(self, question: Question[T]) -> Answer[T]:
        return await self._session().ask(question)
