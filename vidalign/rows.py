"""The rows that everything here reads: which columns, which media, and what is wrong with the first bad ones.

Media are paths in a `videos` column (also one path in `video`), file contents as bytes, or `{"path", "bytes"}` as
`datasets` stores them; sound by itself stands in `audios` in the same forms, images in `images`, there also as PIL images
or arrays, as in TRL. Imports neither torch nor av.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from typing import Any

COMPLETIONS: dict[str, tuple[str, ...]] = {
    "preference": ("chosen", "rejected"),
    "supervised": ("completion",),
    "ranked": ("ranked",),
    "online": (),
}
"""Columns that hold responses, by kind of dataset. A ranked row holds a list of them, or one `completion` to several
`prompts` (see `chain_of`); to an online row the model itself responds."""

DIALOGUE = "vidalign_dialogue"
"""Column of rows whose `prompt` and `completion` are the turns of one `messages`: true."""

_SHOWN = 5


class BadRows(ValueError):
    """A dataset with rows that cannot be trained on. The message names the first of them."""


class MissingMedium(ValueError):
    """There is nothing to read: no such file, a folder, or zero bytes."""


@dataclass(frozen=True)
class MediaFolder:
    """The folder that relative media paths start from, and the others that the user allows.

    root: default the current folder. allow: further folders, by name, that paths may lead into.
    """

    root: str | os.PathLike[str] | None = None
    allow: tuple[str, ...] = ()

    def resolve(self, path: str) -> str:
        """Absolute path of a medium.

        Raises:
            ValueError: a URL, or a path that leaves the folder.
        """
        if "://" in path:
            raise ValueError(f"{path!r} is a URL; download it and give the path of the file")
        root = os.path.abspath(self.root if self.root is not None else os.curdir)
        # normpath, not realpath: a link inside the folder to a data disk is the user's own decision.
        full = os.path.normpath(os.path.join(root, os.path.expanduser(path)))
        for folder in (root, *(os.path.abspath(os.path.expanduser(name)) for name in self.allow)):
            if full == folder or full.startswith(folder.rstrip(os.sep) + os.sep):
                return full
        raise ValueError(
            f"{path!r} lies outside {root!r}; set media_root to the folder that holds the media, or name the folder in "
            "media_allow"
        )

    def source(self, medium: Any) -> str | bytes:
        """Absolute path of a medium, whether or not there is a file, or the bytes themselves.

        Raises:
            ValueError: not a medium, a URL, or outside the folder.
        """
        if isinstance(medium, Mapping):
            medium = medium.get("bytes") or medium.get("path")
        if isinstance(medium, (bytes, bytearray, memoryview)):
            return bytes(medium)
        if isinstance(medium, os.PathLike):
            medium = os.fspath(medium)
        if not isinstance(medium, str) or not medium:
            raise ValueError(
                f"holds {type(medium).__name__} {medium!r:.40}, which is neither a path nor bytes"
            )
        return self.resolve(medium)

    def locate(self, medium: Any) -> str | bytes:
        """A path that exists and is not empty, or the bytes themselves.

        Raises:
            MissingMedium: nothing to read.
            ValueError: as `source`.
        """
        source = self.source(medium)
        if isinstance(source, bytes):
            if not source:
                raise MissingMedium("holds zero bytes")
            return source
        try:
            size = os.path.getsize(source)
        except OSError:
            given = medium["path"] if isinstance(medium, Mapping) else medium
            hint = "" if os.path.isabs(given) else " (relative paths start at media_root)"
            raise MissingMedium(f"{source!r} does not exist{hint}") from None
        if os.path.isdir(source):
            raise MissingMedium(f"{source!r} is a folder; give the path of a file")
        if not size:
            raise MissingMedium(f"{source!r} is empty (0 bytes); fetch it again or drop the row")
        return source


def is_picture(medium: Any) -> bool:
    """A PIL image, an array or a tensor, instead of the file of an image."""
    stored = isinstance(medium, (str, bytes, bytearray, memoryview, os.PathLike, Mapping, Sequence))
    return not stored and (hasattr(medium, "shape") or hasattr(medium, "getbands"))


def media_of(row: Mapping[str, Any], kind: str) -> list[Any]:
    """The media of a row in order; `kind` is "video", "audio" or "image". Of a row in which `form_problem` finds nothing."""
    if row.get(kind) is not None:
        return [row[kind]]
    return list(row.get(f"{kind}s") or [])


def form_problem(row: Mapping[str, Any], kind: str) -> str | None:
    """What is wrong with the columns that hold a kind of media, as "column: reason"; None if nothing is."""
    several = row.get(f"{kind}s")
    if several is not None and not isinstance(several, (list, tuple)):
        what = "a string" if isinstance(several, str) else type(several).__name__
        return f"{kind}s: {what} instead of a list of paths; one alone may stand in a column {kind}"
    if several and row.get(kind) is not None:
        return f"{kind}: given together with {kind}s; put all of the row's into {kind}s"
    return None


def without_nulls(value: Any, *, keep: Sequence[str] = ()) -> Any:
    """Drops the keys that Arrow filled with None to make content blocks of different kinds, or schemas of tools, one type.

    keep: keys whose values stay as they are. The `arguments` of a tool call may hold a null that is meant.
    """
    if isinstance(value, Mapping):
        return {
            key: item if key in keep else without_nulls(item, keep=keep)
            for key, item in value.items()
            if item is not None
        }
    if isinstance(value, (list, tuple)):
        return [without_nulls(item, keep=keep) for item in value]
    return value


def is_messages(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, (str, bytes)) and bool(len(value))


def says_nothing(value: Any) -> bool:
    """Whether a string or a list of messages has neither text nor a tool call."""
    called = not isinstance(value, str) and any(message.get("tool_calls") for message in value)
    return not (called or text_of(value).strip())


def text_of(value: Any) -> str:
    """All the text of a string or of a list of messages."""
    if isinstance(value, str):
        return value
    pieces: list[str] = []
    for message in value or []:
        content = message.get("content") if isinstance(message, Mapping) else None
        if isinstance(content, str):
            pieces.append(content)
        for block in content if isinstance(content, Sequence) and not isinstance(content, str) else []:
            if isinstance(block, Mapping) and isinstance(block.get("text"), str):
                pieces.append(block["text"])
    return "\n".join(pieces)


def chain_of(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The items of a ranked row, best first, each a row with `prompt` and `completion` and the same media.

    `prompt` and `ranked`: completions of one prompt. `prompts` and `completion`: one answer to several questions, first
    the one that it fits best (of questions to be denied, the most mistaken one).

    Raises:
        ValueError: neither or both, or no chain; as "column: reason".
    """
    ranked, prompts = row.get("ranked"), row.get("prompts")
    if (ranked is None) == (prompts is None):
        raise ValueError(
            f"ranked: {'missing, and so is prompts' if ranked is None else 'given together with prompts'}; a chain has a "
            "prompt and ranked completions, or prompts and one completion"
        )
    column, items = ("ranked", ranked) if prompts is None else ("prompts", prompts)
    if isinstance(items, (str, bytes, Mapping)) or not isinstance(items, Sequence):
        raise ValueError(f"{column}: {type(items).__name__} instead of a list, best first")
    if any(isinstance(item, Mapping) for item in items):
        raise ValueError(f"{column}: one list of messages; give a list with one such list for each item")
    if len(items) < 2:
        raise ValueError(f"{column}: {len(items)} item; a chain has at least 2, so drop the row")
    shared = "prompt" if prompts is None else "completion"
    own = "completion" if prompts is None else "prompt"
    rest = {
        key: value for key, value in row.items() if key not in ("ranked", "prompts", "prompt", "completion")
    }
    return [{**rest, shared: row.get(shared), own: item} for item in items]


