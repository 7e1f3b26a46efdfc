"""Whole runs: accumulation, resuming, saving, the card, and two processes by `accelerate launch`."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForImageTextToText, AutoProcessor

from vidalign.trainers.adapters import lora_preset

REPOSITORY = Path(__file__).parents[2]


@pytest.mark.parametrize("method", ["dpo", "synpo", "sft", "ranking"])
def test_a_batch_of_four_is_four_accumulated(method, trainer_of, losses_of, assert_same_gradients):
    # The next-token term is a mean over the tokens of a batch, as in TRL's DPO.
    settings = {"family_rows": 4, "max_steps": 2, **({"ntp_weight": 0.0} if method == "ranking" else {})}
    whole = trainer_of(method, per_device_train_batch_size=4, **settings)
    parts = trainer_of(method, per_device_train_batch_size=1, gradient_accumulation_steps=4, **settings)
    assert losses_of(parts) == pytest.approx(losses_of(whole), abs=1e-4)
    weights = [dict(trainer.model.named_parameters()) for trainer in (parts, whole)]
    for name, weight in weights[1].items():
        # One AdamW step moves a weight by about the learning rate (1e-3), in the sign of its gradient.
        assert (weights[0][name] - weight).abs().mean() < 1e-4


@pytest.mark.parametrize(
    ("method", "adapter"),
    [("dpo", False), ("dpo", True), ("synpo", False), ("sft", False), ("ranking", False)],
)
def test_resuming_gives_the_losses_of_the_uninterrupted_run(method, adapter, trainer_of, losses_of, tmp_path):
    settings = {"max_steps": 4, "save_strategy": "steps", "save_steps": 2, "per_device_train_batch_size": 1}
    if adapter:
        settings["trainer_options"] = {"peft_config": lora_preset(r=4)}
    whole = losses_of(trainer_of(method, output_dir=str(tmp_path / "run"), **settings))
    resumed = trainer_of(method, output_dir=str(tmp_path / "run"), **settings)
    again = losses_of(resumed, resume_from_checkpoint=str(tmp_path / "run" / "checkpoint-2"))
    assert len(whole) == 4 and again == pytest.approx(whole, abs=1e-6)


def test_the_best_model_is_the_one_that_was_saved(trainer_of, tmp_path):
    """Learning at a rate that ruins the model: the first checkpoint is the best."""
    from transformers import AutoModelForImageTextToText

    trainer = trainer_of(
        "sft", max_steps=4, learning_rate=1.0, save_strategy="steps", save_steps=2, eval_strategy="no",
    )  # fmt: skip
    trainer.train()
    first = tmp_path / "out" / "checkpoint-2"
    trainer.state.best_model_checkpoint = str(first)
    expected = AutoModelForImageTextToText.from_pretrained(first).state_dict()
    assert any(not torch.equal(weight, expected[name]) for name, weight in trainer.model.state_dict().items())
    trainer._load_best_model()
    assert all(torch.equal(weight, expected[name]) for name, weight in trainer.model.state_dict().items())


def test_a_saved_model_loads_with_plain_transformers(trainer_of, tmp_path):
    trainer = trainer_of("synpo", max_steps=2)
    trainer.train()
    trainer.save_model(str(tmp_path / "saved"))
    model = AutoModelForImageTextToText.from_pretrained(tmp_path / "saved")
    assert not model.config.get_text_config()._attn_implementation.startswith("vidalign")
    assert type(AutoProcessor.from_pretrained(tmp_path / "saved")).__name__ == "Qwen2_5_VLProcessor"
    for name, weight in trainer.model.state_dict().items():
        assert torch.equal(model.state_dict()[name], weight)


def test_the_trained_model_still_generates(trainer_of):
    trainer = trainer_of("synpo", max_steps=1)
    trainer.train()
    batch = next(iter(trainer.get_train_dataloader()))
    prompt = int(batch["completion_mask"][0].argmax())
    ids = batch["input_ids"][:1, :prompt]
    types = torch.zeros_like(ids)
    types[ids == trainer.model.config.video_token_id] = 2
    output = trainer.model.generate(
        input_ids=ids, mm_token_type_ids=types, max_new_tokens=4, do_sample=False, **batch["media"][0]
    )
    assert output.shape[1] > prompt


def launch(arguments, processes):
    config = REPOSITORY / "recipes" / "accelerate" / "cpu.yaml"
    command = [sys.executable]
    if processes > 1:  # one needs no launcher, which takes seconds to load
        command += ["-m", "accelerate.commands.launch", "--config_file", str(config)]
        command += ["--num_processes", str(processes), "--main_process_port", "0"]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*command, *arguments], capture_output=True, text=True, env=environment, timeout=300
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-5000:]


PAIRS = ("logps_mean/chosen", "prob_geo/rejected", "logps/rejected", "grad/chosen", "grad/rejected")
RANKS = ("rank/accuracy", "rank/kendall_tau", "rewards/rank_1", "logps/rank_5", "entropy", "num_tokens")


@pytest.mark.parametrize(
    ("method", "logged"),
    [
        ("synpo", PAIRS),
        pytest.param("dpo", PAIRS, marks=pytest.mark.slow),
        pytest.param("ranking-cached", RANKS, marks=pytest.mark.slow),
        pytest.param("ranking", RANKS, marks=pytest.mark.slow),
    ],
)
def test_two_processes_are_one(
    method, logged, saved_model, media_folder, pair_rows, chain_rows, write_rows, tmp_path
):
    """Ranks hold different numbers of media: the last row of each batch has none. Chains are of different length."""
    table = pair_rows(8) if logged is PAIRS else chain_rows(8)
    rows = [{**row, "videos": [] if number % 4 == 3 else row["videos"]} for number, row in enumerate(table)]
    dataset = write_rows(media_folder / f"{method}.jsonl", rows)
    histories = []
    for processes in (1, 2):
        out = tmp_path / f"{processes}"
        options = {
            "model_name_or_path": saved_model("qwen2_5_vl"),
            "dataset_name": dataset,
            "output_dir": out,
            "max_steps": 3,
            "logging_steps": 1,
            "per_device_train_batch_size": 4 // processes,
            "learning_rate": 1e-3,
            "use_cpu": "true",
            "bf16": "false",
            "report_to": "none",
            "save_strategy": "steps",
            "save_steps": 3,
            **({"precompute_ref_log_probs": "true"} if "cached" in method else {}),
            **({"grad_norm_every": 1} if logged is PAIRS else {}),
            **({"ntp_weight": "0"} if logged is RANKS else {}),  # a mean over the tokens of a rank's batch
        }
        arguments = [text for name, value in options.items() for text in (f"--{name}", str(value))]
        launch(["-m", f"vidalign.trainers.{method.split('-')[0]}", *arguments], processes)
        state = json.loads((out / "checkpoint-3" / "trainer_state.json").read_text())
        histories.append([entry for entry in state["log_history"] if "loss" in entry])
    for one, two in zip(*histories, strict=True):
        for name in ("loss", "grad_norm", *logged):
            # Norms of gradients are of the order of 1e-6.
            assert two[name] == pytest.approx(one[name], rel=2e-3, abs=1e-4 * ("grad/" not in name)), name


def test_two_processes_share_the_reference_of_rows_from_memory(
    saved_model, media_folder, pair_rows, trainer_of, tmp_path
):
    """One process writes what both read, and both leave out the rows whose files one of them found bad."""
    rows = {"media": pair_rows(7), "text": pair_rows(7, media=False)}
    for number in (2, 4, 5):
        (media_folder / f"text{number}.mp4").write_text(f"not a video, but text {number}")
        rows["media"][number]["videos"] = [f"text{number}.mp4"]
    settings = {
        "media_root": str(media_folder),
        "bad_media": "skip",
        "precompute_ref_log_probs": True,
        "per_device_train_batch_size": 2,
        "gradient_checkpointing": False,
    }
    out = tmp_path / "two"
    out.mkdir()
    machine = {"output_dir": str(out), "use_cpu": True, "bf16": False, "report_to": []}
    given = {"rows": rows, "settings": {**settings, **machine}, "model": saved_model("qwen2_5_vl")}
    (tmp_path / "given.json").write_text(json.dumps(given))
    launch([str(Path(__file__).parent / "reference_script.py"), str(tmp_path / "given.json")], 2)
    for name, table in rows.items():
        alone = trainer_of("dpo", rows=table, **settings).train_dataset
        kept = [0, 1, 3, 6] if name == "media" else [None] * 7
        for rank in range(2):
            values = json.loads((out / f"{name}-{rank}.json").read_text())
            assert values["rows"] == kept
            assert values["train"] == pytest.approx(alone["ref_chosen_logps"][:], abs=1e-4)
            assert values["eval"] == pytest.approx(values["train"][: len(values["eval"])], abs=1e-4)
            assert len(values["eval"]) == (2 if name == "media" else 3)
