"""One question over real HTTP, with what goes wrong on the way."""

import asyncio
import email.utils
import itertools
import json
import math
import threading
import time

import pytest
from aiohttp import web
from server import all_true, completion, in_time, until

from vidalign.judge import Answer, JudgeDown, JudgeError, LLMJudge, run_sync
from vidalign.llm.sender import RequestSender

YES = Answer([True, True])


def once(first):
    return lambda number, body: first() if number == 0 else all_true(body)


def status(code, text="", **headers):
    return lambda: web.Response(
        status=code, text=text, headers={k.replace("_", "-"): v for k, v in headers.items()}
    )


def test_a_good_answer(serve, judge, ask):
    server = serve()
    one = judge(server)
    assert one.ask_sync([ask()]) == [YES]
    [request] = server.requests
    assert request.body["model"] == "judge"
    assert request.body["temperature"] == 0.0
    assert request.body["response_format"]["json_schema"]["name"] == "checklist"
    assert "Authorization" not in request.headers
    assert (one.ledger.asked, one.ledger.answered, one.ledger.calls) == (1, 1, 1)
    assert (one.ledger.input_tokens, one.ledger.output_tokens) == (100, 20)


@pytest.mark.parametrize(
    ("first", "reason"),
    [
        (status(500), "server_error"),
        (status(502, "<html>bad gateway</html>"), "server_error"),
        (status(503), "server_error"),
        (status(504), "timeout"),
        (status(408), "timeout"),
        (status(429), "rate_limited"),
        (status(429, "", Retry_After="soon"), "rate_limited"),
        (status(429, "", Retry_After="-5"), "rate_limited"),
        (lambda: ConnectionError, "connection"),
        (lambda: json.dumps(completion("x")).encode(), "connection"),  # breaks off in the middle
        (status(200, ""), "bad_body"),
        (status(200, '{"choices": [{"mess'), "bad_body"),
        (status(200, "<html></html>"), "bad_body"),
        (lambda: {"error": {"message": "overloaded", "code": 500}}, "bad_body"),
        (lambda: {"choices": []}, "bad_body"),
        (lambda: {"choices": [{"message": {"content": 7}}]}, "bad_body"),
        (lambda: {"choices": "none"}, "bad_body"),
    ],
)
def test_what_passes_is_tried_again(serve, judge, ask, first, reason):
    server = serve(once(first))
    one = judge(server)
    assert one.ask_sync([ask()]) == [YES]
    assert len(server.requests) == one.ledger.calls == 2
    assert one.ledger.retries == {reason: 1}
    assert not one.ledger.unscored


@pytest.mark.parametrize(
    ("answer", "reason", "requests"),
    [
        ("", "empty", 2),
        ("All of them.", "no_json", 2),
        ("I'm sorry, but I can't help with that.", "refusal", 1),
        ('{"verdicts": [{"index": 1, "mentioned": tr', "truncated", 2),
        ('{"verdicts": [{"index": 1, "mentioned": NaN}]}', "no_json", 2),
        ('{"verdicts": []}', "no_verdicts", 2),
        ('{"verdicts": {"1": true}}', "wrong_form", 2),
        ('{"verdicts": [{"index": "1", "mentioned": true}]}', "wrong_type", 2),
        ('{"verdicts": []} or rather {"verdicts": [{"index": 1, "mentioned": true}]}', "ambiguous", 2),
        ('{"a":' * 100_000, "truncated", 2),
        (completion(None, refusal="no"), "refusal", 1),
        (completion("", finish="content_filter"), "content_policy", 1),
        (completion('{"verdicts": [{"index": 1, "mentioned": true}]}', finish="length"), "truncated", 2),
    ],
)
def test_what_cannot_be_used_is_unscored_and_counted(serve, judge, ask, answer, reason, requests):
    server = serve(lambda number, body: answer)
    one = judge(server)
    assert one.ask_sync([ask()]) == [Answer(None, reason)]
    assert one.ledger.unscored == {reason: 1}
    assert len(server.requests) == requests
    assert one.ask_sync([ask()]) == [Answer(None, reason)]  # and is not kept
    assert len(server.requests) == 2 * requests


@pytest.mark.parametrize(
    "wrap",
    [
        "Certainly! ```json\n%s\n``` I hope that {this} helps.",
        '<think>perhaps {"verdicts": []}?</think>%s',
        "%s\n%s",  # twice the same
    ],
)
def test_json_is_found_in_what_stands_around_it(serve, judge, ask, wrap):
    server = serve(lambda number, body: wrap.replace("%s", all_true(body)))
    assert judge(server).ask_sync([ask()]) == [YES]


