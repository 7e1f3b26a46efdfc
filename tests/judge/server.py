"""A judge server that tests start: OpenAI's chat protocol over real HTTP, with what goes wrong on request."""

import asyncio
import json
import math
import threading
import time
from dataclasses import dataclass, field

from aiohttp import web


def completion(text, *, finish="stop", refusal=None, usage=(100, 20)):
    """The body of a chat completion."""
    return {
        "id": "chatcmpl-test",
        "object": "chat.completion",
        "created": 1,
        "model": "judge",
        "choices": [
            {
                "index": 0,
                "finish_reason": finish,
                "message": {"role": "assistant", "content": text, "refusal": refusal},
            }
        ],
        "usage": {"prompt_tokens": usage[0], "completion_tokens": usage[1], "total_tokens": sum(usage)},
    }


def data_of(body):
    """The material of a question, out of the request that put it."""
    content = body["messages"][-1]["content"]
    if not isinstance(content, str):
        content = content[-1]["text"]
    return json.loads(content.split("\n", 1)[1].rsplit("\n", 1)[0])


def all_true(body):
    """Whatever is asked for with verdicts is granted."""
    data = data_of(body)
    if "keypoints" in data:
        return json.dumps({"verdicts": [{"index": k["index"], "mentioned": True} for k in data["keypoints"]]})
    return json.dumps({"verdicts": [{"index": p["index"], "same": True} for p in data["pairs"]]})


def until(condition, seconds=300):
    """Waits for what must come to be; the bound ends a test that would hang."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.005)


def in_time(work):
    """The result of `work`, which would not end at all, or after an hour, if what is tested were missing."""
    return asyncio.run(asyncio.wait_for(work, 300))


@dataclass
class Request:
    at: float
    headers: dict
    body: dict


@dataclass
class JudgeServer:
    """`behave(number, body)` says what request `number` (from 0) gets: a string (the answer's text), a dict (the body of a
    200), a web.Response, an exception class to drop the connection with, bytes to send half of before it drops, or an async
    function of aiohttp's request that answers it. Requests from number `held_from` on wait until it is raised."""

    behave: object = staticmethod(lambda number, body: all_true(body))
    delay: float = 0.0
    held_from: float = math.inf
    requests: list = field(default_factory=list)
    most_at_once: int = 0
    _at_once: int = 0

    def start(self):
        ready = threading.Event()

        def serve():
            self.loop = asyncio.new_event_loop()
            asyncio.set_event_loop(self.loop)
            app = web.Application(client_max_size=2**28)
            app.router.add_post("/v1/chat/completions", self._answer)
            app.router.add_post("/v1/messages", self._anthropic)
            self.runner = web.AppRunner(app, shutdown_timeout=0.1)
            self.loop.run_until_complete(self.runner.setup())
            site = web.TCPSite(self.runner, "127.0.0.1", 0)
            self.loop.run_until_complete(site.start())
            self.port = site._server.sockets[0].getsockname()[1]
            ready.set()
            self.loop.run_forever()

        threading.Thread(target=serve, daemon=True).start()
        assert ready.wait(10)
        return self

    def stop(self):
        asyncio.run_coroutine_threadsafe(self._end(), self.loop).result(60)
        self.loop.call_soon_threadsafe(self.loop.stop)

    async def _end(self):
        await self.runner.cleanup()
        unanswered = asyncio.all_tasks() - {asyncio.current_task()}
        for task in unanswered:
            task.cancel()
        await asyncio.gather(*unanswered, return_exceptions=True)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/v1"

    async def _behaviour(self, request):
        body = await request.json()
        number = len(self.requests)
        self.requests.append(Request(time.monotonic(), dict(request.headers), body))
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            await asyncio.sleep(self.delay)
            while number >= self.held_from:
                await asyncio.sleep(0.005)
        finally:
            self._at_once -= 1
        return self.behave(number, body)

    async def _answer(self, request):
        what = await self._behaviour(request)
        if isinstance(what, str):
            return web.json_response(completion(what))
        if isinstance(what, dict):
            return web.json_response(what)
        if isinstance(what, bytes):
            response = web.StreamResponse(headers={"Content-Length": str(2 * len(what))})
            await response.prepare(request)
            await response.write(what)
            request.transport.abort()
            return response
        if isinstance(what, type):
            request.transport.abort()
            raise what
        return await what(request) if callable(what) else what

    async def _anthropic(self, request):
        """Anthropic's protocol: a provider that is not OpenAI."""
        what = await self._behaviour(request)
        if callable(what):
            return await what(request)
        if not isinstance(what, str):
            return what
        return web.json_response(
            {
                "id": "msg",
                "type": "message",
                "role": "assistant",
                "model": "claude",
                "content": [{"type": "text", "text": what}],
                "stop_reason": "end_turn",
                "usage": {"input_tokens": 100, "output_tokens": 20},
            }
        )
