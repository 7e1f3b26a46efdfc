"""What a video costs in tokens under each recipe, with the real processor of its model at full size."""

import math
import re
from dataclasses import replace
from fnmatch import fnmatch
from functools import lru_cache

import numpy as np
import pytest
import yaml
from published import PROCESSORS, qwen2_5_omni, qwen2_5_vl, qwen3_vl

from vidalign import cli
from vidalign.encoding import RowEncoder, VideoSampling
from vidalign.encoding.sampling import frame_budget
from vidalign.families import FAMILIES
from vidalign.rows import MediaFolder
from vidalign.toyworld.world import write_clip
from vidalign.video import fit_size

RATE = 16_000
PROMPT = [{"role": "user", "content": "Describe the video in detail, with all that is seen and heard in it."}]

# Tokens of the frames of 30 s and of 100 s of 720p, by the first pattern that fits: (steps in time, rows, columns).
TOKENS = {
    "avocado/*_small": ((30, 8, 15), (100, 5, 9)),
    "avocado/*": ((30, 16, 30), (100, 12, 21)),
    "avc_dpo/*": ((16, 12, 21), (16, 12, 21)),
    "caption_chains/plm_1b_*": ((16, 16, 16), (16, 16, 16)),
    "caption_chains/qwen2_5_vl_3b_*": ((16, 12, 21), (16, 12, 21)),
    "llava_hound/dpo": ((8, 1, 257), (8, 1, 257)),
    "synpo/internvl2_5_8b": ((16, 16, 16), (16, 16, 16)),
    "synpo/llava_next_video_7b": ((16, 12, 12), (16, 12, 12)),
    "synpo/qwen2_5_vl_7b": ((16, 12, 21), (16, 12, 21)),
}

SOUND = (30 * 25, 100 * 25)
"""Tokens of their sound."""

LONGEST_ANSWER = {
    "avocado": 3982 + 50,
    "caption_chains": 1024,
    "avc_dpo": 1024,
    "synpo": 1024,
    "llava_hound": 1024,
}
"""Tokens that have to be left beside the prompt: AVoCaDO's longest captions (App. D.2), and ample ones elsewhere."""


def recipe_of(name):
    return yaml.safe_load((cli.RECIPES / f"{name}.yaml").read_text("utf-8"))


def sampling_of(recipe):
    bounds = ("max_frames", "num_frames", "max_pixels", "total_pixels", "total_tokens")
    given = {key: recipe[f"video_{key}"] for key in bounds if f"video_{key}" in recipe}
    return VideoSampling(
        fps=recipe.get("video_fps"), use_audio_in_video=recipe.get("use_audio_in_video", False), **given
    )


VIDEO_RECIPES = [
    name
    for name in cli.recipe_names()
    if not name.startswith("toyworld") and recipe_of(name)["model_name_or_path"] in PROCESSORS
]


@pytest.fixture(scope="module")
def clip_of(tmp_path_factory):
    """`clip_of(seconds, height, width)`: a file of 2 frames a second with sound."""
    folder = tmp_path_factory.mktemp("clips")

    @lru_cache
    def write(seconds, height=720, width=1280):
        path = folder / f"{seconds}s-{width}x{height}.mp4"
        frames = np.broadcast_to(np.uint8(90), (2 * seconds, height, width, 3))
        noise = 0.1 * np.random.default_rng(0).standard_normal(seconds * RATE)
        write_clip(path, frames, fps=2, sound=noise.astype("float32"), rate=RATE)
        return path

    return write


@pytest.fixture(scope="module")
def count(clip_of):
    """`count(processor's maker, family, sampling, seconds)`: tokens of the frames, of the sound, and of the prompt."""

    @lru_cache
    def tokens(make, family, sampling, seconds, height=720, width=1280):
        path, processor = clip_of(seconds, height, width), make()
        encoder = RowEncoder(
            processor, FAMILIES[family], sampling=sampling, folder=MediaFolder(str(path.parent))
        )
        ids = encoder({"prompt": PROMPT, "videos": [path.name]}, ()).prompt.input_ids
        token = processor.image_token_id if family == "internvl" else processor.video_token_id
        return ids.count(token), ids.count(getattr(processor, "audio_token_id", -1)), len(ids)

    return tokens


def test_every_recipe_with_video_is_here():
    sampled = {
        name for name in cli.recipe_names() if any(key.startswith("video_") for key in recipe_of(name))
    }
    assert set(VIDEO_RECIPES) == {name for name in sampled if not name.startswith("toyworld")}


