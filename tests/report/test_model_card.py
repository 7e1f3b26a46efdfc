"""The card of a trained model, from its facts alone. That its code runs is tested beside the trainers."""

import ast
import re

import pytest
import yaml
from huggingface_hub import EvalResult, ModelCard

from vidalign.encoding import VideoSampling
from vidalign.generate import Sampling
from vidalign.report.model_card import PROMPT, Example, TrainedModel, hub_dataset


def trained(**given):
    return TrainedModel(**{"name": "captioner", "purpose": "describe a video", "method": "SynPO", **given})


def head_of(text):
    return yaml.safe_load(text.split("---\n")[1])


def row_of(code):
    """The literal that a quick start assigns to `row`, or to `prompt`."""
    for node in ast.parse(code).body:
        if isinstance(node, ast.Assign) and node.targets[0].id in ("row", "prompt"):
            return ast.literal_eval(node.value)
    raise AssertionError(code)


def test_a_card_says_what_it_is_given(tmp_path):
    result = EvalResult(
        "video-text-to-text", "org/clips", "Clips", "accuracy", 0.75, metric_name="share of right answers"
    )
    text = trained(
        paper={"title": "A paper", "id": "2506.00835", "citation": "@misc{paper,\n}\n"},
        base="Qwen/Qwen2.5-VL-7B-Instruct",
        base_on_hub=True,
        dataset="org/pairs",
        facts={"recipe": "synpo/toy", "left out": None, "loss": "a | b"},
        figures={"loss": (0.69314718, 0.25)},
        results=[result],
        tags=("trl", "synpo", "trl"),
    ).text()
    (tmp_path / "README.md").write_text(text, encoding="utf-8")
    data = ModelCard.load(tmp_path / "README.md").data
    assert data.pipeline_tag == "video-text-to-text" and data.library_name == "transformers"
    assert (data.base_model, data.base_model_relation) == ("Qwen/Qwen2.5-VL-7B-Instruct", "finetune")
    assert data.datasets == ["org/pairs"] and data.tags == ["vidalign", "trl", "synpo"]
    [read] = data.eval_results
    assert (data.model_name, read.dataset_type, read.metric_value) == ("captioner", "org/clips", 0.75)
    assert "license" not in head_of(text)
    for part in (
        "# captioner\n",
        "[Qwen/Qwen2.5-VL-7B-Instruct](https://huggingface.co/Qwen/Qwen2.5-VL-7B-Instruct)",
        "trained with SynPO ([A paper](https://huggingface.co/papers/2506.00835)) to describe a video",
        "[org/pairs](https://huggingface.co/datasets/org/pairs)",
        "| recipe | synpo/toy |",
        "| loss | a \\| b |",
        "| loss | 0.6931 | 0.25 |",
        "| Clips | share of right answers | 0.75 |",
        "```bibtex\n@misc{paper,\n}\n```",
    ):
        assert part in text, part
    assert "left out" not in text


def test_what_is_on_this_machine_is_named_and_not_linked(tmp_path):
    (tmp_path / "rows").mkdir()
    for dataset in (str(tmp_path / "rows"), str(tmp_path / "gone" / "pairs.jsonl"), "data/pairs.jsonl"):
        text = trained(base=str(tmp_path / "tiny"), dataset=dataset).text()
        assert "base_model" not in text and "datasets" not in head_of(text)
        assert "huggingface.co" not in text and str(tmp_path) not in text
        assert "a local checkpoint, `tiny`" in text
        assert f"a local one, `{dataset.split('/')[-1]}`" in text


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("org/pairs", "org/pairs"),
        ("pairs", None),
        (None, None),
        ("/data/pairs", None),
        ("../pairs", None),
        ("org/pairs/more", None),
        ("org/pairs.parquet", None),
        ("here/pairs", None),
    ],
)
def test_a_dataset_is_on_the_hub_or_not(name, expected, tmp_path, monkeypatch):
    (tmp_path / "here" / "pairs").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert hub_dataset(name) == expected


def test_what_has_no_name_says_so():
    text = trained().text()
    assert "weights came from memory" in text and "has no name" in text
    assert "called `pairs`" in trained(dataset="pairs").text()


@pytest.mark.parametrize(
    ("media", "task"),
    [
        (("video",), "video-text-to-text"),
        (("image",), "image-text-to-text"),
        (("image", "video"), "video-text-to-text"),
        (("audio",), "audio-text-to-text"),
        ((), "text-generation"),
    ],
)
def test_the_task_is_that_of_the_rows(media, task):
    assert trained(media=media).task == head_of(trained(media=media).text())["pipeline_tag"] == task