def order_problem(row: Mapping[str, Any], longest: int | None = None) -> str | None:
    """What keeps a ranked row from a loss that compares all its items: `ordered` is false, as `vidalign build chains` has it
    for captions with one error each. The first is the best; of the others none is better than another.

    longest: only the first so many items are compared. Two always have an order.
    """
    items = chain_of(row)[:longest]
    if row.get("ordered") is not False or len(items) == 2:
        return None
    return (
        f"ordered: false, so of its {len(items)} items only the first is known to be better than the others; take loss_type "
        "'mpo' (the best against all others), or 'dpo' (the first two)"
    )


def _chain_problem(row: Mapping[str, Any]) -> str | None:
    try:
        items = chain_of(row)
    except ValueError as error:
        return str(error)
    own = "ranked" if row.get("prompts") is None else "prompts"
    for number, item in enumerate(items):
        if (reason := _texts_problem(item, "supervised")) is not None:
            return f"{own}, item {number}: {reason}"
    places: dict[str, int] = {}
    for number, item in enumerate(items):
        said = _said(item["completion" if own == "ranked" else "prompt"])
        if places.setdefault(said, number) != number:
            return f"{own}: items {places[said]} and {number} are equal, so neither is better; take one out"
    if not isinstance(row.get("ordered"), (bool, type(None))):
        return f"ordered: {row['ordered']!r:.40} instead of true or false"
    return _scores_problem(row.get("scores"), len(items))


