"""One DPO step: stock TRL, our separate rows, our shared prefix, on the same rows and the same model.

    python benchmarks/shared_prefix.py                      # CPU, float32; about half an hour on two cores
    python benchmarks/shared_prefix.py --device cuda        # bf16, the attention backends side by side

The rows hold the frames as `images`, because stock TRL has no video: so all three see the same tokens and must give
the same log-probs; the chosen response's is printed (the first step's loss is log 2 whatever one does). A step is
forward, reference forward, backward and optimiser step of a batch that the trainer's own collator made; collation is
not timed. Activation memory is the peak of allocated tensors during forward and backward, above model, reference,
gradients and optimiser state. Then SynPO's step against DPO's.
"""

from __future__ import annotations

import argparse
import gc
import tempfile

from _machine import describe
from _steps import Step, dataset, measure, prompts_with_responses, where, write_model
from trl import DPOConfig, DPOTrainer

from vidalign.trainers.dpo import VideoDPOConfig, VideoDPOTrainer
from vidalign.trainers.synpo import SynPOConfig, SynPOTrainer


def pairs(prefix: int) -> list[dict]:
    rows = prompts_with_responses(prefix, OPTIONS.response, 2, OPTIONS.pairs)
    return [
        {"images": row["images"], "prompt": row["prompt"], "chosen": chosen, "rejected": rejected}
        for row in rows
        for chosen, rejected in [row["responses"]]
    ]


def compare_prefixes(folder: str) -> None:
    backends = OPTIONS.backends or (["sdpa", "flex"] if OPTIONS.device == "cuda" else ["sdpa"])
    print(
        f"\nDPO, {OPTIONS.pairs} pair(s) a step, responses of {OPTIONS.response} tokens, ratios to stock TRL"
    )
    header = (
        f"{'prefix':>7} {'method':<34} {'logp':>10} {'s/step':>8} {'faster':>7} {'ideal':>6} {'of ideal':>8}"
    )
    print(f"{header} {'activations MB':>15} {'ratio':>6}")
    for prefix in OPTIONS.prefix:
        rows = dataset(pairs(prefix))
        common = {"checkpointing": prefix > OPTIONS.checkpoint_above, "device": OPTIONS.device}
        steps = {"stock TRL": Step(DPOTrainer, DPOConfig, folder, rows, **common)}
        if OPTIONS.separate:
            steps["ours, separate rows"] = Step(
                VideoDPOTrainer, VideoDPOConfig, folder, rows, share_prefix=False, **common
            )
        for backend in backends:
            name = "ours, shared prefix" + (f" ({backend})" if len(backends) > 1 else "")
            steps[name] = Step(
                VideoDPOTrainer, VideoDPOConfig, folder, rows, prefix_attention=backend, **common
            )
        # A step at 8,000 tokens takes minutes on a CPU: its first one has to do.
        measure(steps, 0 if common["checkpointing"] else OPTIONS.repeats)
        stock = steps["stock TRL"]
        responses = 2 * OPTIONS.pairs * OPTIONS.response
        prompt = (stock.tokens() - responses) / (2 * OPTIONS.pairs)
        ideal = 2 * (prompt + OPTIONS.response) / (prompt + 2 * OPTIONS.response)
        memory = {name: step.activation_bytes() if OPTIONS.memory else 0 for name, step in steps.items()}
        for name, step in steps.items():
            faster = stock.seconds() / step.seconds()
            name_shown = f"{name}, checkpointing" if common["checkpointing"] else name
            shown = ideal if "shared" in name else 1.0
            print(
                f"{prompt:7.0f} {name_shown:<34} {step.logp:10.3f} {step.seconds():8.3f} {faster:7.2f} {shown:6.2f} "
                f"{faster / shown:8.2f} {memory[name] / 2**20:15.0f} {memory[name] / max(memory['stock TRL'], 1):6.2f}",
                flush=True,
            )
        del steps, stock
        gc.collect()


def compare_methods(folder: str) -> None:
    print("\nSynPO against DPO, both ours, full model")
    print(
        f"{'prefix':>7} {'method':<10} {'s/step':>8} {'faster':>7} {'weights MB':>11} {'activations MB':>15}"
    )
    for prefix in OPTIONS.method_prefix:
        rows = dataset(pairs(prefix))
        steps = {
            "DPO": Step(VideoDPOTrainer, VideoDPOConfig, folder, rows, device=OPTIONS.device),
            "SynPO": Step(SynPOTrainer, SynPOConfig, folder, rows, device=OPTIONS.device),
        }
        measure(steps, OPTIONS.repeats)
        for name, step in steps.items():
            print(
                f"{prefix:7d} {name:<10} {step.seconds():8.3f} {steps['DPO'].seconds() / step.seconds():7.2f} "
                f"{step.state_bytes() / 2**20:11.0f} {step.activation_bytes() / 2**20:15.0f}",
                flush=True,
            )


def main() -> None:
    global OPTIONS
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--prefix", type=int, nargs="*", default=[100, 500, 2000, 8000])
    parser.add_argument(
        "--method-prefix", type=int, nargs="*", default=[2000], help="prefixes for SynPO against DPO"
    )
    parser.add_argument("--response", type=int, default=200, help="tokens of a response")
    parser.add_argument("--pairs", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=3, help="timed steps; one with checkpointing")
    parser.add_argument(
        "--checkpoint-above",
        type=int,
        default=4000,
        help="gradient checkpointing (TRL's default) for prefixes above this; below, it is off for all methods",
    )
    parser.add_argument(
        "--separate", action=argparse.BooleanOptionalAction, default=True, help="our separate rows too"
    )
    parser.add_argument(
        "--memory",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="measure activations (one more step)",
    )
    parser.add_argument("--backends", nargs="+", choices=("sdpa", "flex", "flash"))
    OPTIONS = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        size = write_model(folder)
        print(f"Qwen2.5-VL, {size / 1e6:.1f}M parameters, {where(OPTIONS.device)}\n{describe()}")
        if OPTIONS.prefix:
            compare_prefixes(folder)
        if OPTIONS.method_prefix:
            compare_methods(folder)


OPTIONS: argparse.Namespace

if __name__ == "__main__":
    main()
