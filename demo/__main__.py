"""`python -m demo --out demo`: runs the demo, prints the comparison and writes the report."""

from __future__ import annotations

import argparse
from pathlib import Path

from demo.progress import Progress
from demo.settings import PARTS, Settings, quick


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument(
        "--out", type=Path, default=Path("out/demo"), help="folder for the report and all that led to it"
    )
    parser.add_argument(
        "--quick", action="store_true", help="the same stages in less than two minutes; learns little"
    )
    parser.add_argument("--part", choices=PARTS, help="run only this part (default: all)")
    parser.add_argument("--seed", type=int, default=0, help="of the world, the model and the candidates")
    parser.add_argument("--seeds", type=int, help="runs a method (default: 3; with --quick 1)")
    parser.add_argument("--workers", type=int, default=2, help="preference runs at a time, one core each")
    options = parser.parse_args(arguments)
    if options.seeds is not None and options.seeds < 1:
        parser.error(f"--seeds {options.seeds}: give at least 1")
    if options.workers < 1:
        parser.error(f"--workers {options.workers}: give at least 1")
    make = quick if options.quick else Settings
    seeds = {} if options.seeds is None else {"seeds": options.seeds}
    settings = make(seed=options.seed, workers=options.workers, **seeds)
    progress = Progress()
    progress.start("load libraries")
    # Heavy, and so after the arguments were checked.
    from demo import page
    from demo.chains.summary import summarise as summarise_chains
    from demo.pairs.summary import summarise as summarise_pairs
    from demo.quiet import quieten
    from demo.stages import run_demo
    from vidalign.report import tables

    quieten()
    progress.done()

    options.out.mkdir(parents=True, exist_ok=True)
    results = run_demo(settings, options.out, progress, [options.part] if options.part else PARTS)
    results.save(options.out / "results.json")
    page.write(results, options.out / "report.html")
    if results.pairs is not None:
        print(f"\n{tables.render(summarise_pairs(results))}")
    if results.chains is not None:
        print(f"\n{tables.render(summarise_chains(results))}")
    print(f"\nReport: {options.out / 'report.html'}")


if __name__ == "__main__":
    main()
