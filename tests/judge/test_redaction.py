"""Keys that a server sends back in other shapes, and what a failing request leaves behind."""

import json
import logging
import os
import pickle
import subprocess
import sys
import traceback
import urllib.parse

import pytest
from aiohttp import web
from server import all_true

from vidalign.judge import JudgeDown, JudgeError, LLMJudge
from vidalign.llm.redaction import KeyFilter, redact, without_keys, without_keys_in

KEY = 'sk-"very"/secret\\0123456789'
PLAIN = "sk-very-secret-0123456789"


def everything_of(error):
    """All texts that an exception carries, through its causes and contexts, hidden ones too."""
    told, seen = traceback.format_exc(), set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        told += str(error) + repr(error) + repr(error.args) + repr(vars(error))
        error = error.__cause__ or error.__context__
    return told


@pytest.mark.parametrize(
    "form", [str, lambda key: json.dumps(key)[1:-1], lambda key: urllib.parse.quote(key, safe="")]
)
def test_a_key_is_found_in_json_and_in_a_url(monkeypatch, form):
    monkeypatch.setenv("SOME_API_KEY", KEY)
    assert redact(f"x {form(KEY)} y") == without_keys(f"x {form(KEY)} y") == "x *** y"


def test_a_key_is_found_behind_an_escape_in_an_answer(monkeypatch):
    monkeypatch.setenv("SOME_API_KEY", PLAIN)
    value = {PLAIN: [f"a {PLAIN} b", {"c": PLAIN}, 1, None, True]}
    assert without_keys_in(value) == {"***": ["a *** b", {"c": "***"}, 1, None, True]}


def test_short_values_and_other_variables_are_left(monkeypatch):
    monkeypatch.setenv("TINY_API_KEY", "dog")
    monkeypatch.setenv("COLOUR", "vermilion")
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "very-much")
    text = "a dog in vermilion, very-much"
    assert redact(text) == without_keys(text) == text


def test_answers_keep_the_words_of_secrets_that_are_no_api_key(monkeypatch):
    monkeypatch.setenv("WIFI_PASSWORD", "swordfish")
    assert without_keys("a swordfish swims") == "a swordfish swims"
    assert redact("a swordfish swims") == "a *** swims"


def test_what_is_redacted_can_be_printed():
    assert redact("half \ud83d of it").encode("utf-8") == b"half ? of it"


@pytest.mark.parametrize("fill", [range(60, 90), range(150, 200), range(420, 500), range(1960, 2000)])
def test_no_half_of_a_key_where_a_message_is_cut(serve, judge, ask, monkeypatch, caplog, fill):
    monkeypatch.setenv("OPENAI_API_KEY", PLAIN)
    caplog.set_level(logging.DEBUG)
    lengths = iter(list(fill) * 3)

    def behave(number, body):
        text = "x" * next(lengths) + PLAIN + "x" * 3000
        if number % 3 == 0:
            return web.Response(status=422, text=text)
        return web.Response(text=text) if number % 3 == 1 else text

    one = judge(
        serve(behave), max_retries=0, max_reasks=0, structured=False, max_concurrency=1, patience=10**6
    )
    one.ask_sync([ask(n) for n in range(3 * len(fill))])
    assert one.ledger.unscored.total() == 3 * len(fill)
    assert "sk-very" not in caplog.text


@pytest.mark.parametrize(
    "behave",
    [
        lambda number, body: web.Response(status=401, text=f"bad key {PLAIN}"),
        lambda number, body: web.Response(
            status=307, headers={"Location": f"http://127.0.0.1:9/?key={PLAIN}"}
        ),
        lambda number, body: web.Response(status=500, text=PLAIN),
        lambda number, body: web.Response(text=PLAIN),
        lambda number, body: web.Response(text="x", headers={"Content-Encoding": "gzip"}),
        lambda number, body: ConnectionError,
        lambda number, body: PLAIN,
    ],
)
def test_no_exception_carries_the_key_not_even_hidden(serve, judge, ask, monkeypatch, behave):
    monkeypatch.setenv("OWN_NAME", PLAIN)
    one = judge(serve(behave), api_key_env="OWN_NAME", patience=1, max_retries=0, max_reasks=0)
    with pytest.raises(JudgeError) as caught:
        one.ask_sync([ask()])
    assert PLAIN not in everything_of(caught.value) + repr(one)
    assert PLAIN.encode() not in pickle.dumps(one)


def test_an_echo_behind_an_escape_does_not_reach_the_cache(serve, judge, ask, monkeypatch, tmp_path):
    monkeypatch.setenv("OPENAI_API_KEY", PLAIN)
    hidden = "".join(f"\\u{ord(character):04x}" for character in PLAIN)
    server = serve(lambda number, body: all_true(body).replace("{", f'{{"note": "{hidden}", ', 1))
    assert judge(server).ask_sync([ask()])[0].value == [True, True]
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert b'"note": "***"' in written and PLAIN.encode() not in written


