"""State of one process."""

import gc
import os
import signal
import threading
import weakref

import pytest

from vidalign.llm.forks import PerProcess

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")


class Thing:
    pass


def in_child(work):
    """What `work` returns in a forked child, as text."""
    read, write = os.pipe()
    if not (child := os.fork()):
        try:
            os.write(write, str(work()).encode())
        finally:
            os._exit(0)
    os.close(write)
    with open(read) as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    return said


def test_it_is_made_once_when_it_is_first_asked_for():
    made = []
    one = PerProcess(lambda: made.append(1) or Thing())
    assert one.made() is None and not made
    assert one() is one() is one.made() and made == [1]
    assert not one.inherited


@needs_fork
def test_a_child_makes_its_own_and_leaves_its_parents_alone():
    one = PerProcess(Thing)
    parents = id(one())
    alive = weakref.ref(one())

    def child():
        before = (one.made(), one.inherited)
        own = one()
        gc.collect()
        return before, id(own) != parents, alive() is not None, one() is own, one.inherited

    assert in_child(child) == "((None, True), True, True, True, True)"
    assert id(one()) == parents and not one.inherited


@needs_fork
def test_a_lock_that_another_thread_holds_at_the_fork_does_not_stop_the_child():
    one, held, done = PerProcess(Thing), threading.Event(), threading.Event()

    def hold():
        with one._lock:
            held.set()
            done.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    try:
        assert in_child(lambda: signal.alarm(60) or isinstance(one(), Thing)) == "True"
    finally:
        done.set()
        thread.join()
