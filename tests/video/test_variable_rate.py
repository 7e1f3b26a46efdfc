"""How long a video lasts whose frames are shown at uneven times and stored out of order."""

import numpy as np
import pytest
from media import FPS, codes, write_video

from vidalign.video import probe, read_video

PAUSE = [*range(10), *range(300, 310)]
PAIRS = [0, 1, 30, 31, 60, 61, 90, 91, 120, 121]


@pytest.mark.parametrize("bf", ["0", "3"], ids=["in order", "reordered"])
@pytest.mark.parametrize("suffix", ["mp4", "mov", "mkv"])
@pytest.mark.parametrize("pts", [PAUSE, PAIRS, [0, 150, 300, 450]], ids=["pause", "pairs", "slides"])
def test_a_video_ends_behind_its_last_frame(tmp_path, pts, suffix, bf):
    path = write_video(tmp_path / f"a.{suffix}", len(pts), pts=pts, options={"bf": bf})
    video = read_video(path)
    assert video.duration == pytest.approx((pts[-1] + 1) / FPS, abs=2e-3)
    assert video.duration == pytest.approx(probe(path).duration, abs=2e-3)
    assert video.source_fps == pytest.approx(len(pts) * FPS / (pts[-1] + 1), rel=1e-3)


@pytest.mark.parametrize("bf", ["0", "3"], ids=["in order", "reordered"])
def test_frames_by_number_and_by_rate_over_a_pause(tmp_path, bf):
    path = write_video(tmp_path / "a.mp4", len(PAUSE), pts=PAUSE, options={"bf": bf})
    # At 0 and, half of 310 ticks later, in the pause that frame 9 is on show.
    assert codes(read_video(path, num_frames=2).frames) == [0, 9]
    # Every second, to the end at 10.33 s; frame 9 is on show from 0.3 to 10 s.
    video = read_video(path, fps=1)
    assert codes(video.frames) == [0, 9, 10]
    np.testing.assert_allclose(video.timestamps, [0, 0.3, 10.0], atol=1e-6)


@pytest.mark.parametrize("bf", ["0", "2"], ids=["in order", "reordered"])
def test_what_an_edit_list_cuts_off_the_front_is_not_shown(tmp_path, bf):
    """Frames before time 0 are in the file, since others refer to them, and no player shows them."""
    path = write_video(tmp_path / "a.mp4", 20, pts=range(-5, 15), options={"bf": bf})
    video = read_video(path)
    assert codes(video.frames) == list(range(5, 20))
    np.testing.assert_allclose(video.timestamps, np.arange(15) / FPS, atol=1e-6)
    assert video.duration == pytest.approx(probe(path).duration) == pytest.approx(0.5)
    assert codes(read_video(path, num_frames=3).frames) == [5, 10, 15]
