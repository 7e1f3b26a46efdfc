"""One request to a language model, and its retries: which way it goes, when it may start, and what it may cost."""

from __future__ import annotations

import asyncio
import json
import os
import random
import time
from collections.abc import Mapping
from typing import Any

from vidalign.llm import openai_server, providers
from vidalign.llm.failures import RequestFailed
from vidalign.llm.ledger import Budget, BudgetExceeded, JudgeError, Ledger
from vidalign.llm.question import Question
from vidalign.llm.redaction import redact
from vidalign.llm.reply import Reply
from vidalign.llm.settings import LLMSettings

_OPENAI_PREFIXES = ("openai", "hosted_vllm", "openai_like", "custom_openai")
_KEY_ENV = "VIDALIGN_JUDGE_API_KEY"
_LONGEST_BACKOFF = 60.0  # seconds
_LONGEST_PAUSE = 600.0  # seconds of Retry-After that are waited for


class RateLimiter:
    """When the next request may start: evenly spaced, since providers also count in parts of a minute."""

    def __init__(self, per_minute: float | None) -> None:
        self._interval = 60.0 / per_minute if per_minute else 0.0
        self._next = 0.0
        self._resume = 0.0

    def pause(self, seconds: float) -> None:
        self._resume = max(self._resume, time.monotonic() + seconds)

    async def turn(self) -> None:
        """Raises `RequestFailed` for a pause that is longer than anybody waits; sending earlier would be no help."""
        while (wait := max(self._resume, self._next) - time.monotonic()) > 0:
            if (pause := self._resume - time.monotonic()) > _LONGEST_PAUSE:
                raise RequestFailed(
                    "rate_limited",
                    f"the server asks for no request in the next {pause:.0f} s",
                    retry_after=pause,
                )
            # Those that wait for the end of a pause do not all start at once.
            await asyncio.sleep(wait + random.uniform(0, 0.05) * (self._resume > self._next))
        self._next = max(time.monotonic(), self._next) + self._interval


