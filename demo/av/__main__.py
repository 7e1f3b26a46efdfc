"""`python -m demo.av --out demo-av`: runs the demo with sound, prints the table and writes the report."""

from __future__ import annotations

import argparse
from pathlib import Path

from demo.av.settings import Settings, quick
from demo.progress import Progress


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m demo.av", description=__doc__)
    parser.add_argument(
        "--out", type=Path, default=Path("out/demo-av"), help="folder for the report and all that led to it"
    )
    parser.add_argument("--quick", action="store_true", help="the same stages in two minutes; learns little")
    parser.add_argument("--seed", type=int, default=0, help="of the world, the model and the checkpoint")
    parser.add_argument("--seeds", type=int, help="runs an arm (default: 2; with --quick 1)")
    parser.add_argument("--workers", type=int, default=2, help="runs at a time, one core each")
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
    from demo.av import page
    from demo.av.stages import run_demo
    from demo.av.summary import summarise
    from demo.quiet import quieten
    from vidalign.report import tables

    quieten()
    progress.done()

    options.out.mkdir(parents=True, exist_ok=True)
    results = run_demo(settings, options.out, progress)
    results.save(options.out / "results.json")
    page.write(results, options.out / "report.html")
    print(f"\n{tables.render(summarise(results))}\n\nReport: {options.out / 'report.html'}")


if __name__ == "__main__":
    main()
