"""Rows in, a dataset out: columns, media, the card, what is refused. The judge is the toy world's or a script."""

import json
import os
import random

import pyarrow.parquet as pq
import pytest
import yaml
from datasets import Dataset, load_dataset

from vidalign.data.chains import build_chains
from vidalign.data.chains.rows import PROMPT
from vidalign.judge import LexicalJudge, LLMJudge
from vidalign.judge.tasks.degrade import Degraded
from vidalign.llm.ledger import JudgeError
from vidalign.llm.question import Answer, Judge
from vidalign.rows import BadRows, MediaFolder, text_of, validate
from vidalign.stages import Run
from vidalign.stages.errors import MissingRows, PipelineError
from vidalign.toyworld.degrade import ToyDegrader
from vidalign.trainers.script import load

COLOURS = ("red", "green", "blue", "orange")


def toy(number):
    rng = random.Random(number)
    one, other = sorted(rng.sample(range(4), 2))
    return (
        f"the background is grey . a {COLOURS[one]} circle moves {rng.choice(['left', 'right', 'up', 'down'])} . "
        f"a {COLOURS[other]} square stays at the top right ."
    )


def toys(count):
    return [{"id": number, "caption": toy(number)} for number in range(count)]


def written(folder):
    return [json.loads(line) for line in (folder / "train.jsonl").read_text("utf-8").splitlines()]


def captions_of(row):
    return [text_of(item) for item in row["ranked"]]


def card_of(folder):
    text = (folder / "README.md").read_text("utf-8")
    _, head, body = text.split("---\n", 2)
    return yaml.safe_load(head), body


def test_rows_that_trainers_and_datasets_read(tmp_path):
    rows = toys(12)
    built = build_chains(rows, tmp_path / "out", ToyDegrader())
    assert built.rows == 12 and built.captions == sum(n * c for n, c in built.lengths.items())
    found = written(tmp_path / "out")
    assert [row["id"] for row in found] == list(range(12))
    for row, given in zip(found, rows, strict=True):
        assert list(row) == ["id", "prompt", "ranked", "errors", "ordered"]
        assert row["prompt"] == [{"role": "user", "content": PROMPT}] and row["ordered"] is True
        captions = captions_of(row)
        assert (
            captions[0] == given["caption"] and len(set(captions)) == len(captions) == len(row["errors"]) + 1
        )
        for before, after, error in zip(captions, captions[1:], row["errors"], strict=False):
            assert set(error) == {"type", "before", "after"}
            assert error["before"] in before and error["after"] in after
    for dataset in (load_dataset(str(tmp_path / "out")), load(str(tmp_path / "out"))):
        assert list(dataset) == ["train"] and dataset["train"].to_list() == found
    assert validate(dataset["train"], "ranked", MediaFolder(tmp_path / "out")) == 12
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "README.md",
        "stages",
        "train.jsonl",
    ]


def test_prompts_completions_and_other_columns(tmp_path):
    given = [
        {"completion": [{"role": "assistant", "content": toy(1)}], "prompt": "What is there?", "source": "a"},
        {"completion": toy(2), "prompt": [{"role": "system", "content": "Be exact."},
            {"role": "user", "content": [{"type": "video"}, {"type": "text", "text": "Tell."}]}]},
        {"completion": toy(3), "prompt": None, "videos": ["x.mp4"], "chosen": "c", "rejected": "r"},
    ]  # fmt: skip
    build_chains(given, tmp_path / "out", ToyDegrader(), prompt="And this?")
    rows = written(tmp_path / "out")
    assert [row["prompt"] for row in rows] == [
        [{"role": "user", "content": "What is there?"}],
        [{"role": "system", "content": "Be exact."}, {"role": "user", "content": "Tell."}],
        [{"role": "user", "content": "And this?"}],
    ]
    assert {tuple(row) for row in rows} == {("source", "videos", "prompt", "ranked", "errors", "ordered")}
    assert [row["source"] for row in rows] == ["a", None, None] and rows[2]["videos"] == ["x.mp4"]
    assert [captions_of(row)[0] for row in rows] == [toy(1), toy(2), toy(3)]
    assert "| columns left out | `chosen, rejected` |" in card_of(tmp_path / "out")[1]
    assert load_dataset(str(tmp_path / "out"))["train"].num_rows == 3


def test_parquet_and_a_column_by_name_and_a_limit(tmp_path):
    Dataset.from_list([{"text": toy(n), "caption": "not this", "n": n / 3} for n in range(8)]).to_parquet(
        str(tmp_path / "in.parquet")
    )
    built = build_chains(tmp_path / "in.parquet", tmp_path / "out", ToyDegrader(), column="text", limit=5)
    rows = written(tmp_path / "out")
    assert built.rows == 5 and [row["n"] for row in rows] == [n / 3 for n in range(5)]
    assert [captions_of(row)[0] for row in rows] == [toy(n) for n in range(5)]
    assert [row["caption"] for row in rows] == ["not this"] * 5


