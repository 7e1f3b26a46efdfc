"""The card that trainers write: that it is ours wherever TRL writes one, that what it says is so, and that its code runs."""

import re
import shutil
from pathlib import Path

import pytest
import torch
from datasets import Dataset
from huggingface_hub import EvalResult, ModelCard
from PIL import Image as Picture

from vidalign.families.tiny_tokenizer import tiny_tokenizer
from vidalign.generate import LocalModel, Sampling
from vidalign.rows import MediaFolder
from vidalign.trainers.adapters import lora_preset
from vidalign.trainers.card import example_of
from vidalign.trainers.sft import VideoSFTConfig, VideoSFTTrainer


def trained(trainer, **given):
    """The trainer, after its run, with model and card in its folder."""
    trainer.train()
    trainer.save_model()
    trainer.create_model_card(**given)
    return trainer


def card_of(trainer):
    return ModelCard.load(Path(trainer.args.output_dir, "README.md"))


def quick_start(trainer):
    [code] = re.findall(r"^```python\n(.*?)^```$", card_of(trainer).text, re.DOTALL | re.MULTILINE)
    return code


@pytest.fixture
def run(monkeypatch, capsys):
    """What the card's code prints, in the model's folder, with a reader's files beside it: `run(trainer, {"video.mp4": path})`."""

    def go(trainer, files):
        for name, path in files.items():
            shutil.copy(path, Path(trainer.args.output_dir, name))
        with monkeypatch.context() as patch:
            patch.chdir(trainer.args.output_dir)
            capsys.readouterr()
            exec(quick_start(trainer), {})
        return capsys.readouterr().out

    return go


def test_the_card_says_how_it_was_trained(trainer_of, tmp_path):
    trainer = trainer_of("synpo", max_steps=1, recipe="synpo/qwen2_5_vl_7b", freeze=["vision_tower"])
    trained(trainer, dataset_name="pairs")
    text = Path(trainer.args.output_dir, "README.md").read_text()
    for part in (
        "# out\n",
        "SynPO",
        "2506.00835",
        "prefer the chosen of two responses to a video",
        "| recipe | synpo/qwen2_5_vl_7b |",
        "| loss | synpo |",
        "| frozen | vision_tower |",
        "| frames | 2.0 a second |",
        "| steps | 1 |",
        "| model class | Qwen2_5_VLForConditionalGeneration of transformers |",
        "trl 1.16",
        "pairs",
    ):
        assert part in text, part
    assert text.count("## How it was trained") == 1
    [loss] = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    assert f"| loss | {loss:.4g} | {loss:.4g} |" in text
    data = card_of(trainer).data
    assert data.pipeline_tag == "video-text-to-text" and data.library_name == "transformers"
    assert data.license is None and data.base_model is None and data.datasets is None


@pytest.mark.parametrize("adapter", [False, True])
def test_the_quick_start_runs(adapter, trainer_of, run, media_folder):
    options = {"peft_config": lora_preset(r=4)} if adapter else {}
    trainer = trained(
        trainer_of(
            "synpo",
            max_steps=1,
            video_fps=None,
            video_num_frames=3,
            video_max_pixels=28 * 28 * 4,
            trainer_options=options,
        )
    )
    assert "VideoSampling(fps=None, num_frames=3, max_pixels=3136)" in quick_start(trainer)
    printed = run(trainer, {"video.mp4": media_folder / "3.mp4"})
    model = LocalModel(
        trainer.model.eval(),
        trainer.processing_class,
        sampling=trainer.data_collator.encoder.sampling,
        folder=MediaFolder(media_folder),
    )
    [row] = [row for row in trainer.train_dataset if row["prompt"] == trainer._example.row["prompt"]][:1]
    row = {"videos": ["3.mp4"], "prompt": row["prompt"]}
    with torch.no_grad():
        [[expected]] = model.samples([row], sampling=Sampling(max_new_tokens=512))
    assert printed == f"{expected.text}\n" and expected.tokens > 1
    assert (card_of(trainer).data.library_name == "peft") is adapter


def test_the_quick_start_of_grpo_draws_as_in_training(grpo_of, run, media_folder):
    trainer = trained(grpo_of(max_steps=1, temperature=0.8, top_k=5, max_completion_length=4))
    assert "Sampling(temperature=0.8, top_k=5, max_new_tokens=4)" in quick_start(trainer)
    assert "rewards come out high (1 x varied)" in card_of(trainer).text
    assert run(trainer, {"video.mp4": media_folder / "0.mp4"}).strip()


def test_the_quick_start_on_images(trainer_of, run, frame_rows, tmp_path):
    rows = frame_rows(("chosen", "rejected"), 2)
    trainer = trained(trainer_of("dpo", rows=rows, max_steps=1))
    Picture.new("RGB", (56, 56), "red").save(tmp_path / "red.png")
    count = len(rows[0]["images"])
    assert card_of(trainer).data.pipeline_tag == "image-text-to-text"
    assert run(trainer, {f"image{number + 1}.png": tmp_path / "red.png" for number in range(count)}).strip()


def test_the_quick_start_on_text(trainer_of, run, pair_rows):
    trainer = trained(trainer_of("dpo", rows=pair_rows(4, media=False), model="qwen3", max_steps=1))
    data = card_of(trainer).data
    assert data.pipeline_tag == "text-generation" and "video" not in data.tags
    assert "VideoSampling" not in quick_start(trainer) and "frames" not in card_of(trainer).text
    assert run(trainer, {}).strip()


