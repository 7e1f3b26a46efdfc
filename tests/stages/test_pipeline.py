import asyncio
import json
import os
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from vidalign.stages import Dropped, Pipeline, PipelineError, Stage, Unfinished


class Work:
    """Doubles. calls: the items in the order in which they were begun; most: that were under way at once."""

    def __init__(self, fails=None, wait=0.0):
        self.fails, self.wait = fails or {}, wait
        self.calls, self.under_way, self.most = [], 0, 0

    async def __call__(self, item, found=None):
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


def run(folder, items, work, *, window=4, settings=None, **options):
    with Pipeline(
        folder, [Stage("double", work, settings or {}, window=window)], items, **options
    ) as pipeline:
        outcome = pipeline.run()
        return outcome, [pipeline.results(index) for index in range(outcome.total)]


def doubled(items):
    return [{"double": {"doubled": item * 2}} for item in items]


def journal(folder):
    return folder / "double.0.jsonl"


def test_results_are_in_the_items_order_whatever_order_they_end_in(tmp_path):
    work = Work(wait=0.01)
    outcome, results = run(tmp_path / "out", list(range(50)), work, window=7)
    assert results == doubled(range(50)) and not outcome.missing
    assert sorted(work.calls) == list(range(50)) and work.most == 7
    assert outcome.counts == {"double": 50}


def test_equal_items_are_worked_on_once_and_each_have_the_result(tmp_path):
    work = Work()
    _, results = run(tmp_path / "out", ["a", "a", "b", "a"], work)
    assert results == doubled("aaba") and sorted(work.calls) == ["a", "b"]


def test_no_items(tmp_path):
    outcome, results = run(tmp_path / "out", [], Work())
    assert outcome.total == 0 and results == [] and not (tmp_path / "out").exists()


def test_the_results_are_readable_json_lines(tmp_path):
    run(tmp_path / "out", ["a", "b"], Work(), window=1, settings={"n": 1})
    first, *lines = [json.loads(line) for line in journal(tmp_path / "out").read_text().splitlines()]
    assert first == {"stage": "double", "settings": {"n": 1}}
    assert [(line["row"], line["result"]) for line in lines] == [
        (0, {"doubled": "aa"}),
        (1, {"doubled": "bb"}),
    ]


def test_an_error_ends_it_after_what_is_under_way_and_the_next_run_goes_on(tmp_path):
    first = Work({20: RuntimeError("no more")}, wait=0.005)
    with pytest.raises(RuntimeError, match="no more") as error:
        run(tmp_path / "out", range(50), first)
    kept = len(first.calls) - 1
    assert 20 <= kept < 49
    assert f"{kept} of 50 rows are finished" in error.value.__notes__[0]
    second = Work()
    _, results = run(tmp_path / "out", range(50), second)
    assert sorted(set(first.calls) - {20} | set(second.calls)) == list(range(50))
    assert len(second.calls) == 50 - kept
    assert results == doubled(range(50))


@pytest.mark.parametrize("window", [1, 3])
def test_an_error_in_a_later_stage_leaves_nobody_waiting(tmp_path, window):
    async def fail(item, found):
        raise RuntimeError("second")

    stages = [Stage("double", Work(), window=4), Stage("fail", fail, window=window)]
    with (
        Pipeline(tmp_path / "out", stages, range(100)) as pipeline,
        pytest.raises(RuntimeError, match="second"),
    ):
        pipeline.run()


@pytest.mark.parametrize("stages", [1, 2])
def test_an_error_of_anything_but_the_work_begins_no_further_item(tmp_path, stages):
    work, asked = Work(), []

    def status():
        asked.append(1)
        if len(asked) == 3:
            raise RuntimeError("no status")
        return {}

    names = ["first", "second"][:stages]
    with (
        Pipeline(tmp_path / "out", [Stage(name, work, window=2) for name in names], range(200)) as pipeline,
        pytest.raises(RuntimeError, match="no status"),
    ):
        pipeline.run(status=status)
    # What the queues and workers of two stages can hold, and what was done by then.
    assert len(set(work.calls)) < 30


class Torn:
    """Items that can be gone through twice, for their number and their keys, and break in the third round."""

    def __init__(self):
        self.rounds = 0

    def __iter__(self):
        self.rounds += 1
        for number in range(50):
            if self.rounds == 3 and number == 20:
                raise OSError("the file is gone")
            yield number


def test_items_that_cannot_be_read_any_more_end_it(tmp_path):
    work = Work()
    with (
        Pipeline(
            tmp_path / "out", [Stage("double", work, window=2), Stage("again", Work(), window=2)], Torn()
        ) as pipeline,
        pytest.raises(OSError, match="the file is gone") as error,
    ):
        pipeline.run()
    assert len(work.calls) <= 20 and "of 50 rows are finished" in error.value.__notes__[0]


