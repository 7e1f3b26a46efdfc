"""What a trainer knows of itself for the card of its model, which `vidalign.report.model_card` writes."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from numbers import Real
from pathlib import Path
from typing import Any

from trl.data_utils import extract_prompt

from vidalign.families.modules import unwrap
from vidalign.generate import Sampling
from vidalign.generate.hub import commit_of
from vidalign.provenance import versions
from vidalign.report.model_card import FILES, Example, TrainedModel
from vidalign.rows import media_of, without_nulls
from vidalign.trainers import _trl
from vidalign.trainers.config import sampling_of
from vidalign.trainers.incoming import columns_of
from vidalign.trainers.online.rewarding import judges_asked

PACKAGES = ("vidalign", "trl", "transformers", "torch", "accelerate", "peft", "datasets", "av")
PURPOSES = {
    "preference": "prefer the chosen of two responses to {what} over the rejected one",
    "supervised": "respond to {what} as the rows of its dataset do",
    "ranked": "rank the responses of a chain to {what} from the best to the worst",
    "online": "respond to {what} so that rewards come out high ({rewards})",
}
"""By kind of rows (`vidalign.rows.COMPLETIONS`)."""
_ARTICLES = {"video": "a video", "image": "an image", "audio": "a sound"}
GREEDY = Sampling(max_new_tokens=512)
_LOOKED_AT = 1000  # rows
_TRIED = 8  # prompts
_COUNTERS = (
    "epoch",
    "step",
    "learning_rate",
    "num_tokens",
    "num_input_tokens_seen",
    "total_flos",
    "step_time",
)
_PROMPTS = ("prompt", "prompts", "messages", "chosen", "rejected", "tools", "chat_template_kwargs")


def trained_model(
    trainer: Any,
    *,
    model_name: str | None = None,
    dataset_name: str | None = None,
    tags: str | Sequence[str] | None = None,
    results: Sequence[Any] = (),
) -> TrainedModel:
    """The card of what `trainer` has trained so far. The arguments are those of TRL's `create_model_card`, and results of
    evaluations (huggingface_hub's `EvalResult`)."""
    args, media = trainer.args, trainer._media
    adapted = trainer.accelerator.unwrap_model(trainer.model)
    model = unwrap(adapted)
    config = model.config
    rewards = _rewards(trainer)
    what = " or ".join(_ARTICLES[kind] for kind in media) or "a prompt"
    further = [tags] if isinstance(tags, str) else list(tags or ())
    named = [tag for tag in [*trainer._tag_names, *further] if tag != "video" or "video" in media]
    return TrainedModel(
        name=model_name or (trainer.hub_model_id or Path(args.output_dir).resolve().name).split("/")[-1],
        purpose=PURPOSES[trainer._kind].format(what=what, rewards=rewards),
        method=trainer._name,
        paper=trainer._paper,
        base=config._name_or_path or None,
        base_on_hub=commit_of(config._name_or_path, (args.model_init_kwargs or {}).get("revision"))
        is not None,
        dataset=dataset_name,
        media=media,
        adapter=hasattr(adapted, "peft_config"),
        hub_id=trainer.hub_model_id,
        example=trainer._example,
        decoding=_decoding(args) if trainer._kind == "online" else GREEDY,
        sampling=sampling_of(args) if media else None,
        known_family=trainer._family is not None,
        facts=_facts(trainer, model, rewards),
        figures=_figures(trainer.state.log_history),
        results=results,
        tags=tuple(named),
    )


def write_card(trainer: Any, **given: Any) -> None:
    """`README.md` beside the model. given: as `trained_model`."""
    path = Path(trainer.args.output_dir, "README.md")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(trained_model(trainer, **given).text(), encoding="utf-8")


def media_kinds(dataset: Any) -> tuple[str, ...]:
    """Kinds of media that a dataset has columns for."""
    columns = [column.removeprefix("vidalign_") for column in columns_of(dataset)]
    return tuple(kind for kind in FILES if kind in columns or f"{kind}s" in columns)


def example_of(dataset: Any, chat_template_kwargs: Mapping[str, Any] | None = None) -> Example | None:
    """The prompt that most of the first rows have, as they have it. None of a stream, which is not to be read ahead of
    training, and of rows without a prompt."""
    if not hasattr(dataset, "select_columns") or not hasattr(dataset, "__len__"):
        return None
    columns, dataset = columns_of(dataset), dataset.with_format(None)
    table = dataset.select_columns([name for name in _PROMPTS if name in columns])
    found: Counter[str] = Counter()
    first: dict[str, int] = {}
    for number, row in enumerate(table.select(range(min(len(table), _LOOKED_AT)))):
        if (own := _asked(row)) is not None:
            key = json.dumps(own, sort_keys=True, default=str)
            found[key] += 1
            first.setdefault(key, number)
    if not found:
        return None
    by_count = found.most_common(_TRIED)
    examples = [_example(dataset, table, first[key], (count, found.total())) for key, count in by_count]
    # Rows of text among rows with media say little of the model.
    example = next((one for one in examples if any(one.media.values())), examples[0])
    options = {**(chat_template_kwargs or {}), **(example.row.get("chat_template_kwargs") or {})}
    return replace(example, row={**example.row, "chat_template_kwargs": options}) if options else example


def _example(dataset: Any, table: Any, number: int, share: tuple[int, int]) -> Example:
    whole = {name.removeprefix("vidalign_"): value for name, value in dataset[number].items()}
    return Example(_asked(table[number]) or {}, {kind: len(media_of(whole, kind)) for kind in FILES}, share)


def _asked(row: Mapping[str, Any]) -> dict[str, Any] | None:
    """What of a row the model's input is made of, besides media."""
    prompt = row.get("prompt")
    if prompt is None and row.get("prompts"):
        prompt = row["prompts"][0]
    elif prompt is None and row.get("messages"):
        prompt = row["messages"][:-1]
    elif prompt is None and isinstance(row.get("chosen"), list) and isinstance(row.get("rejected"), list):
        prompt = extract_prompt({"chosen": row["chosen"], "rejected": row["rejected"]})["prompt"]
    if not prompt:
        return None
    further = {name: row[name] for name in ("tools", "chat_template_kwargs") if row.get(name)}
    return {"prompt": without_nulls(prompt, keep=("arguments",)), **without_nulls(further)}


def _decoding(args: Any) -> Sampling:
    return Sampling(
        args.temperature, args.top_p, args.top_k or 0, args.max_completion_length or GREEDY.max_new_tokens
    )


def _facts(trainer: Any, model: Any, rewards: str | None) -> dict[str, Any]:
    args, state = trainer.args, trainer.state
    paper = trainer._paper
    link = f" ([{paper['id']}](https://huggingface.co/papers/{paper['id']}))" if paper.get("id") else ""
    losses = getattr(args, "loss_type", None) or []
    penalty = getattr(args, "repetition_penalty", None)
    media = {
        "frames": f"{args.video_fps} a second" if args.video_fps else f"{args.video_num_frames} a video",
        "most frames a video": args.video_max_frames,
        "most pixels a frame": args.video_max_pixels,
        "most pixels a video": args.video_total_pixels,
        "most tokens a video": args.video_total_tokens,
        "most seconds a video": args.max_video_seconds,
        "sound of videos": _sound(args),
    }
    return {
        "method": trainer._name,
        "paper": f"{paper['title']}{link}" if paper.get("title") else None,
        "recipe": args.recipe,
        "loss": ", ".join([losses] if isinstance(losses, str) else losses) or None,
        "rewards": rewards,
        "judges": _judges(trainer),
        "responses a prompt": getattr(args, "num_generations", None),
        "min-p of responses": getattr(args, "min_p", None),
        "repetition penalty of responses": penalty if penalty != 1.0 else None,
        "model class": f"{type(model).__name__} of transformers",
        "model family": trainer._family.name if trainer._family else None,
        "training rows": (
            len(trainer.train_dataset) if hasattr(trainer.train_dataset, "__len__") else "streamed"
        ),
        **(media if trainer._has_media else {}),
        "frozen": ", ".join(args.freeze) or None,
        "shared prefix": "yes" if args.share_prefix else "no",
        "learning rate": args.learning_rate,
        "rows a step": args.per_device_train_batch_size * args.gradient_accumulation_steps * args.world_size,
        "steps": state.global_step,
        "epochs": f"{state.epoch:.3g}" if state.epoch else None,
        "seed": args.seed,
        "tracked at": ", ".join(_trl.tracked_at()) or None,
        "versions": versions(PACKAGES),
    }


def _figures(history: Sequence[Mapping[str, Any]]) -> dict[str, tuple[float, float]]:
    """The first and last value of what was logged, without counters and times."""
    found: dict[str, tuple[float, float]] = {}
    for entry in history:
        for name, value in entry.items():
            counts = name in _COUNTERS or name.startswith(("train_", "judge/", "profiling/"))
            if isinstance(value, Real) and not counts and not name.endswith(("_runtime", "_per_second")):
                found[name] = (found.get(name, (float(value),))[0], float(value))
    return found


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
