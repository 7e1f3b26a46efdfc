import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from server import JudgeServer

import vidalign
from vidalign.judge import LLMJudge
from vidalign.judge.tasks import checklist
from vidalign.llm.sender import RequestSender


@pytest.fixture
def serve():
    """Starts a judge server: `serve(behave, delay=...)`."""
    started = []

    def start(behave=None, delay=0.0):
        given = {} if behave is None else {"behave": behave}
        started.append(JudgeServer(delay=delay, **given).start())
        return started[-1]

    yield start
    for server in started:
        server.stop()


@pytest.fixture
def judge(tmp_path):
    """An `LLMJudge` of a server, with a cache of the test's own."""

    def make(server, **settings):
        return LLMJudge(
            "openai/judge", api_base=server.url, **{"cache_dir": str(tmp_path / "cache"), **settings}
        )

    return make


@pytest.fixture
def ask():
    """A question, told apart by a number."""
    return lambda number=0: checklist.question(f"caption {number}", ["a dog barks", "a bell rings"])


@pytest.fixture
def sent(monkeypatch):
    """When each request was sent, in seconds: how long it takes to arrive is the machine's."""
    times, send = [], RequestSender._send

    async def timed(self, *args):
        times.append(time.monotonic())
        return await send(self, *args)

    monkeypatch.setattr(RequestSender, "_send", timed)
    return times


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Back-off is not waited for where it is not what is tested; nothing comes from the developer's environment."""
    import os

    monkeypatch.setattr("vidalign.llm.sender.backoff", lambda failures: 0.001)
    # For the programs that tests start.
    monkeypatch.setenv("PYTHONPATH", str(Path(vidalign.__file__).parent.parent))
    for name in list(os.environ):
        ours = ("VIDALIGN_JUDGE", "OPENAI_", "ANTHROPIC_")
        if name.startswith(ours) or name in ("WORLD_SIZE", "RANK") or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
