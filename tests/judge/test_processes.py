"""Judges in forked and spawned processes, alone and many at once."""

import asyncio
import atexit
import errno
import fcntl
import gc
import math
import multiprocessing
import os
import pickle
import sqlite3
import subprocess
import sys
import threading
import time

import pytest
from server import until

from vidalign.judge import Answer, JudgeError, run_sync
from vidalign.llm.cache import AnswerCache

YES = Answer([True, True])


def in_child(work):
    """Runs `work` in a forked child that ends like a program -> what it raised, its exit status and its seconds."""
    read, write = os.pipe()
    start = time.monotonic()
    child = os.fork()
    if child == 0:
        told = b""
        try:
            work()
        except BaseException as error:
            told = repr(error).encode()
        os.write(write, told)
        os.close(write)
        # As at the end of a program, but without pytest's own.
        atexit._run_exitfuncs()
        os._exit(0)
    os.close(write)
    with open(read, "rb") as pipe:
        told = pipe.read().decode()
    _, status = os.waitpid(child, 0)
    return told, status, time.monotonic() - start


def test_a_forked_child_asks_for_itself_and_its_ledger_starts_anew(serve, judge, ask):
    server = serve()
    one = judge(server, max_calls=2)
    one.ask_sync([ask(0)])

    def work():
        assert one.ask_sync([ask(1), ask(2)]) == [YES, YES]
        assert (one.ledger.asked, one.ledger.calls) == (2, 2)

    assert in_child(work)[:2] == ("", 0)
    assert one.ledger.calls == 1
    assert one.ask_sync([ask(3)]) == [YES]
    assert len(server.requests) == 4


def test_a_forked_child_that_asks_nothing_ends_at_once_and_leaves_the_parent_alone(serve, judge, ask, capfd):
    server = serve()
    one = judge(server)
    one.ask_sync([ask(0)])
    told, status, seconds = in_child(lambda: None)
    assert (told, status) == ("", 0) and seconds < 5  # what is waited for at the end of a process
    assert one.ask_sync([ask(1)]) == [YES]
    assert "Traceback" not in capfd.readouterr().err


def test_a_fork_in_the_middle_of_requests_harms_neither(serve, judge, ask, capfd):
    server = serve()
    server.held_from = 0
    one = judge(server)
    answers = []
    thread = threading.Thread(target=lambda: answers.extend(one.ask_sync([ask(n) for n in range(20)])))
    thread.start()
    until(lambda: len(server.requests) == 20)

    def work():
        assert one.ask_sync([ask(n) for n in range(10, 30)]) == [YES] * 20
        gc.collect()

    def release():
        until(lambda: len(server.requests) == 30)
        server.held_from = math.inf

    # The child asks ten by itself while the twenty of its parent, of which it needs the other ten, are under way.
    threading.Thread(target=release).start()
    assert in_child(work)[:2] == ("", 0)
    thread.join()
    assert answers == [YES] * 20
    # The child found the first twenty on disk or waited for its parent.
    assert len(server.requests) == 30
    assert "Traceback" not in capfd.readouterr().err


def test_a_fork_inside_a_running_loop(serve, judge, ask):
    one = judge(serve())

    async def main():
        await one.ask(ask(0))
        return in_child(lambda: one.ask_sync([ask(1)]))

    assert asyncio.run(main())[:2] == ("", 0)


def test_a_spawned_process_has_the_judge_by_its_settings(serve, judge):
    # Questions hold functions, which cannot be pickled: what is sent is the judge.
    command = (
        "import pickle, sys; from vidalign.judge.tasks import checklist; "
        "judge = pickle.loads(bytes.fromhex(sys.argv[1])); "
        "print(judge.ask_sync([checklist.question('a', ['b'])])[0].value, judge.ledger.calls)"
    )
    server = serve()
    one = judge(server)
    run = subprocess.run(
        [sys.executable, "-c", command, pickle.dumps(one).hex()], capture_output=True, text=True, timeout=300
    )
    assert run.stdout.split("\n")[0] == "[True] 1", run.stderr
    assert run.stderr == ""