def test_an_answer_in_parts(serve, judge, ask):
    server = serve(lambda number, body: completion([{"type": "text", "text": all_true(body)}]))
    assert judge(server).ask_sync([ask()]) == [YES]


def test_an_unusable_answer_is_asked_for_once_more(serve, judge, ask):
    server = serve(lambda number, body: "what?" if number == 0 else all_true(body))
    one = judge(server)
    assert one.ask_sync([ask()]) == [YES]
    assert one.ledger.retries == {"no_json": 1}


@pytest.mark.parametrize(
    ("code", "text", "reason"),
    [
        (400, "This model's maximum context length is 4096 tokens", "context_window"),
        (400, "content_policy_violation", "content_policy"),
        (422, "no", "bad_request"),
    ],
)
def test_a_question_that_the_provider_rejects_is_unscored(serve, judge, ask, code, text, reason):
    one = judge(serve(lambda number, body: web.Response(status=code, text=text)))
    assert one.ask_sync([ask()]) == [Answer(None, reason)]


@pytest.mark.parametrize("code", [401, 402, 403, 404, 307])
def test_what_no_question_can_pass_stops_at_once(serve, judge, ask, code):
    server = serve(
        lambda number, body: web.Response(status=code, headers={"Location": "http://127.0.0.1:9/"})
    )
    with pytest.raises(JudgeError, match=r"openai/judge cannot be asked.*OPENAI_API_KEY"):
        judge(server, max_concurrency=2).ask_sync([ask(i) for i in range(50)])
    assert len(server.requests) <= 8


def test_a_server_that_does_not_know_schemas(serve, judge, ask):
    def behave(number, body):
        if "response_format" in body:
            return web.Response(status=400, text="response_format is not supported")
        return all_true(body)

    server = serve(behave)
    one = judge(server)
    assert one.ask_sync([ask(1)]) + one.ask_sync([ask(2)]) == [YES, YES]
    assert ["response_format" in request.body for request in server.requests] == [True, False, False]


def test_retry_after_is_kept_by_all_requests(serve, judge, ask):
    server = serve(once(status(429, "", Retry_After="0.4")))
    one = judge(server)

    async def both():
        first = asyncio.ensure_future(one.ask(ask(1)))
        while not one.ledger.retries:
            await asyncio.sleep(0.005)
        return await asyncio.gather(first, one.ask(ask(2)))

    assert asyncio.run(both()) == [YES, YES]
    rejected, *rest = server.requests
    assert all(request.at - rejected.at >= 0.4 for request in rest)


def test_retry_after_in_milliseconds_and_as_a_date(serve, judge, ask):
    server = serve(once(status(429, "", retry_after_ms="300")))
    assert judge(server).ask_sync([ask()]) == [YES]
    assert server.requests[1].at - server.requests[0].at >= 0.3
    server = serve(once(lambda: status(503, "", Retry_After=in_two_seconds())()))
    assert judge(server).ask_sync([ask(3)]) == [YES]
    assert server.requests[1].at - server.requests[0].at >= 0.9


def in_two_seconds():
    return email.utils.formatdate(time.time() + 2, usegmt=True)


def test_time_out_is_for_the_whole_answer(serve, judge, ask):
    one = judge(serve(delay=3600), timeout=0.2, max_retries=1)
    assert in_time(one.ask(ask())) == Answer(None, "timeout")
    assert one.ledger.calls == 2


def test_nobody_there(judge, ask, tmp_path):
    one = LLMJudge("openai/judge", api_base="http://127.0.0.1:9/v1", cache_dir="", max_retries=2)
    assert one.ask_sync([ask()]) == [Answer(None, "connection")]
    assert one.ledger.calls == 3


def test_patience(serve, judge, ask):
    server = serve(lambda number, body: "no idea")
    one = judge(server, patience=5, max_concurrency=1, max_reasks=0)
    with pytest.raises(JudgeDown, match=r"5 questions in a row \(patience=5\).*no_json"):
        one.ask_sync([ask(i) for i in range(100)])
    assert len(server.requests) <= 12


def test_a_judge_that_was_never_there_gets_less_patience(serve, judge, ask):
    server = serve(lambda number, body: web.Response(status=500))
    one = judge(server, max_concurrency=1, max_retries=0)
    with pytest.raises(
        JudgeDown, match=r"10 questions in a row \(patience=10\).*answered nothing yet: .*api_base"
    ):
        one.ask_sync([ask(n) for n in range(30)])
    server = serve(lambda number, body: all_true(body) if number == 0 else web.Response(status=500))
    one = judge(server, max_concurrency=1, max_retries=0)
    answers = one.ask_sync([ask(n + 100) for n in range(30)])
    assert sorted(str(answer.reason) for answer in answers) == ["None"] + ["server_error"] * 29


