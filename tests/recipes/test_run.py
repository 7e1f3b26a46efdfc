import math
import random
import sys
from importlib import import_module

import numpy as np
import pytest
import yaml
from safetensors.torch import load_file

from vidalign import cli
from vidalign.families.known import FAMILIES
from vidalign.families.modules import PARTS, module_parameters
from vidalign.toyworld.draw import draw
from vidalign.toyworld.scene import random_scene
from vidalign.toyworld.world import write_clip, write_jsonl

# The family (transformers' model_type) of each recipe's model.
FAMILY = {
    "LanguageBind/Video-LLaVA-7B-hf": "video_llava",
    "Qwen/Qwen2.5-Omni-7B": "qwen2_5_omni_thinker",
    "Qwen/Qwen2.5-VL-3B-Instruct": "qwen2_5_vl",
    "Qwen/Qwen2.5-VL-7B-Instruct": "qwen2_5_vl",
    "out/demo-av/checkpoint": "qwen2_5_omni_thinker",
    "out/demo/checkpoint": "qwen2_5_vl",
    "facebook/Perception-LM-1B": "perception_lm",
    "out/avocado-sft": "qwen2_5_omni_thinker",
    "out/avocado-sft-merged": "qwen2_5_omni_thinker",
    "OpenGVLab/InternVL2_5-8B-MPO-hf": "internvl",
    "alignment-handbook/zephyr-7b-sft-full": "mistral",
    "llava-hf/LLaVA-NeXT-Video-7B-hf": "llava_next_video",
    "meta-llama/Meta-Llama-3-8B-Instruct": "llama",
    "mistralai/Mistral-7B-Instruct-v0.2": "mistral",
    "princeton-nlp/Llama-3-Base-8B-SFT": "llama",
}


SOUND = (0.1 * np.random.default_rng(0).standard_normal(32_000)).astype("float32")  # as long as the clips

RESPONSES = {
    "supervised": {"completion": "a red circle moves left"},
    "preference": {"chosen": "a red circle moves left", "rejected": "nothing moves"},
    "online": {
        "keypoints": ["a red circle moves left"],
        "dialogue": [{"speaker": "a low voice", "content": "ka mu"}],
    },
    "ranked": {"ranked": ["a red circle moves left", "a blue circle moves left", "a blue circle stays"]},
}


def as_released(row):
    """A pair in the form of the data sets that the recipes for text name."""
    question = {"role": "user", "content": row["prompt"]}
    own = {name: [question, {"role": "assistant", "content": row[name]}] for name in ("chosen", "rejected")}
    return {**row, **own, "prompt_id": "x"}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A folder for each kind of rows, with the splits train and test of four rows; media stand beside them."""
    root = tmp_path_factory.mktemp("data")
    rng = random.Random(0)
    for kind, responses in RESPONSES.items():
        for media in ("text", "video"):
            folder = root / kind / media
            folder.mkdir(parents=True)
            for split in ("train", "test"):
                rows = [{"prompt": f"what moves in number {i}"} | responses for i in range(4)]
                if (kind, media) == ("preference", "text"):
                    rows = [as_released(row) for row in rows]
                for i, row in enumerate(rows if media == "video" else []):
                    row["videos"] = [f"{split}-{i}.mp4"]
                    write_clip(folder / row["videos"][0], draw(random_scene(rng)), sound=SOUND)
                write_jsonl(folder / f"{split}.jsonl", rows)
    return root


@pytest.mark.parametrize("name", cli.recipe_names())
def test_two_steps_on_a_tiny_model_of_its_family(name, data, tmp_path, monkeypatch):
    path = cli.RECIPES / f"{name}.yaml"
    recipe = yaml.safe_load(path.read_text("utf-8"))
    family = FAMILIES[FAMILY[recipe["model_name_or_path"]]]
    # What the checkpoint has beside its family's usual.
    window = {"sliding_window": 4096} if "zephyr" in recipe["model_name_or_path"] else {}
    processor, model = family.tiny_processor(), family.tiny_model(**window)
    model.save_pretrained(tmp_path / "model")
    processor.save_pretrained(tmp_path / "model")
    kind = {"sft": "supervised", "ranking": "ranked", "grpo": "online"}.get(recipe["method"], "preference")
    if name.startswith("caption_chains"):
        kind = "ranked"
    rows = data / kind / ("video" if family.vision_tower else "text")
    if recipe.get("eval_strategy", "no") == "no":
        rows /= "train.jsonl"  # else the folder, which holds the videos beside both splits
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [
        f"vidalign.trainers.{recipe['method']}", "--config", str(path),
        "--model_name_or_path", "model", "--output_dir", "out",
        "--dataset_name", str(rows), "--dataset_train_split", "train", "--dataset_test_split", "test",
        # Sizes; everything else is the recipe's.
        "--max_steps", "2", "--per_device_train_batch_size", "1", "--gradient_accumulation_steps", "2",
        "--logging_steps", "1", "--save_steps", "2", "--use_cpu", "true", "--bf16", "false", "--dtype", "float32",
    ])  # fmt: skip

    if recipe["method"] == "grpo":
        # The offline judge finds nothing to tell the words of a random model apart by.
        (tmp_path / "parity.py").write_text(
            "def reward(completion_ids, **_):\n    return [sum(ids) % 5 for ids in completion_ids]\n"
        )
        monkeypatch.syspath_prepend(tmp_path)
        sys.argv += ["--per_device_train_batch_size", "8", "--max_completion_length", "6"]
        sys.argv += ["--reward_funcs", "parity.reward", *recipe["reward_funcs"]]
        sys.argv += ["--judges", '{"default": "lexical"}']

    import_module(f"vidalign.trainers.{recipe['method']}").main()

    [checkpoint] = (tmp_path / "out").glob("checkpoint-2")
    state = yaml.safe_load((checkpoint / "trainer_state.json").read_text("utf-8"))
    losses = [entry["loss"] for entry in state["log_history"] if "loss" in entry]
    if recipe.get("load_best_model_at_end"):
        [validated] = [entry["eval_loss"] for entry in state["log_history"] if "eval_loss" in entry]
        assert state["best_metric"] == validated
    assert len(losses) == 2
    assert all(math.isfinite(loss) for loss in losses)
    if recipe.get("use_peft"):
        [adapter] = (tmp_path / "out").glob("adapter_model.safetensors")
        learnt = {key: value for key, value in load_file(adapter).items() if "lora_B" in key}
        assert learnt
        assert all(value.any() for value in learnt.values())  # B starts at zero
    else:
        trained = type(model).from_pretrained(tmp_path / "out")
        for part in PARTS:
            pairs = zip(
                module_parameters(model, family, part), module_parameters(trained, family, part), strict=True
            )
            same = [before.equal(after) for before, after in pairs]
            if part in recipe.get("freeze", []):
                assert all(same), part
            elif same:
                assert not all(same), part