@pytest.mark.parametrize("name", VIDEO_RECIPES)
def test_tokens_of_a_recipe(name, count):
    recipe = recipe_of(name)
    family, make = PROCESSORS[recipe["model_name_or_path"]]
    expected = next(grids for pattern, grids in TOKENS.items() if fnmatch(name, pattern))
    for seconds, grid, sound in zip((30, 100), expected, SOUND, strict=True):
        seen, heard, prompt = count(make, family, sampling_of(recipe), seconds)
        assert seen == math.prod(grid)
        if recipe.get("use_audio_in_video"):
            assert sound <= heard <= sound + 1  # AAC pads the track to whole blocks
        else:
            assert not heard
        answer = recipe.get("max_completion_length", LONGEST_ANSWER[name.split("/")[0]])
        assert prompt + answer <= recipe["max_length"]


@pytest.mark.parametrize("name", VIDEO_RECIPES)
def test_what_a_recipe_says_of_tokens(name, count):
    recipe, text = recipe_of(name), (cli.RECIPES / f"{name}.yaml").read_text("utf-8")
    family, make = PROCESSORS[recipe["model_name_or_path"]]
    sampling = sampling_of(recipe)
    seen, _, _ = count(make, family, sampling, 100)
    said = re.findall(r"tokens a frame: ([\d,]+)|as the model counts them: ([\d,]+) for 100 s", text)
    assert [number for pair in said for number in pair if number] in ([], [f"{seen:,}"])
    bounds = re.findall(r"at most ([\d,]+) tokens", text)
    if bounds:
        frames, side = FAMILIES[family].video_token_span(make())
        most = sampling.max_frames // frames * (sampling.max_pixels // side**2)
        assert bounds == [f"{most:,}"] and 0.95 * most <= seen <= most
    for pixels, number, side in re.findall(r"video_\w+_pixels: (\d+) #.*?(\d+) x (\d+)\^2", text):
        assert int(pixels) == int(number) * int(side) ** 2
    assert said or bounds or name.endswith("_small"), "says nothing of tokens"


# --- the paper's example ----------------------------------------------------------------------------------------------


AVOCADO = sampling_of(recipe_of("avocado/sft"))


def test_avocados_example(count):
    """App. D.2: 100 s in high resolution are up to 25,600 tokens of video and 2,500 of sound, 28,100 together."""
    seen, heard, prompt = count(qwen2_5_omni, "qwen2_5_omni_thinker", AVOCADO, 100)
    assert 25_000 <= seen <= 25_600
    assert heard == pytest.approx(2500, abs=1)
    assert 27_500 <= seen + heard <= 28_101
    assert prompt + 4096 <= 32_768


def test_the_same_number_in_pixels_is_half_of_it(count):
    """25,600 x 28^2 pixels, summed over the frames, of which two make one token."""
    sampling = VideoSampling(max_pixels=AVOCADO.max_pixels, total_pixels=25_600 * 28 * 28)
    seen, _, _ = count(qwen2_5_omni, "qwen2_5_omni_thinker", sampling, 100)
    assert seen == 12_000


@pytest.mark.parametrize(
    ("seconds", "height", "width", "fills"),
    [
        (100, 1280, 720, True),
        (100, 480, 640, True),
        (100, 1080, 1920, True),
        (77, 720, 1280, True),
        (100, 112, 196, False),  # 4 x 7 tokens a pair: small enough
        (5, 720, 1280, False),  # 512 tokens a pair are the bound
    ],
)
@pytest.mark.parametrize(
    ("family", "side"), [("qwen2_5_omni_thinker", 28), ("qwen2_5_vl", 28), ("qwen3_vl", 32)]
)
def test_other_shapes_and_lengths(family, side, seconds, height, width, fills):
    """By the sizes that the frames are given, without decoding them."""
    make = {"qwen2_5_omni_thinker": qwen2_5_omni, "qwen2_5_vl": qwen2_5_vl, "qwen3_vl": qwen3_vl}[family]
    silent = replace(AVOCADO, use_audio_in_video=False)
    span = FAMILIES[family].video_token_span(make())
    assert span == (2, side)
    budget = frame_budget(silent, span, 2 * seconds)
    high, wide = fit_size(height, width, max_pixels=budget, multiple=side)
    tokens = seconds * (high // side) * (wide // side)
    assert tokens <= 25_600
    assert high * wide <= AVOCADO.max_pixels
    assert high <= height + side / 2 and wide <= width + side / 2
    if fills:
        assert tokens >= 0.87 * 25_600