@pytest.mark.parametrize(
    ("source", "output", "videos", "expected", "root"),
    [
        # In the output's folder, from wherever the input names them.
        ("", "out", ["out/v/a.mp4", "out/b.mp4"], ["v/a.mp4", "b.mp4"], None),
        ("raw", "out", ["../out/v/a.mp4"], ["v/a.mp4"], None),
        # Outside, if only one of them.
        ("", "out", ["out/a.mp4", "b.mp4"], ["out/a.mp4", "b.mp4"], "."),
        ("raw", "out", ["v/a.mp4"], ["v/a.mp4"], "raw"),
        ("raw", "raw/out", ["v/a.mp4"], ["v/a.mp4"], "raw"),
        # Nothing is relative.
        ("raw", "out", ["/data/a.mp4", "https://x/a.mp4"], ["/data/a.mp4", "https://x/a.mp4"], None),
        ("raw", "out", [], [], None),
    ],
)
def test_media_paths(tmp_path, source, output, videos, expected, root):
    (tmp_path / source).mkdir(exist_ok=True)
    path = tmp_path / source / "in.jsonl"
    path.write_text(json.dumps({"videos": videos, "caption": toy(0)}) + "\n")
    built = build_chains(path, tmp_path / output, ToyDegrader())
    assert written(tmp_path / output)[0]["videos"] == expected
    assert built.media_root == (None if root is None else (tmp_path / root).resolve())
    body = card_of(tmp_path / output)[1]
    assert ("--media_root" in body) == (root is not None)
    if root is not None:
        assert f"`{os.path.relpath(tmp_path / root, tmp_path / output)}`" in body
    assert str(tmp_path) not in body


def test_paths_of_rows_in_memory_start_from_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    build_chains([{"video": "out/a.mp4", "caption": toy(0)}], "out", ToyDegrader())
    assert written(tmp_path / "out")[0]["video"] == "a.mp4"


def test_the_card(tmp_path, monkeypatch):
    monkeypatch.setenv("SOME_API_KEY", "sk-very-secret-1234567890")
    prompt = "What is there? sk-very-secret-1234567890"
    built = build_chains(
        [*toys(10), {"caption": "Ein Hund läuft."}], tmp_path / "out", ToyDegrader(), length=4, seed=7,
        types=["colour", "object", "direction", "scene"], prompt=prompt,
    )  # fmt: skip
    head, body = card_of(tmp_path / "out")
    assert head["configs"][0]["data_files"] == [{"split": "train", "path": "train.jsonl"}]
    assert "vidalign" in head["tags"] and head["language"] == ["en"] and head["task_categories"]
    for line in (
        "| method | `degrade` |", "| length | `4` |", "| seed | `7` |", "| judge | `ToyDegrader` |",
        "| types | `object, colour, direction, scene` |", "| rows | 10 |", "| input rows left out | 1 |",
        "| no_type | 1 |", f"| captions | {built.captions} |", f"| refused | {built.rejected['refused']} |",
        *(f"| {name} | {count} |" for name, count in built.types.items()),
    ):  # fmt: skip
        assert line in body, line
    assert "load_dataset" in body and "hf upload" in body and "Learning to Rank Caption Chains" in body
    assert "very-secret" not in body
    assert built.left_out == {10: "no_type"}


@pytest.mark.parametrize("method", ["unconditioned", "inject"])
def test_the_other_methods(tmp_path, method):
    build_chains(toys(6), tmp_path / "out", ToyDegrader(), method=method, length=4)
    for row in written(tmp_path / "out"):
        captions = captions_of(row)
        assert row["ordered"] is (method != "inject")
        if method == "unconditioned":
            assert {error["type"] for error in row["errors"]} == {"free"}
        else:
            words = captions[0].split()
            places = [
                [
                    at
                    for at, (one, other) in enumerate(zip(words, caption.split(), strict=True))
                    if one != other
                ]
                for caption in captions[1:]
            ]
            assert all(places) and len({at for place in places for at in place}) == sum(map(len, places))
    head, body = card_of(tmp_path / "out")
    assert f"method-{method}" in head["tags"]
    assert ("no order among themselves" in body) == (method == "inject")


def test_short_chains_are_left_out_and_counted(tmp_path):
    rows = [*toys(4), {"id": 4, "caption": "the background is grey ."}]
    built = build_chains(rows, tmp_path / "out", ToyDegrader(), length=5, min_length=3)
    assert built.left_out == {4: "refused"} and [row["id"] for row in written(tmp_path / "out")] == [
        0,
        1,
        2,
        3,
    ]
    built = build_chains(rows, tmp_path / "two", ToyDegrader(), length=5, min_length=2)
    assert not built.left_out and built.lengths[2] == 1 and built.ended["refused"] >= 1
    with pytest.raises(MissingRows, match=r"no row has a chain of 3 captions \(refused 1\)"):
        build_chains(rows[4:], tmp_path / "none", ToyDegrader(), min_length=3)
    with pytest.raises(MissingRows, match="--method unconditioned"):
        build_chains([{"caption": "狗在跑"}], tmp_path / "none2", ToyDegrader())
    assert not (tmp_path / "none2" / "train.jsonl").exists()


