import json
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import Dataset, load_dataset

from vidalign.data.keypoints import build_keypoints
from vidalign.judge.tasks.dialogue import Turn
from vidalign.judge.tasks.keypoints import Keypoint
from vidalign.llm.question import Answer, Judge
from vidalign.rewards.checklist import keypoints_of
from vidalign.rewards.dialogue import turns_of
from vidalign.rows import BadRows
from vidalign.stages import Run
from vidalign.stages.errors import MissingRows, PipelineError


@dataclass
class FakeJudge(Judge):
    lost: dict = field(default_factory=dict)
    asked: list = field(default_factory=list)

    async def ask(self, question):
        caption = question.data["caption"]
        self.asked.append((question.task, caption))
        if (question.task, caption) in self.lost:
            return Answer(reason=self.lost[question.task, caption])
        if question.task == "keypoints":
            return Answer([Keypoint("sound", f"{caption}!"), Keypoint("entity", "half \ud800")])
        return Answer([Turn("she", "a"), Turn("he \ud800", "b")] if "speaks" in caption else [])


def row_of(caption):
    speaks = [{"speaker": "she", "content": "a"}, {"speaker": "he ?", "content": "b"}]
    return {
        "keypoints": [f"{caption}!", "half ?"],
        "keypoint_dimensions": ["sound", "entity"],
        "dialogue": speaks if "speaks" in caption else [],
    }


def jsonl(path):
    return [json.loads(line) for line in path.read_bytes().split(b"\n") if line]


CAPTIONS = ["a", "猫 speaks", "a", "b \u2028 speaks 😀"]


@pytest.mark.parametrize("source", ["jsonl", "parquet", "memory"])
@pytest.mark.parametrize("target", ["jsonl", "parquet"])
def test_any_kind_to_any_kind(tmp_path, source, target):
    rows = [{"videos": [f"{i}.mp4"], "caption": text, "n": i / 3} for i, text in enumerate(CAPTIONS)]
    given = rows
    if source == "jsonl":
        given = tmp_path / "in.jsonl"
        given.write_text("".join(json.dumps(row) + "\n" for row in rows))
    elif source == "parquet":
        given = tmp_path / "in.parquet"
        pq.write_table(pa.Table.from_pylist(rows), given)
    output = tmp_path / f"out.{target}"
    judge = FakeJudge()
    built = build_keypoints(given, output, judge)
    assert (built.rows, built.missing) == (4, {})
    written = jsonl(output) if target == "jsonl" else pq.read_table(output).to_pylist()
    assert written == [{**row, **row_of(row["caption"])} for row in rows]
    # Two questions a caption, equal captions once.
    assert len(judge.asked) == 2 * len(set(CAPTIONS))
    # What the rewards and the trainers read.
    for number, row in enumerate(
        load_dataset({"jsonl": "json"}.get(target, target), data_files=str(output))["train"]
    ):
        assert keypoints_of(row["keypoints"], number) == row_of(CAPTIONS[number])["keypoints"]
        assert [turn._asdict() for turn in turns_of(row["dialogue"], number)] == row_of(CAPTIONS[number])[
            "dialogue"
        ]


@pytest.mark.parametrize("overwrite", [False, True])
def test_parquet_that_datasets_wrote_with_its_own_types_is_read_by_it_again(tmp_path, overwrite):
    from datasets import ClassLabel

    columns = {"caption": ["a", "b"], "label": [0, 1]} | ({"keypoints": ["old", "x"]} if overwrite else {})
    dataset = Dataset.from_dict(columns).cast_column("label", ClassLabel(names=["no", "yes"]))
    dataset.to_parquet(str(tmp_path / "in.parquet"))
    build_keypoints(tmp_path / "in.parquet", tmp_path / "out.parquet", FakeJudge(), overwrite=overwrite)
    again = load_dataset("parquet", data_files=str(tmp_path / "out.parquet"))["train"]
    assert again.features["label"].names == ["no", "yes"]
    assert again[1]["keypoints"] == row_of("b")["keypoints"] and again[1]["dialogue"] == []
    assert pq.read_table(tmp_path / "out.parquet").to_pandas()["keypoint_dimensions"][0].tolist() == [
        "sound",
        "entity",
    ]


def test_a_dataset_of_the_library_is_taken_as_rows(tmp_path):
    build_keypoints(Dataset.from_dict({"caption": ["a"]}), tmp_path / "out.jsonl", FakeJudge())
    assert jsonl(tmp_path / "out.jsonl") == [{"caption": "a", **row_of("a")}]


