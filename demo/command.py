"""What the demos' command lines share: their options, and the report at the end."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from demo.progress import Progress

S = TypeVar("S")


def parse(
    arguments: Sequence[str] | None,
    *,
    program: str,
    description: str | None,
    out: Path,
    full: Callable[..., S],
    quick: Callable[..., S],
    parts: Sequence[str] = (),
) -> tuple[argparse.Namespace, S]:
    """The options (`out`, and `part` where there are parts) and the settings that they make."""
    parser = argparse.ArgumentParser(prog=program, description=description)
    parser.add_argument("--out", type=Path, default=out, help="folder for the report and all that led to it")
    parser.add_argument("--quick", action="store_true", help="the same stages in two minutes; learns little")
    if parts:
        parser.add_argument("--part", choices=parts, help="run only this part (default: all)")
    parser.add_argument("--seed", type=int, default=0, help="of the world, the model and the checkpoint")
    usual = getattr(full(), "seeds", 1)
    parser.add_argument("--seeds", type=int, help=f"runs a method (default: {usual}; with --quick 1)")
    parser.add_argument("--workers", type=int, default=2, help="runs at a time, one core each")
    options = parser.parse_args(arguments)
    for name in ("seeds", "workers"):
        if getattr(options, name) is not None and getattr(options, name) < 1:
            parser.error(f"--{name} {getattr(options, name)}: give at least 1")
    seeds = {} if options.seeds is None else {"seeds": options.seeds}
    return options, (quick if options.quick else full)(seed=options.seed, workers=options.workers, **seeds)


def loading() -> Progress:
    """The progress, in the stage in which the libraries are loaded."""
    progress = Progress()
    progress.start("load libraries")
    return progress


def tell(
    results: Any, out: Path, write: Callable[[Any, Path], None], summaries: Iterable[Callable[[Any], Any]]
) -> None:
    """Saves the results and their page, and prints the comparisons."""
    from vidalign.report import tables

    results.save(out / "results.json")
    write(results, out / "report.html")
    for summarise in summaries:
        print(f"\n{tables.render(summarise(results))}")
    print(f"\nReport: {out / 'report.html'}")