def test_equal_rows_and_seeds_give_equal_chains_in_any_order_and_number_at_once(tmp_path):
    rows = toys(10)
    texts = {}
    for name, given, options in (
        ("a", rows, {}),
        ("b", rows[::-1], {"run": Run(window=1)}),
        ("c", rows, {"seed": 1}),
    ):
        build_chains(given, tmp_path / name, ToyDegrader(), **options)
        texts[name] = {row["id"]: row for row in written(tmp_path / name)}
    assert texts["a"] == texts["b"] != texts["c"]


class Broken(Judge):
    """Good for the first colour error of a caption; then raises or answers nothing from the caption `at` on."""

    def __init__(self, at, then):
        super().__init__()
        self.at, self.then, self.broken, self.asked = at, then, True, []

    async def ask(self, question):
        caption = question.data["caption"]
        self.asked.append(caption)
        if self.broken and self.at in caption:
            if isinstance(self.then, Exception):
                raise self.then
            return Answer(reason=self.then)
        number = len(self.asked)
        return Answer(Degraded(True, caption.replace(" red ", f" blue{number} ")))


def reds(count):
    return [{"caption": f"A red dog number{number} runs in a park."} for number in range(count)]


def test_a_judge_that_is_down_stops_it_with_what_is_finished_kept(tmp_path):
    judge = Broken("number3", JudgeError("down"))
    with pytest.raises(JudgeError, match="down") as caught:
        build_chains(reds(6), tmp_path / "out", judge, length=2, run=Run(window=1))
    assert "3 of 6 rows are finished" in caught.value.__notes__[0]
    assert not (tmp_path / "out" / "train.jsonl").exists()
    judge.broken, judge.asked = False, []
    assert build_chains(reds(6), tmp_path / "out", judge, length=2, run=Run(window=1)).rows == 6
    assert len(judge.asked) == 3


def test_rows_without_an_answer_are_asked_for_again_or_left_out(tmp_path):
    judge = Broken("number3", "timeout")
    with pytest.raises(MissingRows, match="no usable answer for 1 of 6 rows\n  row 3: degrade: timeout"):
        build_chains(reds(6), tmp_path / "out", judge, length=2)
    built = build_chains(reds(6), tmp_path / "out", judge, length=2, run=Run(allow_missing=True))
    assert built.rows == 5 and built.missing == {3: "degrade: timeout"}
    assert "| degrade: timeout | 1 |" in card_of(tmp_path / "out")[1]
    assert not any("number3" in captions_of(row)[0] for row in written(tmp_path / "out"))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"method": "shuffle"}, "known are degrade, unconditioned, inject"),
        ({"length": 1}, "at least 2"),
        ({"min_length": 1}, "min_length=1"),
        ({"min_length": 6}, "min_length=6"),
        ({"tries": 0}, "tries=0"),
        ({"limit": 0}, "limit=0"),
        ({"prompt": "  "}, "prompt is empty"),
        ({"types": ["colours"]}, "did you mean colour?"),
        ({"types": ["colour"], "method": "unconditioned"}, "leave one out"),
        ({"column": "text"}, "no column 'text'"),
        ({"judge": LexicalJudge()}, "--judge toyworld"),
    ],
)
def test_what_cannot_be(tmp_path, options, said):
    with pytest.raises(PipelineError) as caught:
        build_chains(toys(1), tmp_path / "out", **{"judge": ToyDegrader(), **options})
    assert said in str(caught.value) and not (tmp_path / "out").exists()


def test_rows_that_cannot_be(tmp_path):
    with pytest.raises(BadRows, match="row 1: caption: missing"):
        build_chains([{"caption": toy(0)}, {"caption": None}], tmp_path / "out", ToyDegrader())
    with pytest.raises(BadRows, match="row 0: prompt: int instead"):
        build_chains([{"caption": toy(0), "prompt": 7}], tmp_path / "out", ToyDegrader())
    with pytest.raises(PipelineError, match="has ranked, errors already"):
        build_chains([{"caption": toy(0), "ranked": [], "errors": []}], tmp_path / "out", ToyDegrader())
    with pytest.raises(PipelineError, match="videos as paths"):
        build_chains([{"caption": toy(0), "videos": [b"x"]}], tmp_path / "out", ToyDegrader())
    pq.write_table(
        Dataset.from_list([{"caption": toy(0), "videos": [b"x"]}]).data.table, tmp_path / "in.parquet"
    )
    with pytest.raises(PipelineError, match="videos as paths"):
        build_chains(tmp_path / "in.parquet", tmp_path / "out", ToyDegrader())


def test_another_run_to_another_folder_makes_no_call(tmp_path, degrader, first):
    rows = [{"caption": first(number)} for number in range(10)]
    for name, calls in (("a", 40), ("b", 0)):
        judge = LLMJudge("judge", api_base=degrader.server.url, cache_dir=str(tmp_path / "cache"))
        build_chains(rows, tmp_path / name, judge)
        assert judge.ledger.calls == calls and judge.ledger.asked == 40
    assert written(tmp_path / "a") == written(tmp_path / "b")
