"""The generic piece, with work that is counted and fails on request."""

import asyncio
import json
import os
import random
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from vidalign.build.journal import BuildError
from vidalign.build.resumable import Resumable, Unfinished


class Work:
    """Doubles its item. Fails with what `fails` holds for it."""

    def __init__(self, fails=None, wait=0.0):
        self.fails, self.wait, self.calls, self.under_way, self.most = fails or {}, wait, [], 0, 0

    async def __call__(self, item):
        self.calls.append(item)
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        try:
            await asyncio.sleep(self.wait * random.random())
            if item in self.fails:
                raise self.fails[item]
            return {"doubled": item * 2}
        finally:
            self.under_way -= 1


def build(output, items, work, *, settings=None, window=4, **options):
    """Runs it to its end, and returns what is missing."""
    with Resumable(output, items, settings or {}, **options) as resumable:
        missing = resumable.run(work, window=window)
        results = [resumable.result(i) for i in range(resumable.total)]
        resumable.finish(lambda path: path.write_text(json.dumps(results)))
        return missing


def stopped(output, items, work, **options):
    with Resumable(output, items, {}) as resumable:
        resumable.run(work, window=4, **options)
    return Path(f"{output}.partial")


def test_results_are_in_the_items_order_whatever_order_they_end_in(tmp_path):
    work = Work(wait=0.01)
    assert build(tmp_path / "out", list(range(50)), work, window=7) == {}
    assert json.loads((tmp_path / "out").read_text()) == [{"doubled": 2 * i} for i in range(50)]
    assert sorted(work.calls) == list(range(50)) and work.most == 7
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_equal_items_each_have_their_own_result(tmp_path):
    work = Work()
    build(tmp_path / "out", ["a", "a", "b", "a"], work)
    assert json.loads((tmp_path / "out").read_text()) == [{"doubled": t} for t in ("aa", "aa", "bb", "aa")]


def test_no_items(tmp_path):
    assert build(tmp_path / "out", [], Work()) == {}
    assert (tmp_path / "out").read_text() == "[]"


def test_an_error_ends_it_after_what_is_under_way_and_the_next_run_goes_on(tmp_path):
    first = Work({20: RuntimeError("no more")}, wait=0.005)
    with pytest.raises(RuntimeError, match="no more") as error:
        stopped(tmp_path / "out", range(50), first)
    kept = len(first.calls) - 1
    assert 20 <= kept < 49
    assert f"{kept} of 50 rows are finished" in error.value.__notes__[0]
    second = Work()
    assert build(tmp_path / "out", range(50), second) == {}
    assert sorted(set(first.calls) - {20} | set(second.calls)) == list(range(50))
    assert len(second.calls) == 50 - kept
    assert json.loads((tmp_path / "out").read_text()) == [{"doubled": 2 * i} for i in range(50)]


def test_items_without_a_result_are_named_and_tried_again(tmp_path):
    items = ["a", "b", "c"]
    with Resumable(tmp_path / "out", items, {}) as resumable:
        assert resumable.run(Work({"b": Unfinished("refusal")}), window=2) == {1: "refusal"}
        assert resumable.result(1) is None and resumable.done == 2
    work = Work()
    assert build(tmp_path / "out", items, work) == {} and work.calls == ["b"]


@pytest.mark.parametrize("cut", range(1, 60, 7))
def test_a_torn_last_line_is_dropped_and_its_item_done_again(tmp_path, cut):
    journal = stopped(tmp_path / "out", ["a", "b", "ü\u2028\ud800"], Work())
    whole = journal.read_bytes()
    journal.write_bytes(whole[:-cut])
    lines = journal.read_bytes().count(b"\n")
    work = Work()
    build(tmp_path / "out", ["a", "b", "ü\u2028\ud800"], work)
    assert len(work.calls) == 4 - lines
    assert json.loads((tmp_path / "out").read_text())[2] == {"doubled": "ü\u2028\ud800" * 2}


@pytest.mark.parametrize("size", [0, 1, 12])
def test_a_journal_torn_in_its_first_line_is_begun_anew(tmp_path, size):
    journal = stopped(tmp_path / "out", ["a"], Work())
    journal.write_bytes(journal.read_bytes()[:size])
    work = Work()
    build(tmp_path / "out", ["a"], work)
    assert work.calls == ["a"]


def test_a_damaged_line_costs_its_item_only(tmp_path):
    journal = stopped(tmp_path / "out", ["a", "b", "c"], Work())
    lines = journal.read_bytes().splitlines(keepends=True)
    lines[2] = b"\0" * 30 + b"\n"
    journal.write_bytes(b"".join(lines))
    work = Work()
    build(tmp_path / "out", ["a", "b", "c"], work)
    assert len(work.calls) == 1


def test_items_may_be_added_and_unfinished_ones_changed(tmp_path):
    with Resumable(tmp_path / "out", ["a", "b"], {}) as resumable:
        resumable.run(Work({"b": Unfinished("")}), window=1)
    work = Work()
    build(tmp_path / "out", ["a", "B", "c"], work)
    assert work.calls == ["B", "c"]


