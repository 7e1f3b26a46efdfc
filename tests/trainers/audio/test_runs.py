"""Whole runs with sound: loading, what learns, the reference's cache, the card, saving."""

import itertools
import json
import math
import re
import shutil
from pathlib import Path

import pytest
import torch
import transformers
from datasets import Dataset, load_dataset

from vidalign.families import FAMILIES, UnknownFamilyError
from vidalign.trainers.adapters import lora_preset
from vidalign.trainers.dpo import VideoDPOConfig, VideoDPOTrainer
from vidalign.trainers.sft import VideoSFTConfig, VideoSFTTrainer

WHOLE = {
    "qwen2_5_omni_thinker": ("Qwen2_5OmniConfig", "Qwen2_5OmniForConditionalGeneration"),
    "qwen3_omni_moe_thinker": ("Qwen3OmniMoeConfig", "Qwen3OmniMoeForConditionalGeneration"),
}


@pytest.fixture
def whole_model(tmp_path):
    """Of a checkpoint as published, of which the thinker is a part: its folder, the thinker's weights, the model."""

    def save(name):
        family = FAMILIES[name]
        thinker = family.tiny_model()
        config_class, model_class = (getattr(transformers, part) for part in WHOLE[name])
        config = config_class(thinker_config=thinker.config.to_dict(), enable_audio_output=False)
        model = model_class(config)
        model.thinker.load_state_dict(thinker.state_dict())
        model.save_pretrained(tmp_path / name)
        family.tiny_processor().save_pretrained(tmp_path / name)
        return str(tmp_path / name), thinker.state_dict(), model

    return save


@pytest.mark.parametrize(
    ("family", "trainer_class", "config_class"),
    [
        ("qwen2_5_omni_thinker", VideoDPOTrainer, VideoDPOConfig),
        ("qwen2_5_omni_thinker", VideoSFTTrainer, VideoSFTConfig),
        ("qwen3_omni_moe_thinker", VideoDPOTrainer, VideoDPOConfig),
    ],
)
def test_of_a_whole_checkpoint_the_thinker_is_loaded(
    family, trainer_class, config_class, whole_model, sound_rows, sound_folder, losses_of, tmp_path
):
    folder, weights, whole = whole_model(family)
    rows = sound_rows({"videos": ["0.mp4"]}, {"audios": ["bell.wav"]})
    if trainer_class is VideoSFTTrainer:
        rows = [{"completion": row.pop("chosen"), **row} for row in rows]
    settings = {"media_root": str(sound_folder), "use_audio_in_video": True, "max_steps": 1, "use_cpu": True}
    args = config_class(
        str(tmp_path / "out"), bf16=False, report_to=[], save_strategy="no", logging_steps=1, **settings
    )
    given = {"args": args, "train_dataset": Dataset.from_list(rows)}
    trainer = trainer_class(folder, **given)
    assert trainer.model.config.model_type == family
    assert all(torch.equal(weight, weights[name]) for name, weight in trainer.model.state_dict().items())
    if trainer_class is VideoDPOTrainer:
        assert trainer.ref_model.config.model_type == family
    assert all(math.isfinite(loss) for loss in losses_of(trainer))
    trainer.save_model(str(tmp_path / "saved"))
    again = trainer_class(str(tmp_path / "saved"), **given)
    assert again.model.config.model_type == family
    for name, weight in trainer.model.state_dict().items():
        assert torch.equal(again.model.state_dict()[name], weight), name
    with pytest.raises(UnknownFamilyError, match="Use its `thinker`"):
        trainer_class(whole, **given)


def test_lora_on_the_audio_tower(hearing, mixed_rows):
    def adapted(**parts):
        trainer = hearing("synpo", mixed_rows, trainer_options={"peft_config": lora_preset(r=2, **parts)})
        return {name for name, weight in trainer.model.named_parameters() if weight.requires_grad}

    plain, audio, every = (
        adapted(),
        adapted(audio_tower=True),
        adapted(vision_tower=True, projector=True, audio_tower=True),
    )
    assert plain < audio < every
    assert not any("audio_tower" in name or "visual" in name for name in plain)
    assert all("audio_tower.layers" in name for name in audio - plain)
    assert any("audio_tower.proj" in name for name in every)


def test_lora_on_an_audio_tower_that_is_not_there(trainer_of):
    with pytest.raises(ValueError, match="names an audio tower, but qwen2_5_vl does not hear"):
        trainer_of("synpo", trainer_options={"peft_config": lora_preset(r=2, audio_tower=True)})


