"""The files that `dataset_name` may name."""

import json

import pytest

from vidalign.trainers.script import load


@pytest.fixture
def write(tmp_path):
    """Writes a row that says its file's own name: `write("folder/train.jsonl")`."""

    def file(name):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"prompt": path.name}) + "\n", encoding="utf-8")
        return str(path)

    return file


def prompts(dataset):
    return {split: [row["prompt"] for row in rows] for split, rows in dataset.items()}


@pytest.mark.parametrize("name", ["pairs[1].jsonl", "a?.jsonl", "Bär 熊.jsonl", "#1.JSONL"])
@pytest.mark.parametrize("streaming", [False, True])
def test_a_name_is_no_pattern(name, streaming, write):
    for other in ("pairs1.jsonl", "ab.jsonl"):
        write(other)
    assert prompts(load(write(name), streaming=streaming)) == {"train": [name]}


def test_files_of_a_folder_are_its_splits(write, tmp_path):
    for name in ("train.jsonl", "test.JSONL", ".hidden.jsonl", "notes.md", "clips/a.jsonl"):
        write(f"[1]/{name}")
    found = load(str(tmp_path / "[1]"))
    assert prompts(found) == {"train": ["train.jsonl"], "test": ["test.JSONL"]}


def test_parts_of_a_split(write, tmp_path):
    names = [f"train-0000{number}-of-00002.jsonl" for number in range(2)]
    for name in (*names, "test-00000-of-00001.jsonl"):
        write(name)
    found = load(str(tmp_path))
    assert prompts(found) == {"train": names, "test": ["test-00000-of-00001.jsonl"]}


def test_what_is_no_split_is_named(write, tmp_path):
    write("my-pairs.jsonl")
    with pytest.raises(ValueError, match=r"'my-pairs\.jsonl' gives no name.*rename the file"):
        load(str(tmp_path))


def test_an_empty_file_is_named(write, tmp_path):
    write("train.jsonl")
    (tmp_path / "test.jsonl").touch()
    for name in (tmp_path, tmp_path / "test.jsonl"):
        with pytest.raises(ValueError, match=r"test\.jsonl' is empty \(0 bytes\)"):
            load(str(name))


def test_files_of_two_kinds(write, tmp_path):
    write("train.jsonl")
    write("test.csv")
    with pytest.raises(ValueError, match="files of several kinds"):
        load(str(tmp_path))
