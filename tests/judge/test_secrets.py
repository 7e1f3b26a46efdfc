"""A key goes into one header of a request, and nowhere else."""

import logging
import pickle
import traceback

import pytest
from aiohttp import web
from server import all_true

from vidalign.judge import JudgeError
from vidalign.llm.redaction import redact

KEY = "sk-very-secret-0123456789"


@pytest.fixture(params=["OPENAI_API_KEY", "VIDALIGN_JUDGE_API_KEY", "MY_OWN"])
def named(request, monkeypatch):
    monkeypatch.setenv(request.param, KEY)
    return {"api_key_env": "MY_OWN"} if request.param == "MY_OWN" else {}


def test_the_server_gets_it(serve, judge, ask, named):
    server = serve()
    judge(server, **named).ask_sync([ask()])
    assert server.requests[0].headers["Authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize(
    "behave",
    [
        lambda number, body: web.Response(status=401, text=f"Incorrect API key provided: {KEY}"),
        lambda number, body: web.Response(status=500, text=f"Authorization: Bearer {KEY}"),
        lambda number, body: web.Response(status=400, text=f'{{"headers": {{"authorization": "{KEY}"}}}}'),
        lambda number, body: web.Response(status=200, text=f"<html>{KEY}</html>"),
        lambda number, body: f"the key is {KEY}",
        lambda number, body: f"{KEY} {all_true(body)}",
        lambda number, body: all_true(body).replace("{", f'{{"note": "{KEY}", ', 1),
        lambda number, body: ConnectionError,
    ],
)
def test_it_stands_nowhere_else(serve, judge, ask, named, behave, tmp_path, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    one = judge(serve(behave), max_retries=1, patience=1, **named)
    told = ""
    try:
        one.ask_sync([ask()])
    except JudgeError as error:
        told = traceback.format_exc() + repr(error) + repr(error.__context__) + repr(error.__cause__)
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    out, err = capfd.readouterr()
    everything = told + caplog.text + out + err + repr(one) + str(one.ledger) + str(one.ledger.summary())
    assert KEY not in everything
    assert KEY.encode() not in written + pickle.dumps(one)


def test_headers_and_other_keys_are_taken_out(monkeypatch):
    monkeypatch.setenv("SOME_OTHER_TOKEN", "abcdef-token")
    assert redact("x abcdef-token y") == "x *** y"
    assert "whatever12345" not in redact('{"Authorization": "Bearer whatever12345"}')
    assert redact("a plain caption of a man of news") == "a plain caption of a man of news"
