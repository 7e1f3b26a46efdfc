"""Who shares whose answer, and what is begun after an error."""

import asyncio
import gc
import logging
import math
import os
import signal
import threading

import pytest
from aiohttp import web
from server import all_true, completion, until

from vidalign.judge import Answer, BudgetExceeded, JudgeDown, JudgeError, Unusable, run_sync
from vidalign.llm import session
from vidalign.llm.question import Question

YES = Answer([True, True])


def both(first, second, question):
    async def at_once():
        return await asyncio.gather(first.ask(question), second.ask(question), return_exceptions=True)

    return run_sync(at_once())


def test_another_judges_empty_budget_is_not_mine(serve, judge, ask):
    server = serve(lambda number, body: "no JSON" if number == 0 else all_true(body), delay=0.1)
    poor, rich = judge(server, max_calls=1), judge(server)
    broke, answer = both(poor, rich, ask())
    assert isinstance(broke, BudgetExceeded) and answer == YES
    assert len(server.requests) == 2


def test_another_judges_dead_server_is_not_mine(serve, judge, ask):
    dead, alive = serve(lambda number, body: ConnectionError, delay=0.1), serve()
    lost, answer = both(judge(dead, max_retries=0), judge(alive), ask())
    assert lost == Answer(None, "connection") and answer == YES
    assert len(alive.requests) == 1


def test_another_judges_wrong_key_is_not_mine(serve, judge, ask):
    closed, alive = serve(lambda number, body: web.Response(status=401), delay=0.1), serve()
    refused, answer = both(judge(closed), judge(alive), ask())
    assert isinstance(refused, JudgeError) and answer == YES


def test_a_failure_of_another_judge_in_the_same_round_of_the_loop_is_not_waited_for(
    serve, judge, ask, monkeypatch
):
    server, other = serve(), serve(lambda number, body: web.Response(status=401))
    one, closed = judge(server), judge(other)
    end = session._end
    # Its callback comes as late as it can.
    late = lambda place, fetch: end(place, fetch) if fetch.owner.judge is one else None  # noqa: E731

    async def in_turn():
        monkeypatch.setattr(session, "_end", late)
        with pytest.raises(JudgeError):
            await closed.ask(ask())
        monkeypatch.setattr(session, "_end", end)
        return await one.ask(ask())

    assert run_sync(in_turn()) == YES


def test_who_shares_a_failure_does_not_ask_again(serve, judge, ask):
    server = serve(lambda number, body: web.Response(status=500), delay=0.05)
    one = judge(server, max_retries=1)
    assert one.ask_sync([ask()] * 10) == [Answer(None, "server_error")] * 10
    assert len(server.requests) == 2
    assert one.ledger.unscored == {"server_error": 10}


def test_without_a_cache_two_judges_ask_for_themselves(serve, judge, ask):
    server = serve(delay=0.1)
    both(judge(server, cache_dir=""), judge(server, cache_dir=""), ask())
    assert len(server.requests) == 2


def has_ended(judge):
    """Whether none of its questions is under way."""
    return not any(fetch.owner is judge._session() for fetch in list(session._under_way().values()))


def give_up(work, when):
    """Awaits `work` until `when` holds, gives it up, and returns when the judge knows."""

    async def impatient():
        asked = asyncio.ensure_future(work)
        while not when():
            await asyncio.sleep(0.005)
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked

    asyncio.run(impatient())
    until(lambda: not any(fetch.askers for fetch in list(session._under_way().values())))


def test_an_answer_that_nobody_waits_for_any_more_is_kept(serve, judge, ask):
    server = serve()
    server.held_from = 0
    one = judge(server)
    give_up(one.ask(ask()), lambda: server.requests)
    server.held_from = math.inf
    assert one.ask_sync([ask()]) == [YES]
    assert len(server.requests) == 1


@pytest.mark.parametrize("answer", [lambda: web.Response(status=500), lambda: "no JSON"])
def test_without_anybody_who_waits_nothing_is_sent_again(serve, judge, ask, answer):
    server = serve(lambda number, body: answer())
    server.held_from = 0
    one = judge(server, max_retries=3, max_reasks=3)
    give_up(one.ask_all([ask(n) for n in range(4)]), lambda: len(server.requests) == 4)
    server.held_from = math.inf
    until(lambda: has_ended(one))
    assert len(server.requests) == 4


def test_without_anybody_who_waits_no_turn_is_taken(serve, judge, ask):
    server = serve()
    one = judge(server, requests_per_minute=30)
    give_up(one.ask_all([ask(n) for n in range(9)]), lambda: server.requests)
    assert one.ask_sync([ask(10)]) == [YES]
    assert len(server.requests) == 2


def busy():
    return web.Response(status=503, headers={"Retry-After": "500"})


def ends_at_once(one):
    """Far sooner than after what it waited for."""
    until(lambda: has_ended(one), seconds=60)


def test_without_anybody_who_waits_a_retry_after_is_not_slept_out(serve, judge, ask):
    server = serve(lambda number, body: busy() if number == 0 else all_true(body))
    one = judge(server)
    give_up(one.ask(ask()), lambda: one.ledger.retries)
    ends_at_once(one)
    assert one.ask_sync([ask()]) == [YES] and len(server.requests) == 2


def test_given_up_before_a_retry_after_comes_it_is_not_slept_out_either(serve, judge, ask):
    server = serve(lambda number, body: busy())
    server.held_from = 0
    one = judge(server)
    give_up(one.ask(ask()), lambda: server.requests)
    server.held_from = math.inf
    ends_at_once(one)
    assert len(server.requests) == 1 and not one.ledger.retries


