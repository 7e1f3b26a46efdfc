"""read_audio: the right samples at the right time."""

from __future__ import annotations

import numpy as np
import pytest
from media import tone_samples, write_audio, write_video

from vidalign.video import (
    DamagedVideo,
    InvalidWindow,
    NoAudioStream,
    check_audio,
    probe,
    read_audio,
    read_video,
)


def frequency(samples: np.ndarray, rate: int) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum)) * rate / len(samples)


def onset(samples: np.ndarray, rate: int) -> float:
    """Seconds at which the sound begins."""
    return float(np.argmax(np.abs(samples) > 0.05)) / rate


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """4 seconds; a 440 Hz tone in the first half of each second."""
    return write_video(tmp_path_factory.mktemp("audio") / "film.mp4", 120, tone=(440, 0.0, 1))


def test_tone(film):
    samples = read_audio(film)
    assert samples.dtype == np.float32 and samples.ndim == 1
    assert len(samples) == pytest.approx(4 * 16000, abs=1024)
    assert frequency(samples[:8000], 16000) == pytest.approx(440, abs=2)
    expected = tone_samples(440, 4, 16000)
    error = samples[: len(expected)] - expected
    assert np.sqrt(np.mean(error**2)) < 0.02  # AAC; one sample's shift would give 0.04


@pytest.mark.parametrize("rate", [8000, 22050, 48000])
def test_rate(film, rate):
    samples = read_audio(film, rate=rate)
    expected = tone_samples(440, 4, rate)
    assert np.sqrt(np.mean((samples[: len(expected)] - expected) ** 2)) < 0.02


def test_window(film):
    whole = read_audio(film)
    part = read_audio(film, start=2.25, end=3.5)
    assert len(part) == 20000
    np.testing.assert_allclose(part, whole[36000:56000], atol=0.01)
    assert np.abs(part[:3900]).max() > 0.4  # sounds until 2.5 s
    assert np.abs(part[4200:11800]).max() < 0.05  # silent until 3.0 s


def test_the_window_ends_with_the_file(film):
    assert len(read_audio(film, start=3.0, end=99)) == pytest.approx(16000, abs=1024)


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_a_late_track_keeps_its_place(tmp_path, suffix):
    path = write_video(tmp_path / f"late.{suffix}", 120, tone=(440, 0.7, 1))
    samples = read_audio(path)
    assert np.abs(samples[: int(0.69 * 16000)]).max() < 1e-3
    assert onset(samples, 16000) == pytest.approx(0.7, abs=0.003)
    assert onset(read_audio(path, start=0.5), 16000) == pytest.approx(0.2, abs=0.003)


def test_time_zero_is_the_first_frame(tmp_path):
    """Both tracks of an MPEG-TS begin at some large timestamp."""
    path = write_video(tmp_path / "a.ts", 120, tone=(440, 1.0, 1))
    assert read_video(path, num_frames=1).timestamps[0] == 0
    assert onset(read_audio(path), 16000) == pytest.approx(1.0, abs=0.03)


def test_a_short_track_is_padded_to_the_video(tmp_path):
    samples = tone_samples(440, 1.0, 16000)
    path = write_video(tmp_path / "short.mp4", 90, tone=(440, -2.0, 1))
    assert len(samples) == 16000
    assert len(read_audio(path)) == pytest.approx(3 * 16000, abs=1100)


def test_stereo_is_averaged(tmp_path):
    rate = 16000
    left = (tone_samples(440, 2, rate) * 32767).astype(np.int16)
    path = write_audio(tmp_path / "stereo.wav", np.stack([left, np.zeros_like(left)]), rate=rate)
    np.testing.assert_allclose(read_audio(path), tone_samples(440, 2, rate) / 2, atol=1e-3)
    both = write_audio(tmp_path / "both.wav", np.stack([left, left]), rate=rate)
    np.testing.assert_allclose(read_audio(both), tone_samples(440, 2, rate), atol=1e-3)


def test_lossless_at_its_own_rate_is_exact(tmp_path):
    samples = np.random.default_rng(0).integers(-32768, 32767, (1, 16000), dtype=np.int16)
    path = write_audio(tmp_path / "noise.wav", samples, rate=16000)
    read = read_audio(path)
    np.testing.assert_array_equal(read, samples[0].astype(np.float32) / 32768)
    np.testing.assert_array_equal(read_audio(path, start=0.25, end=0.5), read[4000:8000])
    assert np.abs(read).max() <= 1


def test_bytes(film):
    np.testing.assert_array_equal(read_audio(film.read_bytes()), read_audio(film))


def test_no_track(tmp_path):
    path = write_video(tmp_path / "mute.mp4", 3)
    with pytest.raises(NoAudioStream, match=r"mute\.mp4.*no audio track"):
        read_audio(path)
    for source in (path, path.read_bytes()):
        assert not probe(source).has_audio
        with pytest.raises(NoAudioStream, match="no audio track"):
            check_audio(source)


def test_a_track_is_checked_by_its_first_samples(film, tmp_path):
    for source in (film, film.read_bytes()):
        assert probe(source).has_audio
        check_audio(source)
    (tmp_path / "text.mp4").write_text("not a video")
    with pytest.raises(DamagedVideo, match=r"text\.mp4: FFmpeg cannot open it"):
        check_audio(tmp_path / "text.mp4")
    whole = bytearray(film.read_bytes())
    begin, end = whole.index(b"mdat") + 4, whole.index(b"moov") - 4
    whole[begin:end] = b"\xff" * (end - begin)
    with pytest.raises(DamagedVideo, match=r"<bytes, .*: no audio can be decoded"):
        check_audio(bytes(whole))


@pytest.mark.parametrize(("start", "end"), [(1, 1), (2, 1), (-1, None), (0, 0), (50, None), (50, 60)])
def test_impossible_windows(film, start, end):
    with pytest.raises(InvalidWindow, match=r"film\.mp4.* s"):
        read_audio(film, start=start, end=end)


def test_impossible_rate(film):
    with pytest.raises(ValueError, match="rate=0"):
        read_audio(film, rate=0)
