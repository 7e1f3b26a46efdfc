"""What counts as one error more, by hand and as properties of any caption."""

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from vidalign.data.chains.steps import (
    HINTS,
    LENGTH,
    LENGTH_WORDS,
    MOVE,
    PLACE,
    SWAP,
    Draft,
    Rejected,
    change,
)

CAPTION = "A man in a red shirt walks from left to right past two dogs in the kitchen, and then he sits down."


def step(answer, draft=None, **options):
    draft = draft or Draft(CAPTION)
    return change(draft, answer, options.pop("first", draft.text), **options)


def reason(answer, draft=None, **options):
    with pytest.raises(Rejected) as caught:
        step(answer, draft, **options)
    assert HINTS[caught.value.reason] in str(caught.value)
    return caught.value.reason


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("red", "blue"),
        ("two", "five"),
        ("man", "woman"),
        ("kitchen", "garden"),
        ("left to right", "right to left"),
        ("in the kitchen", "on the beach"),  # the preposition follows the place
        ("A man", "An old woman"),
        ("walks", "runs"),
        ("sits down", "stands up"),
        ("past", "away from the"),
    ],
)
def test_one_place(before, after):
    found = step(CAPTION.replace(before, after, 1))
    assert (found.before, found.after) == (before, after)
    assert found.caption == CAPTION.replace(before, after, 1)
    assert CAPTION[found.start : found.end] == before


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (CAPTION, "unchanged"),
        (CAPTION.upper(), "unchanged"),
        (CAPTION.replace(",", ";").rstrip("."), "unchanged"),
        (f'"{CAPTION}"', "unchanged"),
        (CAPTION.replace("two", "2"), "unchanged"),
        (CAPTION.replace("A man", "One man"), "unchanged"),
        (CAPTION.replace("red", "blue").replace("two", "five"), "not_local"),
        (CAPTION.replace("red", "blue").replace("shirt walks", "shirt runs"), "not_local"),
        (CAPTION.replace("red ", ""), "only_removed"),
        (CAPTION.replace("dogs", "big dogs"), "only_added"),
        (CAPTION.replace("he sits", "he never sits"), "only_added"),
        (CAPTION.replace("walks", "doesn't walk"), "denies"),
        (CAPTION.replace("two dogs", "no dogs"), "denies"),
        (CAPTION.replace(", and then he sits down", ""), "length"),
        (CAPTION + " It is a very nice day in the park.", "length"),
        ("", "length"),
        ("Here is the caption: " + CAPTION.replace("red", "blue"), "length"),
        ("word " * 100_000, "length"),
        (CAPTION.replace("left to right past two dogs in the kitchen", "b c d e f g h i j"), "too_much"),
        (" ".join("abcdefghijklmnopqrstuvw"), "too_much"),
    ],
)
def test_what_is_no_step(answer, expected):
    assert reason(answer) == expected


def test_clauses_change_places_only_where_the_error_is_about_that():
    caption = "A man opens the door of his car and then takes a large box out of it."
    swapped = "A man takes a large box out of it and then opens the door of his car."
    assert step(swapped, Draft(caption), moves=True).caption == swapped
    assert reason(swapped, Draft(caption)) in ("not_local", "too_much")


@pytest.mark.parametrize("size", [SWAP, MOVE])
def test_the_bounds_of_an_exchange(size):
    words = [f"w{number}" for number in range(100)]
    for length, fits in ((size, True), (size + 1, False)):
        half = length // 2
        swapped = [*words[:5], *words[5 + half : 5 + length], *words[5 : 5 + half], *words[5 + length :]]
        moves = size == MOVE
        if fits:
            found = step(" ".join(swapped), Draft(" ".join(words)), moves=moves)
            assert len(found.before.split()) == length
        else:
            assert reason(" ".join(swapped), Draft(" ".join(words)), moves=moves) in ("too_much", "not_local")


def test_the_bound_of_a_place():
    words = [f"w{number}" for number in range(100)]
    for size in (PLACE, PLACE + 1):
        answer = " ".join([*words[:5], *("x" + word for word in words[5 : 5 + size]), *words[5 + size :]])
        if size == PLACE:
            assert step(answer, Draft(" ".join(words))).before == " ".join(words[5 : 5 + size])
        else:
            assert reason(answer, Draft(" ".join(words))) == "too_much"


def test_half_of_a_short_caption_at_most():
    assert step("a cat runs fast", Draft("a dog runs fast")).after == "cat"
    assert reason("one green bird flies", Draft("a red dog runs")) == "too_much"


def test_things_that_and_joins_are_the_same_in_any_order():
    assert (
        reason("She has a cat and a dog at home.", Draft("She has a dog and a cat at home.")) == "not_local"
    )
    assert reason("A white and black dog runs.", Draft("A black and white dog runs.")) == "not_local"


def test_words_that_follow_the_changed_one_in_form_are_no_second_place():
    draft = Draft("There on the grass one of the men is sleeping in the sun all day.")
    assert step("There on the grass two of the men are sleeping in the sun all day.", draft).after == (
        "two of the men are"
    )
    # What says something of its own is one.
    both = "A green cup is under the table next to the window."
    assert reason(both, Draft("A red cup is on the table next to the window.")) == "not_local"


