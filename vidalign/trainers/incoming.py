"""Datasets as users have them: rows whose prompt is part of other columns, rows of text that name media."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from datasets import IterableDataset, Value
from trl.data_utils import extract_prompt

from vidalign.encoding.named_media import Placeholders, text_problem
from vidalign.rows import DIALOGUE, BadRows, is_messages, refuse_bad, text_of

TEXTS = ("prompt", "chosen", "rejected", "completion", "messages", "conversations")


def columns_of(dataset: Any) -> list[str]:
    return list(dataset.column_names) if dataset.column_names is not None else list(next(iter(dataset)))


def each(datasets: Any, function: Callable[[Any, str], Any]) -> Any:
    """The function of an evaluation dataset and its name, or of several datasets by name."""
    if isinstance(datasets, dict):
        return {name: function(dataset, name) for name, dataset in datasets.items()}
    return function(datasets, "eval")


def whole_conversations(dataset: Any, name: str) -> Any:
    """Pairs of whole conversations without a `prompt` that repeats one of their turns as text, as the releases of
    UltraFeedback have it: their prompt is the turns that both begin with. Other pairs as they are.

    Raises:
        BadRows: rows whose prompt is no such turn; the first are named. Of a stream ValueError, when the row is reached.
    """
    if dataset is None or not {"prompt", "chosen", "rejected"} <= set(columns_of(dataset)):
        return dataset
    # Of texts alone: media that are features would be decoded.
    first = next(iter(dataset.select_columns(["prompt", "chosen", "rejected"])), None)
    if first is None or not (isinstance(first["prompt"], str) and is_messages(first["chosen"])):
        return dataset
    if isinstance(dataset, IterableDataset):

        def checked(row: Mapping[str, Any], index: int) -> dict[str, Any]:
            if (reason := _repeated_problem(row)) is not None:
                raise ValueError(f"row {index} of the {name} dataset: {reason}")
            return {}

        return dataset.map(checked, with_indices=True, remove_columns=["prompt"])
    texts = dataset.select_columns(["prompt", "chosen", "rejected"])
    refuse_bad(f"{name} dataset", map(_repeated_problem, texts))
    return dataset.remove_columns("prompt")


def _repeated_problem(row: Mapping[str, Any]) -> str | None:
    prompt, chosen, rejected = (row[name] for name in ("prompt", "chosen", "rejected"))
    for column, value in (("chosen", chosen), ("rejected", rejected)):
        if not is_messages(value):
            return f"{column}: {type(value).__name__} instead of a list of messages, as other rows have"
    shared = zip(chosen[:-1], rejected[:-1], strict=False)
    if any(one == other and text_of([one]).strip() == str(prompt).strip() for one, other in shared):
        return None
    return (
        "prompt: a string, and chosen and rejected are messages that do not both begin with it as a turn; give it as messages, "
        "or all three as strings"
    )


def with_prompt(dataset: Any, kind: str, *, name: str) -> Any:
    """The dataset with a `prompt`, from rows that hold it in their completions or in `messages`.

    Args:
        kind: "preference" or "supervised".

    Raises:
        BadRows: there are no such columns.
    """
    columns = columns_of(dataset)
    needed, function = {
        "preference": (("chosen", "rejected"), _shared_turns),
        "supervised": (("messages",), _last_turn),
    }[kind]
    if missing := [column for column in needed if column not in columns]:
        forms = {
            "preference": "`prompt`, `chosen` and `rejected`, or `chosen` and `rejected` that begin alike",
            "supervised": "`prompt` and `completion`, or `messages`",
        }
        raise BadRows(
            f"{name}: has the columns {', '.join(columns)}, and neither `prompt` nor {' and '.join(missing)}. Rows of kind "
            f"{kind} have {forms[kind]}; beside media no other form is read."
        )
    features = None
    if dataset.features is not None:
        # Given, not inferred: turns of text and turns of blocks have no common Arrow type but datasets' Json.
        features = dataset.features.copy()
        features["prompt"] = features[needed[0]]
        if kind == "supervised":
            features["completion"], features[DIALOGUE] = features["messages"], Value("bool")
    return dataset.map(function, features=features)


def _last_turn(row: dict[str, Any]) -> dict[str, Any]:
    messages = row["messages"]
    if messages is None:
        return {"prompt": None, "completion": None, DIALOGUE: True}
    return {"prompt": messages[:-1], "completion": messages[-1:], DIALOGUE: True}


def _shared_turns(row: dict[str, Any]) -> dict[str, Any]:
    if not row["chosen"] or not row["rejected"]:
        return {"prompt": None, "chosen": row["chosen"], "rejected": row["rejected"]}
    return extract_prompt(row)


def refuse_named_media(dataset: Any, placeholders: Placeholders | None, text_field: str, *, name: str) -> Any:
    """The dataset, of rows without media, none of whose texts names one. A stream is looked at as its rows come.

    Args:
        placeholders: what stands for media; None asks nothing.
        text_field: a further column of text.

    Raises:
        BadRows: rows that name media; the first are named. Of a stream ValueError, when the row is reached.
    """
    if placeholders is None:
        return dataset
    columns = [column for column in (*TEXTS, text_field) if column in columns_of(dataset)]
    if not columns:
        return dataset
    if not isinstance(dataset, IterableDataset):
        refuse_bad(
            name, (text_problem(row, columns, placeholders) for row in dataset.select_columns(columns))
        )
        return dataset

    def checked(row: Mapping[str, Any], index: int) -> dict[str, Any]:
        if (reason := text_problem(row, columns, placeholders)) is not None:
            raise ValueError(f"row {index} of the {name}: {reason}")
        return {}

    return dataset.map(checked, with_indices=True, features=dataset.features)
