import asyncio
import multiprocessing
import os
import pickle
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from server import all_true

import vidalign
from vidalign.judge import JudgeError, LLMJudge
from vidalign.judge.tasks import checklist

ROOT = Path(vidalign.__file__).parent.parent
CHILD = """
import sys
from vidalign.judge import LLMJudge
from vidalign.judge.tasks import checklist
judge = LLMJudge("openai/judge", api_base=sys.argv[1], cache_dir=sys.argv[2], max_concurrency=2)
questions = [checklist.question(f"caption {i}", ["a dog barks", "a bell rings"]) for i in range(int(sys.argv[3]))]
assert all(answer.value == [True, True] for answer in judge.ask_sync(questions))
"""


def child(server, folder, count):
    command = [sys.executable, "-c", CHILD, server.url, str(folder), str(count)]
    return subprocess.Popen(command, env=os.environ | {"PYTHONPATH": str(ROOT)})


def test_a_second_run_makes_no_call(serve, judge, ask):
    server = serve()
    questions = [ask(i) for i in range(10)]
    first = judge(server).ask_sync(questions)
    again = judge(server)
    assert again.ask_sync(questions) == first
    assert len(server.requests) == 10
    assert (again.ledger.calls, again.ledger.cache_hits) == (0, 10)


def test_found_at_another_address_and_not_for_another_question(serve, judge, ask):
    server, moved = serve(), serve()
    judge(server).ask_sync([ask()])
    judge(moved).ask_sync([ask()])
    assert moved.requests == []
    others = [
        (judge(moved, temperature=0.5), ask()),
        (judge(moved, max_tokens=77), ask()),
        (judge(moved, params={"seed": 1}), ask()),
        (judge(moved), ask(1)),
        (judge(moved), checklist.question("caption 0", ["a bell rings", "a dog barks"])),
    ]
    for one, question in others:
        one.ask_sync([question])
    LLMJudge("openai/other", api_base=moved.url, cache_dir=others[0][0].cache_dir).ask_sync([ask()])
    assert len(moved.requests) == 6


def test_without_a_cache(serve, judge, ask, tmp_path):
    server = serve()
    one = judge(server, cache_dir="")
    one.ask_sync([ask()])
    one.ask_sync([ask()])
    assert len(server.requests) == 2
    assert list(tmp_path.iterdir()) == []


def kept(folder):
    """Answers on disk, as another process sees them."""
    with sqlite3.connect(folder / "answers.sqlite", timeout=60) as database:
        [(count,)] = database.execute("SELECT COUNT(*) FROM answers").fetchall()
    database.close()
    return count


@pytest.mark.parametrize("at_once", [1, 3])
def test_what_is_paid_for_is_on_disk_before_the_next_request(serve, judge, ask, tmp_path, at_once):
    found = []

    def behave(number, body):
        # Of the requests before this one all but those under way have been answered.
        found.append(kept(tmp_path / "cache") >= number + 1 - at_once)
        return all_true(body)

    judge(serve(behave), max_concurrency=at_once).ask_sync([ask(n) for n in range(100)])
    assert found == [True] * 100


def test_answers_survive_a_kill(serve, judge, ask, tmp_path):
    async def never(request):
        await asyncio.sleep(3600)

    stuck = True
    server = serve(lambda number, body: never if stuck and number >= 30 else all_true(body))
    process = child(server, tmp_path / "cache", 60)
    while len(server.requests) < 32:
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    stuck = False
    assert kept(tmp_path / "cache") == 30
    one = judge(server)
    assert all(answer.value == [True, True] for answer in one.ask_sync([ask(i) for i in range(60)]))
    # The two that were under way are asked again, and no other.
    assert len(server.requests) == 32 + 30


def test_processes_at_once_ask_each_thing_once(serve, tmp_path):
    server = serve(delay=0.02)
    processes = [child(server, tmp_path / "cache", 40) for _ in range(3)]
    assert [process.wait(60) for process in processes] == [0, 0, 0]
    asked = [request.body["messages"][-1]["content"] for request in server.requests]
    assert len(set(asked)) == 40
    assert len(asked) == 40


def forked(judge, question, code):
    os._exit(0 if judge.ask_sync([question])[0].value == [True, True] else code)


def test_after_a_fork(serve, judge, ask):
    server = serve()
    one = judge(server)
    one.ask_sync([ask()])
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=forked, args=(one, ask(n), 3)) for n in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(30)
    assert [process.exitcode for process in processes] == [0] * 4
    assert one.ask_sync([ask(9)])[0].value == [True, True]
    assert len(server.requests) == 5


def test_a_pickled_judge_is_its_settings(serve, judge, ask):
    one = judge(serve(), max_calls=7, patience=3)
    one.ask_sync([ask()])
    other = pickle.loads(pickle.dumps(one))
    assert other == one
    assert other.ledger.asked == 0
    assert other.ask_sync([ask(1)])[0].value == [True, True]


def test_a_damaged_cache_is_named(serve, judge, ask, tmp_path):
    folder = tmp_path / "cache"
    folder.mkdir()
    (folder / "answers.sqlite").write_bytes(
        b"not a database at all, but long enough to be taken for one" * 40
    )
    with pytest.raises(JudgeError, match=r"answers\.sqlite.*cannot be used.*delete it"):
        judge(serve()).ask_sync([ask()])


def test_a_folder_that_cannot_be_made(serve, judge, ask, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(JudgeError, match=r"cannot be used.*VIDALIGN_JUDGE_CACHE_DIR"):
        judge(serve(), cache_dir=str(tmp_path / "file" / "cache")).ask_sync([ask()])


def test_nothing_but_text_is_stored(serve, judge, ask, tmp_path):
    judge(serve()).ask_sync([ask()])
    with sqlite3.connect(tmp_path / "cache" / "answers.sqlite") as database:
        [(key, answer)] = database.execute("SELECT * FROM answers").fetchall()
    assert len(key) == 64
    assert answer.startswith('{"answer": {"verdicts"')
