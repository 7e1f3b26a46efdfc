"""Where and with what a result came about."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
import time
from pathlib import Path

import vidalign

PACKAGES = ("torch", "transformers", "trl", "av")


def describe() -> dict[str, str]:
    """Commit, versions, hardware and time, each in words."""
    versions = [f"{name} {importlib.metadata.version(name)}" for name in PACKAGES]
    return {
        "vidalign": f"{vidalign.__version__} ({_commit()})",
        "versions": ", ".join([f"Python {platform.python_version()}", *versions]),
        "hardware": f"{_processor()}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}",
        "time": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
    }


def _commit() -> str:
    here = Path(__file__)
    git = ["git", "-C", str(here.parent)]
    try:
        # Installed into an environment that lies in someone else's checkout, that checkout's commit says nothing.
        subprocess.run([*git, "ls-files", "--error-unmatch", here.name], capture_output=True, check=True)
        commit = subprocess.run(
            [*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True
        )
        dirty = subprocess.run([*git, "status", "--porcelain"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "not a git checkout"
    return "commit " + commit.stdout.strip() + (", with uncommitted changes" if dirty.stdout.strip() else "")


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    for line in info.read_text().splitlines() if info.exists() else []:
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor() or "unknown processor"
