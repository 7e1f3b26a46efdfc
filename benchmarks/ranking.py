"""One step on caption chains: our shared prefix, our separate rows, and stock TRL's DPO on the same chains as pairs.

    python benchmarks/ranking.py                   # CPU, float32; a smaller model for 8,000 tokens, so that they end
    python benchmarks/ranking.py --device cuda     # bf16

Stock TRL has no chains: it gets each as its K - 1 adjacent pairs, all in one batch, and encodes every caption but the
ends twice, each with the video. The ideal is the ratio of tokens: K(P + R) / (P + KR) for separate rows, 2(K - 1)(P + R) /
(P + KR) for pairs. The rows hold the frames as `images`, because stock TRL has no video. A step is forward, reference
forward, backward and optimiser step; activation memory is the peak above model, reference, gradients and optimiser
state. The best caption's log-prob of the first step is printed: it must be the same in each.
"""

from __future__ import annotations

import argparse
import gc
import tempfile
from itertools import pairwise

from _machine import describe
from _steps import Step, dataset, measure, prompts_with_responses, where, write_model
from trl import DPOConfig, DPOTrainer

from vidalign.trainers.ranking import RankingConfig, RankingTrainer


def compare(folder: str, prefix: int, length: int) -> None:
    [row] = prompts_with_responses(prefix, OPTIONS.response, length, 1)
    said = row.pop("responses")
    chain = dataset([{**row, "ranked": said}])
    common = {"device": OPTIONS.device}
    ranking = (RankingTrainer, RankingConfig, folder, chain)
    steps = {
        "ours, separate rows": Step(*ranking, share_prefix=False, logged="logps/rank_1", **common),
        "ours, shared prefix": Step(*ranking, logged="logps/rank_1", **common),
    }
    if OPTIONS.stock:
        adjacent = [{**row, "chosen": better, "rejected": worse} for better, worse in pairwise(said)]
        steps["stock TRL, adjacent pairs"] = Step(DPOTrainer, DPOConfig, folder, dataset(adjacent), **common)
    measure(steps, OPTIONS.repeats)
    separate, shared = steps["ours, separate rows"], steps["ours, shared prefix"]
    prompt = separate.tokens() / length - OPTIONS.response
    packed = prompt + length * OPTIONS.response
    rows = {"ours, separate rows": length, "stock TRL, adjacent pairs": 2 * (length - 1)}
    memory = {name: step.activation_bytes() for name, step in steps.items()}
    for name, step in steps.items():
        faster, ideal = (
            step.seconds() / shared.seconds(),
            rows.get(name, 0) * (prompt + OPTIONS.response) / packed,
        )
        compared = (
            f"{faster:7.2f} {ideal:6.2f} {faster / ideal:8.2f}" if ideal else f"{'-':>7} {'-':>6} {'-':>8}"
        )
        logp = step.logp if "stock" not in name else float("nan")  # a mean over its pairs' better captions
        print(
            f"{prompt:7.0f} {length:2d} {name:<26} {logp:10.3f} {step.seconds():8.2f} {compared} "
            f"{memory['ours, shared prefix'] / memory[name]:7.2f} "
            f"{memory[name] / 2**20:7.0f}",
            flush=True,
        )
    del steps, separate, shared
    gc.collect()


def main() -> None:
    global OPTIONS
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--prefix", type=int, nargs="+", default=[500, 2000, 8000])
    parser.add_argument("--length", type=int, nargs="+", default=[5, 8], help="captions of a chain")
    parser.add_argument("--response", type=int, default=200, help="tokens of a caption")
    parser.add_argument("--repeats", type=int, default=3, help="timed steps")
    parser.add_argument(
        "--tiny-above",
        type=int,
        help="a tiny model for prefixes above this (default: 4000 on a CPU, else none)",
    )
    parser.add_argument(
        "--stock", action=argparse.BooleanOptionalAction, default=True, help="stock TRL's pairs too"
    )
    OPTIONS = parser.parse_args()
    limit = OPTIONS.tiny_above or (4000 if OPTIONS.device == "cpu" else 2**30)
    print(
        f"Qwen2.5-VL, {where(OPTIONS.device)}\n{describe()}\n"
        f"One chain a step, captions of {OPTIONS.response} tokens; how much faster the shared prefix is, and its memory"
    )
    for size in ("smaller", "tiny"):
        prefixes = [prefix for prefix in OPTIONS.prefix if (prefix > limit) == (size == "tiny")]
        with tempfile.TemporaryDirectory() as folder:
            if prefixes:
                print(
                    f"\n{write_model(folder, size) / 1e6:.1f}M parameters\n"
                    f"{'prefix':>7} {'K':>2} {'method':<26} {'logp':>10} {'s/step':>8} {'faster':>7} {'ideal':>6} "
                    f"{'of ideal':>8} {'memory':>7} {'MB':>7}"
                )
            for prefix in prefixes:
                for length in OPTIONS.length:
                    compare(folder, prefix, length)


OPTIONS: argparse.Namespace

if __name__ == "__main__":
    main()
