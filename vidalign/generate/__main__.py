"""`accelerate launch -m vidalign.generate MODEL ROWS OUT`: `vidalign caption` over processes, each with its share of the rows."""

from __future__ import annotations

from vidalign.commands.lazy import LazyParser
from vidalign.generate.command import parser, run


def main() -> int:
    return run(LazyParser(prog="vidalign.generate", make=parser).parse_args())


if __name__ == "__main__":
    raise SystemExit(main())
