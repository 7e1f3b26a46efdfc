"""The part of a model card that TRL does not write: recipe, data, media settings, versions."""

from __future__ import annotations

from typing import Any

from vidalign.provenance import versions
from vidalign.trainers.online.rewarding import judges_asked

HEADING = "## How it was trained"
PACKAGES = ("vidalign", "trl", "transformers", "torch", "accelerate", "peft", "datasets", "av")


def append_details(path: str, trainer: Any) -> None:
    """Adds the section to the card at `path`, which TRL has just written."""
    args = trainer.args
    paper = trainer._paper
    link = f" ([{paper['id']}](https://huggingface.co/papers/{paper['id']}))" if paper.get("id") else ""
    rows: list[tuple[str, Any]] = [
        ("method", trainer._name),
        ("paper", f"{paper['title']}{link}" if paper.get("title") else None),
        ("recipe", args.recipe),
        ("loss", getattr(args, "loss_type", None)),
        ("rewards", _rewards(trainer)),
        ("judges", _judges(trainer)),
        ("responses a prompt", getattr(args, "num_generations", None)),
        ("model family", trainer._family.name if trainer._family else None),
        (
            "training rows",
            len(trainer.train_dataset) if hasattr(trainer.train_dataset, "__len__") else "streamed",
        ),
        ("frames", f"{args.video_fps} a second" if args.video_fps else f"{args.video_num_frames} a video"),
        ("most frames a video", args.video_max_frames),
        ("most pixels a frame", args.video_max_pixels),
        ("most pixels a video", args.video_total_pixels),
        ("most tokens a video", args.video_total_tokens),
        ("most seconds a video", args.max_video_seconds),
        ("sound of videos", _sound(args)),
        ("frozen", ", ".join(args.freeze) or None),
        ("shared prefix", "yes" if args.share_prefix else "no"),
        ("learning rate", args.learning_rate),
        (
            "rows a step",
            args.per_device_train_batch_size * args.gradient_accumulation_steps * args.world_size,
        ),
        ("steps", trainer.state.global_step),
        ("seed", args.seed),
        ("versions", versions(PACKAGES)),
    ]
    if not trainer._has_media:
        rows = [row for row in rows if not row[0].startswith(("frames", "most ", "sound"))]
    table = "\n".join(f"| {name} | {value} |" for name, value in rows if value is not None)
    with open(path, encoding="utf-8") as file:
        text = file.read()
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"{text.rstrip()}\n\n{HEADING}\n\n| | |\n|---|---|\n{table}\n")


def _rewards(trainer: Any) -> str | None:
    names = getattr(trainer, "reward_func_names", [])
    weights = getattr(trainer.args, "reward_weights", None) or [1.0] * len(names)
    return " + ".join(f"{weight:g} x {name}" for name, weight in zip(names, weights, strict=True)) or None


def _judges(trainer: Any) -> str | None:
    asked = judges_asked(getattr(trainer, "reward_funcs", []))
    return "; ".join(dict.fromkeys(f"{task}: {judge.name}" for task, judge in asked)) or None


def _sound(args: Any) -> str | None:
    if not args.use_audio_in_video:
        return None
    return "with their frames" + ("; silence where there is none" if args.missing_audio == "silence" else "")
