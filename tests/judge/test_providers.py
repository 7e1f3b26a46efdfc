"""Providers that litellm reaches, each with its own protocol, over real HTTP."""

import asyncio
import contextlib
import logging
import os
import subprocess
import sys

import pytest
from aiohttp import web
from server import all_true, in_time

from vidalign.judge import Answer, JudgeError, LLMJudge

KEY = "sk-ant-very-secret-0123456789"
YES = Answer([True, True])


@pytest.fixture
def claude(serve, monkeypatch, tmp_path):
    """A judge of Anthropic's protocol, whose address litellm takes from the environment."""

    def make(behave=None, delay=0.0, **settings):
        server = serve(behave, delay)
        monkeypatch.setenv("ANTHROPIC_API_BASE", server.url.removesuffix("/v1"))
        monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
        settings = {"cache_dir": str(tmp_path / "cache"), **settings}
        return LLMJudge("anthropic/claude-sonnet-4-5", **settings), server

    return make


def test_another_protocol(claude, ask):
    judge, server = claude()
    assert judge.ask_sync([ask()]) == [YES]
    assert "system" in server.requests[0].body  # Anthropic's form, not OpenAI's
    assert (judge.ledger.input_tokens, judge.ledger.output_tokens) == (100, 20)
    assert judge.ledger.dollars == pytest.approx(100 * 3e-6 + 20 * 15e-6)  # litellm's own table
    assert judge.ask_sync([ask()]) == [YES]
    assert len(server.requests) == 1


def test_an_openai_model_through_litellm(serve, ask, monkeypatch, tmp_path):
    server = serve()
    monkeypatch.setenv("OPENAI_BASE_URL", server.url)
    monkeypatch.setenv("OPENAI_API_BASE", server.url)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    judge = LLMJudge("openai/gpt-4.1", cache_dir=str(tmp_path))
    assert judge.ask_sync([ask()]) == [YES]
    assert server.requests[0].body["response_format"]["type"] == "json_schema"
    assert judge.ledger.dollars == pytest.approx(100 * 2e-6 + 20 * 8e-6)


@pytest.mark.parametrize(
    ("code", "reason"), [(500, "server_error"), (529, "server_error"), (429, "rate_limited")]
)
def test_what_passes_is_tried_again(claude, ask, code, reason):
    judge, server = claude(lambda n, body: web.Response(status=code, text="{}") if n == 0 else all_true(body))
    assert judge.ask_sync([ask()]) == [YES]
    assert len(server.requests) == judge.ledger.calls == 2  # litellm itself does not try again
    assert judge.ledger.retries == {reason: 1}


def test_retry_after_reaches_through_litellm(claude, ask):
    limited = web.Response(status=429, headers={"Retry-After": "1"}, text="{}")
    judge, server = claude(lambda n, body: limited if n == 0 else all_true(body))
    assert judge.ask_sync([ask()]) == [YES]
    assert server.requests[1].at - server.requests[0].at >= 1.0


