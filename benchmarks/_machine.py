"""What a result row must say of where it was measured."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from importlib.metadata import version


def describe(packages: tuple[str, ...] = ("torch", "transformers", "trl")) -> str:
    """One line: commit, processor, cores, versions, time."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, cwd=os.path.dirname(__file__)
    ).stdout.strip()
    cpu = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            cpu = next((line.split(":", 1)[1].strip() for line in file if line.startswith("model name")), cpu)
    except OSError:
        pass
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    moment = time.strftime("%Y-%m-%d %H:%M", time.gmtime())
    return f"commit {commit or '?'}; {cpu}, {os.cpu_count()} cores; {versions}; {moment} UTC"
