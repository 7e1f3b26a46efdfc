"""Runs that end in an output, in one process or several."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from vidalign.stages import (
    MissingRows,
    PipelineError,
    Processes,
    Run,
    Running,
    Stage,
    Summary,
    Unfinished,
)
from vidalign.stages.output import Output
from vidalign.stages.run import report


class Work:
    """Doubles. fails: items that have no result; calls: the items that were worked on."""

    def __init__(self, fails=()):
        self.fails, self.calls = fails, []

    async def __call__(self, item, found=None):
        self.calls.append(item)
        if item in self.fails:
            raise Unfinished("broken")
        return item * 2


def run_to(path, items, work, settings=None, **how):
    run = Run(**how)
    output = Output(path, resume=run.resume)
    running = Running(output, [Stage("double", work, settings or {})], items, run=run)
    with running:
        missing = running.work("rows", "no double")
        if missing is None:
            return None
        found = [running.pipeline.results(index) for index in range(len(items))]
        running.finish(lambda to: to.write_text(json.dumps([one and one["double"] for one in found])))
        return missing


@dataclass(frozen=True)
class Threads(Processes):
    barrier: threading.Barrier | None = None

    def wait(self):
        if self.barrier is not None:
            self.barrier.wait()


def together(path, items, works, **how):
    """Each work in a thread of its own, as the processes of a launch."""
    barrier = threading.Barrier(len(works), timeout=60)

    def one(rank):
        try:
            return run_to(path, items, works[rank], processes=Threads(rank, len(works), barrier), **how)
        except BaseException:
            barrier.abort()  # as a launcher ends the others
            raise

    with ThreadPoolExecutor(len(works)) as pool:
        return [
            run.exception() or run.result() for run in [pool.submit(one, rank) for rank in range(len(works))]
        ]


def written(path):
    return json.loads(path.read_text())


@pytest.mark.parametrize("resume", ["same", "go-on", "restart", "refuse"])
def test_processes_share_a_fresh_run_whatever_they_are_to_resume(tmp_path, resume):
    works = [Work() for _ in range(3)]
    assert together(tmp_path / "out", list("abcdefg"), works, resume=resume) == [{}, None, None]
    assert written(tmp_path / "out") == [2 * item for item in "abcdefg"]
    assert [sorted(work.calls) for work in works] == [["a", "d", "g"], ["b", "e"], ["c", "f"]]


def test_the_first_knows_what_others_lack_and_they_say_why(tmp_path, capsys):
    first, other = together(tmp_path / "out", list("abcd"), [Work(), Work(fails="d")])
    assert isinstance(first, MissingRows) and other is None
    assert "no double for 1 of 4 rows" in str(first) and first.missing.keys() == {3}
    assert "row 3: broken" in capsys.readouterr().err and not (tmp_path / "out").exists()
    # What was made is not made again, by how many processes so ever.
    works = [Work(), Work(), Work()]
    assert together(tmp_path / "out", list("abcd"), works)[0] == {}
    assert [work.calls for work in works] == [["d"], [], []]
    assert written(tmp_path / "out") == ["aa", "bb", "cc", "dd"]


def test_rows_may_be_missing_if_not_all_are(tmp_path):
    assert together(tmp_path / "1", list("abcd"), [Work(), Work(fails="bd")], allow_missing=True)[
        0
    ].keys() == {1, 3}
    assert written(tmp_path / "1") == ["aa", None, "cc", None]
    with pytest.raises(MissingRows, match="2 of 2 rows"):
        run_to(tmp_path / "2", list("ab"), Work(fails="ab"), allow_missing=True)


def test_processes_that_may_not_go_on_all_end(tmp_path):
    run_to(tmp_path / "out", list("ab"), Work(), {"n": 1})
    (tmp_path / "out").unlink()
    first, other = together(tmp_path / "out", list("ab"), [Work(), Work()], resume="refuse")
    assert isinstance(first, PipelineError) and isinstance(other, threading.BrokenBarrierError)


def test_an_output_is_built_again_with_what_still_fits_only_if_a_run_has_written_it(tmp_path):
    out, work = tmp_path / "out", Work()
    run_to(out, list("ab"), work, {"n": 1})
    for resume in ("same", "refuse"):
        with pytest.raises(PipelineError, match=r"there already.*go-on"):
            run_to(out, list("abc"), work, {"n": 1}, resume=resume)
    run_to(out, list("abc"), work, {"n": 1}, resume="go-on")
    assert work.calls == ["a", "b", "c"] and written(out) == ["aa", "bb", "cc"]
    (tmp_path / "mine").write_text("mine")
    with pytest.raises(PipelineError, match="there already"):
        run_to(tmp_path / "mine", ["a"], work, resume="go-on")
    assert (tmp_path / "mine").read_text() == "mine"


def test_a_report_names_rows_that_are_left_out_by_reason(capsys):
    report(Summary(3, {**dict.fromkeys(range(25), "broken"), 30: "late"}), "out")
    told = capsys.readouterr()
    assert told.out == "3 rows written to out\n"
    first, second = told.err.splitlines()
    assert first.startswith("left out (broken): row 0, 1, ") and first.endswith("18, 19 and 5 more")
    assert second == "left out (late): row 30"
