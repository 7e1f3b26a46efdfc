"""TRL's own GRPO on a text model, with the rewards by dotted path: the page on rewards, run."""

import json
import math
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import vidalign

ROOT = Path(vidalign.__file__).parent.parent
PAGE = (ROOT / "docs" / "rewards.md").read_text("utf-8")
SECTION = PAGE.split("## Rewards in a GRPO project of yours")[1].split("\n## ")[0]


def block(language):
    return re.search(rf"```{language}\n(.*?)```", SECTION, re.DOTALL)[1]


@pytest.fixture
def project(tmp_path, saved_model):
    """The page's files in a folder, with a model that fits here."""
    recipe = yaml.safe_load(block("yaml"))
    recipe |= {
        "model_name_or_path": saved_model("qwen2"),
        "num_generations": 4,
        "per_device_train_batch_size": 4,
        "max_completion_length": 24,
        "logging_steps": 1,
        "use_cpu": True,
        "bf16": False,
        "save_strategy": "no",
    }
    row = json.loads(block("json"))
    folder = tmp_path / "captions"
    folder.mkdir()
    (folder / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for _ in range(4)), "utf-8")
    (tmp_path / "avocado.yaml").write_text(yaml.safe_dump(recipe), "utf-8")
    return tmp_path


def offline():
    environment = {name: value for name, value in os.environ.items() if not name.startswith("VIDALIGN_JUDGE")}
    return environment | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}


def test_the_page_names_instances_that_exist():
    import vidalign.rewards

    for name in set(re.findall(r"vidalign\.rewards\.(\w+)", SECTION)):
        assert name in vidalign.rewards.__all__, name


def test_trl_grpo_with_the_page_s_recipe(project):
    command = [str(Path(sys.executable).with_name("trl")), "grpo", "--config", "avocado.yaml"]
    done = subprocess.run(command, cwd=project, env=offline(), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    assert (project / "out" / "model.safetensors").exists()
    assert done.stderr.count("NO JUDGE IS NAMED") == 1
    steps = [line for line in done.stdout.splitlines() if "rewards/checklist_reward/mean" in line]
    assert len(steps) == 2
    # A random model states nothing, in 24 tokens.
    for line in steps:
        assert "rewards/dialogue_reward/mean" in line
        assert re.search(r"'rewards/length_reward/mean': '?1\b", line)
        assert re.search(r"'checklist/unscored': '?0\b", line)


def test_in_python_with_a_judge_that_fails_some(saved_model, tmp_path, stand_in):
    """A completion that the judge could not score changes nothing: its advantage is 0, and it does not move the mean."""
    from datasets import Dataset
    from trl import GRPOConfig, GRPOTrainer

    from vidalign.judge import Unusable
    from vidalign.rewards import joint_rewards
    from vidalign.rewards.checklist import ChecklistReward
    from vidalign.rewards.length import LengthReward

    asked = []

    def answer(data):
        asked.append(data["caption"])
        if len(asked) % 4 == 1:
            return Unusable("truncated")
        return {"verdicts": [{"index": 1, "mentioned": len(asked) % 2 == 0}]}

    rows = [{"prompt": [{"role": "user", "content": "describe"}], "keypoints": ["a dog barks"]}] * 4
    config = GRPOConfig(
        output_dir=str(tmp_path),
        per_device_train_batch_size=4,
        num_generations=4,
        max_completion_length=8,
        max_steps=1,
        logging_steps=1,
        report_to="none",
        use_cpu=True,
        bf16=False,
        save_strategy="no",
    )
    trainer = GRPOTrainer(
        model=saved_model("qwen2"),
        reward_funcs=joint_rewards([ChecklistReward(stand_in({"checklist": answer})), LengthReward()]),
        args=config,
        train_dataset=Dataset.from_list(rows),
    )
    trainer.train()
    scored = trainer._logs["rewards"]["checklist_reward"]
    length = trainer._logs["rewards"]["length_reward"]
    advantages = trainer._logs["advantages"]
    assert (
        [math.isnan(value) for value in scored]
        == [math.isnan(value) for value in length]
        == [True] + [False] * 3
    )
    # The other three have rewards 1 + 1, 0 + 1 and 1 + 1: their mean is their own, and the lost one is none of them.
    assert advantages[0] == 0
    assert list(advantages)[1:] == pytest.approx([1 / 3**0.5, -2 / 3**0.5, 1 / 3**0.5], rel=1e-3)
    metrics = trainer.state.log_history[0]
    assert metrics["checklist/unscored"] == 0.25
    assert metrics["judge/checklist/unscored"] == 1
