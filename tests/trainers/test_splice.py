"""Tokens by hand: 9 stands for media, 1 to 8 are text. What real processors give is in test_ranking.py."""

import pytest

from vidalign.encoding.splice import splice


@pytest.mark.parametrize(
    ("expanded", "plain", "other", "expected"),
    [
        # 1 [9] 2 3 -> 1 [9 9 9] 2 3
        ([1, 9, 9, 9, 2, 3], [1, 9, 2, 3], [1, 9, 4], [1, 9, 9, 9, 4]),
        ([1, 9, 9, 9, 2, 3], [1, 9, 2, 3], [1, 9, 2, 3], [1, 9, 9, 9, 2, 3]),
        ([1, 9, 9, 9, 2], [1, 9, 2], [1, 9], [1, 9, 9, 9]),
        # one token for one placeholder: nothing is expanded
        ([1, 9, 2], [1, 9, 2], [1, 9, 5, 6], [1, 9, 5, 6]),
        # the text around the placeholder is rewritten with it (times between frames)
        ([1, 7, 9, 8, 9, 2], [1, 6, 9, 2], [1, 6, 9, 3, 4], [1, 7, 9, 8, 9, 3, 4]),
        # two media
        ([9, 9, 1, 9, 9, 2], [9, 1, 9, 2], [9, 1, 9, 3], [9, 9, 1, 9, 9, 3]),
    ],
)
def test_what_stands_behind_the_media_is_exchanged(expanded, plain, other, expected):
    assert splice(expanded, plain, other, {9}) == expected


@pytest.mark.parametrize(
    ("expanded", "plain", "other"),
    [
        ([1, 9, 9, 2], [1, 9, 2], [3, 9, 2]),  # other text before the media
        ([1, 9, 9, 2], [1, 9, 2], [1, 2, 9]),  # the media elsewhere
        ([1, 9, 9, 2], [1, 9, 2], [1, 9, 9]),  # further media
        ([1, 9, 9, 2], [1, 9, 2], [1]),  # none
        ([1, 2], [1, 2], [1, 3]),  # nothing to go by
        ([1, 9, 9, 7, 2], [1, 9, 6, 2], [1, 9, 6, 3]),  # rewritten behind the placeholder
    ],
)
def test_prompts_that_are_not_alike_so_far(expanded, plain, other):
    assert splice(expanded, plain, other, {9}) is None