def test_items_behind_which_none_can_be_read_are_not_begun(tmp_path):
    torn, begun = threading.Event(), []

    class Items:
        rounds = 0

        def __iter__(self):
            self.rounds += 1
            yield from (0, 1, 2)  # one more than the queue holds
            if self.rounds == 3:
                torn.set()
                raise OSError("the file is gone")

    async def work(item, found):
        begun.append(item)
        while not torn.is_set():
            await asyncio.sleep(0)

    with (
        Pipeline(tmp_path / "out", [Stage("wait", work, window=1)], Items()) as pipeline,
        pytest.raises(OSError, match="the file is gone"),
    ):
        pipeline.run()
    assert begun == [0]


def test_the_content_of_other_processes_items_is_looked_up_by_who_asks_for_their_results(tmp_path):
    asked = []

    def content(item):
        asked.append(item)
        return None

    stages = [Stage("double", Work())]
    with Pipeline(tmp_path / "out", stages, range(6), content=content, rank=1, world_size=2) as pipeline:
        pipeline.run()
        assert sorted(asked) == [1, 3, 5]
        assert pipeline.results(0) is None and pipeline.results(1) is not None
    assert sorted(asked) == list(range(6)), "each once"


def test_items_without_a_result_are_named_and_tried_again(tmp_path):
    items = ["a", "b", "c"]
    outcome, results = run(tmp_path / "out", items, Work({"b": Unfinished("refusal")}))
    assert outcome.missing == {1: ("double", "refusal")} and results[1] is None
    work = Work()
    outcome, _ = run(tmp_path / "out", items, work)
    assert not outcome.missing and work.calls == ["b"]


def test_dropped_items_are_counted_and_not_tried_again(tmp_path):
    outcome, results = run(tmp_path / "out", ["a", "b"], Work({"b": Dropped("too long")}))
    assert outcome.dropped == {1: ("double", "too long")} and results[1] is None and not outcome.missing
    work = Work()
    outcome, _ = run(tmp_path / "out", ["a", "b"], work)
    assert not work.calls and outcome.dropped == {1: ("double", "too long")}


@pytest.mark.parametrize("cut", range(1, 100, 9))
def test_a_torn_last_line_is_dropped_and_its_item_done_again(tmp_path, cut):
    items = ["a", "b", "ü\u2028\ud800"]
    run(tmp_path / "out", items, Work(), window=1)
    whole = journal(tmp_path / "out").read_bytes()
    journal(tmp_path / "out").write_bytes(whole[:-cut])
    left = whole[:-cut].count(b"\n")
    work = Work()
    _, results = run(tmp_path / "out", items, work)
    assert len(work.calls) == 4 - left and results == doubled(items)
    work = Work()
    run(tmp_path / "out", items, work)
    assert not work.calls


@pytest.mark.parametrize("size", [0, 1, 12])
def test_a_file_torn_in_its_first_line_is_begun_anew(tmp_path, size):
    run(tmp_path / "out", ["a"], Work())
    journal(tmp_path / "out").write_bytes(journal(tmp_path / "out").read_bytes()[:size])
    work = Work()
    _, results = run(tmp_path / "out", ["a"], work)
    assert work.calls == ["a"] and results == doubled("a")


def test_a_damaged_line_costs_its_item_only(tmp_path):
    run(tmp_path / "out", ["a", "b", "c"], Work())
    lines = journal(tmp_path / "out").read_bytes().splitlines(keepends=True)
    lines[2] = b"\0" * 30 + b"\n"
    journal(tmp_path / "out").write_bytes(b"".join(lines))
    work = Work()
    run(tmp_path / "out", ["a", "b", "c"], work)
    assert len(work.calls) == 1


def test_items_may_be_added_moved_and_changed_and_only_others_are_worked_on(tmp_path):
    run(tmp_path / "out", ["a", "b", "c"], Work())
    work = Work()
    _, results = run(tmp_path / "out", ["x", "c", "a", "B"], work)
    assert sorted(work.calls) == ["B", "x"] and results == doubled(["x", "c", "a", "B"])


def test_content_that_an_item_only_names_counts(tmp_path):
    file = tmp_path / "file"
    for text, calls in (("one", 1), ("one", 0), ("two", 1), ("one", 0)):
        file.write_text(text)
        work = Work()
        run(tmp_path / "out", ["file"], work, content=lambda item: (tmp_path / item).read_text())
        assert len(work.calls) == calls


