"""Conversations as LLaMA-Factory ("sharegpt") and ms-swift ("messages") have them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from vidalign.data.imports.media import blocks_of, check_tags, media_in, untagged
from vidalign.data.imports.row import BadRow, Converted, checked_text, preference, supervised
from vidalign.rows import without_nulls

COLUMNS = ("conversations", "messages")
_ROLES = {
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "assistant": "assistant",
    "system": "system",
    "observation": "tool",
    "tool_response": "tool",
    "tool": "tool",
    "function_call": "call",
    "tool_call": "call",
}
"""LLaMA-Factory's default tags and ms-swift's roles. A call is the assistant's."""
_WORSE = ("rejected", "rejected_response", "rejected_messages")
_REFUSED = {
    "kto_tag": "a label of KTO, and no trainer here learns from single responses that are good or bad; make pairs of them",
    "label": "a label of KTO or of a class, and no trainer here learns from those; make pairs of the responses",
    "objects": "boxes that tags in the text stand for, which have no counterpart here; write them into the text",
    "rejected_images": "the rejected response has images of its own, and both responses of a pair here share their media",
    "rejected_videos": "the rejected response has videos of its own, and both responses of a pair here share their media",
    "rejected_audios": "the rejected response has sound of its own, and both responses of a pair here share their media",
}
USED = (
    *(*COLUMNS, "id", "system", "tools", "chosen", "chosen_score", "rejected_score", *_WORSE, *_REFUSED),
    *("videos", "video", "images", "image", "audios", "audio"),
)


def convert(row: Mapping[str, Any]) -> Converted:
    """A row with `messages` or `conversations`: turns of `role` and `content`, or of `from` and `value`.

    - In a user's turn, also a later one, and in what a tool returns, `<video>`, `<image>` and `<audio>` stand for the entries of
      `videos`, `images` and `audios` in order, and become content blocks where they stand.
    - `chosen` and `rejected`, each a message or a text, answer the turns (LLaMA-Factory). With `rejected_response`, a text, or
      `rejected_messages`, which differ in the last turn alone, that last turn is the chosen one (ms-swift). A row with none of
      them is supervised.
    - `system` is a turn before the others; `tools` are a list of schemas or JSON text.
    - A turn of `function_call` or `tool_call` holds {"name", "arguments"} as JSON, or a list of them.

    Not taken, since nothing here corresponds: labels of KTO and of classes, `objects`, a rejected response with media of its
    own, lists of frames, further keys in a turn (such as `loss`).

    Raises:
        BadRow: see there.
    """
    for column, reason in _REFUSED.items():
        if row.get(column) not in (None, [], {}):
            raise BadRow(f"{column}: {reason}")
    column, turns = _turns(row)
    media = media_in(row)
    tools = _tools(row)
    worse = [name for name in _WORSE if row.get(name) is not None]
    if len(worse) > 1:
        raise BadRow(f"{worse[1]}: given together with {worse[0]}; leave one of the two")
    if row.get("chosen") is not None and worse != ["rejected"]:
        raise BadRow(
            f"chosen: without rejected{', and with ' + worse[0] if worse else ''}; give both or none"
        )
    if not worse:
        _check_end(turns, column, "assistant")
        check_tags(_contents(turns), media, column)
        return supervised(row, turns, media, **tools)
    if worse == ["rejected"]:
        prompt, better, other = turns, _answer(row, "chosen"), _answer(row, "rejected")
    else:
        _check_end(turns, column, "assistant")
        prompt, better = turns[:-1], _said(turns[-1], column)
        other = _of_swift(row, worse[0], turns)
    _check_end(prompt, column, "user")
    check_tags(_contents(prompt), media, column)
    return preference(row, prompt, better, other, media, **tools)


def _turns(row: Mapping[str, Any]) -> tuple[str, list[dict[str, Any]]]:
    """Which column, and its turns with content blocks, that of `system` among them."""
    given = [name for name in COLUMNS if row.get(name) is not None]
    if len(given) != 1:
        there = " and ".join(given)
        raise BadRow(
            f"{COLUMNS[0]}: {'missing, and so is messages' if not given else f'{there} are both there'}; give one"
        )
    column = given[0]
    turns = turns_of(row[column], column)
    system = row.get("system")
    if system is None or system == "":
        return column, turns
    text = untagged(system, "system")
    if turns[0]["role"] != "system":
        return column, [{"role": "system", "content": blocks_of(text)}, *turns]
    if turns[0]["content"] != blocks_of(text):
        raise BadRow(f"system: another text than that of the system's turn in {column}; leave one of the two")
    return column, turns


def turns_of(value: Any, column: str) -> list[dict[str, Any]]:
    """Turns in another's format as messages with content blocks. Raises BadRow."""
    if not isinstance(value, (list, tuple)) or not value:
        raise BadRow(
            f"{column}: {'empty' if value == [] else type(value).__name__ + ' instead of a list of turns'}"
        )
    turns: list[dict[str, Any]] = []
    for number, given in enumerate(value):
        place = f"{column}: turn {number}"
        role, content = _turn(given, place)
        last = turns[-1]["role"] if turns else None
        if role == "call":
            calls = _calls(content, place)
            if last == "assistant" and turns[-1].get("tool_calls"):
                turns[-1]["tool_calls"] += calls  # several at once
                continue
            turn: dict[str, Any] = {"role": "assistant", "content": [], "tool_calls": calls}
        elif role in ("assistant", "system"):
            turn = {"role": role, "content": blocks_of(untagged(content, place))}
        else:
            turn = {"role": role, "content": blocks_of(checked_text(content, place))}
        _check_order(last, turn["role"], place)
        turns.append(turn)
    return turns


