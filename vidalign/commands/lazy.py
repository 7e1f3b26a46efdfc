"""A subcommand that finds out what it takes when it is called: a command line is quick to say what it can do."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vidalign.commands.options import FunctionParser


class LazyParser(argparse.ArgumentParser):
    """argparse's parser, or what stands for a `FunctionParser` among others. Of the latter's values, `parser` is the parser, and
    `parsed` what it read.

    Args:
        make: its `prog` -> the parser; None: argparse's.
    """

    def __init__(self, *, make: Callable[[str], FunctionParser] | None = None, **options: Any) -> None:
        super().__init__(**options)
        self._make = make

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        if self._make is None:
            return super().parse_known_args(args, namespace)
        parser = self._make(self.prog)
        parsed = parser.parse(sys.argv[1:] if args is None else args)
        return argparse.Namespace(parser=parser, parsed=parsed), []
