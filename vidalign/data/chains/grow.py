"""One caption -> a chain of captions, each made by a judge and checked before it counts (§3.1)."""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from vidalign.data.chains.errors import FREE, ErrorType
from vidalign.data.chains.steps import HINTS, Change, Draft, Rejected, change
from vidalign.data.judged import storable
from vidalign.judge.tasks import degrade
from vidalign.llm.question import Judge
from vidalign.stages.errors import Unfinished

METHODS = ("degrade", "unconditioned", "inject")
REFUSED = "refused"
NO_TYPE = "no_type"
"""No type of error fits what is left of the caption."""

# What says nothing of the caption: the same question may be answered on the next start.
_PASSING = ("rate_limited", "timeout", "connection", "server_error", "bad_body")
_REFUSALS = ("refusal", "content_policy")
_TRIES_A_TYPE = 2
_UNUSABLE = "there was no answer that could be used"


@dataclass(frozen=True)
class Plan:
    """How chains are grown.

    method: "degrade": each caption has one error more, of a drawn type; "unconditioned": of the model's choice (§4.3.4);
        "inject": each is the first with one error of its own, in a place of its own (MPO's data), so that they have no order.
    length: captions of a whole chain, the first among them, ≥ 2.
    minimum: captions of the shortest chain that is a row.
    types: that are drawn from.
    tries: questions of a step whose answer is no step, after which the chain ends.
    seed: of the draws.
    """

    method: str
    length: int
    minimum: int
    types: tuple[ErrorType, ...]
    tries: int
    seed: int


@dataclass
class Chain:
    """captions: without the first. errors: what each adds: type, before, after. ended: why it is no longer, None if it is whole.
    rejected: answers that did not count, by reason."""

    captions: list[str] = field(default_factory=list)
    errors: list[dict[str, str]] = field(default_factory=list)
    ended: str | None = None
    rejected: Counter[str] = field(default_factory=Counter)

    def as_json(self) -> dict[str, Any]:
        return {
            "captions": self.captions, "errors": self.errors, "ended": self.ended, "rejected": dict(self.rejected)
        }  # fmt: skip


async def grow(caption: str, judge: Judge, plan: Plan, rejected: Counter[str] | None = None) -> Chain:
    """The chain of a caption. Equal captions have equal chains from a judge that repeats itself.

    Args:
        caption: the first.
        judge: asked one question after the other.
        plan: see there.
        rejected: counts along, for a progress bar.

    Raises:
        Unfinished: the judge could not be asked, or gave nothing usable for a chain that is too short; the next start
            may get further.
        JudgeError: no further question can be answered.
    """
    return await _Growing(caption, judge, plan, rejected).run()


class _Growing:
    def __init__(self, caption: str, judge: Judge, plan: Plan, rejected: Counter[str] | None) -> None:
        self.first, self.judge, self.plan = caption, judge, plan
        self.draft, self.chain = Draft(caption), Chain()
        self.totals = Counter[str]() if rejected is None else rejected
        # Of the caption alone: neither the order of the rows nor what else is under way changes a draw.
        self.rng = random.Random(
            hashlib.sha256(f"{plan.seed}\0{caption}".encode("utf-8", "replace")).digest()
        )
        # A type that was refused has no place in a later caption either, which only has fewer of them.
        self.refused: set[str] = set()

    async def run(self) -> Chain:
        while len(self.chain.captions) + 1 < self.plan.length:
            step = await self._step()
            if step is None:
                break
            kind, found = step
            self.chain.captions.append(found.caption)
            self.chain.errors.append({"type": kind, "before": found.before, "after": found.after})
            self.draft = (
                found.marked_in(self.draft) if self.plan.method == "inject" else found.added_to(self.draft)
            )
        return self.chain

    async def _step(self) -> tuple[str, Change] | None:
        """The next error and what it changes; None if the chain ends."""
        set_aside: set[str] = set()
        kind: ErrorType | None = None
        notes: list[dict[str, str]] = []
        left, reason, unusable = self.plan.tries, NO_TYPE, False
        while left:
            if kind is None and self.plan.method != "unconditioned":
                kind = self._drawn(set_aside)
                notes = []
                if kind is None:
                    break
            answer = await self._asked(kind, notes)
            found = self._read(answer.value, kind, notes) if answer.value is not None else str(answer.reason)
            if isinstance(found, Change):
                return (FREE if kind is None else kind.name), found
            reason, unusable = found, answer.value is None and found not in _REFUSALS
            if found in (REFUSED, *_REFUSALS):
                self._count(REFUSED)
                reason = REFUSED
                if kind is None:
                    break
                self.refused.add(kind.name)
                kind = None
                continue
            self._count(found)
            left -= 1
            if unusable:
                notes.append({"why": _UNUSABLE})
            if kind is not None and len(notes) == _TRIES_A_TYPE:
                set_aside.add(kind.name)
                kind = None
        if unusable and len(self.chain.captions) + 1 < self.plan.minimum:
            raise Unfinished(f"degrade: {reason}")
        self.chain.ended = reason
        return None

    def _drawn(self, set_aside: set[str]) -> ErrorType | None:
        words = self.draft.words()
        left = [kind for kind in self.plan.types if kind.name not in self.refused | set_aside]
        # The first that fits, of all in a random order: uniform over those that fit, without trying each.
        return next((kind for kind in self.rng.sample(left, len(left)) if kind.applies(words)), None)

    async def _asked(self, kind: ErrorType | None, notes: Sequence[dict[str, str]]) -> Any:
        earlier = [
            {"before": error["before"], "after": error["after"], "where": self.draft.around(span)}
            for error, span in zip(self.chain.errors, self.draft.used, strict=True)
        ]
        name, meaning = (None, "") if kind is None else (kind.name, kind.meaning)
        answer = await self.judge.ask(degrade.question(self.draft.text, name, meaning, earlier, notes))
        if answer.reason in _PASSING:
            raise Unfinished(f"degrade: {answer.reason}")
        return answer

    def _read(
        self, answer: degrade.Degraded, kind: ErrorType | None, notes: list[dict[str, str]]
    ) -> Change | str:
        """The change that an answer is, or why it is none."""
        if not answer.possible:
            return REFUSED
        text = storable(answer.caption)
        try:
            return change(
                self.draft,
                text,
                self.first,
                [self.first, *self.chain.captions],
                moves=kind is None or kind.moves,
            )
        except Rejected as error:
            note = {"why": HINTS[error.reason]}
            # What is many times too long would fill the question.
            notes.append({"caption": text, **note} if len(text) <= 2 * len(self.first) + 200 else note)
            return error.reason

    def _count(self, reason: str) -> None:
        self.chain.rejected[reason] += 1
        self.totals[reason] += 1
