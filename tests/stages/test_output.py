import json
import os

import pytest

from vidalign.stages import Pipeline, PipelineError, Stage
from vidalign.stages.output import Output


async def double(item, found):
    return item * 2


def build(path, items=("a", "b"), resume="same", write=None):
    output = Output(path, resume=resume)
    with Pipeline(output.stages, [Stage("double", double)], items, resume=output.resume) as pipeline:
        output.begin()
        pipeline.run()
        results = [pipeline.results(i)["double"] for i in range(len(items))]
        output.finish(write or (lambda to: to.write_text(json.dumps(results))))


def test_an_output_that_is_there_is_kept_unless_told(tmp_path):
    (tmp_path / "out").write_text("old")
    with pytest.raises(PipelineError, match="there already"):
        build(tmp_path / "out")
    assert (tmp_path / "out").read_text() == "old" and not (tmp_path / "out.stages").exists()
    build(tmp_path / "out", resume="restart")
    assert json.loads((tmp_path / "out").read_text()) == ["aa", "bb"]
    with pytest.raises(PipelineError, match="there already"):
        build(tmp_path / "out")
    build(tmp_path / "out", ["c"], resume="restart")
    assert json.loads((tmp_path / "out").read_text()) == ["cc"]


class Killed(BaseException):
    pass


@pytest.mark.parametrize("before", ["replace", "mark"])
def test_killed_at_the_end_it_is_written_again(tmp_path, monkeypatch, before):
    from pathlib import Path

    def dies(*args, **options):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(*((os, "replace") if before == "replace" else (Path, "touch")), dies)
        with pytest.raises(Killed):
            build(tmp_path / "out")
    build(tmp_path / "out")
    assert json.loads((tmp_path / "out").read_text()) == ["aa", "bb"]


def test_a_write_that_fails_leaves_the_results_and_no_output(tmp_path):
    def write(path):
        path.write_text("half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        build(tmp_path / "out", write=write)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.stages"]
    build(tmp_path / "out")


def test_two_names_of_one_file_are_one_output(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "out")
    build(tmp_path / "link")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "out").exists()
    with pytest.raises(PipelineError, match="there already"):
        Output(tmp_path / "out")


@pytest.mark.parametrize(("path", "said"), [("folder", "is a folder"), ("no/where", "does not exist")])
def test_what_cannot_be(tmp_path, path, said):
    (tmp_path / "folder").mkdir()
    with pytest.raises(PipelineError, match=said):
        Output(tmp_path / path)
