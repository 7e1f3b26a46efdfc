import json

import pytest
import yaml

from vidalign.report.dataset_card import Card
from vidalign.stages import PipelineError, Run, Running, Stage
from vidalign.stages.folder import DatasetFolder
from vidalign.stages.tables import write_lines

ITEMS = ["a", "b", "c"]


async def upper(item, found):
    return item.upper()


def stage(work=upper):
    return [Stage("upper", work, {"n": 1}, window=2)]


def card(title="Title", **more):
    return Card(title, "About it.", "test", None, {"n": 1}, **more)


def running_to(path, work=upper, resume="same", **options):
    folder = DatasetFolder(path, resume=resume, **options)
    return Running(folder, stage(work), ITEMS, run=Run(resume=resume))


def build(path, title="Title", write=None, **options):
    with running_to(path, **options) as running:
        running.pipeline.run()
        results = [{"x": running.pipeline.results(index)["upper"]} for index in range(3)]
        finish(running, write or (lambda to: write_lines(to, results)), title)


def finish(running, write, title):
    running.finish(running.output.write_with_card(write, card(title).text))


def rows(path):
    return [json.loads(line)["x"] for line in (path / "train.jsonl").read_text().splitlines()]


def test_rows_and_a_card(tmp_path):
    build(tmp_path / "out")
    assert rows(tmp_path / "out") == ["A", "B", "C"]
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["README.md", "stages", "train.jsonl"]
    head = yaml.safe_load((tmp_path / "out" / "README.md").read_text().split("---\n")[1])
    assert head["tags"][0] == "vidalign"


class Killed(BaseException):
    pass


@pytest.mark.parametrize("target", ["README.md", "train.jsonl", "mark"])
def test_killed_between_any_two_steps_the_next_start_writes_both(tmp_path, monkeypatch, target):
    """`os.replace` of the card, of the rows, and the mark that it is finished are the steps."""
    import os
    from pathlib import Path

    replace = os.replace

    def dying_replace(source, to):
        if str(to).endswith(target):
            raise Killed
        replace(source, to)

    def dying_touch(path, *args, **options):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", dying_replace)
        if target == "mark":
            patch.setattr(Path, "touch", dying_touch)
        with pytest.raises(Killed):
            build(tmp_path / "out", "First")
    worked = []

    async def work(item, found):
        worked.append(item)

    with running_to(tmp_path / "out", work) as running:
        assert not running.pipeline.run().missing and not worked
        finish(running, lambda to: write_lines(to, [{"x": "again"}]), "Second")
    assert rows(tmp_path / "out") == ["again"]
    assert "# Second" in (tmp_path / "out" / "README.md").read_text()
    with pytest.raises(PipelineError, match="is there already"):
        build(tmp_path / "out")


def test_a_write_that_fails_leaves_no_card_and_the_finished_items(tmp_path):
    def fail(to):
        raise OSError("no space")

    with pytest.raises(OSError, match="no space"):
        build(tmp_path / "out", write=fail)
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["stages"]
    worked = []

    async def work(item, found):
        worked.append(item)

    with running_to(tmp_path / "out", work) as running:
        running.pipeline.run()
    assert not worked


def test_a_folder_that_was_made_for_nothing_is_taken_away(tmp_path):
    async def fail(item, found):
        raise RuntimeError("at once")

    with pytest.raises(RuntimeError), running_to(tmp_path / "out", fail) as running:
        running.pipeline.run()
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
    with pytest.raises(PipelineError, match=said):
        build(tmp_path / name, source=tmp_path / "source")
    assert (tmp_path / "strange" / "README.md").read_text() == "# My project\n"


def test_restart_replaces_both(tmp_path):
    build(tmp_path / "out", "First")
    build(tmp_path / "out", "Second", resume="restart")
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
    for folder, text, options in (
        ("one", "a", {}),
        ("other", "b", {}),
        ("other", "c", {"resume": "restart"}),
    ):
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
