"""One line a stage on the terminal, with the time since the start."""

from __future__ import annotations

import sys
import time
from typing import TextIO

_QUIET = 5.0  # seconds between lines where a line cannot be rewritten in place


class Progress:
    """Shows which stage runs, how far it is, and what came of it."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream if stream is not None else sys.stdout
        self._began = time.perf_counter()
        self._title, self._shown, self._last = "", 0.0, ""
        self.seconds: dict[str, float] = {}
        """Seconds of each finished stage."""

    def elapsed(self) -> float:
        return time.perf_counter() - self._began

    def start(self, title: str) -> None:
        self._title, self._since = title, self.elapsed()
        self._write("...")
        self._shown = self.elapsed()

    def update(self, done: int, total: int) -> None:
        """Shows a fraction, at most every few seconds in a log file."""
        wait = 0.2 if self._stream.isatty() else _QUIET
        if self.elapsed() - self._shown >= wait:
            self._shown = self.elapsed()
            self._write(f"{done}/{total}")

    def note(self, text: str) -> None:
        """A line of its own within the stage."""
        self._write(text, end="\n")
        self._shown = self.elapsed()

    def done(self, outcome: str = "done") -> None:
        self.seconds[self._title] = self.elapsed() - self._since
        self._write(outcome, end="\n")

    def _write(self, text: str, end: str = "") -> None:
        elapsed = self.elapsed()
        line = f"[{int(elapsed // 60):2d}:{int(elapsed % 60):02d}] {self._title}: {text}"
        if self._stream.isatty():
            padding = " " * max(0, len(self._last) - len(line))
            self._stream.write(f"\r{line}{padding}{end}")
            self._last = "" if end else line
        else:
            self._stream.write(line + "\n")
        self._stream.flush()
