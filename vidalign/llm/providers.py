"""Requests to any provider that litellm knows."""

from __future__ import annotations

import asyncio
import logging
import os
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from vidalign.llm import background
from vidalign.llm.failures import RequestFailed, reason_of, retry_after
from vidalign.llm.openai_server import reply_of
from vidalign.llm.redaction import KeyFilter, redact
from vidalign.llm.reply import Reply
from vidalign.llm.settings import LLMSettings

# litellm passes off a key that is not set as its server's failure or a connection's, which would be tried again.
_NO_KEY = re.compile(r"missing (?:\w+ )?(?:api[ _]key|credentials)", re.IGNORECASE)

# Those that come with the first connection.
_LOGGERS = tuple(f"httpcore.{part}" for part in ("connection", "http11", "http2", "proxy", "socks"))


async def library() -> Any:
    """litellm, imported in a thread, since that takes seconds in which other answers come in."""
    return await asyncio.to_thread(_import)


@lru_cache
def _import() -> Any:
    # Without it litellm asks the network for prices whenever it is imported, and dollars change from day to day.
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    import litellm

    litellm.suppress_debug_info = True
    litellm.telemetry = False
    # Below a root logger at DEBUG these log URLs, headers and answers.
    for name in {*_LOGGERS, *logging.root.manager.loggerDict}:
        if name.startswith(("LiteLLM", "openai", "httpx", "httpcore", "aiohttp", "asyncio")):
            logging.getLogger(name).addFilter(KeyFilter())
    return litellm


async def complete(
    model: str, api_base: str | None, key: str | None, body: Mapping[str, Any], timeout: float
) -> Reply:
    """One chat completion. `body`: `messages` and parameters; those that the provider does not take are left out.

    Raises:
        RequestFailed: no answer.
    """
    litellm = await library()
    try:
        response = await litellm.acompletion(
            model=model,
            api_base=api_base,
            api_key=key,
            timeout=timeout,
            num_retries=0,
            max_retries=0,
            drop_params=True,
            **body,
        )
        reply = reply_of(response.model_dump())
        cost = getattr(response, "_hidden_params", {}).get("response_cost")
        return Reply(reply.text, reply.finish, reply.input_tokens, reply.output_tokens, cost or None)
    # litellm raises its own, openai's and httpx's errors, and what its adapters stumble over.
    except Exception as error:
        failed = _failure(litellm, error)
    # Raised here, so that it does not carry the library's exception, which may hold a key.
    raise failed


def _failure(litellm: Any, error: Exception) -> RequestFailed:
    status, message = getattr(error, "status_code", None), redact(str(error)).partition("\nTraceback")[0]
    if _NO_KEY.search(message):
        reason = "auth"
    elif isinstance(error, ValueError):
        reason = "bad_body"
    elif isinstance(error, litellm.ContextWindowExceededError):
        reason = "context_window"
    elif isinstance(error, litellm.ContentPolicyViolationError):
        reason = "content_policy"
    elif isinstance(error, litellm.Timeout):
        reason = "timeout"
    elif isinstance(error, litellm.APIConnectionError):
        reason = "connection"
    elif isinstance(status, int) and status >= 400:
        reason = reason_of(status, message)
    else:
        reason = "bad_body"
    headers = getattr(error, "litellm_response_headers", None) or getattr(
        getattr(error, "response", None), "headers", {}
    )
    return RequestFailed(
        reason,
        f"{type(error).__name__}: {message}",
        status=status if isinstance(status, int) else None,
        retry_after=retry_after(headers or {}),
        sent=reason in ("timeout", "connection", "bad_body"),
    )


async def price(model: str) -> tuple[float, float] | None:
    """Dollars a token, of input and of output, by litellm's table; None where it has none."""
    info = (await library()).model_cost.get(model) or (await library()).model_cost.get(
        model.partition("/")[2]
    )
    if not info or not info.get("input_cost_per_token") or not info.get("output_cost_per_token"):
        return None
    return float(info["input_cost_per_token"]), float(info["output_cost_per_token"])


async def abilities(model: str) -> tuple[bool, frozenset[str]]:
    """Whether a model takes a JSON schema for its answer, and which media it takes, by litellm's table."""
    litellm = await library()
    sees = {
        "image": litellm.supports_vision(model),
        "audio": litellm.supports_audio_input(model),
        "video": litellm.supports_video_input(model),
    }
    return bool(litellm.supports_response_schema(model)), frozenset(kind for kind, can in sees.items() if can)


async def senses(settings: LLMSettings) -> frozenset[str]:
    """Which media a model takes: as `sees` has it, else by litellm's table, of which a server of one's own is no part."""
    if settings.sees is not None:
        return frozenset(settings.sees)
    if settings.api_base is not None:
        return frozenset()
    return (await background.run(abilities(settings.model)))[1]


async def known(prefix: str) -> bool:
    """Whether litellm has a provider of that name."""
    return prefix in {str(getattr(name, "value", name)) for name in (await library()).provider_list}


async def provider(model: str, api_base: str | None) -> str | None:
    """litellm's name of a model's provider; None where it knows none."""
    litellm = await library()
    try:
        return str(litellm.get_llm_provider(model, api_base=api_base)[1])
    except litellm.BadRequestError:
        return None
