"""`python -m vidalign.toyworld.demo --out demo`: runs the demo, prints the comparison and writes the report."""

from __future__ import annotations

import argparse
import logging
import warnings
from pathlib import Path

from vidalign.toyworld.demo.progress import Progress
from vidalign.toyworld.demo.settings import Settings, quick


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m vidalign.toyworld.demo", description=__doc__)
    parser.add_argument(
        "--out", type=Path, default=Path("demo_out"), help="folder for the report and all that led to it"
    )
    parser.add_argument(
        "--quick", action="store_true", help="the same stages in about a minute; learns little"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the world, the model and the candidates")
    parser.add_argument("--seeds", type=int, default=3, help="runs a method (at most 2 with --quick)")
    parser.add_argument(
        "--threads", type=int, default=2, help="of PyTorch; figures depend on it in the last digits"
    )
    options = parser.parse_args(arguments)
    if options.seeds < 1:
        parser.error(f"--seeds {options.seeds}: give at least 1")
    make = quick if options.quick else Settings
    settings = make(seed=options.seed, seeds=options.seeds, threads=options.threads)
    progress = Progress()
    progress.start("load libraries")
    # Heavy, and so after the arguments were checked.
    import transformers
    from datasets import disable_progress_bars
    from transformers.utils.logging import disable_progress_bar

    from vidalign.toyworld.demo import page, table
    from vidalign.toyworld.demo.stages import run_demo

    transformers.logging.set_verbosity_error()
    disable_progress_bar()
    disable_progress_bars()
    logging.getLogger("trl").setLevel(logging.ERROR)
    # The pinned versions deprecate arguments of one another; nothing a reader of the demo can do about it.
    warnings.filterwarnings("ignore", category=FutureWarning)
    progress.done()

    options.out.mkdir(parents=True, exist_ok=True)
    results = run_demo(settings, options.out, progress)
    results.save(options.out / "results.json")
    page.write(results, options.out / "report.html")
    print(f"\n{table.render(results)}\n\nReport: {options.out / 'report.html'}")


if __name__ == "__main__":
    main()
