"""Videos -> preference pairs of two captions by one model: asked with an aspect in view, against asked plainly (AVC-DPO §2)."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from vidalign.data.costs import Asks
from vidalign.data.derived import Built, build_rows, reasons
from vidalign.data.judged import judge_or_default, names_of, shown_name, storable
from vidalign.data.sources import open_videos
from vidalign.data.videos import Videos, check_rows, sees, shown_to
from vidalign.generate.aspects import ASPECTS, with_aspect
from vidalign.generate.caption import PROMPT, media_root_of
from vidalign.generate.options import ModelOptions
from vidalign.generate.sample import Sampling
from vidalign.generate.stage import sampling_stage, turn
from vidalign.judge.tasks import principles, scores
from vidalign.llm.media import Medium
from vidalign.llm.question import Judge, Question
from vidalign.report.dataset_card import Card
from vidalign.rows import text_of
from vidalign.stages.errors import PipelineError, Unfinished
from vidalign.stages.run import Run
from vidalign.stages.tables import JsonRows, ParquetRows
from vidalign.text.words import words

_TASKS = ("principles", "scores")
_CAPTIONS = "captions"


def build_aspect_pairs(
    rows: str | os.PathLike[str] | Iterable[Mapping[str, Any]],
    output: str | os.PathLike[str],
    judge: Judge | None = None,
    *,
    model: str,
    aspect: Iterable[str] = tuple(ASPECTS),
    prompt: str | None = None,
    min_gap: int = 0,
    scoring: bool = True,
    max_words: int | None = None,
    temperature: float = 0.0,
    max_new_tokens: int = 2048,
    seed: int = 0,
    media_root: str | os.PathLike[str] | None = None,
    media_allow: Iterable[str] = (),
    options: ModelOptions | None = None,
    run: Run | None = None,
) -> Built:
    """Writes `videos`, `prompt`, `chosen`, `rejected`, `chosen_score`, `rejected_score`, `aspect`, `explanation`.

    The model describes each video plainly and with each aspect's prompt; the video is read once for all. A judge that sees the
    video says by what principles such a description is to be judged, then scores both captions by them, in an order that
    their words decide. A pair is kept if the aspect's caption scores more than `min_gap` higher. Its prompt is the plain one.

    Args:
        rows: a folder of videos, or a .jsonl or .parquet file; in Python also mappings that can be gone through more than once.
            They have `videos` and perhaps `prompt`.
        output: the folder to write.
        judge: default the environment's (`VIDALIGN_JUDGE`). It has to see the videos (the paper: Qwen2.5-VL-72B).
        model: that describes: a folder, or a name on the Hub; with server its name there.
        aspect: temporal or spatial; there may be several. Default both.
        prompt: put to every video; default each row's `prompt`, or "Describe the video in detail."
        min_gap: of the scores, from 1 to 10: kept is what has more. The paper does not give its threshold.
        scoring: off keeps every pair that differs, without a judge.
        max_words: of the aspect's caption; longer ones give no pair. The paper's model gets long (§3.2).
        temperature: of the captions; 0 is greedy.
        max_new_tokens: of a caption; one that is cut gives no pair.
        seed: of the captions.
        media_root: where relative paths start; default the folder of the file.
        media_allow: a further folder that paths may lead into; there may be several.
        options: how the model is asked.
        run: how it runs.

    Raises:
        PipelineError, BadRows: before any question. MissingRows, JudgeError: see `build_rows`.
    """
    aspects = names_of(aspect)
    if unknown := [name for name in aspects if name not in ASPECTS]:
        raise PipelineError(f"aspect={', '.join(unknown)}; known are {', '.join(ASPECTS)}")
    if not aspects or len(set(aspects)) < len(aspects):
        raise PipelineError(f"aspect={', '.join(aspects)}; give at least one, each once")
    if min_gap < 0 or (max_words is not None and max_words < 1):
        raise PipelineError(f"min_gap={min_gap}, max_words={max_words}; they must be ≥ 0 and ≥ 1")
    judge = judge_or_default(judge, _TASKS if scoring else ())
    if scoring and not all(sees(judge, task) for task in _TASKS):
        raise PipelineError(
            f"the judge {judge.name} is shown no video, by which alone captions can be scored: name one that sees (on a server of "
            "yours say so by VIDALIGN_JUDGE_SEES=video), or give --no-scoring"
        )
    source = open_videos(rows)
    videos = Videos(source, media_root or media_root_of(rows), media_allow)
    items = _Items(source, videos, prompt)
    check_rows(source, items.problem)
    options = options or ModelOptions()
    try:
        sampling = Sampling(temperature, max_new_tokens=max_new_tokens, seed=seed)
        sampler = options.sampler(model, videos.folder)
    except ValueError as error:
        raise PipelineError(str(error)) from None

    def asked(item: Mapping[str, Any], _: Mapping[str, Any]) -> list[dict[str, Any]]:
        texts = [item["prompt"], *(with_aspect(item["prompt"], name) for name in aspects)]
        return [{"videos": item["videos"], "prompt": turn(text)} for text in texts]

    wording = {name: ASPECTS[name].prompt for name in aspects}
    describe = sampling_stage(
        _CAPTIONS, sampler, asked, 1, sampling, batch=options.batch_size, settings={"aspects": wording}
    )

    async def work(item: dict[str, Any]) -> dict[str, Any]:
        plain, *others = [samples[0] for samples in item["found"][_CAPTIONS]]
        judged = _Judged(judge, item["prompt"], videos.media(item["videos"]) if scoring else ())
        result: dict[str, Any] = {"rows": [], "left_out": [], "counts": {}}
        for name, other in zip(aspects, others, strict=True):
            if (reason := _unfit(plain, other, max_words)) is not None:
                result["left_out"].append(reason)
                continue
            row = _row(item["prompt"], other["text"], plain["text"], name)
            if scoring:
                chosen, rejected = await judged.scores(name, other["text"], plain["text"])
                gap = chosen.points - rejected.points
                result["counts"][f"gap {gap:+d}"] = result["counts"].get(f"gap {gap:+d}", 0) + 1
                if gap <= min_gap:
                    result["left_out"].append("gap_too_small")
                    continue
                row |= {"chosen_score": float(chosen.points), "rejected_score": float(rejected.points)}
                row["explanation"] = (
                    f"chosen: {storable(chosen.reason)}\nrejected: {storable(rejected.reason)}"
                )
            result["rows"].append(row)
        return result

    def asks(item: dict[str, Any]) -> list[Asks]:
        if not scoring:
            return []
        found = item["found"].get(_CAPTIONS)
        texts = [samples[0]["text"] for samples in found] if found else ["x" * 1000] * (1 + len(aspects))
        guessed = ["a principle"] * 5
        return [
            question
            for name, text in zip(aspects, texts[1:], strict=True)
            for question in (
                Asks(principles.question(item["prompt"], ASPECTS[name].focus), 500),
                Asks(scores.question(item["prompt"], guessed, [text, texts[0]]), 600),
            )
        ]

    settings = {
        "aspects": aspects,
        "focus": {name: ASPECTS[name].focus for name in aspects},
        "min_gap": min_gap,
        "scoring": scoring,
        "max_words": max_words,
    }
    return build_rows(
        source,
        videos,
        items,
        work,
        output,
        judge,
        _TASKS if scoring else (),
        # A judge that is shown other frames says other things.
        {"build": "aspect-pairs", **settings, "videos_shown": shown_to(judge, "scores") if scoring else None},
        lambda built, loading: _card(
            built,
            loading,
            shown_name(judge, _TASKS) if scoring else None,
            {
                "model": model,
                **{k: v for k, v in settings.items() if k != "focus"},
                "temperature": temperature,
            },
        ),
        asks,
        content=videos.fingerprints,
        before=[describe],
        run=run,
    )


class _Judged:
    """The scores of one video's captions. Principles are asked for once an aspect."""

    def __init__(self, judge: Judge, request: str, media: tuple[Medium, ...]) -> None:
        self.judge, self.request, self.media = judge, request, media

    async def scores(self, aspect: str, chosen: str, rejected: str) -> list[scores.Score]:
        """Of the two, in this order, whichever the judge was shown first."""
        found = await self._answered(principles.question(self.request, ASPECTS[aspect].focus, self.media))
        # By their words, so that neither kind of caption has a place of its own, and each run has the same.
        order = sorted(
            [chosen, rejected], key=lambda text: hashlib.sha256(text.encode("utf-8", "replace")).digest()
        )
        points = await self._answered(scores.question(self.request, found, order, self.media))
        return [points[order.index(text)] for text in (chosen, rejected)]

    async def _answered(self, question: Question[Any]) -> Any:
        answer = await self.judge.ask(question)
        if answer.value is None:
            raise Unfinished(f"{question.task}: {answer.reason}")
        return answer.value


