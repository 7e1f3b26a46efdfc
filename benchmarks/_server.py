"""A judge that benchmarks ask: OpenAI's protocol in a process of its own, with a latency, and as little work a request as
possible, since it shares the machine."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

Respond = Callable[[bytes], Any]
"""The body of a request -> the answer, as JSON."""


class Server(asyncio.Protocol):
    def __init__(self, respond: Respond, latency: float) -> None:
        self.respond, self.latency = respond, latency

    def connection_made(self, transport: Any) -> None:
        self.transport, self.waiting = transport, b""

    def data_received(self, data: bytes) -> None:
        self.waiting += data
        while (end := self.waiting.find(b"\r\n\r\n")) >= 0:
            length = re.search(rb"(?i)content-length: *(\d+)", self.waiting[:end])
            assert length is not None
            last = end + 4 + int(length[1])
            if len(self.waiting) < last:
                return
            body, self.waiting = self.waiting[end + 4 : last], self.waiting[last:]
            answer = completion(self.respond(body))
            asyncio.get_running_loop().call_later(self.latency, self.transport.write, answer)


def completion(answer: Any) -> bytes:
    """An HTTP response with a chat completion."""
    message = {"role": "assistant", "content": json.dumps(answer)}
    content = json.dumps(
        {
            "id": "x",
            "object": "chat.completion",
            "created": 1,
            "model": "judge",
            "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
            "usage": {"prompt_tokens": 1500, "completion_tokens": 200, "total_tokens": 1700},
        }
    ).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    return head.encode() + content


def data_of(body: bytes) -> dict[str, Any]:
    """The material of a question."""
    data: dict[str, Any] = json.loads(json.loads(body)["messages"][-1]["content"].split("\n")[1])
    return data


async def serve(latency: float, respond: Respond) -> None:
    """Prints its address, and answers until it is ended."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Server(respond, latency), "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", flush=True)
    await server.serve_forever()


def started(script: str, latency: float) -> tuple[subprocess.Popen[str], str]:
    """`script --serve LATENCY`, which calls `serve`, and its address."""
    command = [sys.executable, script, "--serve", str(latency)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, process.stdout.readline().strip()
