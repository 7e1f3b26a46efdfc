"""Streams: evaluated and trained on as tables are, in one process and in two."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from datasets import Dataset, IterableDataset
from PIL import Image
from transformers import set_seed

from vidalign.rows import BadRows
from vidalign.trainers.streams import UnshardedStream, as_table

REPOSITORY = Path(__file__).parents[2]
METHODS = ("dpo", "synpo", "sft", "ranking", "grpo")


@pytest.fixture
def rows_of(pair_rows, chain_rows, online_rows):
    def rows(method, count, *, media=True):
        if method == "ranking":
            return chain_rows(count, media=media)
        if method == "grpo":
            return online_rows(count, media=media)
        table = pair_rows(count, media=media)
        if method == "sft":
            table = [{**row, "completion": row["chosen"]} for row in table]
            table = [{k: v for k, v in row.items() if k not in ("chosen", "rejected")} for row in table]
        return table

    return rows


def stream_of(rows):
    return IterableDataset.from_generator(lambda parts: (row for part in parts for row in part), gen_kwargs={"parts": [rows[:-2], rows[-2:]]})  # fmt: skip


def measured(trainer, dataset=None):
    set_seed(7)  # completions
    timed = ("runtime", "per_second", "preparation_time", "reward_time", "step_time")
    return {k: v for k, v in trainer.evaluate(dataset).items() if not any(name in k for name in timed)}


@pytest.mark.parametrize("media", [True, False])
@pytest.mark.parametrize("method", METHODS)
def test_a_stream_is_evaluated_as_a_table(method, media, trainer_of, grpo_of, rows_of):
    """Five rows in batches of two: the last weighs half."""
    rows = rows_of(method, 5, media=media)
    model = "qwen2_5_vl" if media else "qwen2"
    batch = {"per_device_eval_batch_size": 4 if method == "grpo" else 2}
    build = grpo_of if method == "grpo" else lambda **given: trainer_of(method, **given)
    given = {"model": model, **batch, "max_steps": 1}
    options = {"eval_dataset": stream_of(rows)}
    trainer = build(rows=Dataset.from_list(rows), trainer_options=options, **given)
    trainer.train()
    expected = measured(trainer, Dataset.from_list(rows))
    assert measured(trainer) == pytest.approx(expected, abs=1e-6)
    assert measured(trainer, stream_of(rows)) == pytest.approx(expected, abs=1e-6)
    named = measured(trainer, {"one": stream_of(rows)})
    assert named["eval_one_loss"] == pytest.approx(expected["eval_loss"], abs=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_trained_on_a_stream_and_evaluated_on_either(method, trainer_of, grpo_of, rows_of):
    rows = rows_of(method, 5)
    build = grpo_of if method == "grpo" else lambda **given: trainer_of(method, **given)
    trainer = build(
        rows=stream_of(rows),
        max_steps=2,
        per_device_eval_batch_size=4,
        eval_strategy="steps",
        eval_steps=1,
        trainer_options={"eval_dataset": {"stream": stream_of(rows), "table": Dataset.from_list(rows)}},
    )
    trainer.train()
    history = trainer.state.log_history
    assert len([entry for entry in history if "eval_stream_loss" in entry]) == 2
    if method != "grpo":  # whose completions are drawn anew
        of = lambda name: [e[f"eval_{name}_loss"] for e in history if f"eval_{name}_loss" in e]  # noqa: E731
        assert of("stream") == pytest.approx(of("table"), abs=1e-6)


def test_predictions_on_a_stream(trainer_of, rows_of):
    rows = rows_of("sft", 3)
    trainer = trainer_of("sft", rows=Dataset.from_list(rows), prediction_loss_only=True)
    found = [
        trainer.predict(given).metrics["test_loss"] for given in (Dataset.from_list(rows), stream_of(rows))
    ]
    assert found[0] == pytest.approx(found[1], abs=1e-6)


def test_bad_rows_of_a_stream_are_named_before_training(trainer_of, rows_of):
    rows = rows_of("dpo", 3)
    rows[1]["videos"] = ["gone.mp4"]
    with pytest.raises(BadRows, match=r"eval dataset.*\n.*row 1: videos: .*gone.mp4"):
        trainer_of("dpo", rows=Dataset.from_list(rows_of("dpo", 2)), trainer_options={"eval_dataset": stream_of(rows)})  # fmt: skip
    with pytest.raises(ValueError, match="held-out dataset is a stream that yields no rows"):
        as_table(IterableDataset.from_generator(lambda: iter(())), "held-out")


def test_a_stream_of_images_keeps_its_files(tmp_path):
    from datasets import Features, List
    from datasets import Image as ImageFeature

    Image.effect_noise((60, 60), 50).convert("RGB").save(tmp_path / "a.jpg", quality=50)
    table = Dataset.from_dict(
        {"images": [[str(tmp_path / "a.jpg")], []]}, features=Features({"images": List(ImageFeature())})
    )
    again = as_table(table.to_iterable_dataset(), "eval")
    assert again.features == table.features
    assert again[0]["images"][0].tobytes() == table[0]["images"][0].tobytes()
    assert again.data.column("images").to_pylist() == table.data.column("images").to_pylist()


def test_pictures_beside_the_media_keep_their_files_too(tmp_path):
    """A decoded picture would be stored again, in another format or with another loss."""
    from datasets import Features, Value
    from datasets import Image as ImageFeature

    Image.effect_noise((60, 60), 50).convert("RGB").save(tmp_path / "a.jpg", quality=50)
    features = Features({"prompt": Value("string"), "poster": ImageFeature()})
    held = [str(tmp_path / "a.jpg"), {"bytes": (tmp_path / "a.jpg").read_bytes(), "path": None}]
    table = Dataset.from_dict({"prompt": ["a", "b"], "poster": held}, features=features)
    again = as_table(table.to_iterable_dataset(), "eval")
    assert again.features == table.features
    assert again.data.column("poster").to_pylist() == table.data.column("poster").to_pylist()


def test_a_shuffled_stream_has_another_order_in_each_epoch():
    rows = Dataset.from_dict({"number": range(8)}).to_iterable_dataset()
    stream = UnshardedStream(rows.shuffle(seed=0, buffer_size=8))
    orders = []
    for epoch in (0, 1, 0):
        stream.set_epoch(epoch)
        orders.append([row["number"] for row in stream])
    assert orders[0] == orders[2] != orders[1]
    assert sorted(orders[1]) == list(range(8))


@pytest.mark.parametrize("streamed", [True, False])
def test_batches_that_accelerate_would_cut_are_refused(streamed, trainer_of, rows_of):
    rows = rows_of("dpo", 3)
    with pytest.raises(ValueError, match="dispatch_batches=True is not supported"):
        trainer_of(
            "dpo",
            rows=stream_of(rows) if streamed else Dataset.from_list(rows),
            max_steps=1,
            accelerator_config={"dispatch_batches": True},
        )


def test_streams_in_two_processes(saved_model, media_folder, rows_of, tmp_path):
    """Five rows a row at a time: in two processes the last round has one row, and the first one once more, uncounted.

    The stream to train on has two files of unlike length. In GRPO a group's completions lie in both processes.
    """
    found = []
    for processes in (1, 2):
        common = {
            "media_root": str(media_folder),
            "output_dir": str(tmp_path / f"{processes}"),
            "learning_rate": 1e-3,
            "per_device_train_batch_size": 2 // processes,
        }
        single = {**common, "max_steps": 2, "per_device_eval_batch_size": 1}
        tasks = {name: {"rows": rows_of(name, 5), "settings": single} for name in METHODS if name != "grpo"}
        tasks["ranking"]["settings"] = {
            **single,
            "ntp_weight": 0.0,
        }  # a mean over the tokens of a rank's batch
        online = {
            "num_generations": 4,
            "max_completion_length": 4,
            "per_device_train_batch_size": 4 // processes,
        }
        online |= {"max_steps": 2, "per_device_eval_batch_size": 4 // processes}
        tasks["grpo"] = {"rows": rows_of("grpo", 6), "settings": {**common, **online}}
        config = REPOSITORY / "recipes" / "accelerate" / "cpu.yaml"
        command = [sys.executable]
        if processes > 1:  # one needs no launcher, which takes seconds to load
            command += ["-m", "accelerate.commands.launch", "--config_file", str(config)]
            command += ["--num_processes", str(processes), "--main_process_port", "0"]
        script = str(Path(__file__).with_name("streams_script.py"))
        environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
        argument = json.dumps({"model": saved_model("qwen2_5_vl"), **tasks})
        done = subprocess.run(
            [*command, script, argument], capture_output=True, text=True, env=environment, timeout=300
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-5000:]
        lines = [line for line in done.stdout.splitlines() if line.startswith('{"dpo": ')]
        found.append(json.loads(lines[-1]))
        assert "find_unused_parameters" not in done.stderr
    for results, wrapper in zip(
        found, ("Qwen2_5_VLForConditionalGeneration", "DistributedDataParallel"), strict=True
    ):
        assert {result["wrapped by"] for result in results.values()} == {wrapper}
        for method, result in results.items():
            for name in ("stream", "stream of evaluate"):
                assert result[name] == pytest.approx(result["table"], abs=1e-6), (method, name)
    one, two = found
    for method in METHODS[:-1]:
        for name in ("table", "table after a stream"):
            assert two[method][name]["eval_loss"] == pytest.approx(one[method][name]["eval_loss"], abs=1e-4)
        assert two[method]["losses on a stream"] == pytest.approx(one[method]["losses on a stream"], abs=1e-4)