def _turn(given: Any, place: str) -> tuple[str, Any]:
    """Its role in our terms, or "call", and its content."""
    if not isinstance(given, Mapping):
        raise BadRow(
            f"{place}: {type(given).__name__} instead of an object with from and value, or role and content"
        )
    keys = {key for key, value in given.items() if value is not None}
    pair = next((pair for pair in (("from", "value"), ("role", "content")) if keys & set(pair)), None)
    if pair is None or pair[0] not in keys:
        raise BadRow(f"{place}: has no role (from or role); give one of {', '.join(_ROLES)}")
    if further := sorted(map(str, keys - set(pair))):
        raise BadRow(
            f"{place}: has the further key {further[0]!r}, which nothing here corresponds to; take it out"
        )
    role = given[pair[0]]
    if role not in _ROLES:
        raise BadRow(f"{place}: unknown role {role!r:.40}; known are {', '.join(_ROLES)}")
    return _ROLES[role], given.get(pair[1])


def _check_order(last: str | None, role: str, place: str) -> None:
    if role == "system" and last is not None:
        raise BadRow(f"{place}: the system's, which stands first or nowhere")
    if role == "user" and last == "user":
        raise BadRow(
            f"{place}: a second turn of the user's in a row; the assistant's between them is missing"
        )
    if role == "assistant" and last not in ("user", "tool"):
        before = "nothing before it" if last is None else f"the {last}'s before it"
        raise BadRow(f"{place}: the assistant's, with {before}, so it answers nothing; give the user's turn")
    if role == "tool" and last not in ("assistant", "tool"):
        raise BadRow(f"{place}: what a tool returns, and no call stands before it")


def _check_end(turns: Sequence[Mapping[str, Any]], column: str, role: str) -> None:
    """role: "assistant", or "user" for turns that a response answers."""
    last = turns[-1]["role"] if turns else "(none)"
    if (last == "assistant") != (role == "assistant") or last in ("system", "(none)"):
        wanted = (
            "the assistant's, which is learnt"
            if role == "assistant"
            else "the user's, which the responses answer"
        )
        raise BadRow(f"{column}: the last turn has the role {last}; it must be {wanted}")


def _contents(turns: Sequence[Mapping[str, Any]]) -> list[list[dict[str, Any]]]:
    return [turn["content"] for turn in turns]


def _answer(row: Mapping[str, Any], column: str) -> str:
    """`chosen` or `rejected`: a message or a text."""
    given = row.get(column)
    if not isinstance(given, Mapping):
        return untagged(given, column)
    role, content = _turn(given, column)
    if role != "assistant":
        raise BadRow(f"{column}: has the role {role}; a response is the assistant's")
    return untagged(content, column)


def _of_swift(row: Mapping[str, Any], column: str, turns: list[dict[str, Any]]) -> str:
    if column == "rejected_response":
        return untagged(row[column], column)
    other = turns_of(row[column], column)
    if turns[0]["role"] == "system" != other[0]["role"]:
        other = [turns[0], *other]  # that of the column `system`, which is both's
    if other[:-1] != turns[:-1] or len(other) != len(turns):
        raise BadRow(
            f"{column}: differs before its last turn, and the responses of a pair here answer the same; take the row out"
        )
    return _said(other[-1], column)


def _said(turn: Mapping[str, Any], column: str) -> str:
    if turn.get("tool_calls") or turn["role"] != "assistant":
        raise BadRow(
            f"{column}: ends in a call of a tool, and the responses of a pair here are texts; take the row out"
        )
    return "".join(block["text"] for block in turn["content"])


def _calls(content: Any, place: str) -> list[dict[str, Any]]:
    text = checked_text(content, place)
    try:
        read = json.loads(text)
    except ValueError as error:
        raise BadRow(f'{place}: a call that is not JSON ({error}); give {{"name", "arguments"}}') from None
    calls = read if isinstance(read, list) else [read]
    for call in calls:
        if not (
            isinstance(call, Mapping)
            and isinstance(call.get("name"), str)
            and isinstance(call.get("arguments"), Mapping)
        ):
            raise BadRow(
                f'{place}: a call without a name or without arguments as an object; give {{"name", "arguments"}}'
            )
    if not calls:
        raise BadRow(f"{place}: no call; take the turn out")
    return [
        {"type": "function", "function": {"name": call["name"], "arguments": dict(call["arguments"])}}
        for call in calls
    ]


def _tools(row: Mapping[str, Any]) -> dict[str, str]:
    """As JSON text, which is one type for all rows."""
    tools = row.get("tools")
    if tools is None or tools == "" or tools == []:
        return {}
    try:
        # Of a list Parquet has filled what one schema lacks and another has with null.
        read = json.loads(tools) if isinstance(tools, str) else without_nulls(tools)
    except ValueError as error:
        raise BadRow(f"tools: no JSON text ({error}); give a list of schemas, or one as JSON") from None
    if not isinstance(read, list) or not all(isinstance(tool, Mapping) for tool in read):
        raise BadRow("tools: no list of schemas; give one, or one as JSON text")
    return {"tools": json.dumps(read, ensure_ascii=False)} if read else {}
