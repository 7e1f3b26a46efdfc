"""Where and with what a result came about: commit, versions, hardware, time. Imports the standard library only."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from vidalign._version import __version__

PACKAGES = ("torch", "transformers", "trl", "av")


def describe(packages: Sequence[str] = PACKAGES) -> dict[str, str]:
    """vidalign with its commit, versions, hardware and time, each in words."""
    return {
        "vidalign": f"{__version__} ({commit()})",
        "versions": f"Python {platform.python_version()}, {versions(packages)}",
        "hardware": hardware(),
        "time": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
    }


def versions(packages: Sequence[str]) -> str:
    """Installed versions in one line.

    >>> versions(["no-such-package"])
    'no-such-package (not installed)'
    """
    return ", ".join(f"{name} {_version(name)}" for name in packages)


def commit() -> str:
    """Of the checkout that this package runs from."""
    here = Path(__file__)
    git = ["git", "-C", str(here.parent)]
    try:
        # Installed into an environment that lies in someone else's checkout, that checkout's commit says nothing.
        subprocess.run([*git, "ls-files", "--error-unmatch", here.name], capture_output=True, check=True)
        head = subprocess.run(
            [*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True
        )
        dirty = subprocess.run([*git, "status", "--porcelain"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "not a git checkout"
    return "commit " + head.stdout.strip() + (", with uncommitted changes" if dirty.stdout.strip() else "")


def hardware() -> str:
    """The processor, and the GPUs that torch sees, if it is loaded."""
    import sys

    machine = f"{_processor()}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}"
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return machine
    names = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    return f"{machine}; {', '.join(f'{names.count(name)} x {name}' for name in dict.fromkeys(names))}"


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "(not installed)"


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    for line in info.read_text().splitlines() if info.exists() else []:
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor() or "unknown processor"