def test_shared_is_separate_with_adapters(hearing, mixed_rows, first_step, moved, assert_same_gradients):
    settings = {"trainer_options": {"peft_config": lora_preset(r=2, audio_tower=True, vision_tower=True)}}
    shared, separate = (
        moved(hearing("dpo", mixed_rows, share_prefix=share, **settings)) for share in (True, False)
    )
    (loss, grads), (expected, expected_grads) = first_step(shared), first_step(separate)
    assert loss == pytest.approx(expected, abs=1e-5)
    assert_same_gradients(grads, expected_grads)


def test_precomputed_reference_is_read_again_only_for_the_same_sounds(
    hearing, sound_folder, sound_rows, tmp_path
):
    folder = tmp_path / "media"
    shutil.copytree(sound_folder, folder)
    rows = sound_rows({"videos": ["0.mp4"]}, {"audios": ["bell.wav"]}, {"videos": ["longer.mp4"]})
    (folder / "rows.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    settings = {"precompute_ref_log_probs": True, "media_root": str(folder)}

    def precompute(**changes):
        table = load_dataset(
            "json", data_files=str(folder / "rows.jsonl"), split="train", cache_dir=str(tmp_path / "c")
        )
        trainer = hearing("dpo", table, **{**settings, **changes})
        return trainer._media_encoder.runs, trainer.train_dataset["ref_chosen_logps"][:]

    runs, values = precompute()
    assert runs > 0
    assert precompute() == (0, values)
    runs, deaf = precompute(use_audio_in_video=False)
    assert runs > 0 and deaf[0] != values[0] and deaf[1] == pytest.approx(values[1], abs=1e-4)
    shutil.copy(folder / "call.wav", folder / "bell.wav")
    runs, others = precompute()
    assert runs > 0 and others[1] != values[1] and others[0] == pytest.approx(values[0], abs=1e-4)


def test_the_card_says_what_was_heard(hearing, sound_rows):
    rows = sound_rows({"videos": ["0.mp4"]}, {"videos": ["mute.mp4"]})
    for missing, expected in (
        ("silence", "| sound of videos | with their frames; silence where there is none |"),
        (None, None),
    ):
        heard = {"missing_audio": missing} if missing else {"use_audio_in_video": False}
        trainer = hearing("synpo", rows, max_steps=1, **heard)
        trainer.train()
        trainer.create_model_card()
        text = Path(trainer.args.output_dir, "README.md").read_text()
        assert (expected in text) if expected else ("sound of videos" not in text)


@pytest.mark.parametrize("media", [{"videos": ["0.mp4"]}, {"audios": ["bell.wav"]}])
def test_the_cards_quick_start_runs_with_sound(media, hearing, sound_rows, sound_folder, monkeypatch, capsys):
    trainer = hearing("sft", sound_rows(media), max_steps=1, missing_audio="silence")
    trainer.train()
    trainer.save_model()
    trainer.create_model_card()
    text = Path(trainer.args.output_dir, "README.md").read_text()
    [code] = re.findall(r"^```python\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    assert "use_audio_in_video=True, missing_audio='silence'" in code
    shutil.copy(sound_folder / "1.mp4", Path(trainer.args.output_dir, "video.mp4"))
    shutil.copy(sound_folder / "call.wav", Path(trainer.args.output_dir, "audio.wav"))
    monkeypatch.chdir(trainer.args.output_dir)
    capsys.readouterr()
    exec(code, {})
    printed = capsys.readouterr().out
    assert printed.strip() and "Error" not in printed and ".mp4" not in printed and ".wav" not in printed


def test_sound_is_cut_among_the_frames_as_the_model_has_it(tmp_path, sound_folder, sound_rows):
    """transformers does not save the seconds of a chunk with a processor."""
    family = FAMILIES["qwen2_5_omni_thinker"]
    model, processor = family.tiny_model(), family.tiny_processor()
    model.config.seconds_per_chunk = 1
    model.save_pretrained(tmp_path / "model")
    processor.save_pretrained(tmp_path / "model")
    rows = [{**row, "completion": row["chosen"]} for row in sound_rows({"videos": ["0.mp4"]})]
    trainer = VideoSFTTrainer(
        model=str(tmp_path / "model"),
        args=VideoSFTConfig(
            output_dir=str(tmp_path / "out"),
            media_root=str(sound_folder),
            use_audio_in_video=True,
            use_cpu=True,
            bf16=False,
            report_to=[],
        ),
        train_dataset=Dataset.from_list(
            [{name: row[name] for name in ("videos", "prompt", "completion")} for row in rows]
        ),
    )
    ids = next(iter(trainer.get_train_dataloader()))["input_ids"][0]
    media = torch.isin(ids, torch.tensor([model.config.video_token_id, model.config.audio_token_id]))
    kinds = ids[media].tolist()
    changes = sum(one != other for one, other in itertools.pairwise(kinds))
    assert changes == 3  # frames, sound, frames, sound: two chunks of a second
