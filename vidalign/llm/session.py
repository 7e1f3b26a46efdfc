"""One question to a language model: found on disk, shared with who asks the same, or put to the model; never a guess."""

from __future__ import annotations

import asyncio
import atexit
import hashlib
import json
import logging
import os
from contextlib import AsyncExitStack, suppress
from typing import Any, TypeVar

from vidalign.llm import background, media, providers
from vidalign.llm.cache import AnswerCache, default_folder
from vidalign.llm.failures import RequestFailed
from vidalign.llm.forks import PerProcess
from vidalign.llm.ledger import JudgeDown, JudgeError, Ledger
from vidalign.llm.parsing import json_object, without_thoughts
from vidalign.llm.question import Answer, Question, Unusable
from vidalign.llm.redaction import redact, without_keys, without_keys_in
from vidalign.llm.reply import Reply
from vidalign.llm.sender import Demand, RequestSender
from vidalign.llm.settings import LLMSettings

T = TypeVar("T")
logger = logging.getLogger("vidalign.judge")

# A model says the same again after these.
_FINAL = ("refusal", "content_policy")

# Reasons of a judge that cannot be reached, and how many of them in a row are enough as long as nothing was answered.
_AWAY = ("connection", "server_error", "timeout")
_FIRST_PATIENCE = 10

# Questions under way in this process, whichever object asks them, by cache folder and key; and the open caches.
# Both are used in the judge's loop only.
_under_way: PerProcess[dict[tuple[str, str], _Fetch]] = PerProcess(dict)
_caches: PerProcess[dict[str, AnswerCache]] = PerProcess(dict)


class _Fetch(Demand):
    """A question that is put to a model. Whoever waits for it may give up. When all have, a request that is sent is let come
    in, since it is paid for and kept on disk; whatever else the question waits for, it ends at once, so that it holds no
    slot, no budget and no claim on the cache, for which other processes would wait."""

    task: asyncio.Task[dict[str, Any]]

    def __init__(self, owner: Session) -> None:
        super().__init__()
        self.owner = owner

    async def answer(self) -> dict[str, Any] | None:
        """None if it was given up before there was one."""
        self.askers += 1
        try:
            # `wait` leaves the task to the others when this one is cancelled.
            await asyncio.wait([self.task])
        finally:
            self.askers -= 1
            if not self.askers and not self.sent:
                self.task.cancel()
        return None if self.task.cancelled() else self.task.result()


