"""Requests to a server of one's own that speaks OpenAI's chat protocol (vLLM, SGLang, llama.cpp, LM Studio, a proxy).

litellm reaches these too, but takes 7 ms of a processor for each request (1.106, measured), which caps a trainer at some 130
requests a second; this takes a twentieth of that. Every provider's own protocol goes through litellm.
"""

from __future__ import annotations

import asyncio
import atexit
import json
from contextlib import suppress
from typing import Any
from urllib.request import getproxies_environment

import aiohttp

from vidalign._version import __version__
from vidalign.llm.failures import RequestFailed, reason_of, retry_after
from vidalign.llm.forks import PerProcess
from vidalign.llm.redaction import redact
from vidalign.llm.reply import Reply

_LARGEST = 32 * 2**20  # bytes of an answer
_sessions: PerProcess[dict[asyncio.AbstractEventLoop, aiohttp.ClientSession]] = PerProcess(dict)


async def complete(api_base: str, key: str | None, body: bytes) -> Reply:
    """One chat completion.

    Args:
        api_base: URL up to and with `/v1`.
        key: bearer token, or None.
        body: JSON with `model`, `messages` and parameters, as in OpenAI's API.

    Raises:
        RequestFailed: no answer.
    """
    url = f"{api_base.rstrip('/')}/chat/completions"
    headers = {"User-Agent": f"vidalign/{__version__}", "Content-Type": "application/json"}
    if key:
        headers["Authorization"] = f"Bearer {key}"
    failed: RequestFailed | None = None
    try:
        # Not followed: a redirect would take the key to another host.
        async with _session().post(url, data=body, headers=headers, allow_redirects=False) as response:
            content = await _read(response)
            status, answered = response.status, response.headers
    except aiohttp.ClientConnectorError as error:
        failed = RequestFailed("connection", _told(error))
    # ValueError: what cannot be put into a request, such as a second Authorization from a .netrc.
    except (aiohttp.ClientError, OSError, ValueError) as error:
        failed = RequestFailed("connection", _told(error), sent=True)
    # Raised here, so that it does not carry the library's exception, which holds the headers.
    if failed is not None:
        raise failed
    if status != 200:
        message = redact(content.decode("utf-8", "replace"))[:2000]
        reason = reason_of(status, message) if status >= 400 else "bad_body" if status < 300 else "not_found"
        raise RequestFailed(
            reason, message, status=status, retry_after=retry_after(answered), sent=status < 300
        )
    try:
        return reply_of(json.loads(content))
    except (ValueError, RecursionError):
        start = redact(content.decode("utf-8", "replace"))[:200]
    raise RequestFailed("bad_body", f"not a chat completion: {start!r}", status=status, sent=True)


def reply_of(answer: Any) -> Reply:
    """OpenAI's chat completion as JSON -> Reply. Raises ValueError where it is none."""
    try:
        choice = answer["choices"][0]
        message = choice["message"]
        text, refusal, finish = message.get("content"), message.get("refusal"), choice.get("finish_reason")
    except (TypeError, KeyError, IndexError, AttributeError):
        raise ValueError("no choices with a message") from None
    if isinstance(text, list):
        parts = [part.get("text") for part in text if isinstance(part, dict)]
        text = "".join(part for part in parts if isinstance(part, str))
    if text is not None and not isinstance(text, str):
        raise ValueError("the message's content is no text")
    usage = answer.get("usage")
    usage = usage if isinstance(usage, dict) else {}
    return Reply(
        text=text or "",
        finish="refusal" if refusal else str(finish),
        input_tokens=_count(usage.get("prompt_tokens")),
        output_tokens=_count(usage.get("completion_tokens")),
    )


def _told(error: Exception) -> str:
    return redact(f"{type(error).__name__}: {error}")


def _count(value: Any) -> int:
    """A number of tokens; 0 for what cannot be one."""
    return value if type(value) is int and 0 < value < 2**53 else 0


async def _read(response: aiohttp.ClientResponse) -> bytes:
    content = bytearray()
    async for chunk in response.content.iter_any():
        content += chunk
        if len(content) > _LARGEST:
            raise RequestFailed("bad_body", f"the answer is larger than {_LARGEST} bytes", sent=True)
    return bytes(content)


def _session() -> aiohttp.ClientSession:
    loop, sessions = asyncio.get_running_loop(), _sessions()
    if loop not in sessions:
        # The judge bounds what is under way, and each attempt's time. The environment is looked at in a thread for every
        # request, which takes longer than the request: only where it names a proxy.
        sessions[loop] = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, loop=loop),
            timeout=aiohttp.ClientTimeout(total=None),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=bool(getproxies_environment()),
        )
    return sessions[loop]


@atexit.register
def _close() -> None:
    for loop, session in (_sessions.made() or {}).items():
        with suppress(TimeoutError):
            asyncio.run_coroutine_threadsafe(session.close(), loop).result(timeout=5)