def _said(value: Any) -> str:
    """Equal for strings, or lists of messages, that say the same."""
    calls = [] if isinstance(value, str) else [message.get("tool_calls") for message in value]
    return text_of(value).strip() + (repr(calls) if any(calls) else "")


def _scores_problem(scores: Any, count: int) -> str | None:
    if scores is None:
        return None
    if not isinstance(scores, Sequence) or len(scores) != count:
        return f"scores: {scores!r:.60} instead of one for each of the {count} items"
    if not all(isinstance(score, Real) for score in scores):
        return f"scores: {scores!r:.60} are not all numbers; give one for each item, or leave the column out"
    for number in range(1, count):
        if not scores[number] < scores[number - 1]:
            return (
                f"scores: item {number} has {scores[number]} and the one before it {scores[number - 1]}; items stand best "
                "first, so sort the row by its scores"
            )
    return None


def problem(row: Mapping[str, Any], kind: str, folder: MediaFolder, *, missing: bool = True) -> str | None:
    """What is wrong with a row, as "column: reason"; None if nothing is.

    Args:
        row: one row of the dataset.
        kind: a key of `COMPLETIONS`.
        folder: where the media are.
        missing: whether a file that is not there is a problem; False for a caller that goes on to open it.
    """
    own = _chain_problem(row) if kind == "ranked" else _texts_problem(row, kind)
    return own or _media_problem(row, folder, missing=missing)


def _texts_problem(row: Mapping[str, Any], kind: str) -> str | None:
    if (reason := dialogue_problem(row)) is not None:
        return reason
    for column in ("prompt", *COMPLETIONS[kind]):
        value = row.get(column)
        if value is None:
            return f"{column}: missing"
        if not isinstance(value, str) and not is_messages(value):
            return f"{column}: {type(value).__name__} instead of a string or a list of messages"
        if not isinstance(value, str):
            reason = _messages_problem(value)
            if reason:
                return f"{column}: {reason}"
        if column != "prompt" and says_nothing(value):
            return f"{column}: empty"
    types = {column: isinstance(row[column], str) for column in ("prompt", *COMPLETIONS[kind])}
    if len(set(types.values())) > 1:
        return f"{', '.join(types)}: some are strings and some are messages; use one format in a row"
    return _tools_problem(row.get("tools"))


