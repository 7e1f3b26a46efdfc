"""What judges are asked: a module a task, each with the question, the answer's schema and its reading."""

from __future__ import annotations

import hashlib
from pathlib import Path

TASKS = (
    "checklist",
    "dialogue",
    "speakers",
    "keypoints",
    "degrade",
    "choices",
    "yes_no",
    "recaption",
    "improve",
    "compare",
    "claims",
    "claim_check",
    "principles",
    "scores",
    "quiz",
    "reward",
)
"""`Question.task` of each: by these names judges are named apart."""


def tasks_of(text: str) -> tuple[str, ...]:
    """Tasks with commas between them, in the order of the alphabet. Raises ValueError for one that is none."""
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name not in TASKS:
            raise ValueError(f"{name!r} is no task of a judge; known are {', '.join(TASKS)}")
    return tuple(sorted(set(names)))


def version_of(task: str) -> str:
    """Changes with the file that a task's question stands in, so that answers to another question are not taken for its own."""
    return hashlib.sha256((Path(__file__).parent / f"{task}.py").read_bytes()).hexdigest()[:12]
