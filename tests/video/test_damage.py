"""Files that are missing, cut off, corrupt or no videos: an error, or sound frames and a warning."""

from __future__ import annotations

import os
import pickle
import warnings
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from media import coded_picture, codes, overwrite, packets, write_audio, write_video

from vidalign.video import (
    DamagedVideo,
    DamagedVideoWarning,
    NoVideoStream,
    VideoError,
    VideoNotFound,
    probe,
    read_audio,
    read_video,
)

READERS = [read_video, probe, read_audio]


def write_image(path: Path) -> Path:
    picture = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), dtype=np.uint8))
    codec, fmt = {".png": ("png", "rgb24"), ".jpg": ("mjpeg", "yuvj420p")}[path.suffix]
    context = av.CodecContext.create(codec, "w")
    context.width, context.height, context.pix_fmt = 64, 48, fmt
    context.time_base = 1
    (packet,) = context.encode(picture.reformat(format=fmt)) + context.encode(None)
    path.write_bytes(bytes(packet))
    return path


@pytest.mark.parametrize("read", READERS)
def test_missing_file(tmp_path, read):
    path = tmp_path / "none.mp4"
    with pytest.raises(VideoNotFound, match=r"none\.mp4") as caught:
        read(path)
    assert isinstance(caught.value, FileNotFoundError)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


@pytest.mark.parametrize("read", READERS)
def test_zero_bytes(tmp_path, read):
    (tmp_path / "empty.mp4").touch()
    with pytest.raises(DamagedVideo, match=r"empty\.mp4.*0 bytes"):
        read(tmp_path / "empty.mp4")
    with pytest.raises(DamagedVideo, match="<bytes, 0 B>"):
        read(b"")


@pytest.mark.parametrize("read", READERS)
def test_directory_and_fifo_do_not_hang(tmp_path, read):
    os.mkfifo(tmp_path / "pipe.mp4")
    for path in (tmp_path, tmp_path / "pipe.mp4"):
        with pytest.raises(VideoNotFound, match="not a regular file"):
            read(path)


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("content", [b"hello, I am text", bytes(50_000), bytes(range(256)) * 100])
def test_not_a_media_file(tmp_path, read, content):
    path = tmp_path / "text.mp4"
    path.write_bytes(content)
    with pytest.raises(VideoError, match=r"text\.mp4"):
        read(path)


@pytest.mark.parametrize("name", ["image.png", "image.jpg"])
@pytest.mark.parametrize("disguise", [None, "image.mp4"])
def test_still_image(tmp_path, name, disguise):
    path = write_image(tmp_path / name)
    if disguise:
        path = path.rename(tmp_path / disguise)
    for read in (read_video, probe):
        with pytest.raises(NoVideoStream, match=r"still image.*`images`"):
            read(path)


def test_audio_only(tmp_path):
    path = write_audio(tmp_path / "sound.wav", np.zeros((1, 16000), dtype=np.int16), rate=16000)
    for read in (read_video, probe):
        with pytest.raises(NoVideoStream, match=r"sound\.wav.*audio"):
            read(path)


def test_cut_off_before_the_index(tmp_path):
    path = write_video(tmp_path / "cut.mp4", 60)  # the index is at the end
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 6 // 10])
    for read in READERS:
        with pytest.raises(DamagedVideo, match=r"cut\.mp4.*index"):
            read(path)


@pytest.mark.parametrize(
    ("name", "codec", "muxer"),
    [
        ("cut.mp4", "libx264", {"movflags": "faststart"}),
        ("cut.mkv", "libx264", {}),
        ("cut.webm", "libvpx-vp9", {}),
    ],
)
@pytest.mark.parametrize("part", [0.3, 0.6, 0.9])
def test_cut_off_in_the_middle(tmp_path, name, codec, muxer, part):
    path = write_video(tmp_path / name, 120, codec=codec, options={"g": "30"}, muxer=muxer, size=(48, 96))
    clean = read_video(path)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * part)])
    with pytest.warns(DamagedVideoWarning, match=name):
        video = read_video(path)
    count = len(video.frames)
    assert 0.3 * part * 120 < count < 120
    numbers = np.round(video.timestamps * 30).astype(int)
    np.testing.assert_array_equal(video.frames, clean.frames[numbers])
    assert video.duration < clean.duration

    with pytest.warns(DamagedVideoWarning):
        assert len(read_video(path, num_frames=4).frames) == 4