def test_one_answer_in_between_is_patience_enough(serve, judge, ask):
    server = serve(lambda number, body: all_true(body) if number % 4 == 3 else "no idea")
    one = judge(server, patience=5, max_concurrency=1, max_reasks=0)

    async def in_turn():
        return [await one.ask(ask(i)) for i in range(20)]

    answers = asyncio.run(in_turn())
    assert [answer.value is not None for answer in answers] == [i % 4 == 3 for i in range(20)]


def test_concurrency_is_bounded(serve, judge, ask):
    server = serve()
    server.held_from = 0

    def release():
        until(lambda: len(server.requests) == 5)
        time.sleep(0.1)  # in which a sixth would come
        server.held_from = math.inf

    threading.Thread(target=release).start()
    judge(server, max_concurrency=5).ask_sync([ask(i) for i in range(60)])
    assert server.most_at_once == 5


def test_requests_are_evenly_spaced(serve, judge, ask, sent):
    judge(serve(), requests_per_minute=1200).ask_sync([ask(i) for i in range(5)])
    assert len(sent) == 5 and all(later - at >= 0.05 for at, later in itertools.pairwise(sent))


# Who asks, and from where


def test_the_same_question_at_once_is_one_request(serve, judge, ask):
    server = serve()
    server.held_from = 0
    judges = [judge(server), judge(server)]
    answers = []

    def from_a_thread(one):
        answers.append(asyncio.run(one.ask(ask())))

    threads = [threading.Thread(target=from_a_thread, args=(one,)) for one in judges * 5]
    for thread in threads:
        thread.start()
    until(lambda: sum(one.ledger.shared for one in judges) == 9)
    server.held_from = math.inf
    for thread in threads:
        thread.join()
    assert answers == [YES] * 10
    assert len(server.requests) == 1
    assert sum(one.ledger.shared for one in judges) == 9


def test_sync_and_async_inside_and_outside_a_loop(serve, judge, ask):
    one = judge(serve())

    async def inside():
        return [*one.ask_sync([ask(1)]), await one.ask(ask(2))]

    assert asyncio.run(inside()) == [YES, YES]
    assert asyncio.run(inside()) == [YES, YES]
    assert run_sync(inside_the_judge(one, ask(3))) == YES


async def inside_the_judge(one, question):
    with pytest.raises(RuntimeError, match="await it instead"):
        one.ask_sync([question])
    return await one.ask(question)


def test_one_who_gives_up_does_not_take_the_answer_from_another(serve, judge, ask):
    server = serve(delay=0.2)
    one = judge(server)

    async def both():
        first, second = (asyncio.ensure_future(one.ask(ask())) for _ in range(2))
        await asyncio.sleep(0.1)
        first.cancel()
        return await second

    assert asyncio.run(both()) == YES
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"api_base": "localhost:8000"}, "must be a URL"),
        ({"api_base": "http://user:secret1@host/v1"}, "holds a user, a password"),
        ({"api_base": "http://host/v1?key=secret1"}, "holds a user, a password"),
        ({"params": {"api_key": "secret1"}}, "taken from the environment"),
        ({"params": {"extra_headers": {"Authorization": "secret1"}}}, "taken from the environment"),
        ({"params": {"temperature": 1}}, "the judge sets itself"),
        ({"max_tokens": 0}, "the minimum is 1"),
        ({"timeout": 0}, "must be above 0"),
        ({"timeout": float("nan")}, "must be above 0"),
        ({"max_calls": -1}, "the minimum is 0"),
        ({"max_dollars": float("nan")}, "the minimum is 0"),
        ({"api_key_env": "sk-secret1"}, "no name of an environment variable"),
        ({"sees": ("smell",)}, "known are image, audio and video"),
    ],
)
def test_settings_that_cannot_be(settings, message):
    with pytest.raises(ValueError, match=message) as caught:
        LLMJudge("openai/judge", **settings)
    assert "secret1" not in str(caught.value)


def test_processes_of_a_launch_share_its_limits(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "4")
    shares = []
    for rank in range(4):
        monkeypatch.setenv("RANK", str(rank))
        one = LLMJudge("openai/judge", max_calls=10, max_dollars=2.0)

        async def made(one=one):
            return RequestSender(one, one.ledger)

        budget = run_sync(made()).budget
        shares.append(budget.max_calls)
        assert budget.max_dollars == 0.5
    assert shares == [3, 3, 2, 2]