def test_a_wrong_key_stops_and_is_not_told(claude, ask, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    judge, _ = claude(
        lambda n, body: web.Response(status=401, text=f'{{"error": "invalid x-api-key {KEY}"}}')
    )
    with pytest.raises(JudgeError, match="cannot be asked") as caught:
        judge.ask_sync([ask()])
    out, err = capfd.readouterr()
    assert KEY not in str(caught.value) + repr(caught.value.__context__) + out + err
    assert KEY not in "".join(
        record.getMessage() for record in caplog.records if record.name.startswith("vidalign")
    )


def test_the_budget_in_dollars_has_litellm_s_prices(claude, ask):
    judge, server = claude(max_dollars=1e-9)
    with pytest.raises(JudgeError, match="max_dollars"):
        judge.ask_sync([ask()])
    assert server.requests == []


def test_a_slow_provider_times_out(claude, ask):
    judge, _ = claude(delay=3600, timeout=0.3, max_retries=0)
    assert in_time(judge.ask(ask())) == Answer(None, "timeout")


def test_what_a_model_sees_is_litellm_s_to_say():
    assert "video" in asyncio.run(LLMJudge("gemini/gemini-2.5-pro").senses("speakers"))
    assert asyncio.run(LLMJudge("openai/whatever").senses("speakers")) == frozenset()


@pytest.mark.parametrize("model", ["no-such-model", "no-such-provider/model"])
def test_a_model_of_no_provider_stops_at_once(ask, model):
    with pytest.raises(JudgeError, match=f"no provider of '{model}'.*api_base"):
        LLMJudge(model, cache_dir="").ask_sync([ask()])


def test_a_missing_key_stops_at_once_and_names_the_variable(claude, ask, monkeypatch):
    judge, server = claude()
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    with pytest.raises(JudgeError, match="ANTHROPIC_API_KEY"):
        judge.ask_sync([ask()])
    assert server.requests == []


@pytest.mark.parametrize(
    ("model", "variable"),
    [
        ("gemini/gemini-2.5-flash", "GEMINI_API_KEY|GOOGLE_API_KEY"),
        ("openai/gpt-4.1", "OPENAI_API_KEY"),
        ("azure/gpt-4.1", "AZURE_OPENAI_API_KEY|api_key|API_KEY"),
    ],
)
def test_a_missing_key_is_no_failure_that_passes(model, variable, ask, monkeypatch):
    for name in (
        "GEMINI_API_KEY",
        "GOOGLE_API_KEY",
        "OPENAI_API_KEY",
        "AZURE_API_KEY",
        "AZURE_OPENAI_API_KEY",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AZURE_API_BASE", "http://127.0.0.1:9")
    monkeypatch.setenv("AZURE_API_VERSION", "2024-10-21")
    judge = LLMJudge(model, cache_dir="", max_dollars=1.0)
    with pytest.raises(JudgeError, match=variable):
        judge.ask_sync([ask()])
    assert judge.ledger.dollars == 0


def test_a_provider_that_is_not_there(claude, ask):
    judge, server = claude(max_retries=1)
    server.stop()
    assert judge.ask_sync([ask()]) == [Answer(None, "connection")] or judge.ledger.unscored == {
        "server_error": 1
    }
    assert judge.ledger.calls == 2
    server.stop = lambda: None


def test_a_connection_that_drops_is_tried_again(claude, ask):
    async def drop(request):
        request.transport.abort()

    judge, server = claude(lambda number, body: drop if number == 0 else all_true(body))
    assert judge.ask_sync([ask()]) == [YES]
    assert len(server.requests) == judge.ledger.calls == 2


def test_a_body_that_drips_for_ever_ends_with_the_time(claude, ask):
    async def drip(request):
        response = web.StreamResponse()
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):
            while True:
                await response.write(b" ")
                await asyncio.sleep(0.05)

    judge, _ = claude(lambda number, body: drip, timeout=0.4, max_retries=0)
    assert in_time(judge.ask(ask())) == Answer(None, "timeout")


@pytest.mark.parametrize("text", ["", "<html></html>", '{"content": []}', '{"type": "message"'])
def test_a_body_that_is_no_answer_is_tried_again(claude, ask, text):
    judge, server = claude(lambda number, body: web.Response(text=text) if number == 0 else all_true(body))
    assert judge.ask_sync([ask()]) == [YES]
    assert len(server.requests) == 2


def test_a_question_that_the_provider_rejects_is_unscored(claude, ask):
    error = {"type": "error", "error": {"type": "invalid_request_error", "message": "prompt is too long"}}
    judge, _ = claude(lambda number, body: web.json_response(error, status=400))
    answer = judge.ask_sync([ask()])[0]
    assert answer.value is None and answer.reason in ("bad_request", "context_window")


def test_a_forked_child_has_connections_of_its_own(claude, ask):
    judge, server = claude(delay=0.1)
    assert judge.ask_sync([ask(0)]) == [YES]
    child = os.fork()
    if child == 0:
        os._exit(0 if judge.ask_sync([ask(1)]) == [YES] else 1)
    assert judge.ask_sync([ask(n) for n in range(2, 8)]) == [YES] * 6
    assert os.waitpid(child, 0)[1] == 0
    assert len(server.requests) == 8


OFFLINE = """
import socket
def refuse(*_, **__):
    raise AssertionError("asked the network")
socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = refuse
from vidalign.judge import LLMJudge, run_sync
print(run_sync(LLMJudge("gemini/gemini-2.5-pro").senses("speakers")))
"""


def test_litellm_s_table_is_read_without_the_network(tmp_path):
    run = subprocess.run(
        [sys.executable, "-c", OFFLINE], capture_output=True, text=True, timeout=120, cwd=tmp_path
    )
    assert "video" in run.stdout, run.stderr
    assert "asked the network" not in run.stderr
