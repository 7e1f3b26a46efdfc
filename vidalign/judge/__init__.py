"""Judges: language models that litellm reaches, or offline by words; what they are asked, and what they spent.

The names load on first use: the client's libraries take longer to import than a reward that needs no model.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vidalign.judge.environment import default_judge, judge_from_env
    from vidalign.judge.lexical import LexicalJudge
    from vidalign.judge.task_judges import TaskJudges
    from vidalign.llm.background import run_sync
    from vidalign.llm.client import LLMJudge
    from vidalign.llm.ledger import BudgetExceeded, JudgeDown, JudgeError, Ledger
    from vidalign.llm.media import Medium
    from vidalign.llm.question import Answer, Judge, Question, Unusable

_MODULE_OF = {
    "Answer": "vidalign.llm.question",
    "BudgetExceeded": "vidalign.llm.ledger",
    "Judge": "vidalign.llm.question",
    "JudgeDown": "vidalign.llm.ledger",
    "JudgeError": "vidalign.llm.ledger",
    "LLMJudge": "vidalign.llm.client",
    "Ledger": "vidalign.llm.ledger",
    "LexicalJudge": "vidalign.judge.lexical",
    "Medium": "vidalign.llm.media",
    "Question": "vidalign.llm.question",
    "TaskJudges": "vidalign.judge.task_judges",
    "Unusable": "vidalign.llm.question",
    "default_judge": "vidalign.judge.environment",
    "judge_from_env": "vidalign.judge.environment",
    "run_sync": "vidalign.llm.background",
}

__all__ = [
    "Answer",
    "BudgetExceeded",
    "Judge",
    "JudgeDown",
    "JudgeError",
    "LLMJudge",
    "Ledger",
    "LexicalJudge",
    "Medium",
    "Question",
    "TaskJudges",
    "Unusable",
    "default_judge",
    "judge_from_env",
    "run_sync",
]


def __getattr__(name: str) -> object:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULE_OF[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
