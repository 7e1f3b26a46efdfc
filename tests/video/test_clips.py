"""Clips of equal length, by SynPO's rule."""

from fractions import Fraction

import pytest
from media import write_video

from vidalign.video import clips, read_video


def write_seconds(path, frames):
    """A film of 2 frames a second."""
    return write_video(path, frames, fps=2, time_base=Fraction(1, 2), size=(48, 48))


@pytest.mark.parametrize(
    ("frames", "arguments", "count"),
    [
        (70, {}, 4),  # floor(35 / 10) + 1
        (2, {}, 2),  # 1 s: floor(0.1) + 1 = 1, held at 2
        (40, {}, 3),  # 20 s: floor(2) + 1
        (70, {"seconds": 1}, 16),  # 36, held at 16
        (70, {"seconds": 1, "max_clips": 50}, 36),
        (2, {"min_clips": 1}, 1),
    ],
)
def test_count(tmp_path, frames, arguments, count):
    path = write_seconds(tmp_path / "film.mp4", frames)
    windows = clips(path, **arguments)
    assert len(windows) == count
    assert windows[0][0] == 0 and windows[-1][1] == pytest.approx(frames / 2)
    lengths = [end - start for start, end in windows]
    assert lengths == pytest.approx([frames / 2 / count] * count)
    assert [w[1] for w in windows[:-1]] == [w[0] for w in windows[1:]]


def test_windows_can_be_read(tmp_path):
    path = write_seconds(tmp_path / "film.mp4", 70)
    read = [read_video(path, start=start, end=end) for start, end in clips(path)]
    assert sum(len(video.frames) for video in read) == 70


@pytest.mark.parametrize("arguments", [{"seconds": 0}, {"min_clips": 0}, {"min_clips": 5, "max_clips": 4}])
def test_impossible_arguments(tmp_path, arguments):
    with pytest.raises(ValueError, match="give"):
        clips(tmp_path / "never-read.mp4", **arguments)