class Turns:
    """Work besides requests, one piece each time the loop comes round, so that no request waits for a batch of it."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()

    async def turn(self) -> None:
        async with self._lock:
            await asyncio.sleep(0)


class Demand:
    """Who waits for an answer. askers: their number. sent: whether a request for it is at the model, which is paid for."""

    def __init__(self) -> None:
        self.askers, self.sent = 0, False

    def check(self) -> None:
        """Raises `CancelledError` where nobody waits any more."""
        if not self.askers:
            raise asyncio.CancelledError


class RequestSender:
    """Sends a model's requests. Runs in the judge's loop, without locks."""

    def __init__(self, settings: LLMSettings, ledger: Ledger) -> None:
        self.settings, self.ledger = settings, ledger
        # `accelerate launch` sets these; its processes ask as many questions each.
        processes, rank = int(os.environ.get("WORLD_SIZE") or 1), int(os.environ.get("RANK") or 0)
        calls, dollars, rate = settings.max_calls, settings.max_dollars, settings.requests_per_minute
        self.budget = Budget(
            None if calls is None else calls // processes + (rank < calls % processes),
            None if dollars is None else dollars / processes,
        )
        self.limiter = RateLimiter(None if rate is None else rate / processes)
        self.slots = asyncio.Semaphore(settings.max_concurrency)
        self.turns = Turns()
        self.settled = asyncio.Event()
        self.direct = False
        self.provider: str | None = None  # litellm's name of it
        self.structured = settings.structured
        self.price: tuple[float, float] | None = None  # dollars a token, in and out
        self._prepared: asyncio.Task[None] | None = None

    async def reply(
        self,
        messages: list[dict[str, Any]],
        question: Question[Any],
        demand: Demand,
    ) -> Reply:
        """demand: looked at before each attempt; `sent` is kept up to date.

        Raises:
        CancelledError: nobody waits for the reply any more, and no attempt is under way.
        RequestFailed: no answer after all retries.
        BudgetExceeded: the next call does not fit the budget.
        JudgeError: no question can be answered with these settings.
        """
        await self._prepare_once()
        body = {"messages": messages, "max_tokens": self.settings.max_tokens}
        if self.settings.temperature is not None:
            body["temperature"] = self.settings.temperature
        body |= {**self.settings.params, **question.params}
        if self.direct:
            prefix, slash, name = self.settings.model.partition("/")
            body["model"] = name if slash and prefix in _OPENAI_PREFIXES else self.settings.model
        task = question.task
        try:
            if not self.structured or question.schema is None:
                return await self._retried(body, task, demand)
            form = {"name": task, "schema": question.schema, "strict": True}
            try:
                formed = {"response_format": {"type": "json_schema", "json_schema": form}}
                return await self._retried({**body, **formed}, task, demand)
            except RequestFailed as error:
                if error.reason != "bad_request" or self.settings.structured:
                    raise
                # Perhaps a server that does not know the parameter. If it is anything else, this fails too.
                reply = await self._retried(body, task, demand)
                self.structured = False
                return reply
        except RequestFailed as error:
            if not error.hopeless:
                raise
            message = redact(str(error))[:500]
            raise JudgeError(
                f"{self.settings.model} cannot be asked: {message}. Check the model's name, api_base, and the key in the "
                f"environment ({' or '.join(self.key_names())})"
            ) from None

    def key_names(self) -> list[str]:
        """Environment variables where the key may stand, first come first served."""
        if self.settings.api_key_env:
            return [self.settings.api_key_env]
        prefix, slash, _ = self.settings.model.partition("/")
        own = self.provider or (prefix if slash and prefix.isidentifier() else "openai")
        # The judge's own key is for a server of one's own: one task's must not be sent to another task's provider.
        return [*([] if self.settings.api_base is None else [_KEY_ENV]), f"{own.upper()}_API_KEY"]

    async def takes_files(self) -> bool:
        """Whether a video goes as litellm's `file` part; OpenAI-compatible servers take `video_url`."""
        await self._prepare_once()
        return not self.direct and self.settings.model.partition("/")[0] not in _OPENAI_PREFIXES

    # Retries

    async def _retried(self, body: Mapping[str, Any], task: str, demand: Demand) -> Reply:
        encoded = json.dumps(body, ensure_ascii=False).encode("utf-8", "replace") if self.direct else None
        failures = 0
        while True:
            try:
                return await self._attempt(body, encoded, task, demand)
            except RequestFailed as error:
                if error.retry_after is not None and error.reason == "rate_limited":
                    # The limit is the account's, not this request's.
                    self.limiter.pause(error.retry_after)
                too_long = (error.retry_after or 0) > _LONGEST_PAUSE
                if not error.passing or failures == self.settings.max_retries or too_long:
                    raise
                demand.check()
                failures += 1
                self.ledger.book(task, retried=error.reason)
                wait = backoff(failures)
                if error.retry_after is not None:
                    wait = error.retry_after + min(wait, 1.0)
                await asyncio.sleep(wait)

    async def _attempt(
        self, body: Mapping[str, Any], encoded: bytes | None, task: str, demand: Demand
    ) -> Reply:
        demand.check()
        async with self.slots:
            worst, unpaid = await self._reserve(body), True
            try:
                await self.limiter.turn()
                self.ledger.book(task, calls=1)
                unpaid, demand.sent = False, True
                async with asyncio.timeout(self.settings.timeout):
                    reply = await self._send(body, encoded)
                self._book(task, reply, worst)
            except TimeoutError:
                self.budget.dollars += worst
                raise RequestFailed("timeout", f"no answer in {self.settings.timeout} s", sent=True) from None
            except RequestFailed as error:
                # What a model has worked on is paid for, whether or not its answer arrives.
                self.budget.dollars += worst * error.sent
                raise
            finally:
                demand.sent = False
                self.budget.calls -= unpaid
                self.budget.under_way -= 1
                self.budget.reserved -= worst
                self.settled.set()
        # Up to here and on to the cache nothing is waited for: what is paid for is on disk before the next request is sent.
        return reply

    async def _send(self, body: Mapping[str, Any], encoded: bytes | None) -> Reply:
        settings = self.settings
        if encoded is not None:
            assert settings.api_base is not None
            key = next(filter(None, map(self._key, self.key_names())), None)
            return await openai_server.complete(settings.api_base, key, encoded)
        named = settings.api_key_env or (_KEY_ENV if settings.api_base is not None else None)
        key = self._key(named) if named else None  # litellm finds a provider's own
        return await providers.complete(settings.model, settings.api_base, key, body, settings.timeout)

    def _key(self, name: str) -> str | None:
        # Files and shells leave a line's end behind.
        key = os.environ.get(name, "").strip()
        if not (key.isascii() and key.isprintable()):
            raise JudgeError(
                f"the key in {name} holds characters that no key has, such as a line's end; set it again"
            )
        return key or None

    # Money

    async def _reserve(self, body: Mapping[str, Any]) -> float:
        """Sets a call and its worst case aside, in dollars; waits for others to settle if it does not fit beside them."""
        worst = 0.0
        if self.price is not None and self.budget.max_dollars is not None:
            worst = _size(body) * self.price[0] + body["max_tokens"] * self.price[1]
        while True:
            if (spent := self.budget.spent()) is not None:
                raise self._exceeded(spent)
            if self.budget.fits(worst):
                break
            if self.budget.under_way == 0:
                raise self._exceeded(
                    f"${self.budget.dollars:.4f} of ${self.budget.max_dollars:.4f} are spent (max_dollars), and the next "
                    f"call may cost up to ${worst:.4f}"
                )
            self.settled.clear()
            await self.settled.wait()
        self.budget.calls += 1
        self.budget.under_way += 1
        self.budget.reserved += worst
        return worst

    def _exceeded(self, why: str) -> BudgetExceeded:
        return BudgetExceeded(
            f"{self.settings.model}: the judge's budget does not allow another call: {why}. All answers so far are cached: "
            f"raise the budget and start again, and nothing is paid for twice. {self.ledger}"
        )

    def _book(self, task: str, reply: Reply, worst: float) -> None:
        dollars = reply.dollars
        if self.price is not None and reply.input_tokens + reply.output_tokens:
            dollars = reply.input_tokens * self.price[0] + reply.output_tokens * self.price[1]
        self.ledger.book(
            task,
            input_tokens=reply.input_tokens,
            output_tokens=reply.output_tokens,
            dollars=dollars or 0.0,
            unpriced=dollars is None,
        )
        # Of a server that does not count its tokens, the worst is believed.
        self.budget.dollars += worst if dollars is None else dollars

    # What is found out once

    async def _prepare_once(self) -> None:
        if self._prepared is None:
            self._prepared = asyncio.ensure_future(self._prepare())
        await asyncio.shield(self._prepared)

    async def _prepare(self) -> None:
        settings = self.settings
        prefix, slash, _ = settings.model.partition("/")
        self.direct = settings.api_base is not None and (
            not slash or prefix in _OPENAI_PREFIXES or not await providers.known(prefix)
        )
        if not self.direct:
            self.provider = await providers.provider(settings.model, settings.api_base)
            if self.provider is None:
                raise JudgeError(
                    f"litellm knows no provider of {settings.model!r}; name it as litellm does, such as 'openai/gpt-4.1', or set "
                    "api_base to a server that has it"
                )
        if self.structured is None:
            # A server of one's own is tried with the schema, and remembered if it does not take it.
            self.structured = True if self.direct else (await providers.abilities(settings.model))[0]
        if settings.price is not None:
            self.price = (settings.price[0] / 1e6, settings.price[1] / 1e6)
        elif settings.max_dollars is not None:
            self.price = None if self.direct else await providers.price(settings.model)
            if self.price is None:
                raise JudgeError(
                    f"max_dollars is set, but no price is known for {settings.model!r}; set price to the dollars for a million "
                    "tokens (input, output), or max_calls instead"
                )


def _size(body: Mapping[str, Any]) -> int:
    """Most tokens that a request's text can have: no tokenizer makes more of them than there are bytes."""
    texts: list[Any] = [body.get("response_format"), body.get("tools")]
    for message in body["messages"]:
        content = message["content"]
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
        texts += [part["text"] for part in parts if part["type"] == "text"]
    return sum(len(json.dumps(text, ensure_ascii=False).encode("utf-8", "replace")) for text in texts if text)


def backoff(failures: int) -> float:
    """Seconds before the next attempt: twice as long each time, with full jitter, so that requests that failed together do
    not come back together."""
    return random.uniform(0, min(_LONGEST_BACKOFF, 2.0 ** min(failures - 1, 10)))
