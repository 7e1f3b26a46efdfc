"""A caption's own sentences as keypoints."""

import random

from vidalign.judge.tasks.keypoints import DIMENSIONS
from vidalign.toyworld.captions import caption
from vidalign.toyworld.scene import random_scene

CAPTION = """\
The video opens with a close-up of a man in a red hat, and the camera slowly zooms out. He says, "Hello, all! Ready?" to \
the crowd. A dog barks loudly as the ball bounces; the crowd runs. There are 25 people on the left. Isn't it nice? \
A woman, who wears a blue dress, picks up the ball. The dog doesn't catch it. Mr. Smith's car is near the 3.5 m wall. \
Soft piano music plays, creating a calm mood."""


def test_sentences_with_their_dimension(asked):
    assert asked.facts(CAPTION) == [
        (
            "cinematography",
            "The video opens with a close-up of a man in a red hat, and the camera slowly zooms out",
        ),
        ("sound", 'He says, "Hello, all! Ready?" to the crowd'),
        ("narrative", "A dog barks loudly as the ball bounces"),
        ("action", "the crowd runs"),
        ("entity", "There are 25 people on the left"),
        ("action", "A woman, who wears a blue dress, picks up the ball"),
        ("action", "The dog doesn't catch it"),
        ("entity", "Mr. Smith's car is near the 3.5 m wall"),
        ("sound", "Soft piano music plays, creating a calm mood"),
    ]
    assert {dimension for dimension, _ in asked.facts(CAPTION)} == set(DIMENSIONS)


def test_a_list_of_nouns_is_not_divided(asked):
    assert [text for _, text in asked.facts("A man, a dog, and a cat sit.")] == [
        "A man, a dog, and a cat sit"
    ]


def test_what_only_stands_there_is_an_entity(asked):
    for text in ("Clouds above the sea", "A man stands near the wall", "A woman wears a hat"):
        assert asked.facts(text) == [("entity", text)]


def test_a_caption_states_its_own_facts(asked):
    rng = random.Random(0)
    for text in [CAPTION, *(caption(random_scene(rng, events=True)) for _ in range(100))]:
        found = asked.facts(text)
        assert found
        assert all(asked.stated(text, [fact for _, fact in found]))


def test_toy_captions_give_a_fact_a_sentence(asked):
    text = "the background is grey . a red circle moves left ."
    assert asked.facts(text) == [
        ("entity", "the background is grey"),
        ("action", "a red circle moves left"),
    ]


def test_nothing_stated_gives_nothing(asked):
    assert asked.facts("") == asked.facts(" . . ") == asked.facts("Is it a dog?") == []


def test_repetition_gives_no_further_fact(asked):
    assert len(asked.facts("A dog barks. " * 50)) == 1
