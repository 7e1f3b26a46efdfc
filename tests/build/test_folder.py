import json

import pytest
import yaml

from vidalign.build.card import Card
from vidalign.build.folder import DatasetFolder
from vidalign.build.journal import BuildError
from vidalign.build.tables import write_lines

ITEMS = ["a", "b", "c"]


async def upper(item):
    return item.upper()


def card(title="Title", **more):
    return Card(title, "About it.", "test", None, {"n": 1}, **more)


def build(path, title="Title", write=None, **options):
    with DatasetFolder(path, ITEMS, {"n": 1}, **options) as folder:
        folder.build.run(upper, window=2)
        results = [{"x": folder.build.result(index)} for index in range(3)]
        folder.finish(write or (lambda to: write_lines(to, results)), card(title))


def rows(path):
    return [json.loads(line)["x"] for line in (path / "train.jsonl").read_text().splitlines()]


def test_rows_and_a_card(tmp_path):
    build(tmp_path / "out")
    assert rows(tmp_path / "out") == ["A", "B", "C"]
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["README.md", "train.jsonl"]
    head = yaml.safe_load((tmp_path / "out" / "README.md").read_text().split("---\n")[1])
    assert head["tags"][0] == "vidalign"


class Killed(BaseException):
    pass


@pytest.mark.parametrize("target", ["README.md", "train.jsonl", "unlink"])
def test_killed_between_any_two_steps_the_next_start_writes_both(tmp_path, monkeypatch, target):
    """`os.replace` of the card, of the rows, and the journal's end are the steps."""
    import os
    from pathlib import Path

    replace, unlink = os.replace, Path.unlink

    def dying_replace(source, to):
        if str(to).endswith(target):
            raise Killed
        replace(source, to)

    def dying_unlink(path, *args, **options):
        if str(path).endswith(".partial"):
            raise Killed
        unlink(path, *args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", dying_replace)
        if target == "unlink":
            patch.setattr(Path, "unlink", dying_unlink)
        with pytest.raises(Killed):
            build(tmp_path / "out", "First")
    assert (tmp_path / "out" / "train.jsonl.partial").exists()
    worked = []

    async def work(item):
        worked.append(item)

    with DatasetFolder(tmp_path / "out", ITEMS, {"n": 1}) as folder:
        assert folder.build.run(work, window=1) == {} and not worked
        folder.finish(lambda to: write_lines(to, [{"x": "again"}]), card("Second"))
    assert rows(tmp_path / "out") == ["again"]
    assert "# Second" in (tmp_path / "out" / "README.md").read_text()
    assert not (tmp_path / "out" / "train.jsonl.partial").exists()


def test_a_write_that_fails_leaves_no_card_and_the_finished_items(tmp_path):
    def fail(to):
        raise OSError("no space")

    with pytest.raises(OSError, match="no space"):
        build(tmp_path / "out", write=fail)
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["train.jsonl.partial"]


def test_a_folder_that_was_made_for_nothing_is_taken_away(tmp_path):
    async def fail(item):
        raise RuntimeError("at once")

    with pytest.raises(RuntimeError), DatasetFolder(tmp_path / "out", ITEMS, {}) as folder:
        folder.build.run(fail, window=1)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("out.jsonl", "leave the ending out"),
        ("file", "is a file"),
        ("no/where", "does not exist"),
        ("strange", "was not written by a build"),
        ("source", "name another folder"),
        ("done", "is there already"),
    ],
)
def test_what_cannot_be(tmp_path, name, said):
    (tmp_path / "file").write_text("")
    (tmp_path / "source").mkdir()
    (tmp_path / "strange").mkdir()
    (tmp_path / "strange" / "README.md").write_text("# My project\n")
    build(tmp_path / "done")
    with pytest.raises(BuildError, match=said):
        build(tmp_path / name, source=tmp_path / "source")
    assert (tmp_path / "strange" / "README.md").read_text() == "# My project\n"


def test_restart_replaces_both(tmp_path):
    build(tmp_path / "out", "First")
    build(tmp_path / "out", "Second", restart=True)
    assert "# Second" in (tmp_path / "out" / "README.md").read_text()


def test_a_folder_with_videos_in_it_is_read_as_rows(tmp_path):
    from datasets import load_dataset

    (tmp_path / "out" / "videos").mkdir(parents=True)
    (tmp_path / "out" / "videos" / "a.mp4").write_bytes(b"x")
    build(tmp_path / "out")
    assert load_dataset(str(tmp_path / "out"))["train"]["x"][:] == ["A", "B", "C"]


def test_folders_of_one_name_are_told_apart_by_datasets(tmp_path):
    from datasets import load_dataset

    for name in ("one", "other"):
        (tmp_path / name).mkdir()
    read = []
    for folder, text, options in (("one", "a", {}), ("other", "b", {}), ("other", "c", {"restart": True})):
        build(
            tmp_path / folder / "rows", write=lambda to, text=text: write_lines(to, [{"x": text}]), **options
        )
        read += load_dataset(str(tmp_path / folder / "rows"), cache_dir=str(tmp_path / "cache"))["train"]["x"]
    assert read == ["a", "b", "c"]


def test_a_card_says_what_it_is_given_and_no_key(monkeypatch):
    monkeypatch.setenv("ANY_API_KEY", "sk-0123456789abcdef")
    text = Card(
        "T", "Of sk-0123456789abcdef.", "x", None, {"a": "b | c", "none": None},
        {"Counts": {"p|q": 2}, "Empty": {}}, loading="Pass this.", paper="A paper.",
    ).text()  # fmt: skip
    assert "0123456789" not in text and "Empty" not in text and "none" not in text
    for part in (
        "| a | `b \\| c` |",
        "| p\\|q | 2 |",
        "## Counts",
        "Pass this.",
        "## Paper\n\nA paper.",
        "vidalign 0",
    ):
        assert part in text
