"""`python -m vidalign.toyworld.demo --out demo`: runs the demo, prints the comparison and writes the report."""

from __future__ import annotations

import argparse
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
    parser.add_argument("--workers", type=int, default=2, help="preference runs at a time, one core each")
    options = parser.parse_args(arguments)
    if options.seeds < 1:
        parser.error(f"--seeds {options.seeds}: give at least 1")
    if options.workers < 1:
        parser.error(f"--workers {options.workers}: give at least 1")
    make = quick if options.quick else Settings
    settings = make(seed=options.seed, seeds=options.seeds, workers=options.workers)
    progress = Progress()
    progress.start("load libraries")
    # Heavy, and so after the arguments were checked.
    from vidalign.toyworld.demo import page, table
    from vidalign.toyworld.demo.quiet import quieten
    from vidalign.toyworld.demo.stages import run_demo

    quieten()
    progress.done()

    options.out.mkdir(parents=True, exist_ok=True)
    results = run_demo(settings, options.out, progress)
    results.save(options.out / "results.json")
    page.write(results, options.out / "report.html")
    print(f"\n{table.render(results)}\n\nReport: {options.out / 'report.html'}")


if __name__ == "__main__":
    main()
