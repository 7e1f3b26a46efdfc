"""Whole GRPO runs: two processes by `accelerate launch`, resuming, saving."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForImageTextToText

REPOSITORY = Path(__file__).parents[2]


def launch(settings, processes, **environment):
    config = REPOSITORY / "recipes" / "accelerate" / "cpu.yaml"
    command = [sys.executable]
    if processes > 1:  # one needs no launcher, which takes seconds to load
        command += ["-m", "accelerate.commands.launch", "--config_file", str(config)]
        command += ["--num_processes", str(processes), "--main_process_port", "0"]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1", **environment}
    script = str(Path(__file__).with_name("grpo_script.py"))
    return subprocess.run(
        [*command, script, json.dumps(settings)], capture_output=True, text=True, env=environment, timeout=300
    )


@pytest.fixture
def settings_of(saved_model, media_folder, online_rows, write_rows, tmp_path):
    def build(processes, rows_a_process, **given):
        rows = online_rows(8)
        if (
            rows_a_process == 4
        ):  # ranks hold different numbers of media, but no step has none at all: in one process the
            for row in rows[
                3::4
            ]:  # tower would get no gradients then, and zeros, which Adam's momentum moves, in two
                row["videos"] = []
        out = tmp_path / f"{processes}-{rows_a_process}"
        return {
            "model": saved_model("qwen2_5_vl"),
            "data": write_rows(media_folder / "online.jsonl", rows),
            "media_root": str(media_folder),
            "output_dir": str(out),
            "per_device_train_batch_size": rows_a_process,
            "num_generations": 4,
            "max_completion_length": 6,
            "max_steps": 3,
            "save_steps": 3,
            "learning_rate": 1e-4,  # Adam's first steps are signs: larger ones make noise of rounding
            "beta": 0.04,
            **given,
        }

    return build


def history(settings):
    path = Path(settings["output_dir"], "checkpoint-3", "trainer_state.json")
    return [entry for entry in json.loads(path.read_text())["log_history"] if "loss" in entry]


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param(4, marks=pytest.mark.slow, id="a group each"),
        pytest.param(2, id="half a group each"),
    ],
)
def test_two_processes_are_one(rows, settings_of):
    one, two = settings_of(1, 2 * rows), settings_of(2, rows)
    for settings, processes in ((one, 1), (two, 2)):
        done = launch(settings, processes)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-5000:]
    for alone, together in zip(history(one), history(two), strict=True):
        for name in ("loss", "grad_norm", "reward", "reward_std", "kl", "entropy", "completions/mean_length"):
            assert together[name] == pytest.approx(alone[name], rel=2e-3, abs=1e-4), name
    assert history(one)[0]["reward_std"] > 0


def test_a_judge_that_fails_in_one_process_stops_both(settings_of):
    settings = settings_of(2, 4, max_steps=4)
    done = launch(settings, 2, FAIL_IN="1")
    assert done.returncode != 0
    assert (
        "the judge is gone" in done.stderr
        and "process 1: stopped at step 1: a reward function failed" in done.stderr
    )
    checkpoint = Path(settings["output_dir"], "checkpoint-1")
    assert (checkpoint / "model.safetensors").exists() and (checkpoint / "trainer_state.json").exists()


@pytest.mark.parametrize("settings", [{}, {"gradient_accumulation_steps": 2, "num_iterations": 2}])
def test_resuming_gives_the_uninterrupted_run(settings, grpo_of, online_rows, tmp_path):
    def losses(trainer):
        return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]

    given = {"rows": online_rows(12), "max_steps": 4, "save_strategy": "steps", "save_steps": 2, **settings}
    given["output_dir"] = str(tmp_path / "run")
    whole = grpo_of(**given)
    whole.train()
    resumed = grpo_of(**given)
    resumed.train(resume_from_checkpoint=str(tmp_path / "run" / "checkpoint-2"))
    assert losses(resumed) == pytest.approx(losses(whole), abs=1e-6)
    for one, other in zip(resumed.model.parameters(), whole.model.parameters(), strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("step", "media", "settings"),
    [
        pytest.param(3, True, {}, id="between the first and the second epoch"),
        pytest.param(4, False, {}, id="in the second, text"),
        pytest.param(8, True, {}, id="in the third"),
        pytest.param(6, True, {"gradient_accumulation_steps": 2, "num_iterations": 2}, id="after whole rounds"),
        pytest.param(4, True, {"dataloader_num_workers": 1}, id="with a worker"),
    ],
)  # fmt: skip
def test_resuming_in_a_later_epoch_draws_the_same_prompts(
    step, media, settings, grpo_of, online_rows, tmp_path
):
    """Six prompts in rounds of two (three steps an epoch), or twelve in rounds of four (six steps)."""
    seen = {}

    def run(name, resume=None):
        drawn = seen[name] = []

        def reward(prompts, completion_ids, trainer_state, **_):
            drawn.append((trainer_state.global_step, [str(p) for p in prompts], completion_ids))
            return [sum(ids) % 7 / 7 for ids in completion_ids]

        rows = online_rows(12 if settings.get("num_iterations") else 6, media=media)
        trainer = grpo_of(
            rows=rows,
            model="qwen2_5_vl" if media else "qwen2",
            rewards=reward,
            max_steps=step + 2,
            save_strategy="steps",
            save_steps=step,
            output_dir=str(tmp_path / "run"),
            **settings,
        )
        trainer.train(resume_from_checkpoint=resume)
        return trainer

    whole = run("whole")
    resumed = run("resumed", str(tmp_path / "run" / f"checkpoint-{step}"))
    assert seen["resumed"] == [entry for entry in seen["whole"] if entry[0] >= step] != []
    for one, other in zip(resumed.model.parameters(), whole.model.parameters(), strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=0)


@pytest.mark.slow
def test_two_processes_resume_in_the_second_epoch(settings_of):
    """Eight prompts, two a step: four steps an epoch."""
    whole = settings_of(2, 4, max_steps=7, save_steps=1)
    again = {**whole, "resume": str(Path(whole["output_dir"], "checkpoint-6"))}
    losses = []
    for settings in (whole, again):
        done = launch(settings, 2)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-5000:]
        state = json.loads(Path(whole["output_dir"], "checkpoint-7", "trainer_state.json").read_text())
        losses.append([(e["loss"], e["reward"], e["kl"]) for e in state["log_history"] if "loss" in e][-1])
    assert losses[0] == pytest.approx(losses[1], abs=1e-6)


def test_a_saved_policy_loads_with_plain_transformers(grpo_of, tmp_path):
    trainer = grpo_of(max_steps=1)
    trainer.train()
    trainer.save_model(str(tmp_path / "saved"))
    model = AutoModelForImageTextToText.from_pretrained(tmp_path / "saved")
    for name, weight in trainer.model.state_dict().items():
        assert torch.equal(model.state_dict()[name], weight)
    trainer.create_model_card(dataset_name="captions")
    card = Path(trainer.args.output_dir, "README.md").read_text()
    for part in ("GRPO", "| rewards | 1 x varied |", "| responses a prompt | 4 |"):
        assert part in card, part


@pytest.mark.slow
@pytest.mark.parametrize("family", ["qwen2_5_vl", "qwen2_5_omni_thinker"])
def test_sharded_weights_where_one_process_has_a_video(family):
    script = str(Path(__file__).with_name("sharded_script.py"))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*command, script, family], capture_output=True, text=True, env=environment, timeout=200
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "process 0 is the same" in done.stdout and "process 1 is the same" in done.stdout
