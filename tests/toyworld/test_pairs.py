"""Best against worst, and nothing from clips where all candidates are alike."""

from vidalign.toyworld.pairs import best_and_worst
from vidalign.toyworld.scene import Scene, Shape

SCENE = Scene("grey", (Shape("red", "circle", "left", (0.2, 0.0), (-0.2, 0.0)),))
GOOD, HALF, BAD = (
    "the background is grey . a red circle moves left .",
    "the background is grey . a red circle moves right .",
    "the background is pink . a blue square moves right .",
)


def test_best_and_worst_are_found_wherever_they_stand():
    pairs, ties = best_and_worst([("a.mp4", SCENE)], [[HALF, BAD, GOOD, HALF]])
    assert ties == 0
    assert pairs[0].video == "a.mp4"
    assert pairs[0].chosen == (GOOD, 1.0)
    assert pairs[0].rejected == (BAD, 0.0)


def test_ties_give_no_pair_and_are_counted():
    pairs, ties = best_and_worst([("a.mp4", SCENE), ("b.mp4", SCENE)], [[GOOD, GOOD], [HALF, BAD]])
    assert ties == 1
    assert [pair.video for pair in pairs] == ["b.mp4"]


def test_among_equals_the_first_counts():
    other = GOOD.replace("a red", "the red")
    pairs, _ = best_and_worst([("a.mp4", SCENE)], [[other, GOOD, BAD]])
    assert pairs[0].chosen[0] == other


def test_silent_candidates_are_left_out():
    assert best_and_worst([("a.mp4", SCENE)], [["", "  "]]) == ([], 1)
    pairs, _ = best_and_worst([("a.mp4", SCENE)], [["", GOOD, HALF]])
    assert pairs[0].rejected[0] == HALF
