"""`accelerate launch -m vidalign.data KIND ROWS OUT`: `vidalign build` over processes, each with its share of the rows."""

from __future__ import annotations

import argparse

from vidalign.data.command import add_kinds, run


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="vidalign.data", description="Build training data.", allow_abbrev=False
    )
    add_kinds(parser)
    return run(parser.parse_args())


if __name__ == "__main__":
    raise SystemExit(main())
