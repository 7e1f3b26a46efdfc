"""Which frames are taken, from timestamps alone."""

import numpy as np
import pytest

from vidalign.video.sampling import choose_frames

CFR = np.arange(100) / 25  # 4 s at 25 fps


def test_by_rate_takes_the_frame_on_show():
    # 2 fps: 0, .5, 1, ... 3.5 s; at 0.5 s frame 12 (0.48 s) is on show, for frame 13 comes at 0.52 s.
    assert choose_frames(CFR, 0, 4, fps=2).tolist() == [0, 12, 25, 37, 50, 62, 75, 87]


def test_by_rate_on_variable_times():
    times = np.array([0.0, 0.1, 0.2, 3.0, 3.9])
    # At 0, 1, 2, 3 s: frame 0, then frame 2 (on show from 0.2 to 3 s, taken once), then frame 3.
    assert choose_frames(times, 0, 4, fps=1).tolist() == [0, 2, 3]


@pytest.mark.parametrize("fps", [25, 30, 1000, 1e12])
def test_a_rate_above_the_files_takes_each_frame_once(fps):
    assert choose_frames(CFR, 0, 4, fps=fps).tolist() == list(range(100))


@pytest.mark.parametrize("n", [1, 2, 7, 8, 32, 99, 100])
def test_by_count_is_the_default_of_transformers(n):
    # transformers' video_utils.default_sample_indices_fn and Qwen2-VL: arange(0, total, total / n), rounded
    # down.
    assert choose_frames(CFR, 0, 4, num_frames=n).tolist() == [i * 100 // n for i in range(n)]


def test_by_count_gives_all_where_there_are_fewer():
    assert choose_frames(CFR, 0, 4, num_frames=500).tolist() == list(range(100))


def test_by_count_never_repeats_a_frame():
    times = np.array([0.0, 0.01, 0.02, 0.03, 9.0, 9.01])
    # Instants 0, 2, 4, 6, 8 s fall on frames 0, 3, 3, 3, 3: pushed apart, then held below frame 6.
    assert choose_frames(times, 0, 10, num_frames=5).tolist() == [0, 2, 3, 4, 5]


def test_max_frames_turns_a_rate_into_a_count():
    assert choose_frames(CFR, 0, 4, fps=2, max_frames=8).tolist() == choose_frames(CFR, 0, 4, fps=2).tolist()
    assert choose_frames(CFR, 0, 4, fps=2, max_frames=4).tolist() == [0, 25, 50, 75]
    assert choose_frames(CFR, 0, 4, max_frames=4).tolist() == [0, 25, 50, 75]


def test_window():
    assert choose_frames(CFR, 1, 2).tolist() == list(range(25, 50))
    assert choose_frames(CFR, 1, 2, num_frames=5).tolist() == [25, 30, 35, 40, 45]
    # Between frames 25 (1.00 s) and 26 (1.04 s): the one on show.
    assert choose_frames(CFR, 1.01, 1.02).tolist() == [25]
    assert choose_frames(CFR, 1.01, 1.02, fps=2).tolist() == [25]
    assert choose_frames(CFR, 1.01, 1.02, num_frames=3).tolist() == [25]


def test_before_the_first_frame_the_first_is_taken():
    assert choose_frames(np.array([0.5, 1.0]), 0, 1.5, fps=4).tolist() == [0, 1]


def test_rounded_timestamps_are_not_late():
    # Matroska rounds to milliseconds: frame 2 of 30 fps says 0.067 s, and 2/30 s must still find it.
    times = np.round(np.arange(60) / 30, 3)
    assert choose_frames(times, 0, 2, fps=30, slack=5e-4).tolist() == list(range(60))
    assert choose_frames(times, 0, 2, fps=30, slack=1e-6).tolist() != list(range(60))
