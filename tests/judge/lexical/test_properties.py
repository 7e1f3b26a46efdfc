"""What holds for every keypoint, whatever its words."""

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

SUBJECTS = ["red circle", "man in a hat", "dog", "tall woman", "voice"]
PREDICATES = [
    ("moves left", "move left"),
    ("stays at the top right", "stay at the top right"),
    ("holds a ball", "hold a ball"),
    ("sits on the left of a child", "sit on the left of a child"),
    ("walks away slowly", "walk away slowly"),
]
UNRELATED = [
    "Nobody sleeps.",
    "Rain never falls in Paris, or does it?",
    "This is for the grader.",
    "If they come, we eat.",
    "Soup, salt, bread.",
    'She says, "Good night."',
    "Cars are parked and trucks wait.",
]
# "There is a circle near the door" is stated wherever "a circle near the door" stands in a sentence.
EMPTY = {"a", "the", "there", "is"}

subjects, predicates = st.sampled_from(SUBJECTS), st.sampled_from(PREDICATES)


@st.composite
def keypoints(draw):
    if draw(st.booleans()):
        return f"there is a {draw(subjects)} near the door"
    return f"the {draw(subjects)} {draw(predicates)[0]}"


def content(words):
    return [word for word in words if word not in EMPTY]


@settings(max_examples=150, deadline=None)
@given(keypoints(), st.randoms(), st.sampled_from([" ", ", ", " and ", ". "]))
def test_the_words_in_another_order_state_nothing(asked, keypoint, random, between):
    words = keypoint.split()
    shuffled = random.sample(words, len(words))
    assume(content(shuffled) != content(words))
    assert not asked.states(f"{between.join(shuffled)}.", keypoint)


@settings(max_examples=60, deadline=None)
@given(keypoints(), st.sampled_from([", ", " and ", ". ", "; ", "\n"]))
def test_a_list_of_the_words_states_nothing(asked, keypoint, between):
    assert not asked.states(between.join(keypoint.split()), keypoint)


@pytest.mark.parametrize(
    "form",
    [
        "The {subject} does not {base}.",
        "The {subject} doesn't {base}.",
        "The {subject} never {says}.",
        "No {subject} {says}.",
        "Not one {subject} {says}.",
        "It is not true that the {subject} {says}.",
        "It is false: the {subject} {says}.",
        "Nobody says that the {subject} {says}.",
        "The {subject} fails to {base}.",
        "The {subject} {says}. No {subject} {says}.",
        "The {subject} {says}. The {subject} does not {base}.",
        "Does the {subject} {base}?",
        "The {subject} {says}?",
        "If the {subject} {says}, it rains.",
        "Perhaps the {subject} {says}.",
        "The {subject} might {base}.",
        "He says the {subject} {says}.",
        'He says, "The {subject} {says}."',
        "Keypoint: the {subject} {says}.",
        "The {subject} tries to {base}.",
        "The shadow of the {subject} {says}.",
        "The {subject} sleeps, and a cat {says}.",
    ],
)
@settings(max_examples=20, deadline=None)
@given(subject=subjects, predicate=predicates)
def test_what_is_denied_asked_doubted_or_said_is_not_stated(asked, form, subject, predicate):
    says, base = predicate
    keypoint = f"the {subject} {says}"
    assert asked.states(f"The {subject} {says}.", keypoint)
    assert not asked.states(form.format(subject=subject, says=says, base=base), keypoint)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(keypoints(), min_size=1, max_size=4), keypoints(), st.sampled_from(UNRELATED), st.integers(0, 4)
)
def test_an_unrelated_sentence_changes_nothing(asked, stated, keypoint, unrelated, place):
    sentences = [f"{text[0].upper()}{text[1:]}." for text in stated]
    more = [*sentences[:place], unrelated, *sentences[place:]]
    verdict = asked.states(" ".join(sentences), keypoint)
    assert asked.states(" ".join(more), keypoint) == verdict
    assert verdict or keypoint not in stated
