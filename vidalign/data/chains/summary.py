"""What a build of chains came to: counts, and the card that tells them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vidalign.data.chains.grow import Plan
from vidalign.report.dataset_card import Card
from vidalign.stages.run import Summary

PAPER = "Learning to Rank Caption Chains for Video-Text Alignment, sections 3.1, 3.2 and 4.3.4."
_ABOUT = {
    "degrade": (
        "Chains of captions, best first: the first is the full caption of the video, and each further one has one error more "
        "and all the errors of those before it. The types of error are drawn evenly from those that fit the caption."
    ),
    "unconditioned": (
        "Chains of captions, best first: the first is the full caption of the video, and each further one has one error more, "
        "of the model's own choice, and all the errors of those before it."
    ),
    "inject": (
        "Captions with errors: the first of a row is the full caption of the video, and each further one is the first with one "
        "error of its own, in a place of its own. These have no order among themselves (`ordered` is false): they suit a loss "
        "that sets one winner against all, such as MPO, and not one of the whole order."
    ),
}
_COLUMNS = """\
A row has `videos` (if the input had them), `prompt`, `ranked` (the captions, the best first), `errors` (for each caption but \
the first: `type`, and the words `before` and `after`; in an ordered chain what it adds to the one before it), `ordered`, and \
the input's other columns. Each step was checked by rules: one place is changed, the places of earlier errors are untouched, \
the length stays, nothing is denied, no caption comes twice. That an error is one in the eyes of who sees the video was not \
checked."""


@dataclass(frozen=True)
class BuiltChains(Summary):
    """captions: in the written rows. left_out: rows whose chain is too short, by their number in the input, with the reason.
    lengths: chains by number of captions. types: errors by type. ended: written chains that are shorter than they might be, by
    reason. rejected: answers that did not count, by reason.
    """

    captions: int = 0
    left_out: Mapping[int, str] = field(default_factory=dict)
    lengths: Counter[int] = field(default_factory=Counter)
    types: Counter[str] = field(default_factory=Counter)
    ended: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)

    @property
    def not_written(self) -> Mapping[int, str]:
        return {**self.left_out, **self.missing}

    def written(self, output: str) -> str:
        return f"{self.rows} chains with {self.captions} captions written to {output}"

    def further(self) -> list[str]:
        counted = {
            "chains that ended early": self.ended,
            "answers that did not count": self.rejected,
            "types of error": self.types,
        }
        return [
            f"{what}: {', '.join(f'{name} {count}' for name, count in counts.most_common())}"
            for what, counts in counted.items()
            if counts
        ]


def summary(
    results: Iterable[Mapping[str, Any] | None],
    minimum: int,
    missing: Mapping[int, str],
    media_root: Path | None,
) -> BuiltChains:
    """Of all results in the rows' order, None for a missing one. `minimum`: captions of the shortest chain that is written."""
    left_out: dict[int, str] = {}
    lengths, types, ended, rejected = Counter[int](), Counter[str](), Counter[str](), Counter[str]()
    for index, result in enumerate(results):
        if result is None:
            continue
        rejected.update(result["rejected"])
        length = len(result["captions"]) + 1
        if length < minimum:
            left_out[index] = str(result["ended"])
            continue
        lengths[length] += 1
        types.update(error["type"] for error in result["errors"])
        if result["ended"] is not None:
            ended[result["ended"]] += 1
    captions = sum(length * count for length, count in lengths.items())
    return BuiltChains(
        lengths.total(),
        dict(missing),
        media_root,
        captions=captions,
        left_out=left_out,
        lengths=lengths,
        types=types,
        ended=ended,
        rejected=rejected,
    )


def card(built: BuiltChains, plan: Plan, judge: str, settings: Mapping[str, Any], loading: str) -> Card:
    """Args:
    judge: its name.
    settings: further ones of the command.
    loading: where the videos are.
    """
    return Card(
        title="Caption chains" if plan.method != "inject" else "Captions with injected errors",
        about=f"{_ABOUT[plan.method]}\n\n{_COLUMNS}",
        kind="chains",
        judge=judge,
        settings={
            "method": plan.method,
            "length": plan.length,
            "min_length": plan.minimum,
            "types": ", ".join(kind.name for kind in plan.types) if plan.method != "unconditioned" else None,
            "tries": plan.tries,
            "seed": plan.seed,
            **settings,
        },
        tables={
            "Counts": {
                "rows": built.rows,
                "captions": built.captions,
                **{f"rows with {length} captions": built.lengths[length] for length in sorted(built.lengths)},
                "input rows left out": len(built.left_out) + len(built.missing),
            },
            "Types of error": dict(built.types.most_common()),
            "Chains that ended early": dict(built.ended.most_common()),
            "Rows left out": dict(Counter([*built.left_out.values(), *built.missing.values()]).most_common()),
            "Answers that did not count": dict(built.rejected.most_common()),
        },
        tags=("caption-chains", "preference", "ranking", f"method-{plan.method}"),
        loading=loading,
        paper=PAPER,
    )
