"""Captions of videos -> questions -> a model's answers -> preference pairs, by a language model that reads the caption
(LLaVA-Hound §3)."""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from vidalign.data.captions import column_of, problem_of
from vidalign.data.costs import Asks
from vidalign.data.derived import Built, build_rows, reasons
from vidalign.data.judged import judge_or_default, shown_name, stage_of, storable
from vidalign.data.videos import Videos, check_rows
from vidalign.generate.options import ModelOptions
from vidalign.generate.sample import Sampling
from vidalign.generate.stage import sampling_stage, turn
from vidalign.judge.tasks import quiz, reward
from vidalign.judge.tasks.scores import Score
from vidalign.llm.question import Judge
from vidalign.report.dataset_card import Card
from vidalign.rows import text_of
from vidalign.stages.errors import PipelineError, Unfinished
from vidalign.stages.run import Run
from vidalign.stages.tables import JsonRows, ParquetRows, open_rows
from vidalign.text.words import words

_QUESTIONS, _ANSWERS = "questions", "answers"


def build_answer_pairs(
    rows: str | os.PathLike[str] | Iterable[Mapping[str, Any]],
    output: str | os.PathLike[str],
    judge: Judge | None = None,
    *,
    model: str,
    column: str | None = None,
    questions: int = 3,
    n: int = 6,
    temperature: float = 1.0,
    top_p: float = 0.95,
    max_new_tokens: int = 1024,
    seed: int = 0,
    threshold: int = reward.GOOD,
    self_play: bool = False,
    media_root: str | os.PathLike[str] | None = None,
    media_allow: Iterable[str] = (),
    options: ModelOptions | None = None,
    run: Run | None = None,
) -> Built:
    """Writes `videos`, `prompt`, `chosen`, `rejected`, `chosen_score`, `rejected_score`, `explanation`, a row a question.

    The judge asks questions on each caption, with answers; the model answers each from the video, n times; the judge gives each
    answer points from 1 to 5 by caption and reference answer. One answer of at least `threshold` points and one below it are drawn.
    An answer without points is neither. Questions whose answers are all good or all bad give no row; the card counts them.

    Args:
        rows: a .jsonl or .parquet file; in Python also mappings that can be gone through more than once. They have `videos` and a
            caption that is right (the paper's: GPT-4V's on ten frames), and perhaps `questions`, each a mapping of `question`
            and `answer`, which are then taken.
        output: the folder to write.
        judge: default the environment's (`VIDALIGN_JUDGE`). It sees no video.
        model: that answers: a folder, or a name on the Hub; with server its name there.
        column: of the caption; default the first of caption, completion.
        questions: a caption (§3.2: three).
        n: answers to a question (§3.3: six).
        temperature: of the answers (§3.3: 1.0).
        top_p: of the tokens sampled from (0.95 in the released code).
        max_new_tokens: of an answer; one that is cut is neither chosen nor rejected.
        seed: of the answers, and of the draws.
        threshold: least points of a good answer (§3.3: 3).
        self_play: chosen is the reference answer and rejected the model's first, without points (Table 3, row 11).
        media_root: where relative paths start; default the folder of the file.
        media_allow: a further folder that paths may lead into; there may be several.
        options: how the model is asked.
        run: how it runs.

    Raises:
        PipelineError, BadRows: before any question. MissingRows, JudgeError: see `build_rows`.
    """
    if questions < 1 or not reward.LOWEST < threshold <= reward.HIGHEST:
        raise PipelineError(
            f"questions={questions}, threshold={threshold}; they must be ≥ 1, and from "
            f"{reward.LOWEST + 1} to {reward.HIGHEST}"
        )
    tasks = ("quiz",) if self_play else ("quiz", "reward")
    judge, run = judge_or_default(judge, tasks), run or Run()
    source = open_rows(rows)
    videos = Videos(source, media_root, media_allow)
    items = _Items(source, videos, column)
    check_rows(source, items.problem)
    options = options or ModelOptions()
    samples = 1 if self_play else n
    try:
        sampling = Sampling(temperature, top_p, max_new_tokens=max_new_tokens, seed=seed)
        if not self_play and (n < 2 or not temperature):
            raise ValueError(
                f"n={n} at temperature={temperature}: a pair takes two answers or more, and a temperature above 0"
            )
        sampler = options.sampler(model, videos.folder, samples)
    except ValueError as error:
        raise PipelineError(str(error)) from None

    def asked(item: Mapping[str, Any], found: Mapping[str, Any]) -> list[quiz.QA]:
        given = found.get(_QUESTIONS) or item["questions"] or [["What happens?", "x" * 200]] * questions
        return [quiz.QA(*one) for one in given]

    async def ask(item: dict[str, Any]) -> list[list[str]]:
        if item["questions"]:
            return item["questions"]
        answer = await judge.ask(quiz.question(item["caption"], questions))
        if answer.value is None:
            raise Unfinished(f"quiz: {answer.reason}")
        return [[storable(text) for text in one] for one in answer.value]

    def asking(item: dict[str, Any]) -> list[Asks]:
        return [] if item["questions"] else [Asks(quiz.question(item["caption"], questions), 250 * questions)]

    before = [
        stage_of(_QUESTIONS, ask, {"count": questions}, judge, ("quiz",), run, asking),
        sampling_stage(
            _ANSWERS,
            sampler,
            lambda item, found: [
                {"videos": item["videos"], "prompt": turn(qa.question)} for qa in asked(item, found)
            ],
            samples,
            sampling,
            batch=options.batch_size,
        ),
    ]

    async def points_of(
        item: dict[str, Any], qa: quiz.QA, answers: Sequence[Mapping[str, Any]]
    ) -> list[Score | None]:
        fit = [answer["finish"] != "length" and bool(words(answer["text"])) for answer in answers]
        asked_of = [
            reward.question(item["caption"], qa.question, qa.answer, answer["text"])
            for answer, good in zip(answers, fit, strict=True)
            if good
        ]
        verdicts = iter(await judge.ask_all(asked_of))
        found = [next(verdicts).value if good else None for good in fit]
        if asked_of and not any(found):
            raise Unfinished("reward: no answer has points")
        return found

    async def work(item: dict[str, Any]) -> dict[str, Any]:
        result: dict[str, Any] = {"rows": [], "left_out": [], "counts": Counter()}
        pairs = list(zip(asked(item, item["found"]), item["found"][_ANSWERS], strict=True))
        if self_play:
            for qa, [answer] in pairs:
                if (
                    answer["finish"] == "length"
                    or not words(answer["text"])
                    or words(answer["text"]) == words(qa.answer)
                ):
                    result["left_out"].append("no_answer_of_its_own")
                else:
                    result["rows"].append(_row(qa.question, qa.answer, answer["text"]))
            return result
        scored = await asyncio.gather(*(points_of(item, qa, answers) for qa, answers in pairs))
        for (qa, answers), points in zip(pairs, scored, strict=True):
            texts = [answer["text"] for answer in answers]
            result["counts"].update(
                f"answers with {one.points}" if one else "answers without points" for one in points
            )
            drawn = draw(texts, points, threshold, f"{seed} {item['videos']} {qa.question}")
            if isinstance(drawn, str):
                result["left_out"].append(drawn)
                continue
            (chosen, better), (rejected, worse) = ((texts[place], points[place]) for place in drawn)
            assert better is not None and worse is not None
            row = _row(qa.question, chosen, rejected)
            row |= {"chosen_score": float(better.points), "rejected_score": float(worse.points)}
            row["explanation"] = f"chosen: {storable(better.reason)}\nrejected: {storable(worse.reason)}"
            result["rows"].append(row)
        return {**result, "counts": dict(result["counts"])}

    def asks(item: dict[str, Any]) -> list[Asks]:
        if self_play:
            return []
        return [
            Asks(reward.question(item["caption"], qa.question, qa.answer, qa.answer), 300, times=n, most=n)
            for qa in asked(item, item["found"])
        ]

    settings = {
        "threshold": threshold,
        "seed": seed,
        "self_play": self_play,
        "column": items.column,
        "questions": questions,
        "n": samples,
    }
    return build_rows(
        source,
        videos,
        items,
        work,
        output,
        judge,
        tasks,
        {"build": "answer-pairs", "threshold": threshold, "seed": seed, "self_play": self_play},
        lambda built, loading: _card(
            built,
            loading,
            shown_name(judge, tasks),
            {"model": model, **settings, "temperature": temperature, "top_p": top_p},
            self_play,
        ),
        asks,
        content=videos.fingerprints,
        before=before,
        run=run,
    )


