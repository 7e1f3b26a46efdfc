"""`vidalign train RECIPE`, `vidalign recipes`, `vidalign build KIND` and `vidalign caption MODEL ROWS OUT`.

Training replaces this process by `accelerate launch`, so that signals and the exit code are the launcher's own. Nothing
here imports torch before a launch that has to know whether there is a GPU.
"""

from __future__ import annotations

import argparse
import difflib
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import yaml

from vidalign._version import __version__
from vidalign.commands.lazy import LazyParser
from vidalign.data import command as build_command
from vidalign.generate import command as caption_command

PACKAGE = Path(__file__).resolve().parent
RECIPES = PACKAGE / "recipes"
ACCELERATE = RECIPES / "accelerate"
METHODS = ("dpo", "grpo", "ranking", "sft", "synpo")  # modules of vidalign.trainers that run with -m


class CliError(Exception):
    """What the user can mend; printed without a traceback."""


def recipe_names() -> list[str]:
    """Bare names, e.g. `synpo/qwen2_5_vl_7b`, of the training recipes in the installed package."""
    return [name for name in _names() if not name.endswith("/build")]


def build_names() -> list[str]:
    """Bare names of the files of options for `vidalign build`, e.g. `avc_dpo/build`."""
    return [name for name in _names() if name.endswith("/build")]


def _names() -> list[str]:
    return sorted(
        path.relative_to(RECIPES).with_suffix("").as_posix()
        for path in RECIPES.rglob("*.yaml")
        if ACCELERATE not in path.parents
    )


def accelerate_names() -> list[str]:
    return sorted(path.stem for path in ACCELERATE.glob("*.yaml"))


def find_yaml(given: str, folder: Path, names: Sequence[str], kind: str) -> Path:
    """A path to an existing file, or a name under `folder` with or without `recipes/` and `.yaml`.

    Raises:
        CliError: with the closest name and the list of all, if there is no such file.
    """
    if Path(given).is_file():
        return Path(given)
    name = given.removesuffix(".yaml").removeprefix("recipes/").removeprefix("accelerate/")
    if name in names:
        return folder / f"{name}.yaml"
    # The last part alone is what people remember, so it is compared as well.
    by_last_part = {n.rsplit("/", 1)[-1]: n for n in names}
    close = difflib.get_close_matches(name, names, n=1) or [
        by_last_part[m] for m in difflib.get_close_matches(name.rsplit("/", 1)[-1], list(by_last_part), n=1)
    ]
    hint = f"; did you mean {close[0]}?" if close else ""
    raise CliError(f"{given!r} is neither a file nor the name of {kind}{hint}\nNames: {', '.join(names)}")


def read_mapping(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text("utf-8"))
    except yaml.YAMLError as error:
        raise CliError(f"{path} is not valid YAML: {error}") from error
    if not isinstance(content, dict):
        raise CliError(f"{path} must hold keys and values, one `key: value` a line")
    return content


def launch_command(
    recipe: str, accelerate: str, num_processes: int | None, trainer_args: Sequence[str]
) -> list[str]:
    """The `accelerate launch` command for a recipe.

    Args:
        recipe: path or bare name of the recipe, which names its `method`.
        accelerate: path or bare name of an accelerate configuration.
        num_processes: processes in all, ≥ 1; None takes the configuration's.
        trainer_args: further `--key value` pairs, which override the recipe's.

    Raises:
        CliError: if a file is missing or unusable.
    """
    recipe_path = find_yaml(recipe, RECIPES, recipe_names(), "a recipe")
    config_path = find_yaml(accelerate, ACCELERATE, accelerate_names(), "an accelerate configuration")
    content, config = read_mapping(recipe_path), read_mapping(config_path)
    method = content.get("method")
    if method not in METHODS:
        raise CliError(
            f"{recipe_path} has method: {method}; set `method` to the trainer that runs it, one of {', '.join(METHODS)}"
        )
    command = [sys.executable, "-m", "accelerate.commands.launch", "--config_file", str(config_path)]
    if num_processes is not None:
        if num_processes < 1:
            raise CliError(f"--num-processes {num_processes}: at least one process is needed")
        if num_processes > 1 and config.get("distributed_type", "NO") in ("NO", False):
            raise CliError(
                f"--num-processes {num_processes} with {config_path.stem}, which runs one process whatever it is told; "
                "choose ddp, fsdp2, zero2 or zero3, or cpu"
            )
        command += ["--num_processes", str(num_processes)]
    command += ["-m", f"vidalign.trainers.{method}", "--config", str(recipe_path), *trainer_args]
    told = "use_cpu" in content or any(arg.split("=")[0] == "--use_cpu" for arg in trainer_args)
    if config.get("use_cpu") and not told:
        # torchrun does not pass it on: without it, N processes train apart, each by itself.
        command += ["--use_cpu", "true"]
    return command


