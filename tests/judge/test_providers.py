"""Providers that litellm reaches, each with its own protocol, over real HTTP."""

import logging
import time

import pytest
from aiohttp import web
from server import all_true

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
    judge, _ = claude(delay=3.0, timeout=0.3, max_retries=0)
    start = time.monotonic()
    assert judge.ask_sync([ask()]) == [Answer(None, "timeout")]
    assert time.monotonic() - start < 2.5


def test_what_a_model_sees_is_litellm_s_to_say():
    import asyncio

    assert "video" in asyncio.run(LLMJudge("gemini/gemini-2.5-pro").senses())
    assert asyncio.run(LLMJudge("openai/whatever").senses()) == frozenset()