@pytest.mark.parametrize(
    ("items", "settings", "why"),
    [
        (["a", "x"], {}, "row 1 was another"),
        (["a"], {}, "row 1 is finished, and there are only 1 rows"),
        (["a", "b"], {"k": 1}, "k was None and is 1"),
    ],
)
def test_a_journal_of_something_else_is_refused_and_left_as_it_is(tmp_path, items, settings, why):
    journal = stopped(tmp_path / "out", ["a", "b"], Work())
    before, work = journal.read_bytes(), Work()
    with pytest.raises(BuildError, match=why):
        build(tmp_path / "out", items, work, settings=settings)
    assert journal.read_bytes() == before and not work.calls
    build(tmp_path / "out", items, work, settings=settings, restart=True)
    assert work.calls == items


def test_a_file_that_is_no_journal_is_refused_and_left_as_it_is(tmp_path):
    (tmp_path / "out.partial").write_text("my notes\n")
    with pytest.raises(BuildError, match="no journal"):
        build(tmp_path / "out", ["a"], Work())
    assert (tmp_path / "out.partial").read_text() == "my notes\n"


def test_killed_between_the_output_and_the_end_it_needs_no_work(tmp_path):
    journal = stopped(tmp_path / "out", ["a", "b"], Work())
    (tmp_path / "out").write_text("what the killed process had put there")
    work = Work()
    build(tmp_path / "out", ["a", "b"], work)
    assert not work.calls and not journal.exists()
    assert json.loads((tmp_path / "out").read_text()) == [{"doubled": "aa"}, {"doubled": "bb"}]


def test_an_output_that_is_there_is_kept_unless_told_and_then_until_the_next_is_whole(tmp_path):
    (tmp_path / "out").write_text("old")
    with pytest.raises(BuildError, match="there already"):
        build(tmp_path / "out", ["a"], Work())
    assert not (tmp_path / "out.partial").exists()
    with pytest.raises(RuntimeError):
        build(tmp_path / "out", ["a", "b"], Work({"b": RuntimeError()}), window=1, restart=True)
    assert (tmp_path / "out").read_text() == "old"
    build(tmp_path / "out", ["a", "b"], Work())
    assert json.loads((tmp_path / "out").read_text()) == [{"doubled": "aa"}, {"doubled": "bb"}]


def test_a_write_that_fails_leaves_the_journal_and_no_output(tmp_path):
    def write(path):
        path.write_text("half")
        raise OSError("disk full")

    with Resumable(tmp_path / "out", ["a"], {}) as resumable:
        resumable.run(Work(), window=1)
        with pytest.raises(OSError, match="disk full"):
            resumable.finish(write)
    assert [path.name for path in tmp_path.iterdir()] == ["out.partial"]


def test_one_at_a_time_under_any_name_of_the_file(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "out")
    with Resumable(tmp_path / "out", ["a"], {}) as resumable:
        for name in ("out", "link", "../" + tmp_path.name + "/out"):
            with pytest.raises(BuildError, match="another process"), Resumable(tmp_path / name, ["a"], {}):
                pass
        resumable.run(Work(), window=1)
    build(tmp_path / "link", ["a"], Work())
    assert (tmp_path / "link").is_symlink() and (tmp_path / "out").exists()


def test_of_many_processes_that_start_at_once_each_row_is_done_by_one(tmp_path):
    code = """
import asyncio, sys
from vidalign.build.journal import BuildError
from vidalign.build.resumable import Resumable
async def work(item):
    with open("done", "a") as file: file.write(f"{item}\\n")
    await asyncio.sleep(0.01)
try:
    with Resumable("out", range(20), {}) as build:
        build.run(work, window=4)
        build.finish(lambda path: path.write_text("x"))
except BuildError as error:
    assert "another process" in str(error) or "there already" in str(error), error
    sys.exit(3)
"""
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    processes = [subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, env=env) for _ in range(6)]
    assert sorted(process.wait(300) for process in processes) == [0, 3, 3, 3, 3, 3]
    assert sorted(map(int, (tmp_path / "done").read_text().split())) == list(range(20))


def test_work_that_never_waits_can_be_interrupted(tmp_path):
    async def work(item):
        if item == 5:
            # What Ctrl-C does: an exception in the main thread, which waits.
            threading.Thread(target=lambda: os.kill(os.getpid(), 2)).start()
        time.sleep(0.002)

    with pytest.raises(KeyboardInterrupt) as error:
        stopped(tmp_path / "out", range(10_000), work)
    assert "of 10000 rows are finished" in error.value.__notes__[0]


def test_it_runs_inside_a_running_loop_as_in_a_notebook(tmp_path):
    async def cell():
        return build(tmp_path / "out", ["a"], Work())

    assert asyncio.run(cell()) == {}


def test_a_window_without_a_place_is_refused(tmp_path):
    with pytest.raises(BuildError, match="window=0"):
        build(tmp_path / "out", ["a"], Work(), window=0)
