"""The times of frames reach the model as they are, for any sampling."""

from __future__ import annotations

import re
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from vidalign.families.sampled_clip import effective_fps

VARIABLE = [0.0, 0.3, 1.1, 1.5, 3.0, 4.2]  # mean spacing 4.2 / 5 = 0.84 s


def clip_at(times, fps=0.0):
    return SimpleNamespace(
        frames=np.zeros((len(times), 28, 28, 3), np.uint8), timestamps=np.array(times), duration=9.0, fps=fps
    )


@pytest.mark.parametrize(
    ("times", "rate"),
    [
        ([0.0, 0.5, 1.0, 1.5], 2.0),
        ([0.0, 2.0, 4.0], 0.5),
        ([0.0, 3.0, 6.0, 9.0], 1 / 3),
        ([7.0, 7.4, 7.8], 2.5),  # a window that starts late
        # 2 fps from a 25 fps file: frames 0, 12, 25, 37. The mean, 3 / 1.48 = 2.03, would give 0 1 3 5.
        ([0.0, 0.48, 1.0, 1.48], 2.0),
        # 29.97 fps: 15 frames are 0.5005 s
        ([0.0, 0.5005, 1.001, 1.5015], 2.0),
        (VARIABLE, 5 / 4.2),
        # near 2 fps over 20 s, but ending a spacing early: no grid of 2 fps holds it
        (list(np.arange(41) * 0.4875), 1 / 0.4875),
        ([1.0, 1.45, 2.0, 2.3], 3 / 1.3),
    ],
)
def test_effective_rate(times, rate):
    assert effective_fps(clip_at(times)) == pytest.approx(rate, rel=1e-9)


def test_rate_of_one_frame():
    assert effective_fps(clip_at([4.0], fps=2.0)) == 2.0
    assert effective_fps(clip_at([4.0], fps=0.0)) == 1.0


@pytest.mark.parametrize("times", [[0.0, 0.5, 0.5], [1.0, 0.5]])
def test_times_that_do_not_grow(times):
    with pytest.raises(ValueError, match="do not grow"):
        effective_fps(clip_at(times))


def test_a_timestamp_for_each_frame():
    short = clip_at([0.0, 0.5])
    short.timestamps = short.timestamps[:1]
    with pytest.raises(ValueError, match="2 frames and 1 timestamps"):
        effective_fps(short)
    with pytest.raises(ValueError, match="0 frames"):
        effective_fps(clip_at([]))


@pytest.mark.parametrize(
    ("frames", "options", "seconds"),
    [
        (6, {"fps": 2.0}, 1.0),  # two frames a grid step, 0.5 s apart
        (6, {"fps": 0.5}, 4.0),
        (5, {"fps": 2.0}, 1.0),  # an odd number: the processor repeats the last frame
        (6, {"times": VARIABLE}, 1.68),
    ],
)
def test_qwen2_5_seconds_per_grid(family_named, clip, frames, options, seconds):
    built = family_named("qwen2_5_vl")
    encoded = built.family.encode(built.processor, built.prompt("video"), [clip(frames, **options)])
    assert encoded.media["second_per_grid_ts"].tolist() == pytest.approx([seconds])
    ids = torch.tensor([encoded.input_ids])
    positions = built.family.positions(built.backbone, ids, encoded.media)[0]
    of_video = positions[ids == built.model.config.video_token_id]
    per_second = built.model.config.vision_config.tokens_per_second
    steps = [int(k * seconds * per_second + 1e-6) for k in range((frames + 1) // 2)]
    assert sorted({int(p - of_video[0]) for p in of_video}) == steps


def test_qwen2_5_two_videos_keep_their_own_rates(family_named, clip):
    built = family_named("qwen2_5_vl")
    videos = [clip(4, fps=2.0), clip(6, fps=0.5)]
    encoded = built.family.encode(built.processor, built.prompt("video", "video"), videos)
    assert encoded.media["second_per_grid_ts"].tolist() == [1.0, 4.0]
    merged = built.family.merge([encoded.media, encoded.media])
    assert merged["second_per_grid_ts"].tolist() == [1.0, 4.0, 1.0, 4.0]


def written_times(built, encoded):
    text = built.processor.tokenizer.decode(encoded.input_ids)
    return [float(found) for found in re.findall(r"<([\d.]+) seconds>", text)]


@pytest.mark.parametrize(
    ("times", "written"),
    [
        # Means over pairs of frames, to 0.1 s (Python rounds the half to even).
        ([0.0, 0.5, 1.0, 1.5], [0.2, 1.2]),
        ([0.0, 2.0, 4.0, 6.0], [1.0, 5.0]),
        (VARIABLE, [0.1, 1.3, 3.6]),
        ([0.0, 0.3, 1.1], [0.1, 1.1]),  # an odd number: the last frame stands for two
        ([10.0, 10.4], [10.2]),  # a window keeps the times of its video
        ([3.25], [3.2]),
    ],
)
def test_qwen3_writes_the_true_times(family_named, clip, times, written):
    built = family_named("qwen3_vl")
    encoded = built.family.encode(built.processor, built.prompt("video"), [clip(len(times), times=times)])
    assert written_times(built, encoded) == pytest.approx(written, abs=0.051)
    assert len(written_times(built, encoded)) == int(encoded.media["video_grid_thw"][0, 0])


def test_qwen3_regular_clip_has_the_stock_text(family_named, clip):
    built = family_named("qwen3_vl")
    for fps in (0.5, 2.0, 2.5):
        videos = [clip(6, fps=fps)]
        text = built.prompt("video")
        encoded = built.family.encode(built.processor, text, videos)
        assert encoded.input_ids == built.stock_inputs(text, videos)["input_ids"][0].tolist()


def test_encode_leaves_the_clip_alone(video_built, clip):
    video = clip(5, times=VARIABLE[:5])
    frames, times = video.frames.copy(), video.timestamps.copy()
    video_built.family.encode(video_built.processor, video_built.prompt("video"), [video])
    assert np.array_equal(video.frames, frames)
    assert np.array_equal(video.timestamps, times)


def test_one_frame(video_built, clip):
    encoded = video_built.family.encode(video_built.processor, video_built.prompt("video"), [clip(1)])
    assert video_built.encoded_logits(encoded).isfinite().all()
