"""read_video on sound files: the right frames, at the right times, in the right colours and size."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from media import codes, write_video

from vidalign.video import InvalidWindow, read_video
from vidalign.video.container import open_media, video_stream
from vidalign.video.timeline import scan


@pytest.fixture(scope="module")
def film(tmp_path_factory) -> Path:
    """60 frames at 30 fps, groups of 12 with B-frames."""
    folder = tmp_path_factory.mktemp("film")
    return write_video(folder / "film.mp4", 60, options={"g": "12", "bf": "3"})


def full_decode(path: Path) -> np.ndarray:
    with av.open(str(path)) as container:
        return np.stack(
            [f.to_ndarray(format="rgb24", interpolation="BICUBIC") for f in container.decode(video=0)]
        )


def test_all_frames(film):
    video = read_video(film)
    assert video.frames.dtype == np.uint8 and video.frames.shape == (60, 96, 128, 3)
    assert codes(video.frames) == list(range(60))
    np.testing.assert_allclose(video.timestamps, np.arange(60) / 30)
    assert video.timestamps.dtype == np.float64
    assert video.duration == pytest.approx(2.0)
    assert video.fps == pytest.approx(30) and video.source_fps == pytest.approx(30)
    assert video.path == str(film)


def test_by_rate(film):
    video = read_video(film, fps=4)
    np.testing.assert_allclose(video.timestamps, np.array([0, 7, 15, 22, 30, 37, 45, 52]) / 30)
    assert codes(video.frames) == [0, 7, 15, 22, 30, 37, 45, 52]
    assert video.fps == pytest.approx(7 / (52 / 30))  # (T - 1) / (last - first)


def test_by_count(film):
    video = read_video(film, num_frames=6)
    assert codes(video.frames) == [0, 10, 20, 30, 40, 50]
    assert len(read_video(film, num_frames=1000).frames) == 60


def test_max_frames(film):
    assert codes(read_video(film, fps=30, max_frames=4).frames) == [0, 15, 30, 45]


def test_window_has_the_streams_clock(film):
    video = read_video(film, start=0.5, end=1.5, num_frames=3)
    assert codes(video.frames) == [15, 25, 35]
    np.testing.assert_allclose(video.timestamps, np.array([15, 25, 35]) / 30)
    assert video.duration == pytest.approx(1.0)


def test_an_end_past_the_files_is_the_files(film):
    video = read_video(film, start=1.5, end=99)
    assert codes(video.frames) == list(range(45, 60))
    assert video.duration == pytest.approx(0.5)


@pytest.mark.parametrize(("start", "end"), [(0, 0), (1, 1), (1.5, 1), (-1, 1), (2, None), (50, 60)])
def test_impossible_windows(film, start, end):
    with pytest.raises(InvalidWindow) as caught:
        read_video(film, start=start, end=end)
    assert str(film) in str(caught.value) and "2.000 s" in str(caught.value)


@pytest.mark.parametrize(
    "arguments",
    [
        {"fps": 2, "num_frames": 3},
        {"fps": 0},
        {"fps": -1},
        {"num_frames": 0},
        {"max_frames": 0},
        {"multiple": 0},
    ],
)
def test_impossible_arguments(film, arguments):
    with pytest.raises(ValueError, match=r"film\.mp4"):
        read_video(film, **arguments)


CODECS = {
    "open-gop.mkv": ("libx264", {"g": "12", "bf": "3", "x264-params": "open-gop=1:b-adapt=0:scenecut=0"}),
    "closed-gop.mkv": ("libx264", {"g": "12", "bf": "2"}),
    "h264.ts": ("libx264", {"g": "12", "bf": "3"}),
    "h264.avi": ("libx264", {"g": "12", "bf": "0"}),
    "fragmented.mp4": ("libx264", {"g": "12"}),
    "hevc.mp4": ("libx265", {"x265-params": "keyint=12:min-keyint=12:open-gop=1:bframes=3:log-level=none"}),
    "hevc.mkv": (
        "libx265",
        {"x265-params": "keyint=12:min-keyint=12:open-gop=1:temporal-layers=3:log-level=none"},
    ),
    "vp8.webm": ("libvpx", {"g": "12", "auto-alt-ref": "1", "lag-in-frames": "10"}),
    "vp9.webm": ("libvpx-vp9", {"g": "12", "auto-alt-ref": "1", "lag-in-frames": "10", "cpu-used": "8"}),
    "mpeg4.avi": ("mpeg4", {"g": "12", "bf": "2"}),
    "mpeg2.ts": ("mpeg2video", {"g": "12", "bf": "2"}),
    "bare.h264": ("libx264", {"g": "12", "bf": "2"}),
}


@pytest.mark.parametrize("name", CODECS)
def test_chosen_frames_equal_those_of_a_full_decode(tmp_path, name):
    """Whatever is skipped, sought past or left unconverted, the pixels are the same."""
    codec, options = CODECS[name]
    muxer = {"movflags": "frag_keyframe+empty_moov"} if name.startswith("fragmented") else None
    path = write_video(tmp_path / name, 120, codec=codec, options=options, muxer=muxer, size=(48, 96))
    everything = full_decode(path)
    assert len(everything) == 120
    for arguments, expected in [
        ({}, list(range(120))),
        ({"num_frames": 5}, [0, 24, 48, 72, 96]),
        ({"num_frames": 7}, [120 * i // 7 for i in range(7)]),
        ({"start": 3.1, "end": 3.5}, list(range(93, 105))),
        ({"start": 3.1, "end": 3.3, "num_frames": 3}, [93, 95, 97]),
        # The first frame of a group, and those shown just before it (leading ones, in an open group).
        *[({"start": i / 30, "end": (i + 1) / 30}, [i]) for i in (71, 70, 69, 72, 83, 82)],
    ]:
        video = read_video(path, **arguments)
        np.testing.assert_allclose(video.timestamps, np.array(expected) / 30, atol=6e-4)
        np.testing.assert_array_equal(video.frames, everything[expected])


def test_seeking_reads_only_a_part(tmp_path):
    """A late window is read from a key frame near its start, and its pixels are those of a full decode."""
    path = write_video(tmp_path / "long.mp4", 300, options={"g": "30", "bf": "2"})
    everything = full_decode(path)
    video = read_video(path, start=9.0, end=9.5)
    np.testing.assert_array_equal(video.frames, everything[270:285])
    with open_media(path) as container:
        part = scan(container, video_stream(container, path), 9.0, 9.5)
    assert part.seek is not None and len(part.pts) < 120


VARIABLE = [0, 100, 133, 1000, 1010, 1500, 2900, 3000]


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_variable_rate_keeps_true_times(tmp_path, suffix):
    path = write_video(tmp_path / f"vfr.{suffix}", 8, pts=VARIABLE, time_base=Fraction(1, 1000))
    video = read_video(path)
    np.testing.assert_allclose(video.timestamps, np.array(VARIABLE) / 1000, atol=1e-6)
    assert codes(video.frames) == list(range(8))
    # At 0, 0.5, 1.0, 1.5, ... s these are on show; frame 5 is from 1.5 to 2.9 s.
    by_rate = read_video(path, fps=2, end=3.0)
    assert codes(by_rate.frames) == [0, 2, 3, 5]
    np.testing.assert_allclose(by_rate.timestamps, [0, 0.133, 1.0, 1.5], atol=1e-6)


def test_a_first_timestamp_that_is_not_zero(tmp_path):
    path = write_video(
        tmp_path / "late.mkv", 10, pts=[500 + 100 * i for i in range(10)], time_base=Fraction(1, 1000)
    )
    video = read_video(path, start=0.2, end=0.5)
    np.testing.assert_allclose(video.timestamps, [0.2, 0.3, 0.4], atol=1e-6)
    assert codes(video.frames) == [2, 3, 4]


def test_one_frame(tmp_path):
    path = write_video(tmp_path / "one.mp4", 1)
    for arguments in ({}, {"fps": 2}, {"num_frames": 8}):
        video = read_video(path, **arguments)
        assert video.frames.shape == (1, 96, 128, 3) and video.timestamps.tolist() == [0.0]
    assert read_video(path, fps=2).fps == 2
    assert read_video(path).fps == pytest.approx(30)


def test_bytes(film):
    video = read_video(film.read_bytes(), num_frames=4)
    np.testing.assert_array_equal(video.frames, read_video(film, num_frames=4).frames)
    assert video.path == f"<bytes, {film.stat().st_size} B>"


def test_a_colon_in_the_name(tmp_path, film):
    path = tmp_path / "http:x.mp4"
    path.write_bytes(film.read_bytes())
    assert len(read_video(path).frames) == 60


@pytest.mark.parametrize(("angle", "turns"), [(90, 1), (180, 2), (270, 3), (-90, 3), (0, 0)])
def test_rotation_is_honoured(tmp_path, film, angle, turns):
    """FFmpeg's display rotation is anticlockwise, as numpy's rot90 is."""
    path = write_video(tmp_path / "turned.mp4", 60, options={"g": "12", "bf": "3"}, rotation=angle)
    upright = read_video(film, num_frames=3).frames
    turned = read_video(path, num_frames=3).frames
    np.testing.assert_array_equal(turned, np.rot90(upright, turns, axes=(1, 2)))


def test_mirroring_is_honoured(tmp_path, film):
    path = write_video(tmp_path / "mirror.mp4", 60, options={"g": "12", "bf": "3"}, hflip=True)
    np.testing.assert_array_equal(
        read_video(path, num_frames=3).frames, read_video(film, num_frames=3).frames[:, :, ::-1]
    )


def test_budget_a_frame(film):
    # 96 x 128 in 3 * 28^2 pixels: shrink by sqrt(12288 / 2352) = 2.29 to 42 x 56, in multiples 28 x 56
    video = read_video(film, max_pixels=3 * 28 * 28, multiple=28)
    assert video.frames.shape[1:3] == (28, 56)


def test_budget_in_total_depends_on_the_count(film):
    # 10 frames share 60,000 pixels: 6,000 each. sqrt(12288 / 6000) = 1.431: 67.1 x 89.4
    assert read_video(film, num_frames=10, total_pixels=60_000).frames.shape == (10, 67, 89, 3)
    assert read_video(film, num_frames=10, total_pixels=60_000, max_pixels=3000).frames.shape == (
        10,
        47,
        63,
        3,
    )
    assert read_video(film, num_frames=2, total_pixels=60_000).frames.shape == (2, 96, 128, 3)


def test_budget_by_the_number_of_frames(film):
    def budget(frames):
        return {2: None, 10: 6000}[frames]

    assert read_video(film, num_frames=10, max_pixels=budget).frames.shape == (10, 67, 89, 3)
    assert read_video(film, num_frames=2, max_pixels=budget).frames.shape == (2, 96, 128, 3)
    assert read_video(film, num_frames=2, max_pixels=budget, total_pixels=12_000).frames.shape == (
        2,
        67,
        89,
        3,
    )

    def none_left(frames):
        raise ValueError(f"too little for {frames} frames")

    with pytest.raises(ValueError, match=r"film\.mp4: too little for 10 frames"):
        read_video(film, num_frames=10, max_pixels=none_left)


def test_budget_is_for_the_displayed_shape(tmp_path):
    path = write_video(tmp_path / "upright.mp4", 3, size=(96, 256), rotation=90)
    # Displayed 256 x 96: in 7 * 28^2 pixels, shrink by 2.116 to 121 x 45.4, in multiples 112 x 28
    assert read_video(path, max_pixels=7 * 28 * 28, multiple=28).frames.shape[1:3] == (112, 28)


def test_shrunk_frames_keep_their_content(film):
    assert codes(read_video(film, max_pixels=3000).frames) == list(range(60))


def test_budget_too_small(film):
    with pytest.raises(ValueError, match=r"film\.mp4.*28 x 28"):
        read_video(film, num_frames=10, total_pixels=10 * 28 * 28 - 1, multiple=28)


BT709, BT601, LIMITED, FULL = 1, 5, 1, 2
PATCHES = [(255, 255, 255), (0, 0, 0), (128, 128, 128), (200, 40, 40), (40, 180, 60), (50, 60, 210)]


@pytest.mark.parametrize("color_range", [LIMITED, FULL])
@pytest.mark.parametrize("colorspace", [BT709, BT601])
def test_colours_survive(tmp_path, color_range, colorspace):
    pictures = [np.full((64, 64, 3), rgb, dtype=np.uint8) for rgb in PATCHES]
    path = write_video(
        tmp_path / "colour.mp4",
        pictures,
        options={"crf": "1"},
        color={"color_range": color_range, "colorspace": colorspace},
    )
    seen = read_video(path).frames.mean(axis=(1, 2))
    np.testing.assert_allclose(seen, PATCHES, atol=3.5)


def test_untagged_colours_are_taken_for_bt601(tmp_path):
    pictures = [np.full((64, 64, 3), rgb, dtype=np.uint8) for rgb in PATCHES]
    path = write_video(tmp_path / "plain.mp4", pictures, options={"crf": "1"})
    np.testing.assert_allclose(read_video(path).frames.mean(axis=(1, 2)), PATCHES, atol=3.5)
