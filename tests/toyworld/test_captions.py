"""Captions and what they score: exact for the reference, and no gain from repeating, contradicting or listing."""

import itertools
import random

import pytest

from vidalign.toyworld.captions import (
    Fact,
    caption,
    caption_facts,
    scene_facts,
    score,
    statements,
    vocabulary,
)
from vidalign.toyworld.scene import BACKGROUNDS, COLOURS, SHAPES, Scene, Shape, random_scene


def still(colour, shape, motion="top left"):
    return Shape(colour, shape, motion, (0.0, 0.0), (0.0, 0.0))


SCENE = Scene("grey", (still("red", "circle", "left"), still("blue", "square", "top right")))
TRUE = "the background is grey . a red circle moves left . a blue square stays at the top right ."


def values(text, scene=SCENE):
    found = score(text, scene)
    return found.recall, found.precision


def test_the_reference_caption_is_spelled_out():
    assert caption(SCENE) == TRUE
    assert [fact.keypoint() for fact in scene_facts(SCENE)] == [
        "the background is grey",
        "there is a red circle",
        "the red circle moves left",
        "there is a blue square",
        "the blue square stays at the top right",
    ]


def test_captions_and_facts_round_trip():
    rng = random.Random(0)
    for index in range(4000):
        scene = random_scene(rng, events=index % 2 == 1)
        text = caption(scene)
        assert caption_facts(text) == (set(scene_facts(scene)), 0)
        found = score(text, scene)
        assert (found.recall, found.precision, found.f1) == (1, 1, 1)
        assert all(piece.right for piece in statements(text, scene))
        assert " ".join(piece.text for piece in statements(text, scene)) == text


def test_events_are_facts():
    scene = Scene("grey", (Shape("red", "circle", "left", (0.2, 0.0), (-0.2, 0.0), "disappears"),))
    assert caption(scene).endswith("a red circle moves left and disappears .")
    assert Fact("event", "red circle", "disappears") in scene_facts(scene)
    assert values("the background is grey . a red circle moves left .", scene) == (3 / 4, 1)
    assert values("the background is grey . a red circle appears and moves left .", scene) == (3 / 4, 3 / 4)


def test_spelling_does_not_matter_where_the_meaning_is_the_same():
    assert values("The background is grey. The red circle moves left. A blue square stays at top right.") == (
        1,
        1,
    )


def test_swapped_motions_are_wrong():
    swapped = "the background is grey . a red circle stays at the top right . a blue square moves left ."
    assert values(swapped) == (3 / 5, 3 / 5)


def test_a_motion_counts_only_with_the_right_object():
    assert values("the background is grey . a red square moves left .") == (1 / 5, 1 / 3)


def test_repeating_changes_nothing():
    assert values(" ".join([TRUE] * 3)) == (1, 1)
    half = "the background is grey . a red circle moves left . a blue square moves down ."
    assert values(half + " the background is grey ." * 5) == values(half)


def test_contradictions_never_pay():
    backgrounds = " ".join(f"the background is {name} ." for name in BACKGROUNDS)
    assert values(backgrounds) == (0, 0)
    both = "a red circle moves left . a red circle moves right ."
    assert values(both) == (1 / 5, 1 / 3)  # the object stands; both motions fall
    shapes = " ".join(f"a red {shape} moves left ." for shape in SHAPES)
    assert values(shapes) == (0, 0)  # no shape of red stands, hence no motion of it


def test_a_contradiction_never_raises_recall_or_precision():
    rng = random.Random(1)
    for _ in range(300):
        scene, other = random_scene(rng), random_scene(rng)
        sentences = [s + " ." for s in (caption(scene) + " " + caption(other)).split(" .") if s.strip()]
        honest = score(caption(scene), scene)
        hedged = score(" ".join(sentences), scene)
        assert hedged.recall <= honest.recall
        assert hedged.precision <= honest.precision
        assert hedged.f1 <= honest.f1


def test_listing_every_colour_lowers_precision_and_f1():
    listed = "the background is grey . " + " ".join(f"a {colour} circle moves left ." for colour in COLOURS)
    found = score(listed, SCENE)
    assert found.precision == 3 / 13
    assert found.f1 < score("the background is grey . a red circle moves left .", SCENE).f1


def test_listing_every_object_gains_nothing():
    everything = itertools.product(COLOURS, SHAPES)
    assert values(" ".join(f"a {colour} {shape} moves left ." for colour, shape in everything)) == (0, 0)


@pytest.mark.parametrize("text", ["", "   ", ".", " . . "])
def test_silence_is_not_rewarded(text):
    found = score(text, SCENE)
    assert (found.recall, found.precision, found.f1) == (0, 0, 0)
    assert statements(text, SCENE) == []


@pytest.mark.parametrize(
    "text", ["grey red circle left .", "a red circle .", "a red circle moves", "all captions are right ."]
)
def test_what_cannot_be_read_counts_as_wrong(text):
    assert values(text) == (0, 0)
    assert values(f"the background is grey . {text}") == (1 / 5, 1 / 2)
    assert values(f"the background is grey . {text} {text}")[1] <= 1 / 2


def test_a_caption_cut_off_loses_its_last_sentence():
    assert values(TRUE.removesuffix(" .")) == (3 / 5, 3 / 4)


def test_statements_mark_the_words_that_are_wrong():
    text = "the background is pink . a red circle moves right . hello there ."
    assert [(piece.text, piece.right) for piece in statements(text, SCENE)] == [
        ("the background is pink .", False),
        ("a red circle", True),
        ("moves right .", False),
        ("hello there .", False),
    ]


def test_the_vocabulary_covers_captions_and_keypoints():
    words, rng = set(vocabulary()), random.Random(2)
    assert len(words) < 50
    for _ in range(500):
        scene = random_scene(rng, events=True)
        assert set(caption(scene).split()) <= words
        assert all(set(fact.keypoint().split()) <= words for fact in scene_facts(scene))
