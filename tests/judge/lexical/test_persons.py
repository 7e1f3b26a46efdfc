"""Descriptions of one person, of two, and of nobody."""

import pytest


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("the man in the red hat", "Man in red hat"),
        ("the man in the red hat", "a man"),
        ("he", "The man in red"),
        ("a man", "the man's voice"),
        ("male voice", "a man"),
        ("Speaker 1", "speaker one"),
        ("the first man", "man 1"),
        ("the woman next to the man", "a woman"),
        ("the woman's son", "son"),
        ("the father", "father in red"),
        ("the father", "a man"),
        ("the tall one", "the tall man"),
        ("Anna", "anna"),
        ("讲述者", "讲述者"),
    ],
)
def test_alike(asked, one, other):
    assert asked.same([(one, other)]) == [True]
    assert asked.same([(other, one)]) == [True]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a man", "a woman"),
        ("she", "he"),
        ("a boy", "a man"),
        ("the man holding a child", "a boy"),
        ("little girl", "woman"),
        ("the men", "a man"),
        ("man in red", "man in blue"),
        ("Speaker 1", "Speaker 2"),
        ("the first man", "the second man"),
        ("man 1", "man"),
        ("the woman next to the man", "a man"),
        ("the woman's son", "a woman"),
        ("the crowd", "a man"),
        ("the father", "the mother"),
        ("the man next to the woman", "the man next to the boy"),
        ("unknown", "unknown"),
        ("a person", "a person"),
        ("", ""),
        ("", "a man"),
        ("...", "..."),
    ],
)
def test_not_alike(asked, one, other):
    assert asked.same([(one, other)]) == [False]
    assert asked.same([(other, one)]) == [False]


def test_one_description_for_everybody_is_right_for_one(asked):
    pairs = [("a man", "the man in red"), ("a man", "the man in blue"), ("a man", "the man in blue")]
    assert asked.same(pairs) == [False, True, True]
    assert asked.same([(other, one) for one, other in pairs]) == [False, True, True]
    assert asked.same(pairs[:2]) == [True, False]


def test_swapped_speakers(asked):
    assert asked.same([("man in red", "man in blue"), ("man in blue", "man in red")]) == [False, False]
    assert asked.same([("the man", "the woman"), ("the woman", "the man")]) == [False, False]