@pytest.mark.parametrize(
    "settings",
    [
        {"api_base": f"http://user:{PLAIN}@localhost/v1"},
        {"api_base": f"http://{PLAIN}@localhost/v1"},
        {"api_base": f"http://localhost/v1?key={PLAIN}"},
        {"api_base": f"http://localhost/v1#{PLAIN}"},
        {"api_base": f"http://localhost/{PLAIN}/v1"},
        {"api_base": f"http://user:{PLAIN}@\u2100.com/v1"},
        {"params": {"api_key": PLAIN}},
        {"params": {"API-Key": PLAIN}},
        {"params": {"extra_body": {"x": [{"azure_ad_token": PLAIN}]}}},
        {"params": {"extra_headers": {"X": PLAIN}}},
        {"params": {"default_headers": {}}},
        {"params": {"aws_secret_access_key": PLAIN}},
        {"params": {"aws_access_key_id": PLAIN}},
        {"params": {"vertex_credentials": PLAIN}},
        {"params": {"user": PLAIN}},
    ],
)
def test_a_key_in_the_settings_is_refused_and_not_repeated(monkeypatch, settings):
    monkeypatch.setenv("OPENAI_API_KEY", PLAIN)
    with pytest.raises(ValueError, match=r"api_base|api_key_env") as caught:
        LLMJudge("openai/judge", **settings)
    assert PLAIN not in everything_of(caught.value)


def test_parameters_that_only_sound_like_keys_are_taken():
    params = {
        "pad_token_id": 0,
        "stop_token_ids": [1],
        "prompt_cache_key": "a",
        "logit_bias": {"5": 1},
        "min_tokens": 2,
    }
    assert LLMJudge("openai/judge", params=params).params == params


def test_others_log_records_lose_keys_and_nothing_else(monkeypatch, caplog):
    monkeypatch.setenv("SOME_API_KEY", PLAIN)
    logger, keys = logging.getLogger("somebody.elses"), KeyFilter()
    logger.addFilter(keys)
    try:
        logger.warning("%d of %s", 3, PLAIN)
        try:
            raise ValueError(PLAIN)
        except ValueError:
            logger.exception("it broke")
    finally:
        logger.removeFilter(keys)
    assert caplog.messages == ["3 of ***", "it broke"]
    assert "ValueError: ***" in caplog.text and PLAIN not in caplog.text


RUN = """
import asyncio, logging, sys
logging.basicConfig(level=logging.DEBUG)
from vidalign.judge import JudgeError, LLMJudge
from vidalign.judge.tasks import checklist
judges = [LLMJudge("openai/judge", api_base=sys.argv[1], cache_dir=sys.argv[2], max_retries=1),
          LLMJudge("anthropic/claude-sonnet-4-5", cache_dir=sys.argv[2], max_retries=1)]
for judge in judges:
    for n in range(6):
        try:
            print(judge.ask_sync([checklist.question(f"caption {n}", ["a", "b"])]))
        except JudgeError as error:
            print(repr(error), repr(error.__context__))
    print(judge, judge.ledger)
"""


def test_nothing_that_a_process_prints_or_logs_at_debug_level_holds_a_key(serve, tmp_path):
    def behave(number, body):
        headers = {"X-Echo": f"Bearer {PLAIN}"}
        text = [
            all_true(body),
            f"Authorization: Bearer {PLAIN}",
            web.Response(status=500, text=PLAIN, headers=headers),
            web.Response(status=400, text=f"x-api-key: {PLAIN}", headers=headers),
            web.Response(status=429, text=PLAIN, headers={"Retry-After": "0", **headers}),
            web.Response(status=200, text=f"<html>{PLAIN}</html>", headers=headers),
            web.Response(status=401, text=f"wrong key {PLAIN}", headers=headers),
        ]
        return text[number % 7]

    server = serve(behave)
    keys = dict.fromkeys(("OPENAI_API_KEY", "ANTHROPIC_API_KEY"), PLAIN)
    environment = {**os.environ, **keys, "ANTHROPIC_API_BASE": server.url.removesuffix("/v1")}
    command = [sys.executable, "-c", RUN, server.url, str(tmp_path / "cache")]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr[-2000:]
    assert run.stdout.count("LLMJudge(") == 2 and "LiteLLM" in run.stderr and "DEBUG" in run.stderr
    assert len(server.requests) > 14
    assert PLAIN not in run.stdout + run.stderr
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert PLAIN.encode() not in written


def test_a_judge_that_is_down_says_so_without_the_key(serve, judge, ask, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", PLAIN)
    one = judge(
        serve(lambda number, body: web.Response(status=500, text=f"key={PLAIN}")), patience=2, max_retries=0
    )
    with pytest.raises(JudgeDown, match=r"key=\*\*\*"):
        one.ask_sync([ask(1), ask(2)])
