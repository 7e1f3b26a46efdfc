"""Reference log-probs on the disk are read again where nothing that they depend on has changed, and only there."""

import json
import shutil

import numpy as np
import pytest
from datasets import Dataset, disable_caching, enable_caching, load_dataset
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor

from vidalign.trainers.dpo import VideoDPOTrainer
from vidalign.trainers.ranking import RankingTrainer


@pytest.fixture
def precompute(trainer_of, tmp_path, monkeypatch):
    """`precompute(folder, method, **settings)`: a trainer on `folder/rows.jsonl`, as (batches computed, log-probs)."""
    counts = []
    for trainer_class in (VideoDPOTrainer, RankingTrainer):
        compute = trainer_class.compute_ref_log_probs
        monkeypatch.setattr(
            trainer_class,
            "compute_ref_log_probs",
            lambda self, *arguments, compute=compute: counts.append(1) or compute(self, *arguments),
        )

    def run(folder, method="dpo", *, rows=None, **settings):
        counts.clear()
        if rows is None:
            rows = load_dataset(
                "json",
                data_files=str(folder / "rows.jsonl"),
                split="train",
                cache_dir=str(tmp_path / "cache"),
            )
        trainer = trainer_of(
            method, rows=rows, precompute_ref_log_probs=True, media_root=str(folder), **settings
        )
        columns = ("ref_chosen_logps", "ref_rejected_logps")
        return len(counts), [trainer.train_dataset[name][:] for name in columns]

    return run