class _Items:
    def __init__(self, source: JsonRows | ParquetRows, videos: Videos, prompt: str | None) -> None:
        self.source, self.videos, self.prompt = source, videos, prompt

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for row in self.source:
            yield {"videos": self.videos.paths(row), "prompt": self.prompt or self._own(row)}

    def problem(self, row: Mapping[str, Any]) -> str | None:
        """What is wrong with a row, as "column: reason"; None if nothing is."""
        if (reason := self.videos.described_problem(row)) is not None:
            return reason
        given = row.get("prompt")
        if self.prompt is None and given is not None and not isinstance(given, str):
            turns = given if isinstance(given, Sequence) else []
            if len(turns) != 1 or not isinstance(turns[0], Mapping) or turns[0].get("role") != "user":
                return (
                    "prompt: more than one turn of a user, behind which no aspect can be put; give --prompt"
                )
        return None

    @staticmethod
    def _own(row: Mapping[str, Any]) -> str:
        return text_of(row.get("prompt") or "").strip() or PROMPT


def _unfit(plain: Mapping[str, Any], other: Mapping[str, Any], max_words: int | None) -> str | None:
    """Why two captions are no pair, whatever a judge says."""
    if "length" in (plain["finish"], other["finish"]):
        return "cut"
    if not words(plain["text"]) or not words(other["text"]):
        return "empty"
    if words(plain["text"]) == words(other["text"]):
        return "equal"
    if max_words is not None and len(words(other["text"])) > max_words:
        return "too_long"
    return None


def _row(prompt: str, chosen: str, rejected: str, aspect: str) -> dict[str, Any]:
    def said(role: str, text: str) -> list[dict[str, str]]:
        return [{"role": role, "content": storable(text)}]

    return {
        "prompt": said("user", prompt),
        "chosen": said("assistant", chosen),
        "rejected": said("assistant", rejected),
        "aspect": aspect,
    }


def _card(built: Built, loading: str, judge: str | None, settings: Mapping[str, Any]) -> Card:
    gaps = {name: count for name, count in built.counts.items() if name.startswith("gap ")}
    return Card(
        title="Preference pairs on videos, by aspect",
        about=(
            "`rejected` is a model's description of a video, and `chosen` the same model's description when it was asked to attend "
            "to an aspect; `prompt` is the plain request. Scores are a judge's, who saw the video, by principles of its own."
        ),
        kind="aspect-pairs",
        judge=judge,
        settings=settings,
        tables={
            "Captions without a pair": reasons(built),
            "Gaps of scores": dict(sorted(gaps.items(), key=lambda gap: int(gap[0].split()[1]))),
        },
        loading=loading,
        paper="AVC-DPO: Aligned Video Captioning via Direct Preference Optimization (§2)",
    )