def hammer(folder, number, start):
    start.wait()
    cache = AnswerCache(folder)
    for n in range(50):
        cache.put(f"{number}-{n}", {"answer": {"n": n}})
        assert cache.get(f"{number}-{n}") == {"answer": {"n": n}}
    os._exit(0)


def test_many_processes_open_and_fill_a_fresh_cache_at_once(tmp_path):
    context = multiprocessing.get_context("fork")
    start = context.Event()
    processes = [context.Process(target=hammer, args=(tmp_path / "cache", n, start)) for n in range(12)]
    for process in processes:
        process.start()
    start.set()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0] * 12
    cache = AnswerCache(tmp_path / "cache")
    assert all(cache.get(f"{number}-{n}") for number in range(12) for n in range(50))


def test_a_process_that_dies_lets_go_of_its_claims(tmp_path):
    cache, key = AnswerCache(tmp_path / "cache"), "ab" * 32
    program = (
        "import asyncio, sys\nfrom vidalign.llm.cache import AnswerCache\n"
        "async def main():\n"
        "    async with AnswerCache(sys.argv[1]).claim(sys.argv[2]):\n"
        "        print('held', flush=True)\n"
        "        await asyncio.sleep(60)\n"
        "asyncio.run(main())"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "cache"), key]
    holder = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline() == "held\n"

    async def claim():
        async with cache.claim(key) as waited:
            return waited

    look = cache._locked

    def look_and_kill(file, place):
        if locked := look(file, place):
            return locked
        holder.kill()
        return False

    cache._locked = look_and_kill
    assert run_sync(claim()) is True
    assert run_sync(claim()) is False
    holder.wait()
    holder.stdout.close()


def ruin(path, how):
    if how == "text":
        path.write_text("this is no database, " * 100)
    elif how == "other table":
        with sqlite3.connect(path) as database:
            database.execute("CREATE TABLE answers (something INTEGER)")
        database.close()
    elif how == "folder":
        path.mkdir()


@pytest.mark.parametrize("how", ["text", "other table", "folder"])
def test_a_cache_that_is_none_is_an_error_that_names_it(serve, judge, ask, tmp_path, how):
    (tmp_path / "cache").mkdir()
    ruin(tmp_path / "cache" / "answers.sqlite", how)
    server = serve()
    with pytest.raises(JudgeError, match=r"cache/answers\.sqlite.*VIDALIGN_JUDGE_CACHE_DIR"):
        judge(server).ask_sync([ask()])
    assert server.requests == []


@pytest.mark.parametrize("stored", ["", "no JSON", "{"])
def test_a_stored_answer_that_is_none_is_an_error_that_names_the_file(serve, judge, ask, tmp_path, stored):
    server = serve()
    judge(server).ask_sync([ask()])
    with sqlite3.connect(tmp_path / "cache" / "answers.sqlite") as database:
        database.execute("UPDATE answers SET answer = ?", [stored])
    database.close()
    with pytest.raises(JudgeError, match=r"answers\.sqlite"):
        judge(server).ask_sync([ask()])


@pytest.mark.parametrize("stored", ["[]", "7", "{}", '{"answer": null}', '{"answer": {"verdicts": "all"}}'])
def test_a_stored_answer_of_another_form_is_asked_for_anew(serve, judge, ask, tmp_path, stored):
    server = serve()
    judge(server).ask_sync([ask()])
    with sqlite3.connect(tmp_path / "cache" / "answers.sqlite") as database:
        database.execute("UPDATE answers SET answer = ?", [stored])
    database.close()
    assert judge(server).ask_sync([ask()]) == [YES]
    assert len(server.requests) == 2


def test_a_file_system_without_locks_is_an_error_that_names_the_cache(serve, judge, ask, monkeypatch):
    def none(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "lockf", none)
    with pytest.raises(JudgeError, match=r"answers\.sqlite.*No locks.*local disk"):
        judge(serve()).ask_sync([ask()])


def test_a_claim_file_that_cannot_be_opened_is_an_error_that_names_the_cache(serve, judge, ask, tmp_path):
    (tmp_path / "cache" / "claims.lock").mkdir(parents=True)
    with pytest.raises(JudgeError, match=r"answers\.sqlite.*claims\.lock"):
        judge(serve()).ask_sync([ask()])