@pytest.fixture
def folder_of(tmp_path, media_folder):
    """A folder of its own with media and rows."""

    def make(rows, name="data"):
        folder = tmp_path / name
        shutil.copytree(media_folder, folder)
        for number in range(2):
            pixels = np.random.default_rng(number).integers(0, 255, (60, 60, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / f"{number}.png")
        (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        return folder

    return make


def processor_of(saved_model, name="qwen2_5_vl", **changes):
    processor = AutoProcessor.from_pretrained(saved_model(name))
    for path, value in changes.items():
        holder, attribute = processor, path
        if "__" in path:
            part, attribute = path.split("__")
            holder = getattr(processor, part)
        setattr(holder, attribute, value)
    return {"trainer_options": {"processing_class": processor}}


def with_template(saved_model, part=""):
    """The template writes a word before everything else. part: of the processor, "" for its own."""
    processor = AutoProcessor.from_pretrained(saved_model("qwen2_5_vl"))
    template = "{{ 'red ' }}" + processor.tokenizer.chat_template
    return processor_of(saved_model, **{f"{part}chat_template": template})


CHANGES = {
    "the processor's template": with_template,
    "the tokenizer's template": lambda saved: with_template(saved, "tokenizer__"),
    "a special token": lambda saved: processor_of(saved, tokenizer__eos_token="red"),
    "the largest image": lambda saved: processor_of(
        saved, image_processor__size={"shortest_edge": 784, "longest_edge": 784}
    ),
    "how frames are normalised": lambda saved: processor_of(
        saved, video_processor__image_mean=[0.1, 0.2, 0.3]
    ),
    "sampling": lambda saved: {"video_fps": 1.0},
    "the longest row": lambda saved: {"max_length": 60},
    "ld_alpha": lambda saved: {"ld_alpha": 0.5},
    "prefixes": lambda saved: {"share_prefix": False},
}


WITHOUT_EFFECT = ("the tokenizer's template", "a special token", "the longest row", "prefixes")
"""On rows of messages as short as these, for a processor that has a template of its own."""


@pytest.mark.parametrize("change", list(CHANGES))
def test_a_change_of_settings_is_noticed(change, precompute, folder_of, pair_rows, saved_model):
    folder = folder_of([{**pair_rows(7)[6], "videos": ["0.mp4"], "images": ["0.png"]}])
    computed, values = precompute(folder, **processor_of(saved_model))
    assert computed == 1
    assert precompute(folder, **processor_of(saved_model)) == (0, values)
    computed, others = precompute(folder, **{**processor_of(saved_model), **CHANGES[change](saved_model)})
    assert computed == 1
    if change not in WITHOUT_EFFECT:
        assert others != values
    assert precompute(folder, **processor_of(saved_model)) == (0, values)


def test_an_added_token_is_noticed(precompute, folder_of, pair_rows, saved_model):
    folder = folder_of(pair_rows(1))
    precompute(folder, **processor_of(saved_model))
    changed = processor_of(saved_model)
    changed["trainer_options"]["processing_class"].tokenizer.add_tokens(["zebra"])
    assert precompute(folder, **changed)[0] == 1


def test_a_chain_is_computed_again_for_another_template(precompute, folder_of, chain_rows, saved_model):
    folder = folder_of(chain_rows(1))
    computed, values = precompute(folder, "ranking")
    assert computed == 1 and precompute(folder, "ranking") == (0, values)
    changed = with_template(saved_model)
    computed, others = precompute(folder, "ranking", **changed)
    assert computed == 1 and others != values
    assert precompute(folder, "ranking", chain_length=2)[0] == 1


@pytest.mark.parametrize("media", [{"videos": ["0.mp4"]}, {"images": ["0.png"]}, {"image": "0.png"}])
def test_a_file_is_known_by_its_content(media, precompute, folder_of, pair_rows):
    [row] = pair_rows(1, media=False)
    folder = folder_of([{**media, **row}])
    computed, values = precompute(folder)
    assert computed == 1
    name = next(iter(media.values()))
    name = name if isinstance(name, str) else name[0]
    (folder / name).touch()
    moved = folder.rename(folder.with_name("moved"))
    shutil.copytree(moved, folder)
    assert precompute(folder) == (0, values)
    shutil.copy(folder / name.replace("0", "1"), folder / name)
    computed, others = precompute(folder)
    assert computed == 1 and others != values


def test_seconds_per_chunk_are_noticed(precompute, folder_of, pair_rows, saved_model):
    """A setting of the model's that processors come without, and are given after they were loaded."""
    folder = folder_of(pair_rows(1))
    settings = {"model": "qwen2_5_omni_thinker"}
    changed = processor_of(saved_model, settings["model"], seconds_per_chunk=1.0)
    assert precompute(folder, **settings, **changed)[0] == 1
    assert precompute(folder, **settings, **changed)[0] == 0
    changed = processor_of(saved_model, settings["model"], seconds_per_chunk=2.0)
    assert precompute(folder, **settings, **changed)[0] == 1


def test_a_config_is_noticed_where_the_weights_are_the_same(precompute, folder_of, pair_rows, saved_model):
    folder = folder_of(pair_rows(1))

    def load(**changes):
        model = AutoModelForImageTextToText.from_pretrained(saved_model("qwen2_5_vl"))
        for name, value in changes.items():
            setattr(model.config.text_config, name, value)
        return {"model": model}

    assert precompute(folder, **load())[0] == 1
    assert precompute(folder, **load())[0] == 0
    assert precompute(folder, **load(rms_norm_eps=1e-3))[0] == 1


def test_text_alone_is_computed_again_for_another_template(precompute, folder_of, pair_rows, saved_model):
    """TRL's own rows: their tokens are in the data set, how they are cut is not."""
    folder = folder_of(pair_rows(7, media=False)[6:])
    computed, values = precompute(folder)
    assert computed == 1 and precompute(folder) == (0, values)
    computed, others = precompute(folder, **with_template(saved_model))
    assert computed == 1 and others != values
    changed = {"ld_alpha": 0.5}
    computed, others = precompute(folder, **changed)
    assert computed == 1 and others != values
    tokenizer = processor_of(saved_model)["trainer_options"]["processing_class"].tokenizer
    [row] = pair_rows(7, media=False)[6:]
    prompt = tokenizer.apply_chat_template(row["prompt"], add_generation_prompt=True)["input_ids"]
    computed, others = precompute(folder, max_length=len(prompt) + 2)
    assert computed == 1 and others != values


# --- where they lie ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("media", [True, False])
def test_rows_from_memory_are_kept_beside_the_checkpoints(media, precompute, folder_of, pair_rows, tmp_path):
    folder = folder_of([])
    rows = pair_rows(2, media=media)
    computed, values = precompute(folder, rows=rows)
    assert computed == 1 and list((tmp_path / "out" / "_reference").glob("cache-*.arrow"))
    assert precompute(folder, rows=rows) == (0, values)
    disable_caching()
    try:
        assert [precompute(folder, rows=rows)[0] for _ in range(2)] == [1, 0], "within a session"
    finally:
        enable_caching()


def test_a_row_that_is_left_out_does_not_move_the_others(precompute, folder_of, pair_rows):
    folder = folder_of([])
    rows = pair_rows(4)
    _, values = precompute(folder, rows=[rows[0], rows[2], rows[3]])
    (folder / "1.mp4").write_text("not a video")
    for given in (rows, Dataset.from_list(rows)):
        kept = precompute(folder, rows=given, bad_media="skip")[1]
        assert np.allclose(kept, values, atol=1e-4)