def test_a_later_stage_is_done_again_if_an_earlier_one_made_something_else(tmp_path):
    said = {"a": 1}

    async def say(item, found):
        return said[item]

    later = []

    async def after(item, found):
        later.append(found["say"])
        return found["say"] + 1

    for value, tag, count in ((1, 0, 1), (1, 0, 1), (2, 1, 2), (2, 2, 2)):
        said["a"] = value
        stages = [Stage("say", say, {"tag": tag}), Stage("after", after)]
        with Pipeline(tmp_path / "out", stages, ["a"], resume="go-on") as pipeline:
            pipeline.run()
            assert pipeline.results(0) == {"say": value, "after": value + 1}
        # Other settings and the same result: what was made of it still holds.
        assert len(later) == count


def test_batches_are_full_where_they_can_be_and_streamed_onward(tmp_path):
    sizes, order = [], []

    def batch(items, found):
        sizes.append(len(items))
        order.append("batch")
        return [Dropped("odd") if item % 5 == 0 else item * 10 for item in items]

    async def after(item, found):
        order.append("after")
        return found["batch"] + item

    stages = [Stage("batch", batch, batch=4), Stage("after", after, window=2)]
    with Pipeline(tmp_path / "out", stages, range(30)) as pipeline:
        outcome = pipeline.run()
        results = [pipeline.results(i) for i in range(30)]
    assert sizes == [4] * 7 + [2]
    assert results[7] == {"batch": 70, "after": 77} and results[5] is None
    assert outcome.counts == {"batch": 24, "after": 24} and len(outcome.dropped) == 6
    assert order.index("after") < len(order) - 1 - order[::-1].index("batch"), (
        "the second stage waited for the first"
    )


def test_a_batch_of_the_wrong_length_is_no_result(tmp_path):
    with (
        Pipeline(tmp_path / "out", [Stage("batch", lambda items, found: [1], batch=2)], range(4)) as pipeline,
        pytest.raises(RuntimeError, match="1 results for 2 items"),
    ):
        pipeline.run()


@pytest.mark.parametrize("worlds", [(2, 1), (1, 2), (3, 2)])
def test_ranks_share_the_work_and_another_number_of_them_goes_on(tmp_path, worlds):
    begun = Counter()
    for world in worlds:
        for rank in range(world):
            work = Work()
            run(tmp_path / "out", range(20), work, rank=rank, world_size=world)
            begun.update(work.calls)
    assert begun == Counter(range(20))
    with Pipeline(tmp_path / "out", [Stage("double", Work())], range(20)) as pipeline:
        assert [pipeline.results(i) for i in range(20)] == doubled(range(20)) and pipeline.done == 20


def test_what_other_ranks_write_is_seen_after_a_reload(tmp_path):
    stage = Stage("double", Work())
    with Pipeline(tmp_path / "out", [stage], range(6), rank=0, world_size=2) as first:
        first.run()
        with Pipeline(tmp_path / "out", [stage], range(6), rank=1, world_size=2) as second:
            assert set(second.run().missing) == set()
        assert first.results(1) is None
        first.reload()
        assert [first.results(i) for i in range(6)] == doubled(range(6))


@pytest.mark.parametrize(
    ("resume", "calls", "said"),
    [
        ("same", 0, "n was 1 and is 2"),
        ("refuse", 0, "results of an earlier run"),
        ("go-on", 2, None),
        ("restart", 2, None),
    ],
)
def test_modes_of_resuming_with_other_settings(tmp_path, resume, calls, said):
    run(tmp_path / "out", ["a", "b"], Work(), settings={"n": 1})
    before, work = journal(tmp_path / "out").read_bytes(), Work()
    if said:
        with pytest.raises(PipelineError, match=said):
            run(tmp_path / "out", ["a", "b"], work, settings={"n": 2}, resume=resume)
        assert journal(tmp_path / "out").read_bytes() == before
    else:
        run(tmp_path / "out", ["a", "b"], work, settings={"n": 2}, resume=resume)
        # The first settings' results are still there to go on with, unless they were thrown away.
        again = Work()
        run(tmp_path / "out", ["a", "b"], again, settings={"n": 1}, resume="go-on")
        assert len(again.calls) == (0 if resume == "go-on" else 2)
    assert len(work.calls) == calls


def test_the_settings_that_results_were_last_made_with_are_those_to_go_on_with(tmp_path):
    for settings, resume in (({"n": 1}, "same"), ({"n": 2}, "go-on"), ({"n": 2}, "same"), ({"n": 2}, "same")):
        run(tmp_path / "out", ["a", "b"], Work(), settings=settings, resume=resume)
    with pytest.raises(PipelineError, match="n was 2 and is 1"):
        run(tmp_path / "out", ["a", "b"], Work(), settings={"n": 1})
    lines = [json.loads(line) for line in journal(tmp_path / "out").read_text().splitlines()]
    assert [line["settings"] for line in lines if "settings" in line] == [{"n": 1}, {"n": 2}]


