"""Means and differences with their standard errors, by hand."""

import math

import pytest

from demo.av.measures import Evaluation, Run, evaluate, gap, mean, measure
from vidalign.toyworld.sound.captions import caption
from vidalign.toyworld.sound.scene import Entrance, Line, SoundScene

CIRCLE = Entrance("red", "circle", "left", (0.3, 0.0), (-0.3, 0.0), "appears", 1, "chime")
SPEECH = SoundScene("grey", (CIRCLE,), (Line("low", ("kalo", "mipe"), 0.52),))
TONES = SoundScene("grey", (CIRCLE,))
RECALL = measure("recall", "greedy")


def test_captions_are_measured_by_the_rewards():
    loop = " ".join(["a red circle appears on a chime and moves left ."] * 4)
    made_up = caption(TONES) + ' a low voice says " kalo " .'
    found = evaluate([[caption(SPEECH)], [loop], [made_up]], [[20], [41], [22]], [SPEECH, SPEECH, TONES])
    assert found.dialogue == [1.0, 0.0, 0.0]
    assert found.recall == [1.0, pytest.approx(3 / 5), 1.0]
    assert found.collapsed == [0.0, 1.0, 0.0]
    assert found.length == [20, 41, 22]
    assert found.spoken == [1.0, 0.0]
    assert found.unspoken == [0.0]


def test_several_captions_of_a_clip_count_by_their_mean():
    said, silence = caption(SPEECH), caption(TONES)
    found = evaluate([[said, silence], [silence, silence]], [[20, 10], [10, 12]], [SPEECH, TONES])
    assert found.captions == [said, silence]
    assert found.dialogue == [0.5, 1.0]
    assert found.recall == [pytest.approx((1 + 4 / 5) / 2), 1.0]
    assert found.length == [15, 11]


def run(seed, recall):
    evaluation = Evaluation(["a"] * 2, [1.0] * 2, recall, [0.0] * 2, [1.0] * 2, [True] * 2)
    return Run(seed, [], 1.0, {"greedy": evaluation})


def test_a_difference_counts_clips_and_runs():
    ours, theirs = [run(0, [0.6, 0.8]), run(1, [0.8, 1.0])], [run(0, [0.5, 0.5])]
    found = gap(ours, theirs, RECALL)
    assert found.mean == pytest.approx(0.3)
    # Over clips: 0.2 and 0.4, so 0.1; over the runs' means 0.7 and 0.9: 0.1 as well. One run has no spread.
    assert found.error == pytest.approx(math.hypot(0.1, 0.1))


def test_a_mean_counts_clips_and_runs():
    found = mean([run(0, [0.6, 0.8]), run(1, [0.8, 1.0])], RECALL)
    assert (found.mean, found.error) == (pytest.approx(0.8), pytest.approx(math.hypot(0.1, 0.1)))
    assert mean([run(0, [0.6, 0.8])], RECALL).error == pytest.approx(0.1)
