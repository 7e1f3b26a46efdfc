"""The tiny models and processors are real ones: they save, load, generate and are the same every time."""

from __future__ import annotations

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    AutoProcessor,
    AutoTokenizer,
)

from vidalign.families import family_of, thinker_class


def test_save_and_load(built, clip, tmp_path):
    has_media = bool(built.family.vision_tower)
    built.model.save_pretrained(tmp_path)
    built.processor.save_pretrained(tmp_path)
    loaded = (AutoModelForImageTextToText if has_media else AutoModelForCausalLM).from_pretrained(tmp_path)
    processor = (AutoProcessor if has_media else AutoTokenizer).from_pretrained(tmp_path)
    assert type(loaded) is type(built.model)
    assert type(processor) is type(built.processor) or not has_media
    text, videos = (built.prompt("video"), [clip()]) if has_media else (built.prompt(), [])
    assert processor.chat_template == built.processor.chat_template
    encoded = built.family.encode(built.processor, text, videos)
    again = built.family.encode(processor, text, videos)
    assert again.input_ids == encoded.input_ids
    for key, tensor in encoded.media.items():
        assert torch.equal(again.media[key], tensor), key
    other = type(built)(built.family, loaded, processor)
    torch.testing.assert_close(other.encoded_logits(again), built.encoded_logits(encoded), atol=1e-6, rtol=0)
    for key in ("eos_token_id", "pad_token_id"):
        token_id = getattr(getattr(processor, "tokenizer", processor), key)
        assert (
            token_id
            == getattr(loaded.config.get_text_config(), key)
            == getattr(loaded.generation_config, key)
        )


def test_trl_loads_it(built, tmp_path):
    from trl.trainer.utils import create_model_from_path

    built.model.save_pretrained(tmp_path)
    assert type(create_model_from_path(str(tmp_path), dtype="float32")) is type(built.model)


def test_it_generates(built, clip):
    text, videos = (built.prompt("video"), [clip()]) if built.family.vision_tower else (built.prompt(), [])
    if built.family.vision_tower:
        inputs = built.stock_inputs(text, videos)
    else:
        inputs = built.processor([text], add_special_tokens=False, return_tensors="pt")
    output = built.model.generate(**inputs, max_new_tokens=3, do_sample=False)
    assert inputs["input_ids"].shape[1] < output.shape[1] <= inputs["input_ids"].shape[1] + 3


def test_shape_of_the_tiny_model(built):
    model, config = built.model, built.model.config
    text = config.get_text_config()
    tokenizer = getattr(built.processor, "tokenizer", built.processor)
    assert sum(p.numel() for p in model.parameters()) < 2_000_000
    assert text.num_hidden_layers >= 2
    assert text.num_key_value_heads < text.num_attention_heads
    assert text.vocab_size == len(tokenizer)
    assert not model.training
    if built.family.vision_tower:
        assert config.vision_config.num_hidden_layers >= 2


def test_the_seed_decides_and_the_callers_random_state_stays(built):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    one, same, other = (built.family.tiny_model(seed=seed) for seed in (1, 1, 2))
    assert torch.equal(torch.rand(3), expected)
    weights = [model.get_output_embeddings().weight for model in (one, same, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_text_config_can_be_overridden(built):
    model = built.family.tiny_model(num_hidden_layers=3, vocab_size=400)
    assert model.config.get_text_config().num_hidden_layers == 3
    assert model.get_output_embeddings().weight.shape[0] == 400


@pytest.mark.parametrize("text", ["A plain caption.", "naïve – 東京 \U0001f600\n\ttabs  and   spaces "])
def test_any_text_round_trips(built, text):
    tokenizer = getattr(built.processor, "tokenizer", built.processor)
    assert tokenizer.decode(tokenizer(text, add_special_tokens=False)["input_ids"]) == text


def test_template_takes_strings_and_blocks(built):
    blocks = [{"role": "user", "content": [{"type": "text", "text": "Hi."}]}]
    strings = [{"role": "user", "content": "Hi."}]
    render = built.processor.apply_chat_template
    assert render(blocks, tokenize=False) == render(strings, tokenize=False)
    answered = [*strings, {"role": "assistant", "content": "Yes."}]
    assert render(answered, tokenize=False).startswith(
        render(strings, tokenize=False, add_generation_prompt=True)
    )


@pytest.mark.parametrize(
    ("name", "whole", "speech"),
    [
        ("qwen2_5_omni_thinker", "Qwen2_5Omni", ("talker", "token2wav")),
        ("qwen3_omni_moe_thinker", "Qwen3OmniMoe", ("talker", "code2wav")),
    ],
)
def test_a_checkpoint_that_also_speaks_gives_its_thinker(
    family_named, clip, sound, tmp_path, name, whole, speech
):
    """The files of the hub: `thinker.` before every name, and the speaking parts beside it."""
    built = family_named(name)
    built.model.save_pretrained(tmp_path / "thinker")
    weights = load_file(tmp_path / "thinker" / "model.safetensors")
    weights = {f"thinker.{key}": tensor for key, tensor in weights.items()}
    weights |= {f"{part}.weight": torch.zeros(1) for part in speech}
    config = getattr(transformers, f"{whole}Config")(
        thinker_config=built.model.config.to_dict(), architectures=[f"{whole}ForConditionalGeneration"]
    )
    config.save_pretrained(tmp_path)
    built.processor.save_pretrained(tmp_path)
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})

    thinker = thinker_class(AutoConfig.from_pretrained(tmp_path))
    loaded, report = thinker.from_pretrained(tmp_path, output_loading_info=True)
    assert not any(report.values()), report
    processor = AutoProcessor.from_pretrained(tmp_path)
    assert type(processor) is type(built.processor)
    assert family_of(loaded) is built.family
    again = type(built)(built.family, loaded, processor)
    encoded = [
        one.family.encode(one.processor, one.prompt("video"), [clip()], soundtracks=[sound(1.0)])
        for one in (built, again)
    ]
    assert encoded[0].input_ids == encoded[1].input_ids
    assert torch.equal(again.encoded_logits(encoded[1]), built.encoded_logits(encoded[0]))
