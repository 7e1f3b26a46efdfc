import json

import pytest

# What the scripted judge puts in place of what, in this order: none of the latter is one of the former, and no two in a
# row stand side by side.
SWAPS = {
    "red": "blue", "runs": "sleeps", "tall": "tiny", "park": "kitchen", "dog": "cat", "two": "five", "night": "noon",
}  # fmt: skip


def text_of(number):
    return (
        f"A red dog runs past two tall cars in a park at night near house number {number}, and a bell rings."
    )


def degraded(caption, swaps=1):
    """The caption with so many further errors."""
    for word, other in SWAPS.items():
        if f" {word} " in caption and swaps:
            caption, swaps = caption.replace(f" {word} ", f" {other} ", 1), swaps - 1
    return caption


def answer(caption, possible=True):
    return json.dumps({"possible": possible, "caption": caption})


def good(data):
    changed = degraded(data["caption"])
    return answer(changed, possible=changed != data["caption"])


@pytest.fixture
def first():
    return text_of


class Degrader:
    """A judge over HTTP that degrades by `SWAPS`. `behave(data)` gets the question's data; `asked` holds it."""

    def __init__(self, module, delay=0.0):
        self.module, self.behave = module, good
        self.server = module.JudgeServer(
            lambda number, body: self.behave(module.data_of(body)), delay=delay
        ).start()

    @property
    def asked(self):
        return [self.module.data_of(request.body) for request in list(self.server.requests)]


@pytest.fixture
def start_degrader(judge_server):
    started = []

    def start(delay=0.0):
        started.append(Degrader(judge_server, delay))
        return started[-1]

    yield start
    for script in started:
        script.server.stop()


@pytest.fixture
def degrader(start_degrader):
    return start_degrader()


@pytest.fixture
def chains(cli):
    cli.kind = "chains"
    return cli


@pytest.fixture
def behaviours():
    """Judges by what they do wrong: data of a question -> the answer's text."""

    def reverts(data):
        if not data["earlier"]:
            return good(data)
        last = data["earlier"][-1]
        return answer(degraded(data["caption"]).replace(f" {last['after']} ", f" {last['before']} "))

    return {
        "good": good,
        "rejects": lambda data: answer(data["caption"], possible=False),
        "garbage": lambda data: "What a lovely caption!",
        "two": lambda data: answer(degraded(data["caption"], 2)),
        "same": lambda data: answer(data["caption"]),
        "reverts": reverts,
        "shortens": lambda data: answer(" ".join(data["caption"].split()[:5])),
        "denies": lambda data: answer(data["caption"].replace("two", "no")),
    }