class Session:
    """A model at work in one process: what must not be pickled. All of it runs in the judge's loop, without locks."""

    def __init__(self, settings: LLMSettings, ledger: Ledger) -> None:
        self.settings, self.ledger = settings, ledger
        self.sender = RequestSender(settings, ledger)
        folder = default_folder() if settings.cache_dir is None else os.path.expanduser(settings.cache_dir)
        self.folder = os.path.realpath(folder) if folder else ""
        self.cache = _caches().setdefault(self.folder, AnswerCache(self.folder)) if folder else None
        self.lost = 0
        self.busy = 0
        self.stopped: JudgeError | None = None
        # A batch of thousands must not all be looked up before the first of them is sent.
        self.gate = asyncio.Semaphore(2 * settings.max_concurrency)

    async def ask(self, question: Question[T]) -> Answer[T]:
        self.busy += 1
        try:
            async with self.gate:
                await self.sender.turns.turn()
                # Of those that wait beside one that failed for good none is begun; what comes after them is a later try,
                # which may succeed.
                if self.stopped is not None:
                    raise type(self.stopped)(*self.stopped.args)
                answer = await self._ask(question)
            self.stopped = None
            return answer
        except JudgeError as error:
            self.stopped = error
            raise
        finally:
            self.busy -= 1
            if not self.busy:
                self.stopped = None

    async def _ask(self, question: Question[T]) -> Answer[T]:
        self.ledger.book(question.task, asked=1)
        key, shown = await self._key(question)
        if (stored := self._stored(question, key)) is not None:
            self.ledger.book(question.task, cache_hits=1, answered=1)
            return Answer(question.read(stored))
        try:
            value = question.read(await self._fetched(question, key, shown))
        except (Unusable, RequestFailed) as error:
            return self._unscored(question, error)
        self.ledger.book(question.task, answered=1)
        self.lost = 0
        return Answer(value)

    async def _fetched(self, question: Question[Any], key: str, shown: tuple[str, ...]) -> dict[str, Any]:
        """`_fetch`, once for all who ask the same at the same time."""
        place = (self.folder or str(id(self)), key)
        while (fetch := _under_way().get(place)) is not None:
            self.ledger.book(question.task, shared=1)
            try:
                if (answer := await fetch.answer()) is not None:
                    return answer
            except (RequestFailed, JudgeError):
                # Another judge's server, key and budget are not this one's.
                if fetch.owner is self:
                    raise
            self.ledger.book(question.task, shared=-1)
            _end(place, fetch)  # it may have ended in this round of the loop, whose callbacks come later
        fetch = _under_way()[place] = _Fetch(self)
        fetch.task = asyncio.ensure_future(self._fetch(question, key, shown, fetch))
        fetch.task.add_done_callback(lambda _: _end(place, fetch))
        answer = await fetch.answer()
        assert answer is not None  # this one waits for it
        return answer

    async def _key(self, question: Question[Any]) -> tuple[str, tuple[str, ...]]:
        """Name of the answer in the cache, and how the judge is shown each medium ("": not at all)."""
        settings = self.settings
        shown: tuple[str, ...] = ()
        if question.media:
            sees = await providers.senses(settings)
            shown = tuple(media.shown(medium, sees) or "" for medium in question.media)
        bounds = f" {settings.max_frames} of {settings.max_frame_pixels}"
        # In a thread, since a video can take seconds to read.
        seen = [
            f"{how}{bounds * how.startswith('frames')}:{await asyncio.to_thread(medium.fingerprint)}"
            for how, medium in zip(shown, question.media, strict=False)
            if how
        ]
        # Everything in the request but the address: the same question to the same model has the same answer.
        asked = json.dumps(
            [
                settings.model,
                settings.temperature,
                settings.max_tokens,
                dict(settings.params),
                question.instructions,
                question.schema,
                question.text,
                seen,
                dict(question.params),
                question.draw,
            ],
            sort_keys=True,
        )
        return hashlib.sha256(asked.encode()).hexdigest(), shown

    def _stored(self, question: Question[Any], key: str) -> dict[str, Any] | None:
        stored = self.cache.get(key) if self.cache else None
        answer = stored.get("answer") if isinstance(stored, dict) else None
        if answer is None:
            return None
        try:
            question.read(answer)
        except Unusable:  # written by a version that read answers otherwise
            return None
        return answer

    async def _fetch(
        self, question: Question[Any], key: str, shown: tuple[str, ...], demand: Demand
    ) -> dict[str, Any]:
        """A usable answer as JSON, on disk before it is returned."""
        async with AsyncExitStack() as stack:
            if self.cache is not None:
                waited = await stack.enter_async_context(self.cache.claim(key))
                # Another process asked in the meantime.
                if waited and (stored := self._stored(question, key)) is not None:
                    self.ledger.book(question.task, cache_hits=1)
                    return stored
            messages = question.messages(await self._parts(question) if any(shown) else ())
            answer = await self._usable(question, messages, demand)
            if self.cache is not None:
                self.cache.put(key, {"answer": answer, "task": question.task, "model": self.settings.model})
            return answer

    async def _parts(self, question: Question[Any]) -> list[list[dict[str, Any]]]:
        sees, as_file = await providers.senses(self.settings), await self.sender.takes_files()

        def build() -> list[list[dict[str, Any]]]:
            return [
                media.parts(
                    medium,
                    sees,
                    as_file=as_file,
                    max_frames=self.settings.max_frames,
                    max_frame_pixels=self.settings.max_frame_pixels,
                )
                for medium in question.media
            ]

        return await asyncio.to_thread(build)

    async def _usable(
        self, question: Question[Any], messages: list[dict[str, Any]], demand: Demand
    ) -> dict[str, Any]:
        left = self.settings.max_reasks
        while True:
            reply = await self.sender.reply(messages, question, demand)
            try:
                if reply.finish == "refusal":
                    raise Unusable("refusal")
                if reply.finish == "content_filter":
                    raise Unusable("content_policy")
                answer = self._read(reply, question)
                question.read(answer)
                return answer
            except Unusable as error:
                if not left or error.reason in _FINAL:
                    raise
                left -= 1
                self.ledger.book(question.task, retried=error.reason)

    def _read(self, reply: Reply, question: Question[Any]) -> dict[str, Any]:
        """What is kept of a reply: JSON, or a `Text`."""
        cut = reply.finish in ("length", "max_tokens")
        if question.schema is None:
            text = without_keys(without_thoughts(reply.text))
            return {"text": text, "finish": "length" if cut else "stop", "tokens": reply.output_tokens}
        if cut:
            most = question.params.get("max_tokens", self.settings.max_tokens)
            raise Unusable("truncated", f"max_tokens={most} did not suffice")
        return without_keys_in(json_object(without_keys(reply.text)))

    def _unscored(self, question: Question[Any], error: Unusable | RequestFailed) -> Answer[Any]:
        self.lost += 1
        self.ledger.book(question.task, unscored=error.reason)
        count = self.ledger.unscored[error.reason]
        message = redact(str(error))[:500]
        # Aloud the first, the tenth, the hundredth ...: a log that fills hides the training.
        logger.log(
            logging.WARNING if str(count).rstrip("0") == "1" else logging.INFO,
            "unscored (%d so far for this reason; task %s): %s",
            count,
            question.task,
            message,
        )
        patience = self.settings.patience
        if error.reason in _AWAY and not self.ledger.answered and self.ledger.calls >= _FIRST_PATIENCE:
            # A server that was never there: a short run would end before it lost its patience.
            patience = min(patience, _FIRST_PATIENCE)
        if self.lost >= patience:
            never = (
                " It has answered nothing yet: is its address (api_base) right?"
                if not self.ledger.answered
                else ""
            )
            raise JudgeDown(
                f"{self.settings.model}: no usable answer to {self.lost} questions in a row (patience={patience}), "
                f"the last: {message}. Nothing was scored in their place, and earlier answers are cached.{never} {self.ledger}"
            )
        return Answer(reason=error.reason)


def _end(place: tuple[str, str], fetch: _Fetch) -> None:
    if _under_way().get(place) is fetch:
        del _under_way()[place]
    if not fetch.task.cancelled():
        fetch.task.exception()  # all who asked may be gone, and then it is nobody's


@atexit.register
def _drop() -> None:
    """Ends the requests that nobody waits for, which libraries would else report at the process's end. Runs before
    connections are closed."""

    async def drop() -> None:
        await asyncio.sleep(0.01)  # a cancellation that has just been made takes some rounds of the loop
        dropped = [fetch.task for fetch in _under_way().values() if not fetch.askers]
        for task in dropped:
            task.cancel()
        await asyncio.gather(*dropped, return_exceptions=True)

    if _under_way.made():
        with suppress(TimeoutError):
            background.submit(drop()).result(timeout=5)
