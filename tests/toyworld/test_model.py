"""The tiny model: a real one, equal to the stock classes, and a tokenizer that knows every word."""

import random

import numpy as np
import pytest
import torch
from transformers import AutoModelForImageTextToText, AutoProcessor, Qwen2_5_VLForConditionalGeneration

from vidalign.encoding import RowEncoder, VideoSampling
from vidalign.families import family_of
from vidalign.rows import MediaFolder
from vidalign.toyworld import world
from vidalign.toyworld.captioner import encode_clips, write_captions
from vidalign.toyworld.captions import caption, scene_facts
from vidalign.toyworld.model import (
    SAMPLED_FRAMES,
    build_config,
    build_model,
    build_processor,
    load_model,
)
from vidalign.toyworld.scene import random_scene


@pytest.fixture(scope="module")
def processor():
    return build_processor()


@pytest.fixture(scope="module")
def prompts(processor, tmp_path_factory):
    folder = tmp_path_factory.mktemp("world")
    world.write_world(folder, {"test": 6}, seed=0)
    encoder = RowEncoder(
        processor,
        family_of(build_config(processor)),
        sampling=VideoSampling(fps=None, num_frames=SAMPLED_FRAMES),
        folder=MediaFolder(folder),
    )
    return encode_clips(encoder, [video for video, _ in world.read_scenes(folder, "test")])


def inputs(model, prompts):
    ids = torch.tensor([prompt.input_ids for prompt in prompts])
    media = family_of(model).merge([prompt.media for prompt in prompts])
    return {
        "input_ids": ids,
        "attention_mask": torch.ones_like(ids),
        "mm_token_type_ids": torch.where(ids == model.config.video_token_id, 2, 0),
        **media,
    }


def test_the_tokenizer_knows_every_word(processor):
    tokenizer, rng = processor.tokenizer, random.Random(0)
    assert len(tokenizer) < 55
    for _ in range(500):
        scene = random_scene(rng, events=True)
        for text in (caption(scene), *(fact.keypoint() for fact in scene_facts(scene))):
            ids = tokenizer(text).input_ids
            assert tokenizer.unk_token_id not in ids
            assert tokenizer.decode(ids) == text
    assert tokenizer.unk_token_id not in tokenizer(world.PROMPT).input_ids
    assert tokenizer.unk_token_id in tokenizer("hexagon").input_ids


def test_a_completion_ends_with_the_end_of_sequence(processor):
    turns = [{"role": "user", "content": "describe"}, {"role": "assistant", "content": "a red circle"}]
    ids = processor.tokenizer.apply_chat_template(turns, return_dict=True)["input_ids"]
    prompt = processor.tokenizer.apply_chat_template(turns[:1], add_generation_prompt=True, return_dict=True)[
        "input_ids"
    ]
    assert ids[: len(prompt)] == prompt
    assert ids[-1] == processor.tokenizer.eos_token_id


def test_the_model_is_as_small_as_it_says(processor):
    assert sum(weight.numel() for weight in build_model(processor, seed=0).parameters()) == 756_544


def test_weights_depend_on_the_seed_alone(processor):
    torch.manual_seed(1)
    before = torch.get_rng_state()
    one = build_model(processor, seed=5)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    other = build_model(processor, seed=5)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))
    third = build_model(processor, seed=6)
    assert not torch.equal(one.lm_head.weight, third.lm_head.weight)


def test_a_prompt_is_sixteen_video_tokens_and_ten_others(processor, prompts):
    token = processor.video_token_id
    for prompt in prompts:
        assert (len(prompt.input_ids), prompt.input_ids.count(token)) == (26, 16)
        assert prompt.media["video_grid_thw"].tolist() == [[4, 4, 4]]
        # 8 of 16 frames at 8 fps: 4 fps, two frames a step in time.
        np.testing.assert_allclose(prompt.media["second_per_grid_ts"], 0.5)


def test_quick_forwards_equal_the_stock_ones(processor, prompts, tmp_path):
    quick = build_model(processor, seed=0)
    quick.save_pretrained(tmp_path)
    stock = Qwen2_5_VLForConditionalGeneration.from_pretrained(tmp_path, dtype=torch.float32)
    assert type(stock.model.visual.patch_embed) is not type(quick.model.visual.patch_embed)
    batch = inputs(stock, prompts[:3])
    losses = {}
    for name, model in (("quick", quick), ("stock", stock)):
        losses[name] = model(**batch, labels=batch["input_ids"]).loss
        losses[name].backward()
    torch.testing.assert_close(losses["quick"], losses["stock"], rtol=1e-5, atol=1e-5)
    for (name, one), (_, other) in zip(quick.named_parameters(), stock.named_parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-3, atol=1e-4, msg=name)


def test_unequal_clips_take_the_stock_attention(processor):
    # One frame of two windows and one of one: chunks of different length cannot be one batch.
    quick = build_model(processor, seed=0).model.visual
    patches = torch.randn(32 + 16, 1176)
    grid = torch.tensor([[1, 4, 8], [1, 4, 4]])
    together = quick(patches, grid).pooler_output
    apart = [quick(patches[:32], grid[:1]).pooler_output, quick(patches[32:], grid[1:]).pooler_output]
    torch.testing.assert_close(
        torch.cat([*together]), torch.cat([part for pooled in apart for part in pooled]), rtol=1e-4, atol=1e-5
    )


def test_checkpoints_are_stock_checkpoints(processor, prompts, tmp_path):
    model = build_model(processor, seed=0)
    model.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    auto = AutoModelForImageTextToText.from_pretrained(tmp_path, dtype=torch.float32)
    again = AutoProcessor.from_pretrained(tmp_path)
    assert type(auto) is Qwen2_5_VLForConditionalGeneration
    assert again.tokenizer("a red circle").input_ids == processor.tokenizer("a red circle").input_ids
    assert again.chat_template == processor.chat_template
    expected = write_captions(model, processor, prompts)
    assert write_captions(load_model(str(tmp_path)), again, prompts) == expected
    assert write_captions(auto, again, prompts) == expected


def test_sampling_is_reproducible_and_varied(processor, prompts):
    model = build_model(processor, seed=0)
    draw = {"samples": 3, "temperature": 1.0, "seed": 11}
    before = torch.get_rng_state()
    one = write_captions(model, processor, prompts, **draw)
    assert torch.equal(torch.get_rng_state(), before)
    assert one == write_captions(model, processor, prompts, **draw)
    assert one != write_captions(model, processor, prompts, **{**draw, "seed": 12})
    assert [len(texts) for texts in one] == [3] * 6
    assert all(len(set(texts)) == 3 for texts in one)  # an untrained model never says the same twice


def test_a_clip_is_captioned_alike_alone_and_in_a_batch(processor, prompts):
    model = build_model(processor, seed=0)
    together = write_captions(model, processor, prompts)
    assert together == [write_captions(model, processor, [prompt])[0] for prompt in prompts]


def test_prompts_of_different_length_are_refused(processor, prompts):
    model = build_model(processor, seed=0)
    short = type(prompts[0])(input_ids=prompts[0].input_ids[:-1], media=prompts[0].media)
    with pytest.raises(ValueError, match="differ in length"):
        write_captions(model, processor, [prompts[0], short])
