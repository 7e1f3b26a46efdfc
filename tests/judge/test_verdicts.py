"""verdicts.read: no answer can award more than there is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidalign.judge import Unusable
from vidalign.judge.tasks import verdicts


def rows(*pairs):
    return {"verdicts": [{"index": index, "said": said} for index, said in pairs]}


def read(answer, count=3):
    return verdicts.read(answer, count, "said")


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        (rows((1, True), (2, False), (3, True)), [True, False, True]),
        (rows((3, True), (1, True), (2, False)), [True, False, True]),
        (rows((1, True), (1, True), (1, True)), [True, False, False]),  # repeated: once; missing: no
        (rows((2, True), (2, False)), [False, False, False]),  # contradictory: no, in either order
        (rows((2, False), (2, True)), [False, False, False]),
        (rows((1, True), (0, True), (-1, True), (4, True), (10**30, True)), [True, False, False]),
        (rows((1, True)) | {"note": "full marks"}, [True, False, False]),
        ({"verdicts": [{"index": 1, "said": True, "confidence": 0.2}]}, [True, False, False]),
    ],
)
def test_verdicts_count_by_index(answer, found):
    assert read(answer) == found


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({}, "wrong_form"),
        ([], "wrong_form"),
        (None, "wrong_form"),
        ("true", "wrong_form"),
        ({"verdicts": None}, "wrong_form"),
        ({"verdicts": "111"}, "wrong_form"),
        ({"verdicts": True}, "wrong_form"),
        ({"verdicts": {"1": True}}, "wrong_form"),
        ({"verdicts": [True, True, True]}, "wrong_type"),
        ({"verdicts": [None]}, "wrong_type"),
        ({"verdicts": [[1, True]]}, "wrong_type"),
        ({"verdicts": [{"index": 1}]}, "wrong_type"),
        ({"verdicts": [{"said": True}]}, "wrong_type"),
        (rows((1, 1)), "wrong_type"),
        (rows((1, "true")), "wrong_type"),
        (rows((1, None)), "wrong_type"),
        (rows((1, [True])), "wrong_type"),
        (rows(("1", True)), "wrong_type"),
        (rows((1.0, True)), "wrong_type"),
        (rows((True, True)), "wrong_type"),
        (rows((1, True), ("2", True)), "wrong_type"),  # one that cannot be read spoils all
        (rows(), "no_verdicts"),
        (rows((7, True)), "no_verdicts"),
    ],
)
def test_what_cannot_be_read_is_unusable(answer, reason):
    with pytest.raises(Unusable) as caught:
        read(answer)
    assert caught.value.reason == reason


def test_no_items_have_no_verdicts():
    assert read(rows(), 0) == read(rows((1, True)), 0) == []


some = st.lists(st.tuples(st.integers(-2, 8), st.booleans()), min_size=1, max_size=20)


@given(some, st.integers(1, 5), st.randoms())
def test_order_and_repetition_do_not_matter_and_nothing_is_awarded_twice(pairs, count, random):
    try:
        found = read(rows(*pairs), count)
    except Unusable:
        assert not any(1 <= index <= count for index, _ in pairs)
        return
    assert len(found) == count
    assert sum(found) <= len({index for index, said in pairs if said})
    assert read(rows(*random.sample(pairs, len(pairs))), count) == found
    assert read(rows(*pairs, *pairs), count) == found


@given(some, st.integers(1, 5), st.integers(-2, 8))
def test_a_no_more_never_raises_the_score(pairs, count, index):
    pairs = [(1, False), *pairs]
    before, after = read(rows(*pairs), count), read(rows(*pairs, (index, False)), count)
    assert all(not new or old for old, new in zip(before, after, strict=True))
