"""Caption chains -> question chains, multiple choice and yes or no (caption chains §4.2.2)."""

from __future__ import annotations

import os
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from vidalign.data.attempts import TRIES, answered
from vidalign.data.costs import Asks, length
from vidalign.data.derived import Built, build_rows, reasons
from vidalign.data.judged import judge_or_default, names_of, shown_name, storable
from vidalign.data.videos import Videos, check_rows
from vidalign.judge.tasks import choices, yes_no
from vidalign.judge.tasks.choices import Choices
from vidalign.llm.question import Judge, Question
from vidalign.report.dataset_card import Card
from vidalign.rows import problem, text_of
from vidalign.stages.errors import PipelineError
from vidalign.stages.folder import ROWS
from vidalign.stages.run import Run
from vidalign.stages.tables import JsonRows, ParquetRows, open_rows

KINDS = ("choices", "yes-no")
_TASK_OF = {"choices": "choices", "yes-no": "yes_no"}
ANSWER = "no"
"""The completion that yes-no chains rank: as their prompts ask for it, in lower case and without a full stop."""


def build_question_chains(
    chains: str | os.PathLike[str] | Iterable[Mapping[str, Any]],
    output: str | os.PathLike[str],
    judge: Judge | None = None,
    *,
    kinds: Sequence[str] = KINDS,
    seed: int = 0,
    tries: int = TRIES,
    media_root: str | os.PathLike[str] | None = None,
    media_allow: Iterable[str] = (),
    run: Run | None = None,
) -> Built:
    """Writes a row a chain and kind, next to each other: `videos`, `kind`, and what `choices_row` or `yes_no_row` has.

    Both kinds have all columns, so that they can be trained on together; what does not apply is null.

    Args:
        chains: a folder that `vidalign build chains` wrote, a JSONL or Parquet file, or in Python mappings that can be gone
            through more than once. They have `videos` and `ranked`, captions from best to worst, and perhaps `errors`:
            "type", "before" and "after" for each but the first.
        output: the folder to write.
        judge: default the environment's (`VIDALIGN_JUDGE`).
        kinds: choices: one question, its options ranked; yes-no: a question a caption, ranked for the answer no. Several in
            turn, or with commas between them.
        seed: of the options' order. The same chain has the same order whatever stands around it.
        tries: times that the model is asked, each time with what was wrong before.
        media_root: where relative paths start; default the folder of the file.
        media_allow: a further folder that paths may lead into; there may be several.
        run: how it runs.

    Raises:
        PipelineError, BadRows: before any question. MissingRows, JudgeError: see `build_rows`.
    """
    named = _known(names_of(kinds))
    kinds = [kind for kind in KINDS if kind in named]
    tasks = [_TASK_OF[kind] for kind in kinds]
    judge = judge_or_default(judge, tasks)
    if tries < 1:
        raise PipelineError(f"tries={tries}; the least is 1")
    source = open_rows(_file_of(chains))
    videos = Videos(source, media_root, media_allow)
    check_rows(source, lambda row: chain_problem(row, videos))

    async def work(item: dict[str, Any]) -> dict[str, Any]:
        captions, errors = item["captions"], item["errors"]
        if item["kind"] == "choices":
            asked = await answered(
                judge, lambda fault: choices.question(captions, errors, fault=fault), choices.FAULTS, tries
            )
            return {"row": choices_row(asked, random.Random(f"{seed}/{captions}"))}
        questions = await answered(
            judge, lambda fault: yes_no.question(captions, errors, fault=fault), yes_no.FAULTS, tries
        )
        return {"row": yes_no_row(questions)}

    def asks(item: dict[str, Any]) -> list[Asks]:
        task, size = (choices, 4) if item["kind"] == "choices" else (yes_no, 2)
        # What varies, of all captions.
        question: Question[Any] = task.question(item["captions"], item["errors"])
        return [Asks(question, length(item["captions"]) // size, most=tries)]

    settings = {"build": "question-chains", "kinds": kinds, "seed": seed}
    return build_rows(
        source,
        videos,
        _Items(source, videos, kinds),
        work,
        output,
        judge,
        tasks,
        settings,
        lambda built, loading: _card(
            shown_name(judge, tasks), {"kinds": ", ".join(kinds), "seed": seed}, built, loading
        ),
        asks,
        run=run,
    )


def choices_row(asked: Choices, rng: random.Random) -> dict[str, Any]:
    """`prompt`: the question and all options with letters, in an order drawn from `rng`. `ranked`: "(a)" and so on,
    best first."""
    order = list(range(len(asked.options)))
    rng.shuffle(order)
    letters = {option: f"({letter(place)})" for place, option in enumerate(order)}
    lines = [asked.question, *(f"{letters[option]} {asked.options[option]}" for option in order)]
    lines.append("Answer with the letter of the best option, in parentheses.")
    return {
        "kind": "choices",
        "prompt": _turn("user", "\n".join(lines)),
        "ranked": [_turn("assistant", letters[option]) for option in range(len(order))],
        "prompts": None,
        "completion": None,
    }


def yes_no_row(questions: Sequence[str]) -> dict[str, Any]:
    """`prompts`: the questions from last to first, since `completion`, "no", is most certain for the most mistaken one.

    Args:
        questions: one a caption, the caption without a mistake first.
    """
    asked = [f"{question}\nAnswer yes or no, in one word." for question in reversed(questions)]
    return {
        "kind": "yes-no",
        "prompt": None,
        "ranked": None,
        "prompts": [_turn("user", text) for text in asked],
        "completion": _turn("assistant", ANSWER),
    }


def letter(place: int) -> str:
    """a, b, ..., z, aa, ab, ... for 0, 1, ..."""
    return (letter(place // 26 - 1) if place >= 26 else "") + "abcdefghijklmnopqrstuvwxyz"[place % 26]


def chain_problem(row: Mapping[str, Any], videos: Videos) -> str | None:
    """What is wrong with a chain of captions, as "column: reason"; None if nothing is."""
    if row.get("prompts") is not None:
        return "prompts: a chain of questions already; give chains of captions"
    if row.get("ordered") is False:
        return "ordered: false, so its captions are in no order that questions could keep"
    if (reason := videos.problem(row) or problem(row, "ranked", videos.folder)) is not None:
        return reason
    errors, count = row.get("errors"), len(row["ranked"])
    if errors is None:
        return None
    if not isinstance(errors, (list, tuple)) or not all(isinstance(error, Mapping) for error in errors):
        return f"errors: {errors!r:.60} instead of a list of type, before and after"
    if len(errors) != count - 1:
        return f"errors: {len(errors)} for {count} captions, each of which but the first has one of its own"
    return None


def _file_of(chains: Any) -> Any:
    """Of a folder that a build wrote, its rows."""
    if not isinstance(chains, (str, os.PathLike)):
        return chains
    path = Path(chains).expanduser()
    return path / ROWS if path.is_dir() else path


class _Items:
    def __init__(self, source: JsonRows | ParquetRows, videos: Videos, kinds: Sequence[str]) -> None:
        self.source, self.videos, self.kinds = source, videos, kinds

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for row in self.source:
            item = {
                "videos": self.videos.paths(row),
                "captions": [text_of(caption) for caption in row["ranked"]],
                "errors": row.get("errors"),
            }
            yield from ({**item, "kind": kind} for kind in self.kinds)


def _known(kinds: Sequence[str]) -> Sequence[str]:
    unknown = [kind for kind in kinds if kind not in KINDS]
    if unknown or not kinds:
        raise PipelineError(f"kinds: {', '.join(unknown) or 'none'}; known are {', '.join(KINDS)}")
    return kinds


def _turn(role: str, text: str) -> list[dict[str, str]]:
    return [{"role": role, "content": storable(text)}]


def _card(judge: str, settings: Mapping[str, Any], built: Built, loading: str) -> Card:
    return Card(
        title="Question chains on videos",
        about=(
            "Caption chains, made into questions by a language model. `kind` says how a row is ranked:\n\n"
            "- `choices`: `prompt` asks what is so in the video and lists options; `ranked` has their letters, best first. "
            "The options stand in a shuffled order.\n"
            f'- `yes-no`: `completion` is "{ANSWER}"; `prompts` are questions, first the one that it fits best: the one '
            "with the most mistakes. The last one is true of the video.\n\n"
            "Columns that do not apply to a row are null."
        ),
        kind="question-chains",
        judge=judge,
        settings=settings,
        tables={"Left out": reasons(built)},
        tags=("preference", "ranking", "question-answering"),
        loading=loading,
        paper="Learning to Rank Caption Chains for Video-Text Alignment (§4.2.2)",
    )