def default_accelerate() -> str:
    import torch

    return "single_gpu" if torch.cuda.is_available() else "cpu"


def train(args: argparse.Namespace, trainer_args: list[str]) -> NoReturn:
    if trainer_args and not trainer_args[0].startswith("--"):
        raise CliError(
            f"{trainer_args[0]!r} is not an option; the recipe comes first, then `--key value` pairs"
        )
    command = launch_command(
        args.recipe, args.accelerate or default_accelerate(), args.num_processes, trainer_args
    )
    print(shlex.join(command), flush=True)
    if args.dry_run:
        raise SystemExit(0)
    os.execv(command[0], command)


def list_recipes() -> None:
    header = ("recipe", "method", "paper", "model", "hardware")
    rows: list[tuple[str, ...]] = [header]
    for name in recipe_names():
        recipe = read_mapping(RECIPES / f"{name}.yaml")
        keys = ("method", "paper", "model_name_or_path", "hardware")
        rows.append((name, *(str(recipe.get(key, "")) for key in keys)))
    widths = [max(len(row[i]) for row in rows) for i in range(len(header))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    print(f"\n--accelerate: {', '.join(accelerate_names())}")
    print(f"vidalign build --config: {', '.join(build_names())}")


def show_recipe(given: str) -> None:
    if given.removesuffix(".yaml").removeprefix("accelerate/") in accelerate_names():
        path = find_yaml(given, ACCELERATE, accelerate_names(), "an accelerate configuration")
    else:
        path = find_yaml(given, RECIPES, [*recipe_names(), *build_names()], "a recipe")
    print(f"# {path}")
    print(path.read_text("utf-8"), end="")


def parser() -> argparse.ArgumentParser:
    main_parser = argparse.ArgumentParser(
        prog="vidalign", description="Preference alignment for video language models.", allow_abbrev=False
    )
    main_parser.add_argument("--version", action="version", version=f"vidalign {__version__}")
    commands = main_parser.add_subparsers(dest="command", required=True, parser_class=LazyParser)

    train_parser = commands.add_parser(
        "train",
        help="train with a recipe, through accelerate launch",
        usage="vidalign train RECIPE [--accelerate X] [--num-processes N] [--dry-run] [--key value ...]",
        epilog="Each further --key value overrides the recipe's, e.g. --dataset_name pairs.jsonl --learning_rate 1e-6. "
        "All keys: python -m vidalign.trainers.METHOD --help.",
        allow_abbrev=False,
    )
    train_parser.add_argument(
        "recipe", metavar="RECIPE", help="a file, or a name that `vidalign recipes` lists"
    )
    train_parser.add_argument(
        "--accelerate",
        metavar="X",
        help=f"accelerate configuration: a file or one of {', '.join(accelerate_names())} "
        "(default: single_gpu, or cpu where there is no GPU)",
    )
    train_parser.add_argument(
        "--num-processes", "--num_processes", metavar="N", type=int, help="processes, one a GPU"
    )
    train_parser.add_argument("--dry-run", action="store_true", help="print the command and stop")

    recipes_parser = commands.add_parser("recipes", help="list the recipes, or print one", allow_abbrev=False)
    recipes_parser.add_argument("name", nargs="?", help="print this recipe's path and text")
    build_command.add_parser(commands)
    caption_command.add_parser(commands)
    return main_parser


def main(argv: Sequence[str] | None = None) -> int:
    args, rest = parser().parse_known_args(argv)
    if args.command != "train" and rest:
        parser().error(f"unrecognized arguments: {' '.join(rest)}")
    try:
        if args.command == "train":
            train(args, rest)
        elif args.command == "build":
            return build_command.run(args)
        elif args.command == "caption":
            return caption_command.run(args)
        elif args.name is None:
            list_recipes()
        else:
            show_recipe(args.name)
    except CliError as error:
        print(f"vidalign: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
