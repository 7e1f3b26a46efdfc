"""The judge that the environment names: `VIDALIGN_JUDGE`, and `VIDALIGN_JUDGE_<SETTING>` for each setting of `LLMJudge`."""

from __future__ import annotations

import json
import os
from dataclasses import fields
from typing import Any

from vidalign.judge.client import LLMJudge
from vidalign.judge.lexical import LexicalJudge
from vidalign.judge.question import Judge

OFFLINE = "lexical"
_PREFIX = "VIDALIGN_JUDGE_"
_BOOLS = {"true": True, "1": True, "false": False, "0": False, "": None}

_default: tuple[int, dict[str, str], Judge] | None = None


def judge_from_env() -> Judge:
    """`VIDALIGN_JUDGE=lexical` (the default) judges offline; any other value is a model, as litellm names it.

    `VIDALIGN_JUDGE_API_BASE`, `VIDALIGN_JUDGE_MAX_DOLLARS`, `VIDALIGN_JUDGE_CACHE_DIR` and so on set the judge's settings:
    numbers and words as they are, lists and `params` as JSON, `sees` also as "image,audio".

    Raises:
        ValueError: an unknown setting, or a value of the wrong kind.
    """
    model = os.environ.get("VIDALIGN_JUDGE", "").strip() or OFFLINE
    given = _settings()
    if model == OFFLINE:
        return LexicalJudge()
    return LLMJudge(model=model, **given)


def default_judge() -> Judge:
    """The environment's judge, one for all rewards in a process, so that they share its limits and its ledger."""
    global _default
    now = {name: value for name, value in os.environ.items() if name.startswith("VIDALIGN_JUDGE")}
    if _default is None or _default[:2] != (os.getpid(), now):
        _default = (os.getpid(), now, judge_from_env())
    return _default[2]


def _settings() -> dict[str, Any]:
    kinds = {f.name: str(f.type) for f in fields(LLMJudge) if f.init and f.name != "model"}
    found = {}
    for variable, text in sorted(os.environ.items()):
        if not variable.startswith(_PREFIX) or variable == f"{_PREFIX}API_KEY":
            continue
        name = variable.removeprefix(_PREFIX).lower()
        if name not in kinds:
            known = ", ".join(f"{_PREFIX}{kind.upper()}" for kind in sorted(kinds))
            raise ValueError(f"{variable} is no setting of the judge; known are {known}")
        try:
            found[name] = _value(text, kinds[name])
        except (ValueError, RecursionError):
            # Without params' value, which may hold a key by mistake.
            said = variable if name == "params" else f"{variable}={text!r}"
            raise ValueError(f"{said} is not of the kind {kinds[name]}") from None
    return found


def _value(text: str, kind: str) -> Any:
    if kind.startswith("str"):
        return text
    if kind.startswith("bool"):
        word = text.strip().lower()
        if word not in _BOOLS:
            raise ValueError(text)
        return _BOOLS[word]
    if kind.startswith("int"):
        return int(text)
    if kind.startswith("float"):
        return float(text)
    if kind.startswith("tuple") and not text.lstrip().startswith("["):
        parts = [part.strip() for part in text.split(",") if part.strip()]
        return tuple(map(float, parts)) if "float" in kind else tuple(parts)
    value = json.loads(text)
    if not isinstance(value, list if kind.startswith("tuple") else dict):
        raise ValueError(text)
    return tuple(value) if kind.startswith("tuple") else value
