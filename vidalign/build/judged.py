"""What every build with a judge says of it: to its journal, on the bar, and of the rows that have no answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vidalign.build.resumable import Resumable
from vidalign.judge.question import Judge

_SHOWN = 5


def name_of(judge: Judge) -> dict[str, Any]:
    """What answers depend on. Not `max_tokens`: too small a one is raised to finish the missing rows."""
    params = dict(getattr(judge, "params", {}))
    name = getattr(judge, "model", type(judge).__name__)
    return {"model": name, "temperature": getattr(judge, "temperature", None), "params": params}


def window_of(judge: Judge) -> int:
    """Rows under way at once, so that a row that is written leaves no slot of the judge empty."""
    return 2 * getattr(judge, "max_concurrency", 32)


def status(judge: Judge) -> dict[str, Any]:
    ledger = judge.ledger
    return {"calls": ledger.calls, "unscored": ledger.unscored.total(), "dollars": f"{ledger.dollars:.4f}"}


def storable(text: str) -> str:
    """A model's JSON can escape half a surrogate pair, which Arrow cannot hold."""
    return text.encode("utf-8", "replace").decode("utf-8")


def missing_message(name: str, missing: Mapping[int, str], build: Resumable) -> str:
    lines = [f"{name}: the judge has no usable answer for {len(missing)} of {build.total} rows"]
    lines += [f"  row {index}: {reason}" for index, reason in list(missing.items())[:_SHOWN]]
    if len(missing) > _SHOWN:
        lines.append(f"  ... and {len(missing) - _SHOWN} more")
    if build.done:
        lines.append(
            f"The others are kept in {str(build.journal)!r}: run the same again to ask for these only, or "
            "give --allow-missing to leave them out."
        )
    return "\n".join(lines)
