"""`python -m demo.av --out demo-av`: runs the demo with sound, prints the table and writes the report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from demo.av.settings import Settings, quick
from demo.command import loading, parse, tell


def main(arguments: Sequence[str] | None = None) -> None:
    options, settings = parse(
        arguments,
        program="python -m demo.av",
        description=__doc__,
        out=Path("out/demo-av"),
        full=Settings,
        quick=quick,
    )
    progress = loading()
    # Heavy, and so after the arguments were checked.
    from demo.av import page
    from demo.av.stages import run_demo
    from demo.av.summary import summarise
    from demo.quiet import quieten

    quieten()
    progress.done()
    options.out.mkdir(parents=True, exist_ok=True)
    tell(run_demo(settings, options.out, progress), options.out, page.write, [summarise])


if __name__ == "__main__":
    main()