def test_an_adapter_says_that_it_is_one():
    text = trained(adapter=True, base="org/base", base_on_hub=True).text()
    assert head_of(text)["library_name"] == "peft" and head_of(text)["base_model_relation"] == "adapter"
    assert "An adapter of [org/base]" in text


def test_no_key_is_in_a_card(monkeypatch):
    key = "sk-0123456789abcdef"
    monkeypatch.setenv("ANY_API_KEY", key)
    example = Example({"prompt": [{"role": "user", "content": f"with {key}"}]}, {"video": 1})
    text = trained(
        name=key,
        purpose=key,
        method=key,
        base=f"org/{key}",
        base_on_hub=True,
        dataset=f"org/{key}",
        example=example,
        facts={"recipe": key},
        results=[EvalResult(key, f"org/{key}", key, key, 1.0)],
        tags=(key,),
        hub_id=f"org/{key}",
    ).text()
    assert key not in text and "0123456789" not in text
    head = head_of(text)
    assert head["base_model"] == "org/***" and "***" in head["tags"]
    ast.parse(re.search(r"```python\n(.*?)```", text, re.DOTALL)[1])


NASTY = "Say `it`.\n```\nIn \"words\" or 'signs': {x} \\n — ü 漢 " + "long " * 60


def test_the_quick_start_has_the_prompt_as_it_was():
    row = {"prompt": [{"role": "user", "content": NASTY}], "chat_template_kwargs": {"enable_thinking": False}}
    model = trained(example=Example(row, {"video": 2, "image": 1, "audio": 0}))
    assert row_of(model.quick_start()) == {
        "videos": ["video1.mp4", "video2.mp4"],
        "images": ["image.png"],
        **row,
    }
    [block] = re.findall(r"^```python\n(.*?)^```$", model.text(), re.DOTALL | re.MULTILINE)
    assert block.strip() == model.quick_start()


def test_the_quick_start_reads_and_draws_as_in_training():
    code = trained(
        sampling=VideoSampling(fps=None, num_frames=8, max_pixels=401408, use_audio_in_video=True),
        decoding=Sampling(temperature=0.7, top_p=0.9, top_k=50, max_new_tokens=64),
        hub_id="you/captioner",
    )
    made = {"VideoSampling": VideoSampling, "Sampling": Sampling}
    calls = {
        node.func.id: eval(ast.unparse(node), made)
        for node in ast.walk(ast.parse(code.quick_start()))
        if isinstance(node, ast.Call) and getattr(node.func, "id", None) in made
    }
    assert calls == {"VideoSampling": code.sampling, "Sampling": code.decoding}
    assert "LocalModel.load('you/captioner'" in code.quick_start()
    assert "temperature 0.7, top-p 0.9, top-k 50, at most 64 tokens" in code.text()
    plain = trained(sampling=VideoSampling(), decoding=Sampling(max_new_tokens=9))
    assert (
        "VideoSampling(fps=2.0)" in plain.quick_start()
        and "Sampling(max_new_tokens=9)" in plain.quick_start()
    )
    assert "LocalModel.load('.'" in plain.quick_start() and "Decoding is greedy" in plain.text()


@pytest.mark.parametrize("example", [None, Example({"prompt": "word " * 5000}, {"video": 1})])
def test_a_prompt_that_is_unknown_or_too_long_is_replaced(example):
    model = trained(example=example)
    assert row_of(model.quick_start()) == {
        "videos": ["video.mp4"],
        "prompt": [{"role": "user", "content": PROMPT}],
    }
    assert "The prompt is an example" in model.text()


def test_how_many_rows_have_the_prompt():
    row = {"prompt": "Describe."}
    assert "The prompt is that of the training rows." in trained(example=Example(row, share=(7, 7))).text()
    assert "2 of 7 rows" in trained(example=Example(row, share=(2, 7))).text()


def test_a_family_that_is_not_known_is_shown_by_transformers_alone():
    model = trained(
        media=(),
        known_family=False,
        example=Example({"prompt": [{"role": "user", "content": "hello"}]}),
        decoding=Sampling(temperature=0.5, max_new_tokens=7),
    )
    code = model.quick_start()
    ast.parse(code)
    assert "vidalign" not in code and "pipeline('text-generation', model='.')" in code
    assert "max_new_tokens=7, do_sample=True, temperature=0.5, top_p=1.0, top_k=0" in code
    assert row_of(code) == [{"role": "user", "content": "hello"}]
    assert "do_sample=False" in trained(media=(), known_family=False).quick_start()
