"""`python -m demo --out demo`: runs the demo, prints the comparison and writes the report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from demo.command import loading, parse, tell
from demo.settings import PARTS, Settings, quick


def main(arguments: Sequence[str] | None = None) -> None:
    options, settings = parse(
        arguments,
        program="python -m demo",
        description=__doc__,
        out=Path("out/demo"),
        full=Settings,
        quick=quick,
        parts=PARTS,
    )
    progress = loading()
    # Heavy, and so after the arguments were checked.
    from demo import page
    from demo.chains.summary import summarise as summarise_chains
    from demo.pairs.summary import summarise as summarise_pairs
    from demo.quiet import quieten
    from demo.stages import run_demo

    quieten()
    progress.done()
    options.out.mkdir(parents=True, exist_ok=True)
    results = run_demo(settings, options.out, progress, [options.part] if options.part else PARTS)
    summaries = [
        summarise
        for part, summarise in ((results.pairs, summarise_pairs), (results.chains, summarise_chains))
        if part is not None
    ]
    tell(results, options.out, page.write, summaries)


if __name__ == "__main__":
    main()