def test_the_quick_start_of_a_family_that_is_not_known(run, pair_rows, tmp_path):
    from transformers import GPT2Config, GPT2LMHeadModel

    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = (
        "{% for m in messages %}{{ m['role'] + ': ' + m['content'] + '\n' }}{% endfor %}"
    )
    model = GPT2LMHeadModel(GPT2Config(vocab_size=len(tokenizer), n_embd=16, n_layer=1, n_head=2))
    rows = [{"prompt": row["prompt"], "completion": row["chosen"]} for row in pair_rows(2, media=False)]
    trainer = VideoSFTTrainer(
        model=model,
        args=VideoSFTConfig(
            output_dir=str(tmp_path / "out"), use_cpu=True, bf16=False, report_to=[], max_steps=1
        ),
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer,
    )
    trained(trainer)
    assert "weights came from memory" in card_of(trainer).text
    assert run(trainer, {}).strip()


def test_the_quick_start_on_questions_of_a_chain(trainer_of, chain_rows, run, media_folder):
    trainer = trained(trainer_of("ranking", rows=chain_rows(3, question=True), max_steps=1))
    assert "is there" in quick_start(trainer)
    assert run(trainer, {"video.mp4": media_folder / "0.mp4"}).strip()


def test_checkpoints_come_with_our_card(trainer_of):
    trainer = trainer_of("synpo", max_steps=1, save_strategy="steps", save_steps=1)
    trainer.train()
    assert "## Quick start" in card_of(trainer).text and "time machine" not in card_of(trainer).text


def test_what_is_pushed_has_our_card(trainer_of, monkeypatch, tmp_path):
    """The upload is a stand-in: there is no Hub offline."""
    from transformers import trainer as module

    sent = []

    class Hub:
        def upload_folder(self, folder_path, repo_id, **_):
            sent.append((repo_id, Path(folder_path, "README.md").read_text("utf-8")))

    trainer = trainer_of("synpo", max_steps=1, trainer_options={"peft_config": lora_preset(r=4)})
    trainer.train()
    monkeypatch.setattr(module, "hf_api", Hub)
    trainer.hub_model_id = trainer.args.hub_model_id = "you/captioner"
    results = [EvalResult("video-text-to-text", "org/clips", "Clips", "accuracy", 0.5)]
    trainer.push_to_hub(dataset_name="org/pairs", results=results)
    [(name, text)] = sent
    data = ModelCard(text).data
    assert name == "you/captioner" and "# captioner\n" in text and "LocalModel.load('you/captioner'" in text
    assert data.datasets == ["org/pairs"] and data.eval_results[0].metric_value == 0.5
    assert {"trl", "synpo", "vidalign"} <= set(data.tags)


def test_a_base_on_the_hub_is_linked(trainer_of, saved_model, on_hub):
    on_hub("org/tiny", saved_model("qwen2_5_vl"))
    trainer = trainer_of("sft", model="qwen2_5_vl", max_steps=1)
    assert "a local checkpoint" in card_of(trained(trainer)).text
    trainer = VideoSFTTrainer(
        model="org/tiny",
        args=trainer.args,
        train_dataset=trainer.train_dataset,
    )
    trainer.create_model_card()
    assert card_of(trainer).data.base_model == "org/tiny"
    assert "[org/tiny](https://huggingface.co/org/tiny)" in card_of(trainer).text


def test_no_path_and_no_key_of_this_machine_is_in_the_card(trainer_of, tmp_path, monkeypatch):
    monkeypatch.setenv("ANY_TOKEN", "hf_0123456789abcdef")
    trainer = trained(
        trainer_of("synpo", max_steps=1, recipe="with hf_0123456789abcdef"),
        dataset_name=str(tmp_path / "pairs.jsonl"),
    )
    text = Path(trainer.args.output_dir, "README.md").read_text()
    assert "0123456789" not in text and str(tmp_path) not in text and "a local one, `pairs.jsonl`" in text


ASK = [{"role": "user", "content": "describe"}]


def test_the_example_is_the_prompt_that_most_rows_have():
    other = [{"role": "user", "content": "what?"}]
    prompts = [other, ASK, ASK]
    rows = Dataset.from_list([{"videos": [f"{n}.mp4"], "prompt": prompt} for n, prompt in enumerate(prompts)])
    example = example_of(rows)
    assert (example.row, example.media) == ({"prompt": ASK}, {"video": 1, "image": 0, "audio": 0})
    assert example.share == (2, 3)


def test_the_example_has_media_if_any_row_has():
    other = [{"role": "user", "content": "what?"}]
    rows = [
        {"videos": [], "prompt": ASK},
        {"videos": [], "prompt": ASK},
        {"videos": ["a.mp4"], "prompt": other},
    ]
    assert example_of(Dataset.from_list(rows)).row["prompt"] == other


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": ASK},
        {"prompts": [ASK, [{"role": "user", "content": "what?"}]]},
        {"messages": [*ASK, {"role": "assistant", "content": "a"}]},
        {
            "chosen": [*ASK, {"role": "assistant", "content": "a"}],
            "rejected": [*ASK, {"role": "assistant", "content": "b"}],
        },
    ],
)
def test_a_prompt_is_found_in_every_form_of_rows(row):
    assert example_of(Dataset.from_list([row])).row == {"prompt": ASK}


def test_rows_without_a_prompt_and_streams_give_no_example():
    table = Dataset.from_list([{"text": "a"}])
    assert example_of(table) is None
    assert example_of(Dataset.from_list([{"prompt": ASK}]).to_iterable_dataset()) is None


def test_what_a_template_is_told_is_part_of_the_example():
    rows = Dataset.from_list([{"prompt": ASK, "chat_template_kwargs": {"a": 1}, "tools": '[{"name": "x"}]'}])
    assert example_of(rows, {"a": 0, "b": 2}).row == {
        "prompt": ASK,
        "chat_template_kwargs": {"a": 1, "b": 2},
        "tools": '[{"name": "x"}]',
    }
