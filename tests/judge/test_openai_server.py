"""What a server can do to the bytes of an answer, below HTTP and in its body."""

import asyncio
import contextlib
import json
import socket
import threading
import time
import zlib

import pytest
from aiohttp import web
from server import all_true, completion, in_time

from vidalign.judge import Answer, JudgeError, LLMJudge
from vidalign.llm import openai_server
from vidalign.llm.openai_server import reply_of

YES = Answer([True, True])


@pytest.fixture
def raw():
    """Starts a server that answers every request with these bytes and hangs up: `raw(b"HTTP/1.1 ...")` -> its address."""
    with contextlib.ExitStack() as stack:

        def start(answer):
            listening = stack.enter_context(socket.create_server(("127.0.0.1", 0)))

            def serve():
                while True:
                    try:
                        connection, _ = listening.accept()
                    except OSError:
                        return
                    with connection:
                        connection.settimeout(5)
                        connection.recv(65536)
                        connection.sendall(answer)

            threading.Thread(target=serve, daemon=True).start()
            return f"http://127.0.0.1:{listening.getsockname()[1]}/v1"

        yield start


WHOLE = json.dumps(completion("x")).encode()


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n" + WHOLE,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: minus one\r\n\r\n",
        b"HTTP/1.1 999999 OK\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"\x15\x03\x01\x00\x02\x02\x16",  # TLS
        b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nplain",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 5\r\n\r\nplain",
    ],
)
def test_a_broken_connection_is_tried_again_and_then_unscored(raw, ask, answer):
    one = LLMJudge("openai/judge", api_base=raw(answer), cache_dir="", max_retries=1, timeout=5)
    assert one.ask_sync([ask()]) == [Answer(None, "connection")]
    assert one.ledger.calls == 2 and one.ledger.retries == {"connection": 1}


def test_a_body_that_drips_for_ever_ends_with_the_time(serve, judge, ask):
    async def drip(request):
        response = web.StreamResponse()
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):
            while True:
                await response.write(b" ")
                await asyncio.sleep(0.02)

    one = judge(serve(lambda number, body: drip), timeout=0.3, max_retries=0)
    start = time.monotonic()
    assert in_time(one.ask(ask())) == Answer(None, "timeout")
    assert time.monotonic() - start >= 0.3


def test_a_body_without_end_is_not_kept_in_memory(serve, judge, ask, monkeypatch):
    monkeypatch.setattr(openai_server, "_LARGEST", 100_000)
    one = judge(serve(lambda number, body: completion(" " * 200_000 + all_true(body))), max_retries=0)
    assert one.ask_sync([ask()]) == [Answer(None, "bad_body")]


def test_a_small_body_that_unpacks_without_end_is_not_kept_in_memory(serve, judge, ask, monkeypatch):
    monkeypatch.setattr(openai_server, "_LARGEST", 100_000)
    bomb = zlib.compress(b" " * 10_000_000)
    headers = {"Content-Encoding": "deflate"}
    one = judge(serve(lambda n, body: web.Response(body=bomb, headers=headers)), max_retries=0)
    assert one.ask_sync([ask()]) == [Answer(None, "bad_body")]


@pytest.mark.parametrize(
    "body", [b"", b"null", b"[]", b"7", b'"x"', b"\xff\xfe\x00", b"{" * 10, b"[" * 100_000]
)
def test_a_body_that_is_no_completion_is_tried_again(serve, judge, ask, body):
    server = serve(lambda number, asked: web.Response(body=body) if number == 0 else all_true(asked))
    one = judge(server)
    assert one.ask_sync([ask()]) == [YES]
    assert one.ledger.retries == {"bad_body": 1}


@pytest.mark.parametrize("status", [201, 202, 204])
def test_success_without_an_answer_is_tried_again(serve, judge, ask, status):
    server = serve(lambda number, body: web.Response(status=status) if number == 0 else all_true(body))
    assert judge(server).ask_sync([ask()]) == [YES]


def test_a_redirect_is_not_followed_with_the_key(serve, judge, ask, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-0123456789")
    elsewhere = serve()
    headers = {"Location": f"{elsewhere.url}/chat/completions"}
    server = serve(lambda number, body: web.Response(status=308, headers=headers))
    with pytest.raises(JudgeError, match="api_base"):
        judge(server).ask_sync([ask()])
    assert elsewhere.requests == [] and len(server.requests) == 1


def test_a_key_of_a_file_is_sent_without_the_lines_end(serve, judge, ask, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-0123456789\n")
    server = serve()
    judge(server).ask_sync([ask()])
    assert server.requests[0].headers["Authorization"] == "Bearer sk-secret-0123456789"


@pytest.mark.parametrize("key", ["sk-se\ncret-012", "sk-s\u00e9cret-0123", "sk-\udcff-0123456"])
def test_a_key_that_no_header_can_hold_is_an_error_that_names_the_variable(
    serve, judge, ask, monkeypatch, key
):
    monkeypatch.setenv("OPENAI_API_KEY", key)
    server = serve()
    with pytest.raises(JudgeError, match="OPENAI_API_KEY") as caught:
        judge(server).ask_sync([ask()])
    assert key not in str(caught.value) and server.requests == []


def test_the_judges_own_key_comes_before_the_providers(serve, judge, ask, monkeypatch):
    server = serve()
    monkeypatch.setenv("OPENAI_API_KEY", "sk-provider-0123")
    monkeypatch.setenv("VIDALIGN_JUDGE_API_KEY", "sk-judge-0123456")
    judge(server).ask_sync([ask(1)])
    monkeypatch.setenv("THIRD", "sk-third-0123456")
    judge(server, api_key_env="THIRD").ask_sync([ask(2)])
    sent = [request.headers["Authorization"] for request in server.requests]
    assert sent == ["Bearer sk-judge-0123456", "Bearer sk-third-0123456"]


def message(**fields):
    return {"choices": [{"message": fields, "finish_reason": "stop"}]}


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (message(content="x"), "x"),
        (message(content=None), ""),
        (message(), ""),
        (message(content=[{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]), "ab"),
        (message(content=[{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "a"}, None]), "a"),
        (message(content=[{"type": "text", "text": None}]), ""),
    ],
)
def test_the_text_of_a_message(answer, text):
    assert reply_of(answer).text == text


@pytest.mark.parametrize(
    "answer",
    [
        None, [], {}, "x", 7, {"error": {"message": "x"}}, {"choices": None}, {"choices": {}}, {"choices": []},
        {"choices": [None]}, {"choices": [{}]}, {"choices": [{"message": None}]}, {"choices": [{"message": "x"}]},
        {"choices": [{"text": "x"}]}, message(content=7), message(content={"text": "x"}), message(content=True),
    ],
)  # fmt: skip
def test_what_is_no_completion(answer):
    with pytest.raises(ValueError, match="no "):
        reply_of(answer)


@pytest.mark.parametrize("count", [None, -5, True, "7", 1.5, 10**400, [1]])
def test_a_count_of_tokens_that_cannot_be_is_none(count):
    reply = reply_of({**message(content="x"), "usage": {"prompt_tokens": count, "completion_tokens": 3}})
    assert (reply.input_tokens, reply.output_tokens) == (0, 3)
    assert reply_of({**message(content="x"), "usage": [count]}).output_tokens == 0
