"""What a launched recipe hands to its trainer."""

import json
import sys
from types import SimpleNamespace

import pytest

from vidalign.trainers import script
from vidalign.trainers.sft import VideoSFTConfig


class Trainer:
    """Keeps what it is given, and trains nothing."""

    last: "Trainer"

    def __init__(self, **given):
        Trainer.last, self.given, self.calls = self, given, {}
        self.accelerator = SimpleNamespace(print=lambda line: None)

    def __getattr__(self, name):
        return lambda *args, **kwargs: self.calls.setdefault(name, (args, kwargs))


@pytest.fixture
def launch(tmp_path, monkeypatch):
    """`launch("--key", "value", ...)`: the trainer of a run on a folder of rows."""
    (tmp_path / "rows").mkdir()
    for split in ("train", "test"):
        row = {"prompt": split, "completion": "a"}
        (tmp_path / "rows" / f"{split}.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")

    def launched(*arguments):
        given = ["--model_name_or_path", "model", "--dataset_name", str(tmp_path / "rows"), *arguments]
        given += ["--output_dir", str(tmp_path / "out"), "--use_cpu", "true", "--bf16", "false"]
        monkeypatch.setattr(sys, "argv", ["vidalign.trainers.sft", *given])
        script.run(Trainer, VideoSFTConfig, "sft")
        return Trainer.last

    return launched


def test_settings_of_the_model_reach_it(launch):
    arguments = ["--attn_implementation", "eager", "--model_revision", "v1", "--dtype", "float32"]
    trainer = launch(*arguments)
    assert trainer.given["model"] == "model"
    options = trainer.given["args"].model_init_kwargs
    assert options == {"attn_implementation": "eager", "revision": "v1", "dtype": "float32"}


def test_a_run_goes_on_where_it_is_told_to(launch):
    assert launch("--resume_from_checkpoint", "out/checkpoint-3").calls["train"] == (
        (),
        {"resume_from_checkpoint": "out/checkpoint-3"},
    )
    assert launch().calls["train"] == ((), {"resume_from_checkpoint": None})


def test_media_start_at_the_folder_of_the_rows(launch, tmp_path):
    assert launch().given["args"].media_root == str((tmp_path / "rows").resolve())
    assert launch("--media_root", "/elsewhere").given["args"].media_root == "/elsewhere"


def test_rows_to_evaluate_on_are_read_only_where_they_are_used(launch):
    trainer = launch("--eval_strategy", "epoch")
    assert [trainer.given[name][0]["prompt"] for name in ("train_dataset", "eval_dataset")] == [
        "train",
        "test",
    ]
    assert launch().given["eval_dataset"] is None
    with pytest.raises(ValueError, match="has no split 'dev', only"):
        launch("--eval_strategy", "epoch", "--dataset_test_split", "dev")


def test_what_is_saved_and_pushed(launch, tmp_path):
    calls = launch().calls
    assert calls["save_model"] == ((str(tmp_path / "out"),), {})
    assert "create_model_card" in calls and "end" in calls and "push_to_hub" not in calls
    assert "push_to_hub" in launch("--push_to_hub", "true").calls


def test_processes_that_would_train_apart_are_refused(launch, monkeypatch):
    known = script.parser

    def parser(*classes):
        """Tells of two processes behind the parsing, or torch would look for the second."""
        found = known(*classes)
        parse = found.parse_args_and_config

        def parsed(**options):
            result = parse(**options)
            monkeypatch.setenv("WORLD_SIZE", "2")
            return result

        found.parse_args_and_config = parsed
        return found

    monkeypatch.setattr(script, "parser", parser)
    with pytest.raises(ValueError, match="launched as 2 processes, but the trainer sees one"):
        launch()


def test_a_recipe_of_another_method_is_named(launch):
    with pytest.raises(ValueError, match=r"for method 'dpo'; launch it with -m vidalign\.trainers\.dpo"):
        launch("--method", "dpo")


def test_without_a_rate_or_a_number_two_frames_a_second_are_taken(launch):
    frames = [
        (args.video_fps, args.video_num_frames)
        for args in (launch(*given).given["args"] for given in ([], ["--video_num_frames", "8"]))
    ]
    assert frames == [(2.0, None), (None, 8)]