def test_the_column_is_the_caption_or_else_the_completion_or_the_one_named(tmp_path):
    completion = [{"role": "assistant", "content": [{"type": "text", "text": "said"}]}]
    row = {"prompt": "p", "completion": completion, "text": "t", "caption": "c"}
    for number, (left_out, column, caption) in enumerate(
        [((), None, "c"), (("caption",), None, "said"), ((), "text", "t"), ((), "completion", "said")]
    ):
        judge = FakeJudge()
        given = {name: value for name, value in row.items() if name not in left_out}
        build_keypoints([given], tmp_path / f"{number}.jsonl", judge, column=column, dialogue=False)
        assert judge.asked == [("keypoints", caption)]
        assert jsonl(tmp_path / f"{number}.jsonl")[0]["completion"] == completion
    with pytest.raises(PipelineError, match="no column caption or completion, only text"):
        build_keypoints([{"text": "t"}], tmp_path / "out.jsonl", FakeJudge())


def test_without_dialogue_there_is_no_such_column_and_one_that_is_there_stays(tmp_path):
    rows = [{"caption": "speaks", "dialogue": "mine"}]
    judge = FakeJudge()
    build_keypoints(rows, tmp_path / "out.jsonl", judge, dialogue=False)
    assert judge.asked == [("keypoints", "speaks")]
    assert jsonl(tmp_path / "out.jsonl") == [{**row_of("speaks"), "caption": "speaks", "dialogue": "mine"}]


def test_columns_that_are_there_in_any_row_are_replaced_only_when_told(tmp_path):
    rows = [{"caption": "a"}, {"caption": "b", "keypoints": ["old"], "dialogue": None}]
    judge = FakeJudge()
    with pytest.raises(PipelineError, match="has keypoints, dialogue already; give --overwrite"):
        build_keypoints(rows, tmp_path / "out.jsonl", judge)
    assert not judge.asked
    build_keypoints(rows, tmp_path / "out.jsonl", judge, overwrite=True)
    assert jsonl(tmp_path / "out.jsonl") == [{"caption": text, **row_of(text)} for text in "ab"]


@pytest.mark.parametrize("target", ["jsonl", "parquet"])
def test_no_rows_give_no_rows(tmp_path, target):
    (tmp_path / "in.jsonl").write_text("")
    pq.write_table(pa.table({"caption": pa.array([], pa.string())}), tmp_path / "in.parquet")
    for source in ("jsonl", "parquet"):
        output = tmp_path / f"from_{source}.{target}"
        assert build_keypoints(tmp_path / f"in.{source}", output, FakeJudge()).rows == 0
        assert (output.read_bytes() == b"") if target == "jsonl" else (pq.read_table(output).num_rows == 0)


def test_rows_without_a_caption_are_named_before_any_question(tmp_path):
    judge = FakeJudge()
    with pytest.raises(
        BadRows, match=r"rows: 2 of 3 rows cannot be used\n  row 1: caption: missing\n  row 2: caption: empty"
    ):
        build_keypoints([{"caption": "a"}, {}, {"caption": " "}], tmp_path / "out.jsonl", judge)
    assert not judge.asked and not list(tmp_path.iterdir())


def test_missing_rows_are_left_out_only_when_told_and_only_if_others_are_there(tmp_path):
    rows = [{"caption": text} for text in "abc"]
    lost = {("keypoints", "b"): "refusal", ("dialogue", "b"): "truncated"}
    with pytest.raises(
        MissingRows, match="1 of 3 rows\n  row 1: keypoints: refusal, dialogue: truncated"
    ) as error:
        build_keypoints(rows, tmp_path / "out.parquet", FakeJudge(lost))
    assert dict(error.value.missing) == {1: "keypoints: refusal, dialogue: truncated"}
    judge = FakeJudge(lost)
    built = build_keypoints(rows, tmp_path / "out.parquet", judge, run=Run(allow_missing=True))
    assert (built.rows, set(built.missing)) == (2, {1}) and {caption for _, caption in judge.asked} == {"b"}
    assert pq.read_table(tmp_path / "out.parquet")["caption"].to_pylist() == ["a", "c"]
    with pytest.raises(MissingRows):
        build_keypoints(
            [{"caption": "b"}], tmp_path / "o.jsonl", FakeJudge(lost), run=Run(allow_missing=True)
        )
    assert not (tmp_path / "o.jsonl").exists() and not (tmp_path / "o.jsonl.stages").exists()


def test_the_window_bounds_the_rows_under_way(tmp_path):
    import asyncio

    under_way, most = set(), []

    @dataclass
    class Slow(FakeJudge):
        async def ask(self, question):
            under_way.add(question.data["caption"])
            most.append(len(under_way))
            await asyncio.sleep(0.001)
            under_way.discard(question.data["caption"])
            return await super().ask(question)

    rows = [{"caption": str(number)} for number in range(60)]
    build_keypoints(rows, tmp_path / "out.jsonl", Slow(), run=Run(window=6))
    assert max(most) == 6