def _tools_problem(tools: Any) -> str | None:
    if not isinstance(tools, str):
        return None
    try:
        read = json.loads(tools)
    except ValueError as error:
        return f"tools: no JSON text ({error}); give a list of schemas, or one as JSON"
    return (
        None
        if read is None or isinstance(read, list)
        else f"tools: JSON text of {type(read).__name__} instead of a list"
    )


def _media_problem(row: Mapping[str, Any], folder: MediaFolder, *, missing: bool) -> str | None:
    for medium_kind in ("video", "audio", "image"):
        if (reason := form_problem(row, medium_kind)) is not None:
            return reason
        column = medium_kind if row.get(medium_kind) is not None else f"{medium_kind}s"
        for medium in media_of(row, medium_kind):
            if medium_kind == "image" and is_picture(medium):
                continue
            try:
                folder.locate(medium) if missing else folder.source(medium)
            except ValueError as error:
                return f"{column}: {error}"
    return None


def _messages_problem(messages: Sequence[Any]) -> str | None:
    for number, message in enumerate(messages):
        if not isinstance(message, Mapping) or message.get("role") is None:
            return f"message {number} has no role"
        content = message.get("content")
        if content is None and not message.get("tool_calls"):
            return f"message {number} has no content"
        if content is None or isinstance(content, str):
            continue
        if not (isinstance(content, Sequence) and all(isinstance(block, Mapping) for block in content)):
            return f"message {number}: its content is neither a string nor a list of blocks"
    return None


def dialogue_problem(row: Mapping[str, Any]) -> str | None:
    """What keeps a row that came as `messages` (`DIALOGUE`) from being learnt, as "column: reason"."""
    if not row.get(DIALOGUE):
        return None
    earlier, last = row["prompt"], row["completion"]
    if last is None:
        return "messages: missing"
    role = last[-1].get("role") if last and isinstance(last[-1], Mapping) else None
    if role != "assistant":
        return (
            f"messages: the last turn has the role {role!r}, and what is learnt is the assistant's; end the row with it, or "
            "drop it"
        )
    return None if earlier else "messages: only one turn; give the turns that the assistant's answers"


def validate(
    rows: Iterable[Mapping[str, Any]],
    kind: str,
    folder: MediaFolder,
    *,
    name: str = "dataset",
    missing: bool = True,
    also: Callable[[Mapping[str, Any]], str | None] = lambda row: None,
) -> int:
    """Looks at every row before training starts. Arguments as of `problem`.

    Args:
        also: what else may be wrong with a row in which `problem` finds nothing, as "column: reason".

    Returns:
        The number of rows.

    Raises:
        BadRows: no rows, or rows that cannot be used; the first ones are named with index, column and reason.
    """
    total = refuse_bad(name, (problem(row, kind, folder, missing=missing) or also(row) for row in rows))
    if not total:
        columns = ", ".join(("prompt", *COMPLETIONS[kind]))
        raise BadRows(f"{name}: no rows. Rows of kind {kind} have the columns {columns}.")
    return total


def refuse_bad(name: str, problems: Iterable[str | None]) -> int:
    """Goes through what is wrong with each row, in order; None for nothing.

    Returns:
        The number of rows.

    Raises:
        BadRows: something is wrong; the first rows are named with their index.
    """
    bad: list[str] = []
    count = total = 0
    for index, reason in enumerate(problems):
        total += 1
        if reason is not None:
            count += 1
            if len(bad) < _SHOWN:
                bad.append(f"  row {index}: {reason}")
    if bad:
        more = [f"  ... and {count - len(bad)} more"] if count > len(bad) else []
        raise BadRows("\n".join([f"{name}: {count} of {total} rows cannot be used", *bad, *more]))
    return total


def dataset_folder(name: str) -> Path | None:
    """Folder of a dataset file or folder on disk; None for a name on the Hub."""
    path = Path(name)
    if path.is_file():
        return path.resolve().parent
    return path.resolve() if path.is_dir() else None
