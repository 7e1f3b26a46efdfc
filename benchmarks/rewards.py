"""What the rewards cost: alignment of dialogue, questions to a judge with 200 ms latency, and their import.

    python benchmarks/rewards.py [--completions 8] [--turns 64] [--questions 512] [--latency 0.2] [--at-once 64]

- DialogueReward over `--completions` captions of `--turns` turns against as many, the judge's answers in the disk cache, beside
  the same reward with an edit distance in pure Python; the results must be equal. Target: 20 times faster.
- `--questions` checklist questions through LLMJudge to an OpenAI-compatible server (a process of its own) that answers after
  `--latency` seconds, `--at-once` under way, beside a bare aiohttp client that posts the same bodies and keeps nothing, and
  beside litellm. Ideal: questions / at once * latency. Target: within 10% of it, and no call when asked again.
- `import vidalign.rewards` in a fresh interpreter. Target: 0.5 s, without torch, av, transformers and litellm.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

from _machine import describe
from _server import data_of, serve, started

from vidalign.judge import LLMJudge, run_sync
from vidalign.judge.tasks import checklist
from vidalign.rewards import DialogueReward, dialogue

WORDS = [
    "the",
    "old",
    "house",
    "by",
    "river",
    "was",
    "sold",
    "last",
    "week",
    "and",
    "nobody",
    "told",
    "me",
    "why",
    "so",
    "we",
    "went",
    "there",
    "at",
    "night",
    "to",
    "see",
    "it",
]


def respond(body: bytes) -> Any:
    """What the server answers."""
    task = re.search(rb'"json_schema", "json_schema": \{"name": "(\w+)"', body)
    if task is not None and task[1] == b"dialogue":
        turns = re.findall(r'(\w+ \d) says, "([^"]*)"', data_of(body)["caption"])
        return {"turns": [{"speaker": speaker, "content": content} for speaker, content in turns]}
    key = "same" if task is not None and task[1] == b"speakers" else "mentioned"
    return {"verdicts": [{"index": index, key: index % 3 > 0} for index in range(1, 65)]}


# Dialogue


def pure_python_pairs(
    rows: list[str], columns: list[str], threshold: float
) -> dict[tuple[int, int], tuple[int, int]]:
    """`dialogue._similar_pairs` with the edit distance of the textbook."""
    found = {}
    for i, a in enumerate(rows):
        for j, b in enumerate(columns):
            row = list(range(len(b) + 1))
            for n, x in enumerate(a, 1):
                last, row[0] = row[0], n
                for m, y in enumerate(b, 1):
                    last, row[m] = row[m], min(row[m] + 1, row[m - 1] + 1, last + (x != y))
            longest = max(len(a), len(b)) or 1
            if row[-1] < longest and (longest - row[-1]) / longest >= threshold:
                found[i, j] = (longest, row[-1])
    return found


def conversation(rng: random.Random, turns: int) -> list[dict[str, str]]:
    return [
        {"speaker": f"speaker {n % 3}", "content": " ".join(rng.choices(WORDS, k=rng.randint(4, 12)))}
        for n in range(turns)
    ]


def misheard(rng: random.Random, turns: list[dict[str, str]]) -> list[dict[str, str]]:
    """The turns with some words changed, some turns left out and some made up."""
    heard = []
    for turn in turns:
        words = [rng.choice(WORDS) if rng.random() < 0.15 else word for word in turn["content"].split()]
        if rng.random() < 0.9:
            heard.append({**turn, "content": " ".join(words)})
        else:
            heard += conversation(rng, 1)
    return heard


def measure_dialogue(completions: int, turns: int, repeats: int) -> None:
    rng = random.Random(0)
    reference = conversation(rng, turns)
    heard = [misheard(rng, reference) for _ in range(completions)]
    captions = [" ".join(f'{t["speaker"]} says, "{t["content"]}"' for t in turns) for turns in heard]
    process, url = started(__file__, 0.0)
    try:
        with tempfile.TemporaryDirectory() as folder:
            judge = LLMJudge("openai/judge", api_base=url, cache_dir=folder)
            reward = DialogueReward(judge)

            def score() -> list[float | None]:
                return run_sync(reward(completions=captions, dialogue=[reference] * completions))

            score()  # fills the cache
            calls = judge.ledger.calls
            ours, values = best_of(score, repeats)
            kept = dialogue._similar_pairs
            try:
                dialogue._similar_pairs = pure_python_pairs
                theirs, expected = best_of(score, 1)
            finally:
                dialogue._similar_pairs = kept
            assert judge.ledger.calls == calls, "the judge's answers were not all cached"
            assert values == expected, "the results differ"
            asked = [reward.__class__(judge)(completions=captions, dialogue=[[]] * completions)]
            cached, _ = best_of(lambda: run_sync(asked.pop()), 1)
    finally:
        process.terminate()
    print(f"\nDialogueReward, {completions} captions x {turns} turns against {turns}, judge's answers cached")
    print(f"  pure-Python edit distance  {theirs * 1e3:9.1f} ms")
    print(
        f"  vidalign                   {ours * 1e3:9.1f} ms   {theirs / ours:.0f} x faster (target 20), equal results"
    )
    print(
        f"  of which finding the dialogue in the cache {cached * 1e3:.1f} ms; mean reward {statistics.fmean(values):.3f}"
    )


def best_of(function: Callable[[], Any], repeats: int) -> tuple[float, Any]:
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        result = function()
        times.append(time.perf_counter() - start)
    return min(times), result


# Questions


def measure_questions(count: int, latency: float, at_once: int, repeats: int) -> None:
    keypoints = [f"keypoint {n}: somebody does something to something else in the video" for n in range(20)]

    def questions(run: int) -> list[Any]:
        return [
            checklist.question(f"caption {n} of run {run}: " + " ".join(WORDS) * 8, keypoints)
            for n in range(count)
        ]

    ideal = -(-count // at_once) * latency
    print(
        f"\n{count} checklist questions, {latency * 1e3:.0f} ms latency, {at_once} under way: ideal {ideal:.3f} s"
    )
    process, url = started(__file__, latency)
    times: dict[str, list[float]] = {"vidalign": [], "bare aiohttp": [], "litellm": []}
    try:
        with tempfile.TemporaryDirectory() as folder:
            judge = LLMJudge("openai/judge", api_base=url, cache_dir=folder, max_concurrency=at_once)
            warm = LLMJudge("openai/judge", api_base=url, cache_dir="")
            warm.ask_sync(questions(-1)[:1])
            for run in range(repeats):
                asked = questions(run)
                start = time.perf_counter()
                answers = judge.ask_sync(asked)
                times["vidalign"].append(time.perf_counter() - start)
                assert all(answer.value is not None for answer in answers)
                bodies = [{"model": "judge", "messages": question.messages()} for question in questions(run)]
                times["bare aiohttp"].append(asyncio.run(bare(url, bodies, at_once)))
            times["litellm"].append(asyncio.run(with_litellm(url, bodies, at_once)))
            calls = judge.ledger.calls
            start = time.perf_counter()
            judge.ask_sync(questions(0))
            again = time.perf_counter() - start
            print(
                f"  calls for {count * repeats} questions: {calls}; asked again: {judge.ledger.calls - calls} calls, {again:.3f} s"
            )
    finally:
        process.terminate()
    for name, taken in times.items():
        middle = statistics.median(taken)
        print(
            f"  {name:14} {middle:7.3f} s   {middle / ideal:.3f} of ideal   ({', '.join(f'{t:.3f}' for t in taken)})"
        )


async def bare(url: str, bodies: list[Any], at_once: int) -> float:
    import aiohttp

    slots = asyncio.Semaphore(at_once)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def one(body: Any) -> Any:
            async with slots, session.post(f"{url}/chat/completions", json=body) as answer:
                return await answer.json()

        await one(bodies[0])
        start = time.perf_counter()
        await asyncio.gather(*map(one, bodies))
        return time.perf_counter() - start


async def with_litellm(url: str, bodies: list[Any], at_once: int) -> float:
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    import litellm

    litellm.suppress_debug_info = True
    slots = asyncio.Semaphore(at_once)

    async def one(body: Any) -> Any:
        async with slots:
            messages = body["messages"]
            return await litellm.acompletion(
                "openai/judge", messages, api_base=url, api_key="none", max_retries=0
            )

    await one(bodies[0])
    start = time.perf_counter()
    await asyncio.gather(*map(one, bodies))
    return time.perf_counter() - start


# Import


def measure_import(repeats: int) -> None:
    heavy = ["torch", "av", "transformers", "litellm", "aiohttp", "numpy"]
    code = (
        "import sys, time; start = time.perf_counter(); import vidalign.rewards; "
        f"print(time.perf_counter() - start, *[m for m in {heavy} if m in sys.modules])"
    )
    runs = [subprocess.check_output([sys.executable, "-c", code], text=True).split() for _ in range(repeats)]
    times = [float(run[0]) for run in runs]
    print(
        f"\nimport vidalign.rewards: {statistics.median(times):.3f} s (target 0.5); of {heavy} it loads {runs[0][1:]}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--completions", type=int, default=8)
    parser.add_argument("--turns", type=int, default=64)
    parser.add_argument("--questions", type=int, default=512)
    parser.add_argument("--latency", type=float, default=0.2, help="seconds")
    parser.add_argument("--at-once", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--serve", type=float, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve is not None:
        asyncio.run(serve(args.serve, respond))
        return
    print(describe(("rapidfuzz", "aiohttp", "litellm")))
    measure_import(5)
    measure_dialogue(args.completions, args.turns, args.repeats)
    measure_questions(args.questions, args.latency, args.at_once, args.repeats)


if __name__ == "__main__":
    main()
