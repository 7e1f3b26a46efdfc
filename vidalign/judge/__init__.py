"""Judges: language models that litellm reaches, or offline by words; what they are asked, and what they spent.

The names load on first use: the client's libraries take longer to import than a reward that needs no model.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vidalign.judge.background import run_sync
    from vidalign.judge.client import LLMJudge
    from vidalign.judge.environment import default_judge, judge_from_env
    from vidalign.judge.ledger import BudgetExceeded, JudgeDown, JudgeError, Ledger
    from vidalign.judge.lexical import LexicalJudge
    from vidalign.judge.media import Medium
    from vidalign.judge.question import Answer, Judge, Question, Unusable
    from vidalign.judge.task_judges import TaskJudges

_MODULE_OF = {
    "Answer": "question",
    "BudgetExceeded": "ledger",
    "Judge": "question",
    "JudgeDown": "ledger",
    "JudgeError": "ledger",
    "LLMJudge": "client",
    "Ledger": "ledger",
    "LexicalJudge": "lexical",
    "Medium": "media",
    "Question": "question",
    "TaskJudges": "task_judges",
    "Unusable": "question",
    "default_judge": "environment",
    "judge_from_env": "environment",
    "run_sync": "background",
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
    return getattr(importlib.import_module(f"{__name__}.{_MODULE_OF[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
