"""The rows that chains are built from, and the rows that come of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from vidalign.data import captions
from vidalign.data.judged import storable
from vidalign.rows import text_of
from vidalign.stages.errors import PipelineError
from vidalign.stages.media_paths import MediaPaths
from vidalign.stages.tables import JsonRows, ParquetRows

PROMPT = "Describe the video in detail."
MADE = ("prompt", "ranked", "errors", "ordered")
# By these a row would be of another kind, or say something of other items.
_OF_OTHERS = (
    "completion",
    "chosen",
    "rejected",
    "prompts",
    "messages",
    "scores",
    "chosen_score",
    "rejected_score",
)


class ChainRows:
    """Rows with a full caption each, gone through more than once; iterated as the captions' text.

    Args:
        source: the rows.
        column: of the captions; None: the first of `caption`, `completion`.
        prompt: of rows that have none.
        limit: of the first rows only.
    """

    def __init__(
        self, source: JsonRows | ParquetRows, column: str | None, prompt: str, limit: int | None
    ) -> None:
        self.source, self.prompt, self.limit = source, prompt, limit
        self.column = captions.column_of(source, column)
        there = [name for name in source.columns() if name in MADE and name != "prompt"]
        if there:
            raise PipelineError(
                f"{source.name} has {', '.join(there)} already, which are what a chain has; take the column out"
            )
        if self.column == "prompt":
            raise PipelineError("the captions' column is 'prompt', which is what a model is asked; rename it")
        dropped = {self.column, *_OF_OTHERS, *MADE}
        self.kept = [name for name in source.columns() if name not in dropped]
        self.dropped = [name for name in source.columns() if name in _OF_OTHERS and name != self.column]

    def __iter__(self) -> Iterator[str]:
        return (storable(text_of(value)) for value in self._values(self.column))

    def check(self) -> None:
        """Raises BadRows or PipelineError for rows that no chain can be written of."""
        captions.check(self.source.name, self.column, self._values(self.column))
        if "prompt" in self.source.columns():
            captions.check(self.source.name, "prompt", self._values("prompt"), optional=True)
        self.source.check_jsonl(
            "write it as text (videos as paths) or take it out, since a dataset of chains is JSONL"
        )

    def rows(self) -> Iterator[Mapping[str, Any]]:
        return islice(iter(self.source), self.limit)

    def row(
        self, row: Mapping[str, Any], result: Mapping[str, Any], media: MediaPaths, ordered: bool
    ) -> dict[str, Any]:
        """A row of the dataset. All have the same columns, with null for what a row does not have."""
        first = storable(text_of(row[self.column]))
        moved = media.rewritten(row)
        return {
            **{name: moved.get(name) for name in self.kept},
            "prompt": self._prompt(row.get("prompt")),
            "ranked": [[{"role": "assistant", "content": text}] for text in (first, *result["captions"])],
            "errors": result["errors"],
            "ordered": ordered,
        }  # fmt: skip

    def _prompt(self, value: Any) -> list[dict[str, str]]:
        """As messages with plain text: the media come from their columns, and a column has one type."""
        if value is None or isinstance(value, str):
            return [{"role": "user", "content": value or self.prompt}]
        return [
            {"role": str(message.get("role", "user")), "content": text_of([message])} for message in value
        ]

    def _values(self, column: str) -> Iterator[Any]:
        return islice(self.source.values(column), self.limit)
