"""`accelerate launch -m vidalign.data` in two processes, against a judge over HTTP."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).resolve().parents[2]
CONCURRENCY = 4
COUNT = 40


@pytest.fixture
def launch(cli):
    """Starts `vidalign.data KIND ...` in two processes; they and their launcher are ended at last."""
    started = []

    def start(*args, judge):
        config = ROOT / "recipes" / "accelerate" / "cpu.yaml"
        command = [sys.executable, "-m", "accelerate.commands.launch", "--config_file", config]
        command += ["--num_processes", 2, "--main_process_port", 0, "-m", "vidalign.data", cli.kind, *args]
        command += ["--judge", "judge", "--api-base", judge.server.url, "--cache-dir", ""]
        clean = {name: value for name, value in os.environ.items() if not name.startswith("VIDALIGN")}
        env = {**clean, "PYTHONPATH": str(ROOT), "TQDM_DISABLE": "1", "OMP_NUM_THREADS": "1"}
        started.append(
            subprocess.Popen(
                [str(word) for word in command],
                cwd=cli.folder,
                env=env,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
        return started[-1]

    yield start
    for process in started:
        end(process)


def end(process):
    """Kills a launcher and all that it has started."""
    try:
        family = [process_of := psutil.Process(process.pid), *process_of.children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    for member in family:
        try:
            member.kill()
        except psutil.NoSuchProcess:
            continue
    process.communicate()


def entries(path):
    """What a process has kept: without the line of settings, and one that a kill tore."""
    return [json.loads(line) for line in path.read_bytes().split(b"\n")[1:-1]] if path.exists() else []


def test_two_processes_build_what_one_does_and_a_kill_loses_nothing(cli, launch, start_judge, wait_until):
    judge = start_judge()
    texts = [f"caption {number}" for number in range(COUNT)]
    source = cli.captions(texts)
    options = ["--concurrency", CONCURRENCY]
    stages = cli.folder / "two.jsonl.stages"
    files = [stages / f"keypoints.{rank}.jsonl" for rank in (0, 1)]
    # One has at most the answers of its half: the other is begun as well when they are held.
    judge.server.held_from = COUNT + 12
    process = launch(source, "two.jsonl", *options, judge=judge)
    wait_until(lambda: process.poll() is not None or all(len(entries(file)) >= 3 for file in files))
    end(process)
    kept = [{entry["row"] for entry in entries(file)} for file in files]
    assert all(kept), process.returncode
    assert all(row % 2 == rank for rank, rows in enumerate(kept) for row in rows)
    assert not (cli.folder / "two.jsonl").exists()

    judge.server.held_from, asked = math.inf, len(judge.asked)
    process = launch(source, "two.jsonl", *options, judge=judge)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err[-3000:]
    assert out.count(f"{COUNT} rows written to two.jsonl") == 1 and out.count("judge: ") == 1
    finished = {texts[row] for rows in kept for row in rows}
    later = [caption for _, caption in judge.asked[asked:]]
    assert not finished & set(later) and len(later) == 2 * (COUNT - len(finished))

    assert cli(source, "one.jsonl", *options, judge=judge)[0] == 0
    assert (cli.folder / "two.jsonl").read_bytes() == (cli.folder / "one.jsonl").read_bytes()
    # And one process goes on from what two have made.
    (cli.folder / "two.jsonl").unlink()
    asked = len(judge.asked)
    assert cli(source, "two.jsonl", *options, judge=judge)[0] == 0
    assert len(judge.asked) == asked
    assert (cli.folder / "two.jsonl").read_bytes() == (cli.folder / "one.jsonl").read_bytes()
