"""Responses of a model -> preference pairs, by a judge: the baselines that caption chains are compared with (§4.1.1)."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from vidalign.data.attempts import TRIES
from vidalign.data.derived import Built, build_rows, reasons
from vidalign.data.judged import judge_or_default, shown_name, storable
from vidalign.data.pair_methods import METHODS, Asked, Pair
from vidalign.data.videos import Videos, check_rows, sees, shown_to
from vidalign.llm.question import Judge
from vidalign.report.dataset_card import Card
from vidalign.rows import is_messages, problem, text_of
from vidalign.stages.errors import PipelineError
from vidalign.stages.run import Run
from vidalign.stages.tables import JsonRows, ParquetRows, open_rows

CAPTION = "caption"


def build_pairs(
    rows: str | os.PathLike[str] | Iterable[Mapping[str, Any]],
    output: str | os.PathLike[str],
    judge: Judge | None = None,
    *,
    method: str,
    column: str | None = None,
    caption_column: str = CAPTION,
    tries: int = TRIES,
    media_root: str | os.PathLike[str] | None = None,
    media_allow: Iterable[str] = (),
    run: Run | None = None,
) -> Built:
    """Writes `videos`, `prompt`, `chosen`, `rejected`, and `chosen_score`, `rejected_score` where the method has scores.

    Methods, each a key of `METHODS`:
    - improve: a teacher's version of `response` over the response. Unchanged ones give no row.
    - compare: the best of `responses` over the worst, by a round robin in which each two are asked about in both orders;
      a tie or a contradiction is no win. Scores are wins less losses. N responses cost N·(N - 1) questions.
    - claims: the same by the number of wrong claims (RLAIF-V). Scores are minus that number.

    Args:
        rows: a JSONL or Parquet file; in Python also mappings that can be gone through more than once. They have `videos`,
            `prompt`, the responses, and perhaps a caption that is right.
        output: the folder to write.
        judge: default the environment's (`VIDALIGN_JUDGE`). One that does not see the videos needs the captions.
        method: improve: `response` against a teacher's version of it; compare: the best of `responses` against the worst, each
            two compared in both orders; claims: the same by the number of wrong claims (RLAIF-V).
        column: of the response or the responses, strings or messages; default `response` for improve, else `responses`.
        caption_column: of captions that are right, which a judge that sees no video needs; null where a row has none.
        tries: times that a teacher is asked, each time with what was wrong before.
        media_root: where relative paths start; default the folder of the file.
        media_allow: a further folder that paths may lead into; there may be several.
        run: how it runs.

    Raises:
        PipelineError, BadRows: before any question. MissingRows, JudgeError: see `build_rows`.
    """
    if method not in METHODS:
        raise PipelineError(f"method={method!r}; known are {', '.join(METHODS)}")
    if tries < 1:
        raise PipelineError(f"tries={tries}; the least is 1")
    chosen_method = METHODS[method]
    judge = judge_or_default(judge, chosen_method.tasks)
    source = open_rows(rows)
    videos = Videos(source, media_root, media_allow)
    items = _Items(source, videos, column or chosen_method.column, caption_column)
    sighted = sees(judge, chosen_method.tasks[-1])
    check_rows(source, lambda row: items.problem(row, single=method == "improve", sighted=sighted))

    def asked_of_item(item: dict[str, Any]) -> Asked:
        return Asked(
            text_of(item["prompt"]),
            item["responses"],
            item["caption"],
            videos.media(item["videos"]) if sighted else (),
            tries,
        )

    async def work(item: dict[str, Any]) -> dict[str, Any]:
        pair = await chosen_method.pair(judge, asked_of_item(item))
        return {**_result(pair, item["prompt"], chosen_method.scored), "counts": dict(pair.counts)}

    settings = {"method": method, "column": items.column, "caption_column": caption_column}
    return build_rows(
        source,
        videos,
        items,
        work,
        output,
        judge,
        chosen_method.tasks,
        # A judge that has been shown the videos says other things than one that has not.
        {"build": "pairs", **settings, "videos_shown": shown_to(judge, chosen_method.tasks[-1])},
        lambda built, loading: _card(
            shown_name(judge, chosen_method.tasks),
            method,
            {**settings, "videos_shown": sighted},
            built,
            loading,
        ),
        lambda item: chosen_method.asks(asked_of_item(item)),
        content=videos.fingerprints if sighted else None,
        run=run,
    )


class _Items:
    """The rows as what is asked about them."""

    def __init__(
        self, source: JsonRows | ParquetRows, videos: Videos, column: str, caption_column: str
    ) -> None:
        columns = source.columns()
        if columns and column not in columns:
            raise PipelineError(
                f"{source.name} has no column {column!r}, only {', '.join(columns)}; name that of the responses with "
                "--column"
            )
        if caption_column != CAPTION and columns and caption_column not in columns:
            raise PipelineError(f"{source.name} has no column {caption_column!r}, only {', '.join(columns)}")
        self.source, self.videos = source, videos
        self.column, self.caption_column = column, caption_column

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for row in self.source:
            given, caption = row[self.column], text_of(row.get(self.caption_column)).strip()
            yield {
                "videos": self.videos.paths(row),
                "prompt": row["prompt"],
                "responses": [text_of(text) for text in (given if _is_list(given) else [given])],
                "caption": caption or None,
            }

    def problem(self, row: Mapping[str, Any], *, single: bool, sighted: bool) -> str | None:
        """What is wrong with a row, as "column: reason"; None if nothing is."""
        prompt = row.get("prompt")
        # As the trainers will see it, with a response that nothing is wrong with.
        probe = {**row, "completion": _answer("x", prompt)}
        reason = self.videos.problem(row) or problem(probe, "supervised", self.videos.folder)
        if reason is not None:
            return reason
        given = row.get(self.column)
        if _is_list(given) == single:
            wanted = "one response" if single else "a list of responses"
            return f"{self.column}: {type(given).__name__} instead of {wanted}"
        for text in [given] if single else given or ():
            if not _is_text(text):
                return f"{self.column}: one is {type(text).__name__}, not a string or a list of messages"
        caption = row.get(self.caption_column)
        if caption is not None and not _is_text(caption):
            return f"{self.caption_column}: {type(caption).__name__} instead of a string"
        shown = sighted and self.videos.paths(row)
        if not shown and not text_of(caption).strip():
            return (
                f"{self.caption_column}: missing, and the judge is shown no video: nothing says what is right"
            )
        return None


def _is_text(value: Any) -> bool:
    return isinstance(value, str) or _is_turns(value)


def _is_turns(value: Any) -> bool:
    return is_messages(value) and all(isinstance(message, Mapping) for message in value)


def _is_list(value: Any) -> bool:
    """Of responses, as against one, which is a string or a list of messages."""
    return isinstance(value, (list, tuple)) and not _is_turns(value)


def _answer(text: str, prompt: Any) -> Any:
    """A response in the format of the prompt: both are strings, or both are messages."""
    return text if isinstance(prompt, str) else [{"role": "assistant", "content": text}]


def _result(pair: Pair, prompt: Any, scored: bool) -> dict[str, Any]:
    if pair.chosen is None or pair.rejected is None:
        return {"left_out": pair.reason}
    row = {
        "prompt": prompt,
        "chosen": _answer(storable(pair.chosen[0]), prompt),
        "rejected": _answer(storable(pair.rejected[0]), prompt),
    }
    scores = {"chosen_score": pair.chosen[1], "rejected_score": pair.rejected[1]} if scored else {}
    return {"row": {**row, **scores}}


_ABOUT = {
    "improve": "`rejected` is a model's response, and `chosen` what a teacher has made of it.",
    "compare": (
        "`chosen` is the best and `rejected` the worst of a model's responses, by a judge that compared each two of them in "
        "both orders. A score is the number of comparisons won less those lost."
    ),
    "claims": (
        "`chosen` is the response with the fewest and `rejected` the one with the most wrong claims, of a model's responses, "
        "as a judge took them apart and checked them. A score is minus the number of wrong claims."
    ),
}


def _card(judge: str, method: str, settings: Mapping[str, Any], built: Built, loading: str) -> Card:
    return Card(
        title="Preference pairs on videos",
        about=_ABOUT[method],
        kind="pairs",
        judge=judge,
        settings=settings,
        tables={"Rows without a pair": reasons(built), "Counted": built.counts},
        loading=loading,
        paper="Learning to Rank Caption Chains for Video-Text Alignment (§4.1.1, a baseline)",
    )
