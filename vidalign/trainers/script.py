"""`python -m vidalign.trainers.<method> --config recipe.yaml [--key value ...]`: what the entry points share."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from datasets import Dataset, DatasetDict, load_dataset
from trl import ModelConfig, ScriptArguments, TrlParser, get_peft_config, get_quantization_config

from vidalign.rows import dataset_folder

LOADERS = {".jsonl": "json", ".json": "json", ".parquet": "parquet", ".csv": "csv"}
_SPLIT = re.compile(r"\w+(\.\w+)*")  # as `datasets` names them
_PART = re.compile(r"-\d+-of-\d+$")


@dataclass
class RecipeArguments(ScriptArguments):
    """TRL's script arguments, and what a recipe says about itself."""

    method: str | None = field(
        default=None, metadata={"help": "Trainer that the recipe is for: sft, dpo, synpo, ranking or grpo."}
    )
    paper: str | None = field(default=None, metadata={"help": "Paper and table that the recipe follows."})
    hardware: str | None = field(
        default=None, metadata={"help": "Hardware that the recipe's batch sizes are for."}
    )


def parser(config_class: type, script_class: type = RecipeArguments) -> TrlParser:
    """The parser of a method: unknown keys fail."""
    return TrlParser((script_class, config_class, ModelConfig))


def load(name: str, config: str | None = None, *, streaming: bool = False) -> Any:
    """A dataset by name: a JSONL, JSON, Parquet or CSV file, a folder, a saved `datasets` folder, or one on the Hub."""
    if os.path.isfile(name):
        suffix = os.path.splitext(name)[1].lower()
        if suffix not in LOADERS:
            raise ValueError(
                f"dataset_name={name!r}: {suffix or 'no'} ending; known are {', '.join(LOADERS)} and folders"
            )
        return load_dataset(LOADERS[suffix], data_files=_data_file(name), streaming=streaming)
    if os.path.isdir(name) and os.path.exists(os.path.join(name, "dataset_dict.json")):
        return DatasetDict.load_from_disk(name)
    if os.path.isdir(name) and os.path.exists(os.path.join(name, "dataset_info.json")):
        return DatasetDict({"train": Dataset.load_from_disk(name)})
    if os.path.isdir(name) and (found := _split_files(name)):
        # Named, or `datasets` takes a folder with videos in it for a dataset of videos.
        suffix, files = found
        return load_dataset(LOADERS[suffix], data_files=files, streaming=streaming)
    if name.endswith(tuple(LOADERS)):
        raise FileNotFoundError(
            f"dataset_name={name!r} does not exist; give the path of the file, from {os.getcwd()!r}"
        )
    return load_dataset(name, name=config, streaming=streaming)


def _data_file(path: str) -> str:
    """The path as `datasets` takes it, which reads it as a pattern."""
    if not os.path.getsize(path):
        raise ValueError(f"dataset_name: {path!r} is empty (0 bytes); write its rows again")
    return glob.escape(path)


def _split_files(folder: str) -> tuple[str, dict[str, list[str]]] | None:
    """Ending and files of the rows directly in a folder, by split: `train.jsonl` is the split `train`, and so are the parts
    `train-00000-of-00002.jsonl` and so on. One ending only; None without any."""
    found: dict[str, dict[str, list[str]]] = {}
    for name in sorted(os.listdir(folder)):
        stem, suffix = os.path.splitext(name)
        if suffix.lower() not in LOADERS or suffix.lower() == ".json" or name.startswith("."):
            continue
        split = _PART.sub("", stem)
        if not _SPLIT.fullmatch(split):
            raise ValueError(
                f"dataset_name={folder!r}: a split is named by its file, and {name!r} gives no name of letters, digits and "
                "underscores; rename the file, or give the path of one file instead"
            )
        path = _data_file(os.path.join(folder, name))
        found.setdefault(suffix.lower(), {}).setdefault(split, []).append(path)
    if len(found) > 1:
        raise ValueError(
            f"dataset_name={folder!r} has rows in files of several kinds ({', '.join(found)}); name one file instead"
        )
    return next(iter(found.items()), None)


def split_of(dataset: Any, split: str, name: str) -> Any:
    if split not in dataset:
        raise ValueError(
            f"{name!r} has no split {split!r}, only {', '.join(dataset)}; set dataset_train_split or dataset_test_split"
        )
    return dataset[split]


def run(
    trainer_class: type,
    config_class: type,
    method: str,
    *,
    script_class: type = RecipeArguments,
    options: Callable[[Any], dict[str, Any]] = lambda script: {},
) -> None:
    """Parses, trains, saves, and pushes if asked.

    script_class: the method's own script arguments. options: from them, further arguments of the trainer.
    """
    script, args, model = parser(config_class, script_class).parse_args_and_config(
        fail_with_unknown_args=True
    )
    if script.method not in (None, method):
        raise ValueError(
            f"this recipe is for method {script.method!r}; launch it with -m vidalign.trainers.{script.method}"
        )
    if script.dataset_name is None:
        raise ValueError(
            "no dataset: set dataset_name to a JSONL or Parquet file, a folder, or a dataset on the Hub"
        )
    if model.model_name_or_path is None:
        raise ValueError("no model: set model_name_or_path to a folder or a model on the Hub")
    launched = int(os.environ.get("WORLD_SIZE", "1"))
    if launched > 1 and args.world_size == 1:
        raise ValueError(
            f"launched as {launched} processes, but the trainer sees one: they would train apart. On the CPU pass "
            "--use_cpu true."
        )
    given = options(script)
    args.model_init_kwargs = {
        "revision": model.model_revision,
        "attn_implementation": model.attn_implementation,
        "dtype": model.dtype,
        **(args.model_init_kwargs or {}),
    }
    if args.media_root is None and (folder := dataset_folder(script.dataset_name)) is not None:
        args.media_root = str(folder)
    dataset = load(script.dataset_name, script.dataset_config, streaming=script.dataset_streaming)
    evaluation = None
    if args.eval_strategy != "no":
        evaluation = split_of(dataset, script.dataset_test_split, script.dataset_name)
    trainer = trainer_class(
        model=model.model_name_or_path,
        args=args,
        train_dataset=split_of(dataset, script.dataset_train_split, script.dataset_name),
        eval_dataset=evaluation,
        quantization_config=get_quantization_config(model),
        peft_config=get_peft_config(model),
        **given,
    )
    trainer.train(resume_from_checkpoint=args.resume_from_checkpoint)
    trainer.save_model(args.output_dir)
    trainer.create_model_card(dataset_name=script.dataset_name)
    trainer.accelerator.print(f"Model saved to {args.output_dir}.")
    if args.push_to_hub:
        trainer.push_to_hub(dataset_name=script.dataset_name)
    trainer.end()
