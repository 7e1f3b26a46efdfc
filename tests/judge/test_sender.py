"""Waiting, and what a request may cost: the corners of the budget, of Retry-After and of the pace."""

import asyncio
import itertools

import pytest
from aiohttp import web
from server import all_true, completion, in_time

from vidalign.judge import Answer, BudgetExceeded, JudgeError, Medium
from vidalign.judge.tasks import speakers
from vidalign.judge.tasks.dialogue import Turn
from vidalign.llm import sender

YES = Answer([True, True])
# Worst case of a call: 1,000 tokens of output at 100 dollars a million are 10 cents.
TEN_CENTS = {"price": (0.0, 100.0), "max_tokens": 1000}


def limited(**headers):
    return web.Response(status=429, headers={name.replace("_", "-"): text for name, text in headers.items()})


def test_backoff_doubles_up_to_a_minute():
    # `quick` of conftest.py replaces the module's name only.
    backoff = type(lambda: 0)(_CODE, vars(sender))
    for failures, longest in ((1, 1), (2, 2), (5, 16), (20, 60), (5000, 60)):
        waits = [backoff(failures) for _ in range(200)]
        assert 0 <= min(waits) < longest / 4
        assert longest * 0.75 < max(waits) <= longest


_CODE = sender.backoff.__code__


@pytest.mark.parametrize("value", ["86400", "999999999", "1e300"])
def test_a_wait_of_hours_is_unscored_and_nothing_is_sent_meanwhile(serve, judge, ask, value):
    server = serve(lambda number, body: limited(Retry_After=value))
    one = judge(server, max_concurrency=1)
    assert in_time(one.ask_all([ask(1)])) == [Answer(None, "rate_limited")]
    assert in_time(one.ask_all([ask(2), ask(3)])) == [Answer(None, "rate_limited")] * 2
    assert len(server.requests) == one.ledger.calls == 1


def test_a_wait_of_hours_costs_no_budget(serve, judge, ask):
    one = judge(serve(lambda number, body: limited(Retry_After="86400")), max_calls=2, max_concurrency=1)
    assert one.ask_sync([ask(n) for n in range(5)]) == [Answer(None, "rate_limited")] * 5


def test_a_wait_that_only_one_request_is_asked_for_holds_up_no_other(serve, judge, ask):
    busy = web.Response(status=503, headers={"Retry-After": "0.5"})
    server = serve(lambda number, body: busy if number == 0 else all_true(body))
    assert judge(server).ask_sync([ask(1)]) == [YES]
    first, second = (request.at for request in server.requests)
    assert second - first >= 0.5
    answered_meanwhile(serve, judge, ask)


def answered_meanwhile(serve, judge, ask, **settings):
    """While one question waits for its next attempt, another is answered."""
    busy = web.Response(status=503, headers={"Retry-After": "500"})
    one = judge(serve(lambda number, body: busy if number == 0 else all_true(body)), **settings)

    async def both():
        first = asyncio.ensure_future(one.ask(ask(11)))
        while not one.ledger.retries:
            await asyncio.sleep(0.005)
        answer = await one.ask(ask(12))
        assert not first.done()
        first.cancel()
        return answer

    assert in_time(both()) == YES


def test_requests_that_waited_for_the_budget_still_keep_a_pause(serve, judge, ask):
    def behave(number, body):
        return limited(Retry_After="0.4") if number == 0 else completion(all_true(body), usage=(0, 10))

    server = serve(behave, delay=0.05)
    # Room for one worst case: the second waits for the first one's end, which brings the pause.
    one = judge(server, max_dollars=0.15, **TEN_CENTS)
    assert one.ask_sync([ask(1), ask(2)]) == [YES, YES]
    rejected, *rest = (request.at for request in server.requests)
    assert all(at - rejected >= 0.4 + 0.05 for at in rest)


def test_requests_that_waited_for_the_budget_still_keep_the_pace(serve, judge, ask, sent):
    server = serve(lambda number, body: completion(all_true(body), usage=(0, 10)), delay=0.25)
    one = judge(server, max_dollars=0.39, requests_per_minute=600, **TEN_CENTS)
    one.ask_sync([ask(n) for n in range(6)])
    assert len(sent) == 6 and all(later - at >= 0.1 for at, later in itertools.pairwise(sent))


def test_both_budgets_hold_together(serve, judge, ask):
    server = serve(lambda number, body: completion(all_true(body), usage=(0, 1)), delay=0.02)
    one = judge(server, max_calls=4, max_dollars=0.11, **TEN_CENTS)
    with pytest.raises(BudgetExceeded):
        one.ask_sync([ask(n) for n in range(20)])
    assert len(server.requests) == one.ledger.calls == 4


def test_a_server_that_does_not_count_its_tokens_spends_the_budget_all_the_same(serve, judge, ask):
    server = serve(
        lambda number, body: {key: v for key, v in completion(all_true(body)).items() if key != "usage"}
    )
    one = judge(server, max_dollars=0.35, **TEN_CENTS)
    with pytest.raises(BudgetExceeded, match=r"\$0\.3000 of \$0\.3500"):
        one.ask_sync([ask(n) for n in range(10)])
    assert len(server.requests) == 3
    assert one.ledger.unpriced == 3 and one.ledger.dollars == 0


