"""Descriptions of one person, of two, and of nobody."""

import pytest

from vidalign.judge.persons import alike, person, same


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
        ("the father", "a man"),
        ("Anna", "anna"),
        ("讲述者", "讲述者"),
    ],
)
def test_alike(one, other):
    assert alike(person(one), person(other))
    assert alike(person(other), person(one))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("a man", "a woman"),
        ("she", "he"),
        ("a boy", "a man"),
        ("little girl", "woman"),
        ("the men", "a man"),
        ("man in red", "man in blue"),
        ("Speaker 1", "Speaker 2"),
        ("the first man", "the second man"),
        ("man 1", "man"),
        ("the woman next to the man", "a man"),
        ("the woman's son", "a woman"),
        ("unknown", "unknown"),
        ("a person", "a person"),
        ("", ""),
        ("", "a man"),
        ("...", "..."),
    ],
)
def test_not_alike(one, other):
    assert not alike(person(one), person(other))
    assert not alike(person(other), person(one))


def test_one_description_for_everybody_is_right_for_one():
    pairs = [("a man", "the man in red"), ("a man", "the man in blue"), ("a man", "the man in blue")]
    assert same(pairs) == [False, True, True]
    assert same([(other, one) for one, other in pairs]) == [False, True, True]
    assert same(pairs[:2]) == [True, False]


def test_swapped_speakers():
    assert same([("man in red", "man in blue"), ("man in blue", "man in red")]) == [False, False]
    assert same([("the man", "the woman"), ("the woman", "the man")]) == [False, False]