def test_the_warning_says_how_much_was_read(tmp_path):
    path = write_video(tmp_path / "cut.mp4", 120, options={"bf": "0"}, muxer={"movflags": "faststart"})
    position, size, _ = packets(path)[60]
    with open(path, "r+b") as file:
        file.truncate(position + size // 2)
    with pytest.warns(DamagedVideoWarning, match=r"cut\.mp4: only 2\.000 s of 4\.000 s"):
        assert codes(read_video(path).frames) == list(range(60))
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a window that ends before the damage is none the worse
        assert codes(read_video(path, start=0.5, end=1.5).frames) == list(range(15, 45))
    with pytest.raises(DamagedVideo, match=r"only 2\.000 s can be read"):
        read_video(path, start=3)


DETECTED = {
    "x.mp4": "libx264",
    "x.mkv": "libx264",
    "mpeg4.mp4": "mpeg4",
    "mpeg2.ts": "mpeg2video",
    "x.ts": "libx264",
}


@pytest.mark.parametrize("name", DETECTED)
def test_corrupt_packet_in_the_middle(tmp_path, name):
    path = write_video(tmp_path / name, 60, codec=DETECTED[name], options={"g": "15"}, size=(192, 256))
    clean = read_video(path)
    assert codes(clean.frames) == list(range(60))
    position, size, _ = packets(path)[20]
    overwrite(path, position + size // 4, size // 2)
    with pytest.warns(DamagedVideoWarning, match="could not be decoded"):
        video = read_video(path)
    numbers = np.round(video.timestamps * 30).astype(int)
    np.testing.assert_array_equal(video.frames, clean.frames[numbers])  # no frame shows the damage
    assert 45 <= len(numbers) < 60
    assert set(range(15)) | set(range(30, 60)) <= set(numbers.tolist())  # the other groups are whole


def test_hevc_packet_lost(tmp_path):
    """Its decoder passes over what it does not recognise, without an error."""
    path = write_video(
        tmp_path / "x.mp4", 60, codec="libx265", options={"x265-params": "keyint=15:log-level=none"}
    )
    clean = read_video(path)
    position, size, _ = packets(path)[20]
    overwrite(path, position + 4, size - 4)
    with pytest.warns(DamagedVideoWarning, match="could not be decoded"):
        video = read_video(path)
    np.testing.assert_array_equal(video.frames, clean.frames[np.round(video.timestamps * 30).astype(int)])


def test_a_damaged_frame_is_replaced_by_its_neighbour(tmp_path):
    path = write_video(tmp_path / "x.mp4", 60, options={"g": "10", "bf": "0"}, size=(192, 256))
    clean = read_video(path, num_frames=6)
    assert codes(clean.frames) == [0, 10, 20, 30, 40, 50]
    position, size, key = packets(path)[20]
    assert key
    overwrite(path, position, size)  # frames 20 to 29 depend on it
    with pytest.warns(DamagedVideoWarning, match="1 of 6 frames"):
        video = read_video(path, num_frames=6)
    assert codes(video.frames) == [0, 10, 19, 30, 40, 50]
    np.testing.assert_allclose(video.timestamps * 30, [0, 10, 19, 30, 40, 50])


def test_mostly_corrupt_is_an_error(tmp_path):
    path = write_video(tmp_path / "x.mp4", 60, options={"g": "15"}, size=(192, 256))
    for position, size, _ in packets(path)[5:]:
        overwrite(path, position, size)
    with pytest.raises(DamagedVideo, match=r"x\.mp4.* of the 60 frames"):
        read_video(path)


@pytest.mark.parametrize("name", ["n.mp4", "n.mkv", "n.ts", "n.avi", "n.webm"])
@pytest.mark.parametrize("seed", range(4))
def test_noise_anywhere_neither_hangs_nor_blackens(tmp_path, name, seed):
    """Random bytes in a random place: an error with the file's name, or frames none of them black or grey."""
    codec = {"webm": "libvpx-vp9", "avi": "mpeg4"}.get(name[2:], "libx264")
    path = write_video(tmp_path / name, 60, codec=codec, options={"g": "15", "cpu-used": "8"}, size=(96, 192))
    size = path.stat().st_size
    start = int(np.random.default_rng(seed).integers(0, size * 9 // 10))
    overwrite(path, start, size // 20, seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DamagedVideoWarning)
        try:
            video = read_video(path, num_frames=20)
        except VideoError:
            with pytest.raises(VideoError, match=name):
                read_video(path, num_frames=20)
            return
    assert 1 <= len(video.frames) <= 20
    assert np.all(np.diff(video.timestamps) > 0)
    assert video.frames.std(axis=(1, 2, 3)).min() > 20  # coded pictures: about 70


def test_damaged_audio_is_silent_and_warned_of(tmp_path):
    path = write_video(tmp_path / "a.mp4", 90, tone=(440, 0.0, 1))
    clean = read_audio(path)
    lost = packets(path, "audio")[10:14]
    for position, size, _ in lost:
        overwrite(path, position, size)
    with pytest.warns(DamagedVideoWarning, match=r"a\.mp4.*audio packets"):
        damaged = read_audio(path)
    assert len(damaged) == len(clean)
    np.testing.assert_allclose(damaged[16000:], clean[16000:], atol=1e-3)  # the rest is in its place


PAUSES = [*range(30), *range(90, 120), *range(300, 330)]


@pytest.mark.parametrize("name", ["n.mp4", "n.mkv", "n.ts"])
@pytest.mark.parametrize(
    ("pts", "fps"), [(None, 30), (None, 8), (None, 2), (PAUSES, 30)], ids=["30", "8", "2", "pauses"]
)
def test_still_pictures_with_sound_are_not_damaged(tmp_path, name, pts, fps):
    """Small reordered frames with sound between them look like jumps in time over bytes of the file."""
    still = [coded_picture(0)] * 90
    base = Fraction(1, fps)
    options = {"bf": "3", "b-adapt": "0"}
    tone = (440.0, 0.0, 2)
    path = write_video(tmp_path / name, still, pts=pts, time_base=base, fps=fps, options=options, tone=tone)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        video = read_video(path)
        part = read_video(path, start=1.0, end=9.0)
    expected = np.array(pts or range(90)) / fps
    np.testing.assert_allclose(video.timestamps, expected, atol=1e-3)
    inside = expected[(expected >= 1 - 1e-3) & (expected < 9 - 1e-3)]
    np.testing.assert_allclose(part.timestamps, inside, atol=1e-3)


@pytest.mark.parametrize("bf", ["0", "3"])
def test_a_stretch_lost_from_matroska_with_sound_is_noticed(tmp_path, bf):
    path = write_video(
        tmp_path / "x.mkv", 90, options={"g": "30", "bf": bf, "b-adapt": "0"}, tone=(440.0, 0.0, 1)
    )
    clean = read_video(path)
    held = packets(path)
    first, last = held[36][0], held[50][0]
    overwrite(path, first - 8, last - first)
    with pytest.warns(DamagedVideoWarning):
        video = read_video(path)
    numbers = np.round(video.timestamps * 30).astype(int)
    np.testing.assert_array_equal(video.frames, clean.frames[numbers])
    assert set(range(30)) <= set(numbers.tolist())
    assert len(numbers) < 80  # the demuxer finds its way back at a later cluster