@pytest.mark.parametrize("lost", ["late", ConnectionError, b"half of an answer", {}])
def test_an_answer_that_is_lost_on_the_way_is_paid_for(serve, judge, ask, lost):
    server = serve(None if lost == "late" else lambda number, body: lost, 0.3 if lost == "late" else 0.0)
    timeout = 0.1 if lost == "late" else 300.0
    one = judge(server, max_dollars=0.35, max_retries=10, timeout=timeout, **TEN_CENTS)
    with pytest.raises(BudgetExceeded):
        one.ask_sync([ask()])
    # One that is given up may not have arrived yet.
    assert one.ledger.calls == 3 and (lost == "late" or len(server.requests) == 3)


def test_a_request_that_is_turned_away_costs_nothing(serve, judge, ask):
    server = serve(lambda number, body: web.Response(status=503) if number < 6 else all_true(body))
    assert judge(server, max_dollars=0.15, max_retries=6, **TEN_CENTS).ask_sync([ask()]) == [YES]


def test_nobody_there_costs_nothing(judge, serve, ask):
    server = serve()
    one = judge(server, max_dollars=0.15, max_retries=6, **TEN_CENTS)
    server.stop()
    assert one.ask_sync([ask()]) == [Answer(None, "connection")]
    server.stop = lambda: None


def test_the_text_that_is_sent_counts_for_the_worst_case_and_media_do_not(serve, judge):
    question = speakers.question(
        [(Turn("a", "b"), Turn("c", "d"))], media=[Medium("image", b"\xff\xd8" + bytes(2_000_000))]
    )
    server = serve()
    dear = {"price": (1.0, 0.0), "sees": ("image",)}
    with pytest.raises(BudgetExceeded, match="max_dollars"):
        judge(server, max_dollars=0.001, **dear).ask_sync([question])
    assert server.requests == []
    assert judge(server, max_dollars=0.01, **dear).ask_sync([question])[0].value == [True]


def test_a_rerun_with_the_same_budget_goes_on_where_the_last_one_ended(serve, judge, ask):
    server, questions = serve(), [ask(n) for n in range(9)]
    for done in (4, 8):
        with pytest.raises(BudgetExceeded):
            judge(server, max_calls=4).ask_sync(questions)
        assert len(server.requests) == done
    assert judge(server, max_calls=4).ask_sync(questions) == [YES] * 9
    assert len(server.requests) == 9


def test_no_budget_left_is_no_obstacle_to_what_is_known(serve, judge, ask):
    server = serve()
    judge(server).ask_sync([ask()])
    assert judge(server, max_calls=0).ask_sync([ask()]) == [YES]


def test_a_schema_that_is_asked_for_is_not_dropped(serve, judge, ask):
    server = serve(lambda number, body: web.Response(status=400, text="no response_format"))
    assert judge(server, structured=True).ask_sync([ask()]) == [Answer(None, "bad_request")]
    assert len(server.requests) == 1


def test_a_schema_that_is_not_wanted_is_not_sent(serve, judge, ask):
    server = serve()
    judge(server, structured=False).ask_sync([ask()])
    assert "response_format" not in server.requests[0].body


def test_without_its_schema_a_bad_question_stays_bad_and_the_schema_stays(serve, judge, ask):
    def behave(number, body):
        return web.Response(status=400, text="bad") if "caption 0" in str(body) else all_true(body)

    server = serve(behave)
    one = judge(server)
    assert one.ask_sync([ask(0)]) == [Answer(None, "bad_request")]
    assert one.ask_sync([ask(1)]) == [YES]
    assert ["response_format" in request.body for request in server.requests] == [True, False, True]


@pytest.mark.parametrize("world", ["", "1"])
def test_a_launch_of_one(serve, judge, ask, monkeypatch, world):
    monkeypatch.setenv("WORLD_SIZE", world)
    monkeypatch.setenv("RANK", world and "0")
    with pytest.raises(BudgetExceeded, match="3 of 3"):
        judge(serve(), max_calls=3).ask_sync([ask(n) for n in range(5)])


def test_a_process_without_a_share_of_the_budget_says_so(serve, judge, ask, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "4")
    monkeypatch.setenv("RANK", "3")
    with pytest.raises(BudgetExceeded, match="0 of 0 calls"):
        judge(serve(), max_calls=3).ask_sync([ask()])


def test_the_pace_is_shared_in_a_launch(serve, judge, ask, monkeypatch, sent):
    monkeypatch.setenv("WORLD_SIZE", "2")
    judge(serve(), requests_per_minute=1200).ask_sync([ask(n) for n in range(4)])
    assert len(sent) == 4 and all(later - at >= 0.1 for at, later in itertools.pairwise(sent))


def test_an_empty_account_is_not_waited_for(serve, judge, ask):
    full = web.Response(
        status=429, headers={"Retry-After": "60"}, text='{"error": {"code": "insufficient_quota"}}'
    )
    server = serve(lambda number, body: full)
    with pytest.raises(JudgeError, match="insufficient_quota"):
        judge(server).ask_sync([ask()])
    assert len(server.requests) == 1


def test_a_batch_does_not_wait_for_who_waits(serve, judge, ask):
    """A request between two attempts leaves its place to others."""
    answered_meanwhile(serve, judge, ask, max_concurrency=1)