def test_length_is_measured_by_the_first_caption_of_the_chain():
    first = " ".join(f"w{number}" for number in range(60))
    room = max(LENGTH_WORDS, math.ceil(LENGTH * 60))
    draft = Draft(first)
    for number in range(room):
        draft = step(draft.text.replace(f"w{number} ", f"x{number} y{number} "), draft, first=first).added_to(
            draft
        )
    assert reason(draft.text.replace("w50", "x50 y50"), draft, first=first) == "length"
    assert step(draft.text.replace("w50", "x50"), draft, first=first)


def chained(*answers):
    draft = Draft(CAPTION)
    for answer in answers:
        draft = step(answer(draft.text), draft, first=CAPTION).added_to(draft)
    return draft


def test_earlier_errors_stay_where_they_are():
    draft = chained(
        lambda text: text.replace("two", "twenty"),
        lambda text: text.replace("red", "dark blue"),
        lambda text: text.replace("A man", "The small old woman"),
    )
    assert [draft.text[span.start : span.end] for span in draft.used] == [
        "twenty", "dark blue", "The small old woman"
    ]  # fmt: skip
    assert draft.text == CAPTION.replace("two", "twenty").replace("red", "dark blue").replace(
        "A man", "The small old woman"
    )
    assert [draft.around(span, 1) for span in draft.used] == [
        "past twenty dogs", "a dark blue shirt", "The small old woman in"
    ]  # fmt: skip
    used = [word for word in draft.words() if word == ""]
    assert len(used) == 1 + 2 + 4


@pytest.mark.parametrize(
    ("change_it", "expected"),
    [
        (lambda text: text.replace("blue", "red").replace("kitchen", "garden"), "reverts_earlier"),
        (lambda text: text.replace("blue", "red").replace("twenty", "two"), "repeats"),
        (lambda text: text.replace("blue", "red"), "reverts_earlier"),
        (lambda text: text.replace("twenty", "two"), "repeats"),
        (lambda text: text.replace("blue", "green"), "touches_earlier"),
        (lambda text: text.replace("blue shirt", "green coat"), "touches_earlier"),
        (lambda text: text.replace("blue ", ""), "touches_earlier"),
    ],
)
def test_an_error_is_neither_undone_nor_changed(change_it, expected):
    draft = chained(lambda text: text.replace("red", "blue"), lambda text: text.replace("two", "twenty"))
    earlier = [CAPTION, CAPTION.replace("red", "blue")]
    assert reason(change_it(draft.text), draft, first=CAPTION, earlier=earlier) == expected


def test_a_place_that_is_only_marked_is_left_alone_too():
    draft = Draft(CAPTION)
    draft = step(CAPTION.replace("red", "blue"), draft).marked_in(draft)
    assert draft.text == CAPTION
    assert reason(CAPTION.replace("red", "green"), draft) == "touches_earlier"
    assert step(CAPTION.replace("two", "six"), draft).caption == CAPTION.replace("two", "six")


def test_nothing_else_that_a_model_does_to_the_text_gets_into_the_caption():
    caption = 'She  reads\n"Open Late" — slowly; then leaves.'
    found = step("“she reads “open late” - quickly, then leaves", Draft(caption))
    assert found.caption == 'She  reads\n"Open Late" — quickly; then leaves.'


def test_scripts_without_spaces():
    found = step("一只蓝色的猫在厨房里睡觉", Draft("一只红色的猫在厨房里睡觉"))
    assert (found.before, found.after) == ("红", "蓝")
    assert reason("一只蓝色的狗在厨房里睡觉", Draft("一只红色的猫在厨房里睡觉")) == "not_local"


WORDS = st.lists(
    st.sampled_from(["the", "red", "dog", "runs", "past", "a", "car", "and", "two", "in", "by"]), min_size=6
)


@given(WORDS, st.data())
def test_any_one_word_can_be_replaced_and_any_two_apart_cannot(words, data):
    assume(len(words) >= 8)
    draft = Draft(" ".join(words))
    at = data.draw(st.integers(0, len(words) - 1))
    answer = [*words[:at], "zebra", *words[at + 1 :]]
    found = step(" ".join(answer), draft)
    assert found.caption == " ".join(answer) and (found.before, found.after) == (words[at], "zebra")
    after = found.added_to(draft)
    assert after.words()[at] == "" and after.words().count("") == 1
    other = data.draw(st.integers(0, len(words) - 1))
    assume(abs(other - at) > 1)
    both = [*answer[:other], "lion", *answer[other + 1 :]]
    assert reason(" ".join(both), draft) in ("not_local", "too_much")
    # One after the other both are steps, and the place of the first is where it was.
    last = step(" ".join(both), after, first=draft.text).added_to(after)
    assert [last.text[span.start : span.end] for span in last.used] == ["zebra", "lion"]
    assert (
        reason(" ".join([*both[:at], words[at], *both[at + 1 :]]), last, first=draft.text)
        == "reverts_earlier"
    )


@given(st.text(max_size=200), st.text(max_size=200))
def test_any_two_texts_give_a_change_or_are_rejected(caption, answer):
    try:
        found = change(Draft(caption), answer, caption)
    except Rejected:
        return
    assert caption[: found.start] + found.after + caption[found.end :] == found.caption != caption