@pytest.mark.parametrize(
    "settings",
    [
        {"requests_per_minute": 0.1},  # a turn each ten minutes
        {"max_concurrency": 1},
        {"max_dollars": 0.15, "price": (0.0, 100.0), "max_tokens": 1000},  # one worst case
    ],
)
def test_without_anybody_who_waits_it_waits_for_no_turn_slot_or_budget(serve, judge, ask, settings):
    server = serve()
    server.held_from = 0
    one = judge(server, **settings)
    give_up(one.ask_all([ask(n) for n in range(9)]), lambda: server.requests)
    until(lambda: sum(fetch.owner is one._session() for fetch in list(session._under_way().values())) == 1)
    server.held_from = math.inf
    ends_at_once(one)
    assert len(server.requests) == 1
    budget = one._session().sender.budget
    assert (budget.calls, budget.under_way, budget.reserved) == (1, 0, 0.0)


def test_without_anybody_who_waits_another_processs_claim_is_not_waited_for(serve, judge, ask):
    server = serve()
    one, polls = judge(server), []
    run_sync(one.ask(ask(0)))
    one._session().cache._locked = lambda *place: polls.append(place)  # somebody else holds all of them
    give_up(one.ask(ask(1)), lambda: polls)
    ends_at_once(one)
    del one._session().cache._locked
    assert one.ask_sync([ask(1)]) == [YES] and len(server.requests) == 2


def test_who_comes_after_another_gave_up_still_gets_the_answer(serve, judge, ask, monkeypatch):
    monkeypatch.setattr("vidalign.llm.sender.backoff", lambda failures: 0.3)
    server = serve(lambda number, body: web.Response(status=500) if number == 0 else all_true(body))
    one = judge(server)

    async def both():
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(one.ask(ask()), 0.15)
        return await one.ask(ask())

    assert asyncio.run(both()) == YES
    assert len(server.requests) == 2


def test_an_error_that_nobody_waits_for_any_more_is_not_logged_by_asyncio(serve, judge, ask, caplog):
    server = serve(lambda number, body: web.Response(status=500))
    server.held_from = 0
    one = judge(server, max_retries=0)
    give_up(one.ask(ask()), lambda: server.requests)
    server.held_from = math.inf
    until(lambda: has_ended(one))
    gc.collect()
    assert "never retrieved" not in caplog.text


def test_a_judge_that_is_down_begins_nothing_more(serve, judge, ask):
    server = serve(lambda number, body: web.Response(status=500))
    one = judge(server, patience=4, max_concurrency=2, max_retries=1)
    with pytest.raises(JudgeDown):
        one.ask_sync([ask(n) for n in range(200)])
    assert len(server.requests) < 30
    assert one.ledger.answered == 0


def test_a_judge_that_was_down_is_asked_again_later(serve, judge, ask):
    down = True
    server = serve(lambda number, body: web.Response(status=401) if down else all_true(body))
    one = judge(server)
    with pytest.raises(JudgeError):
        one.ask_sync([ask(n) for n in range(20)])
    down = False
    assert one.ask_sync([ask(n) for n in range(20)]) == [YES] * 20


def test_what_is_under_way_when_another_fails_for_good_is_finished_and_kept(serve, judge, ask):
    async def slowly(request):
        await asyncio.sleep(0.3)
        return web.json_response(good)

    good = completion('{"verdicts": [{"index": 1, "mentioned": true}, {"index": 2, "mentioned": true}]}')
    server = serve(lambda number, body: slowly if "caption 0" in str(body) else web.Response(status=403))
    with pytest.raises(JudgeError):
        judge(server).ask_sync([ask(0), ask(1)])
    before = len(server.requests)
    assert judge(server).ask_sync([ask(0)]) == [YES]
    assert len(server.requests) == before


def test_unscored_is_logged_the_first_time_and_not_every_time(serve, judge, ask, caplog):
    caplog.set_level(logging.WARNING, logger="vidalign.judge")
    one = judge(serve(lambda number, body: "no idea"), max_reasks=0)
    answers = one.ask_sync([ask(n) for n in range(25)])
    assert answers == [Answer(None, "no_json")] * 25
    assert one.ledger.unscored == {"no_json": 25} and one.ledger.answered == 0
    assert [record.args[0] for record in caplog.records] == [1, 10]
    assert "checklist" in caplog.messages[0] and "no idea" in caplog.messages[0]


def test_reasks_are_as_many_as_set(serve, judge, ask):
    for reasks in (0, 3):
        server = serve(lambda number, body: "no idea")
        one = judge(server, max_reasks=reasks)
        assert one.ask_sync([ask()]) == [Answer(None, "no_json")]
        assert len(server.requests) == 1 + reasks


def test_an_answer_of_another_version_is_asked_for_anew(serve, judge, ask):
    server, one = serve(), None
    strict = False

    def read(answer):
        if strict:
            raise Unusable("wrong_form")
        return answer["verdicts"]

    plain = ask()
    question = Question(plain.task, plain.instructions, plain.data, plain.schema, read)
    one = judge(server, max_reasks=0)
    assert one.ask_sync([question])[0].value
    strict = True
    assert one.ask_sync([question]) == [Answer(None, "wrong_form")]
    assert len(server.requests) == 2


def test_ctrl_c_in_a_blocking_call_begins_nothing_more(serve, judge, ask):
    server = serve()
    server.held_from = 4
    one = judge(server, max_concurrency=2)

    def press():
        until(lambda: len(server.requests) == 6)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=press).start()
    with pytest.raises(KeyboardInterrupt):
        one.ask_sync([ask(n) for n in range(100)])
    until(lambda: not any(fetch.askers for fetch in list(session._under_way().values())))
    server.held_from = math.inf
    until(lambda: has_ended(one))
    assert len(server.requests) == 6
