"""`accelerate launch -m vidalign.generate MODEL ROWS OUT`: `vidalign caption` over processes, each with its share of the rows."""

from __future__ import annotations

import argparse

from vidalign.generate.command import USAGE, add_options, run


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="vidalign.generate", usage=f"-m vidalign.generate {USAGE}", allow_abbrev=False
    )
    add_options(parser)
    return run(parser.parse_args())


if __name__ == "__main__":
    raise SystemExit(main())
