"""Each example as a user runs it: by itself, from the root of a clone, offline."""

import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = sorted((ROOT / "examples").glob("*.py"))
SAYS = {
    "grpo_own_reward.py": r"(reward [01]\.\d{3}\n){2}",
    "one_loss.py": r"(step \d: loss -\d\.\d{4}\n){5}",
    "pairs.py": r"loss:( -\d\.\d{3}){4}\n",
    "reward_in_trl.py": r"(reward [01]\.\d{3}, unscored 0%\n){2}",
}


@cache
def run(script):
    env = {**os.environ, "HF_HUB_OFFLINE": "1", "TQDM_DISABLE": "1"}
    done = subprocess.run(
        [sys.executable, script], cwd=ROOT, env=env, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout


@pytest.mark.parametrize("script", SCRIPTS, ids=[script.name for script in SCRIPTS])
def test_it_runs_and_says_what_it_did(script):
    assert re.search(SAYS[script.name] + r"\Z", run(script)), "its last lines"


def test_the_loop_of_ones_own_lowers_its_loss():
    losses = [float(text) for text in re.findall(r"loss (-\d\.\d+)", run(ROOT / "examples" / "one_loss.py"))]
    # Plain gradient descent on five steps of a smooth loss: exact arithmetic, no data.
    assert losses == sorted(losses, reverse=True) and losses[0] > losses[-1]