def test_a_file_that_is_no_result_is_refused_and_left_as_it_is(tmp_path):
    (tmp_path / "out").mkdir()
    journal(tmp_path / "out").write_text("my notes\n")
    with pytest.raises(PipelineError, match="move it away"):
        run(tmp_path / "out", ["a"], Work())
    assert journal(tmp_path / "out").read_text() == "my notes\n"


def test_one_at_a_time(tmp_path):
    stage = Stage("double", Work())
    with (
        Pipeline(tmp_path / "out", [stage], ["a"]),
        pytest.raises(PipelineError, match="another process"),
        Pipeline(tmp_path / "out", [stage], ["a"]),
    ):
        pass
    run(tmp_path / "out", ["a"], Work())


def test_of_many_processes_that_start_at_once_each_item_is_done_by_one(tmp_path):
    code = """
import asyncio, sys
from vidalign.stages import Pipeline, PipelineError, Stage
async def work(item, found):
    with open("done", "a") as file: file.write(f"{item}\\n")
    await asyncio.sleep(0.01)
try:
    with Pipeline("out", [Stage("work", work, window=4)], range(20)) as pipeline:
        pipeline.run()
except PipelineError as error:
    assert "another process" in str(error), error
    sys.exit(3)
"""
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    processes = [subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, env=env) for _ in range(6)]
    # One that starts when another has ended finds everything done.
    assert {process.wait(300) for process in processes} <= {0, 3}
    assert sorted(map(int, (tmp_path / "done").read_text().split())) == list(range(20))


def test_a_process_that_is_killed_loses_what_was_under_way_only(tmp_path):
    code = """
import asyncio, os, signal
from vidalign.stages import Pipeline, Stage
async def first(item, found):
    with open("first", "a") as file: file.write(f"{item}\\n")
    return item
async def second(item, found):
    if item == 30: os.kill(os.getpid(), signal.SIGKILL)
    with open("second", "a") as file: file.write(f"{item}\\n")
    return item
with Pipeline("out", [Stage("first", first, window=2), Stage("second", second, window=1)], range(60)) as pipeline:
    pipeline.run()
"""
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    assert subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=env).returncode == -9
    subprocess.run([sys.executable, "-c", code.replace("== 30", "== -1")], cwd=tmp_path, env=env, check=True)
    second = Counter(map(int, (tmp_path / "second").read_text().split()))
    assert second == Counter(range(60))
    first = Counter(map(int, (tmp_path / "first").read_text().split()))
    assert set(first) == set(range(60)) and first.total() <= 60 + 2


def test_work_that_never_waits_can_be_interrupted(tmp_path):
    async def work(item, found):
        if item == 5:
            # What Ctrl-C does: an exception in the main thread, which waits.
            threading.Thread(target=lambda: os.kill(os.getpid(), 2)).start()
        time.sleep(0.002)

    with pytest.raises(KeyboardInterrupt) as error:
        run(tmp_path / "out", range(10_000), work)
    assert "of 10000 rows are finished" in error.value.__notes__[0]


def test_between_items_whatever_else_is_in_the_loop_has_its_turn(tmp_path):
    """Such as the cancelling of this run. All items fit into the queue, so that nothing else makes the workers wait."""
    turns, seen = [], []

    async def work(item, found):
        if not seen:
            asyncio.get_running_loop().call_soon(turns.append, item)
        seen.append(bool(turns))

    run(tmp_path / "out", range(15), work, window=10)
    assert seen[0] is False and seen[-1] is True


def test_it_runs_inside_a_running_loop_as_in_a_notebook(tmp_path):
    async def cell():
        return run(tmp_path / "out", ["a"], Work())

    assert asyncio.run(cell())[1] == doubled("a")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Stage("a b", Work()), "letters, digits"),
        (lambda: Stage("a", Work(), window=0), "window=0"),
        (lambda: Stage("a", Work(), batch=0), "batch=0"),
        (lambda: Pipeline("x", [], []), "at least one"),
        (lambda: Pipeline("x", [Stage("a", Work())] * 2, []), "a name of its own"),
        (lambda: Pipeline("x", [Stage("a", Work())], [], rank=2, world_size=2), "rank=2"),
        (
            lambda: Pipeline(
                "x", [Stage("a", Work())], [], rank=1, world_size=2, resume="restart"
            ).__enter__(),
            "let rank 0 do so first",
        ),
    ],
)
def test_what_cannot_be(make, said):
    with pytest.raises(PipelineError, match=said):
        make()