def draw(
    texts: Sequence[str], points: Sequence[Score | None], threshold: int, seed: str
) -> tuple[int, int] | str:
    """A good answer and a bad one, by number, each drawn at random among its like (§3.3); or why there are none.

    Args:
        texts: the answers.
        points: of each; None where it could not be scored, which is neither.
        threshold: least points of a good one.
        seed: equal ones draw the same.
    """
    scored = [(place, one.points) for place, one in enumerate(points) if one is not None]
    good = [place for place, own in scored if own >= threshold]
    said = {tuple(words(texts[place])) for place in good}
    bad = [place for place, own in scored if own < threshold and tuple(words(texts[place])) not in said]
    if not scored:
        return "no_answers"
    if not bad:
        return "all_good"
    if not good:
        return "all_bad"
    dice = random.Random(seed)
    return dice.choice(good), dice.choice(bad)


class _Items:
    def __init__(self, source: JsonRows | ParquetRows, videos: Videos, column: str | None) -> None:
        self.source, self.videos, self.column = source, videos, column_of(source, column)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for row in self.source:
            yield {
                "videos": self.videos.paths(row),
                "caption": text_of(row[self.column]),
                "questions": [[one["question"], one["answer"]] for one in row.get("questions") or ()],
            }

    def problem(self, row: Mapping[str, Any]) -> str | None:
        """What is wrong with a row, as "column: reason"; None if nothing is."""
        if (reason := self.videos.described_problem(row)) is not None:
            return reason
        if (wrong := problem_of(row.get(self.column))) is not None:
            return f"{self.column}: {wrong}"
        given = row.get("questions")
        if given is None:
            return None
        if not isinstance(given, (list, tuple)) or not all(
            isinstance(one, Mapping)
            and all(isinstance(one.get(k), str) and words(one[k]) for k in ("question", "answer"))
            for one in given
        ):
            return "questions: no list of mappings with `question` and `answer`, both texts"
        return None


def _row(question: str, chosen: str, rejected: str) -> dict[str, Any]:
    def said(role: str, text: str) -> list[dict[str, str]]:
        return [{"role": role, "content": storable(text)}]

    return {
        "prompt": said("user", question),
        "chosen": said("assistant", chosen),
        "rejected": said("assistant", rejected),
    }


def _card(built: Built, loading: str, judge: str, settings: Mapping[str, Any], self_play: bool) -> Card:
    about = (
        "`chosen` is the answer that a caption of the video gives to the question in `prompt`, and `rejected` the model's."
        if self_play
        else "`prompt` is a question on the video; `chosen` and `rejected` are one model's answers, one good and one bad, by the "
        "points of a language model that read a caption of the video and did not see it."
    )
    return Card(
        title="Preference pairs of answers on videos",
        about=about,
        kind="answer-pairs",
        judge=judge,
        settings=settings,
        tables={"Questions without a pair": reasons(built), "Points": dict(sorted(built.counts.items()))},
        loading=loading,
        paper="Direct Preference Optimization of Video Large Multimodal Models from Language Model Reward (§3)",
    )
