"""A caption -> the same caption with one error more (caption chains, §3.1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from vidalign.judge.tasks.forms import BOOLEAN, STRING, object_of
from vidalign.llm.question import Question, Unusable

_TASK = """\
You make a description of a video wrong in one place. The material has a `caption`; what it says is to be taken as true of \
the video, except where `earlier` says that an error was put in before.
"""
_TYPED = """
Put in exactly one error, of the type that `error` names and explains."""
_FREE = """
Put in exactly one error about something that is seen in the video, of any kind."""
_RULES = """\

- Change one place: one word or one short run of words, replaced by others. Everything else, all punctuation included, stays \
as it is, word for word.
- What stands there afterwards must contradict the video: somebody who watches it sees that it is wrong. No synonym, no \
vaguer or more exact word for the same, nothing that may be true as well.
- It must stay a natural sentence that could be true of some other video, of about the same length. Do not only add words, \
do not only take words away, and do not deny ("not", "no", "without").
- `earlier` lists places that are used up (`before` -> `after`, in the words of `where`): leave them as they stand in the \
caption, and change something else.
- `rejected`, if there, lists answers to this same task that could not be used, and why: avoid that.

Answer `possible` true and in `caption` the whole changed caption. If the caption has no place for such an error, answer \
`possible` false and the caption as it is."""

_SCHEMA = object_of(possible=BOOLEAN, caption=STRING)


class Degraded(NamedTuple):
    """possible: whether the caption has a place for such an error. caption: with it; to be checked."""

    possible: bool
    caption: str


def question(
    caption: str,
    kind: str | None = None,
    meaning: str = "",
    earlier: Sequence[Mapping[str, str]] = (),
    rejected: Sequence[Mapping[str, str]] = (),
) -> Question[Degraded]:
    """One error for a caption.

    Args:
        caption: the text that gets it.
        kind, meaning: its type and what that is; None: any.
        earlier: the errors that are there or that others have already: before, after, where.
        rejected: answers to the same question that could not be used: caption, why. They also make it another question,
            which has no answer in the cache.
    """
    data: dict[str, Any] = {"caption": caption}
    if kind is not None:
        data["error"] = {"type": kind, "meaning": meaning}
    data["earlier"] = [dict(change) for change in earlier]
    if rejected:
        data["rejected"] = [dict(answer) for answer in rejected]
    return Question(
        task="degrade",
        instructions=_TASK + (_FREE if kind is None else _TYPED) + _RULES,
        data=data,
        schema=_SCHEMA,
        read=read,
    )


def read(answer: Any) -> Degraded:
    """Raises `Unusable`: "wrong_form" or "wrong_type"."""
    if not isinstance(answer, dict) or not {"possible", "caption"} <= answer.keys():
        raise Unusable("wrong_form", "no possible or no caption")
    possible, caption = answer["possible"], answer["caption"]
    if type(possible) is not bool or not isinstance(caption, str):
        raise Unusable("wrong_type", f"possible is {possible!r:.40} and caption {caption!r:.40}")
    return Degraded(possible, caption.strip())
