"""probe: what a file holds, with and without metadata that say so."""

from fractions import Fraction

import pytest
from media import write_video

from vidalign.video import probe, read_video


def test_everything(tmp_path):
    path = write_video(tmp_path / "a.mp4", 45, size=(96, 128), tone=(440, 0.0, 2))
    info = probe(path)
    assert (info.width, info.height, info.rotation, info.codec, info.frames) == (128, 96, 0, "h264", 45)
    assert info.duration == pytest.approx(1.5) and info.fps == pytest.approx(30)
    assert (info.has_audio, info.audio_rate, info.audio_channels) == (True, 44100, 2)
    assert info.audio_duration == pytest.approx(1.5, abs=0.05)
    assert info.path == str(path)


def test_no_audio(tmp_path):
    info = probe(write_video(tmp_path / "a.mp4", 3))
    assert (info.has_audio, info.audio_rate, info.audio_channels, info.audio_duration) == (
        False,
        None,
        None,
        None,
    )


@pytest.mark.parametrize(("angle", "shape"), [(90, (96, 128)), (180, (128, 96)), (270, (96, 128))])
def test_displayed_shape(tmp_path, angle, shape):
    info = probe(write_video(tmp_path / "a.mp4", 3, size=(96, 128), rotation=angle))
    assert (info.width, info.height) == shape
    assert info.rotation == angle


@pytest.mark.parametrize(
    ("name", "codec", "muxer"),
    [
        ("bare.h264", "libx264", {}),  # neither durations nor timestamps
        ("live.webm", "libvpx", {"live": "1"}),  # as a browser records: no duration, no index
        ("live.mkv", "libx264", {"live": "1"}),
        ("fragments.mp4", "libx264", {"movflags": "frag_keyframe+empty_moov"}),
        ("stream.ts", "libx264", {}),
    ],
)
def test_duration_is_computed_where_it_is_not_stated(tmp_path, name, codec, muxer):
    path = write_video(tmp_path / name, 60, codec=codec, options={"g": "15"}, muxer=muxer)
    info = probe(path)
    assert info.duration == pytest.approx(2.0, abs=2e-3)
    assert info.fps == pytest.approx(30, rel=2e-3)
    assert info.frames in (60, None)


def test_variable_rate(tmp_path):
    path = write_video(tmp_path / "vfr.mp4", 4, pts=[0, 100, 1900, 2000], time_base=Fraction(1, 1000))
    info = probe(path)
    assert info.frames == 4
    assert info.fps == pytest.approx(4 / info.duration, rel=0.01)


def test_a_recording_that_was_cut_within_a_long_group_of_pictures(tmp_path):
    """Its first picture that can be decoded comes late, and is all that is asked for."""
    options = {"g": "200", "keyint_min": "200", "sc_threshold": "0"}
    whole = write_video(tmp_path / "whole.ts", 400, options=options).read_bytes()
    packets = len(whole) // 188
    (tmp_path / "cut.ts").write_bytes(whole[packets // 10 * 188 :])
    video = read_video(tmp_path / "cut.ts", num_frames=8, start=7.0)
    info = probe(tmp_path / "cut.ts")
    assert len(video.frames) == 8
    assert (info.width, info.height) == (video.frames.shape[2], video.frames.shape[1])
