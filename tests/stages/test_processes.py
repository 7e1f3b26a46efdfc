"""Processes of a real launch wait for each other."""

import os
import subprocess
import sys
from pathlib import Path

import vidalign
from vidalign.stages.processes import Processes

ROOT = Path(vidalign.__file__).parent.parent
CPU = ROOT / "vidalign" / "recipes" / "accelerate" / "cpu.yaml"
# Rank 1 comes late; whoever did not wait would not see its file.
PROGRAM = """
import pathlib, sys, time
from vidalign.stages.processes import Processes
own, folder = Processes.of_launch(), pathlib.Path(sys.argv[1])
for turn in range(2):
    time.sleep(own.rank)
    (folder / f"{turn} {own.rank}").touch()
    own.wait()
    assert len(list(folder.glob(f"{turn} *"))) == own.world_size == 2
"""


def test_all_of_a_launch_wait_for_the_last(tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM)
    (tmp_path / "seen").mkdir()
    command = [sys.executable, "-m", "accelerate.commands.launch", "--config_file", str(CPU)]
    command += ["--num_processes", "2", "--main_process_port", "0", str(tmp_path / "program.py")]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*command, str(tmp_path / "seen")], env=env, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert len(list((tmp_path / "seen").iterdir())) == 4


def test_a_process_by_itself_waits_for_nobody(monkeypatch):
    for name in ("RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    alone = Processes.of_launch()
    alone.wait()
    assert alone == Processes(0, 1)
