"""max_pixels caps each frame, and only where the family has no fixed frame size."""

from __future__ import annotations

import pytest
import torch

DYNAMIC = ("qwen2_5_vl", "qwen3_vl", "qwen2_5_omni_thinker", "qwen3_omni_moe_thinker")
PATCH = 14


def frame_pixels(encoded):
    """(frames' grid steps, pixels per frame) of each video."""
    grids = encoded.media["video_grid_thw"].tolist()
    return [(steps, rows * columns * PATCH**2) for steps, rows, columns in grids]


@pytest.mark.parametrize("name", DYNAMIC)
@pytest.mark.parametrize("max_pixels", [28 * 28, 3000, 56 * 56, 5000, 84 * 84])
@pytest.mark.parametrize("frames", [1, 2, 3, 5, 6])
def test_no_frame_is_over_the_cap(family_named, clip, name, max_pixels, frames):
    built = family_named(name)
    for height, width in ((28, 28), (56, 56), (40, 70), (60, 84), (200, 150), (90, 89)):
        encoded = built.family.encode(
            built.processor, built.prompt("video"), [clip(frames, height, width)], max_pixels=max_pixels
        )
        assert all(pixels <= max_pixels for _, pixels in frame_pixels(encoded)), (height, width)


@pytest.mark.parametrize("name", DYNAMIC)
def test_videos_of_unlike_length_get_the_whole_cap_each(family_named, clip, name):
    built = family_named(name)
    videos = [clip(2, 84, 84), clip(12, 84, 84, seed=1)]
    encoded = built.family.encode(built.processor, built.prompt("video", "video"), videos, max_pixels=56 * 56)
    assert frame_pixels(encoded) == [(1, 56 * 56), (6, 56 * 56)]


@pytest.mark.parametrize("name", DYNAMIC)
def test_a_cap_that_does_not_bite_changes_nothing(family_named, clip, name):
    built = family_named(name)
    text, video = built.prompt("video"), clip(4, 60, 84)
    free = built.family.encode(built.processor, text, [video])
    capped = built.family.encode(built.processor, text, [video], max_pixels=84 * 84)
    assert free.input_ids == capped.input_ids
    torch.testing.assert_close(free.media["pixel_values_videos"], capped.media["pixel_values_videos"])


@pytest.mark.parametrize("name", DYNAMIC)
def test_capped_frames_equal_those_of_a_processor_with_that_size(family_named, clip, name):
    built = family_named(name)
    text, video, cap = built.prompt("video"), clip(4, 84, 84), 56 * 56
    capped = built.family.encode(built.processor, text, [video], max_pixels=cap)
    own = built.family.tiny_processor()
    total = cap * len(video.frames) if name == "qwen3_vl" else cap
    own.video_processor.size = size = {"shortest_edge": 28 * 28, "longest_edge": total}
    own.tokenizer.init_kwargs["size"] = size  # the omni processors take it from here
    expected = built.family.encode(own, text, [video])
    assert capped.input_ids == expected.input_ids
    torch.testing.assert_close(capped.media["pixel_values_videos"], expected.media["pixel_values_videos"])


def test_qwen3_total_over_the_clip_stays_in_force(family_named, clip):
    built = family_named("qwen3_vl")
    total = built.processor.video_processor.size["longest_edge"]  # of 16 frames of 84 x 84
    encoded = built.family.encode(
        built.processor, built.prompt("video"), [clip(64, 84, 84)], max_pixels=84 * 84
    )
    [(steps, pixels)] = frame_pixels(encoded)
    assert steps == 32
    assert 2 * steps * pixels <= total


@pytest.mark.parametrize("name", DYNAMIC)
def test_a_cap_below_one_token(family_named, clip, name):
    built = family_named(name)
    with pytest.raises(ValueError, match=r"max_pixels=783 .* 784"):
        built.family.encode(built.processor, built.prompt("video"), [clip()], max_pixels=783)


def test_fixed_sizes_ignore_the_cap(video_built, clip):
    if video_built.family.name in DYNAMIC:
        pytest.skip("frames of any size")
    text = video_built.prompt("video")
    free = video_built.family.encode(video_built.processor, text, [clip()])
    capped = video_built.family.encode(video_built.processor, text, [clip()], max_pixels=100)
    assert free.input_ids == capped.input_ids
    for key, tensor in free.media.items():
        assert torch.equal(tensor, capped.media[key])


def test_a_frame_of_three_rows_is_no_channel(video_built, clip):
    """Left to infer the layout of [T, 3, W, 3], transformers takes the rows for the colours."""
    flat = clip(2, 3, 90)
    flat.frames[:] = (255, 128, 0)
    tall = clip(2, 84, 90)
    tall.frames[:] = (255, 128, 0)

    def colours(video):
        encoded = video_built.family.encode(video_built.processor, video_built.prompt("video"), [video])
        pixels = next(value for key, value in encoded.media.items() if key.startswith("pixel"))
        return pixels.unique().tolist()

    assert len(colours(flat)) == 3
    assert colours(flat) == colours(tall)


@pytest.mark.parametrize("name", ["qwen2_5_omni_thinker", "qwen3_omni_moe_thinker"])
@pytest.mark.parametrize("height", [28, 56, 140])
def test_omni_processors_take_the_size_that_outranks_the_video_processors(family_named, clip, name, height):
    """A cap that does not bite changes nothing, also where the checkpoint's video processor says another size."""
    built = family_named(name)
    processor = built.family.tiny_processor()
    processor.video_processor.size = {"shortest_edge": 112 * 112, "longest_edge": 140 * 140}
    text, video = built.prompt("video"), clip(2, height, height)
    free = built.family.encode(processor, text, [video])
    [(_, pixels)] = frame_pixels(free)
    capped = built.family.encode(processor, text, [video], max_pixels=max(pixels, 84 * 84))
    assert frame_pixels(capped) == frame_pixels(free)
    assert free.input_ids == capped.input_ids
