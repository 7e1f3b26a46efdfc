"""The benchmarks begin on a machine that lacks what they compare with, and make starts one by name."""

import importlib.util
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import vidalign

ROOT = Path(vidalign.__file__).parent.parent


@pytest.fixture
def decode():
    spec = importlib.util.spec_from_file_location("decode_benchmark", ROOT / "benchmarks" / "decode.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_peer_that_cannot_read_is_named_and_left_out(decode, media_folder, monkeypatch, capsys):
    def unloadable(path, threads):
        raise RuntimeError("Could not load libpeer. Likely causes:\n  1. no FFmpeg")

    def uninstalled(path, threads):
        import no_such_package  # noqa: F401

    peers = {
        "half": {"half": decode.ours, "half fast": unloadable},
        "uninstalled": {"uninstalled": uninstalled},
        "numpy": {"good": decode.ours},
    }
    monkeypatch.setattr(decode, "PEERS", peers)
    readers, versions = decode.usable_peers(media_folder / "0.mp4", 0)
    assert readers == {"good": decode.ours}
    assert versions == {"numpy": np.__version__}
    assert capsys.readouterr().out.splitlines() == [
        "left out: half (Could not load libpeer)",
        "left out: uninstalled (No module named 'no_such_package')",
    ]


def test_the_real_peers_are_used_or_named(decode, media_folder, capsys):
    readers, versions = decode.usable_peers(media_folder / "0.mp4", 0)
    named = capsys.readouterr().out
    for package, peers in decode.PEERS.items():
        assert (set(peers) <= set(readers) and package in versions) != (f"left out: {package} (" in named)


@pytest.fixture
def make(tmp_path):
    if shutil.which("make") is None:
        pytest.skip("no make here")
    (tmp_path / "bin").mkdir()
    python = tmp_path / "bin" / "python"
    python.write_text('#!/bin/sh\necho "ran $@"\ncase "$1" in */grpo.py) exit 3;; esac\n')
    python.chmod(0o755)
    (tmp_path / ".vidalign-installed").touch()

    def run(*arguments):
        command = ["make", "bench", f"VENV={tmp_path}", *arguments]
        # `make test` hands its own flags on, among them one that prints folders.
        env = {
            name: value
            for name, value in os.environ.items()
            if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")
        }
        return subprocess.run(
            command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=60, check=False
        )

    return run


def test_make_bench_runs_one_by_name(make):
    done = make("ONLY=decode", "ARGS=--seconds 1")
    assert done.returncode == 0
    assert done.stdout.splitlines() == ["== benchmarks/decode.py", "ran benchmarks/decode.py --seconds 1"]


def test_make_bench_goes_on_after_one_that_fails(make):
    done = make()
    scripts = sorted(p for p in (ROOT / "benchmarks").glob("*.py") if not p.name.startswith("_"))
    ran = [line.split()[1] for line in done.stdout.splitlines() if line.startswith("ran ")]
    assert ran == [f"benchmarks/{script.name}" for script in scripts]
    assert done.stdout.splitlines()[-1] == "failed: grpo"
    assert done.returncode != 0


def test_make_bench_names_what_there_is(make):
    done = make("ONLY=decoding")
    assert done.returncode != 0
    assert "no benchmark decoding; there are: candidates chains decode grpo" in done.stdout
    assert "ran " not in done.stdout
