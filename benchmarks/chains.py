"""What building caption chains costs: how near `build_chains` comes to the judge's own speed, and what a second run asks.

    python benchmarks/chains.py [--rows 512] [--length 5] [--latency 0.2] [--at-once 64] [--repeats 3]

Rows with captions of about 60 words against an OpenAI-compatible server (a process of its own) that answers after `--latency`
seconds, `--at-once` questions under way. A chain's steps come one after the other, and chains grow side by side. Ideal:
ceil(rows / at once) * (length - 1) * latency, which is the time if a judge's slots are never empty but for the last chains
(512 rows, 4 errors, 64 at once: 6.4 s). Target: 0.9 of the ideal throughput. A second run, to another folder with the same
cache, makes no call.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from _machine import describe
from _server import data_of, serve, started

from vidalign.data.chains import build_chains
from vidalign.judge import LLMJudge

WORDS = "red two tall kitchen walks wooden behind night woman slowly left cup".split()  # noqa: SIM905


def caption(run: int, row: int) -> str:
    place = f"Seen in run {run}, clip {row}:"
    return (
        f"{place} a red dog and two tall trees stand in a kitchen where a woman walks slowly to the left with a cup. "
        + (
            "A wooden table stands behind the door at night, and then the camera zooms in on the hands of the chef while "
            "somebody puts three plates on the shelf and turns the light off."
        )
    )


def respond(body: bytes) -> Any:
    """The caption with one word changed that no earlier error has touched."""
    text = data_of(body)["caption"]
    word = next(word for word in WORDS if f" {word} " in text)
    return {"possible": True, "caption": text.replace(f" {word} ", f" other{word} ", 1)}


def measure(rows: int, length: int, latency: float, at_once: int, repeats: int) -> None:
    ideal = math.ceil(rows / at_once) * (length - 1) * latency
    questions = rows * (length - 1)
    print(
        f"\n{rows} chains of {length} captions, {questions} questions, {latency * 1e3:.0f} ms latency, {at_once} under way: "
        f"ideal {ideal:.2f} s, {questions / ideal:.0f} questions a second"
    )
    process, url = started(__file__, latency)
    shares = []
    try:
        with tempfile.TemporaryDirectory() as folder:
            judge = LLMJudge(
                "openai/judge", api_base=url, cache_dir=f"{folder}/cache", max_concurrency=at_once
            )
            # Loads what a judge needs, and connects.
            build_chains([{"caption": caption(-1, 0)}], f"{folder}/warm", judge, length=2)
            for run in range(repeats):
                given = [{"caption": caption(run, row)} for row in range(rows)]
                calls, start, worked = judge.ledger.calls, time.perf_counter(), time.process_time()
                built = build_chains(given, f"{folder}/{run}", judge, length=length)
                seconds, worked = time.perf_counter() - start, time.process_time() - worked
                calls = judge.ledger.calls - calls
                assert calls == questions and built.lengths == {length: rows}, (calls, built)
                shares.append(ideal / seconds)
                print(
                    f"  run {run}: {calls} calls, {seconds:.2f} s ({worked:.2f} s of a processor), {shares[-1]:.3f} of the "
                    "ideal throughput"
                )
            calls, start = judge.ledger.calls, time.perf_counter()
            build_chains(given, f"{folder}/again", judge, length=length)
            print(f"  again: {judge.ledger.calls - calls} calls, {time.perf_counter() - start:.2f} s")
            one, other = (Path(folder) / name / "train.jsonl" for name in (str(run), "again"))
            assert one.read_bytes() == other.read_bytes()
    finally:
        process.terminate()
    print(f"  median: {statistics.median(shares):.3f} of the ideal throughput (target 0.90)")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=512)
    parser.add_argument("--length", type=int, default=5)
    parser.add_argument("--latency", type=float, default=0.2, help="seconds")
    parser.add_argument("--at-once", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--serve", type=float, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve is not None:
        asyncio.run(serve(args.serve, respond))
        return
    print(describe(("rapidfuzz", "aiohttp", "litellm")))
    measure(args.rows, args.length, args.latency, args.at_once, args.repeats)


if __name__ == "__main__":
    main()
