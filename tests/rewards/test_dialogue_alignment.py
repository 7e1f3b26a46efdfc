"""The pure part of the dialogue reward: similarity, alignment, F1."""

import itertools
import random
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vidalign.rewards import Match, align_dialogue, dialogue_f1, similarity


def edit_distance(a, b):
    """By the definition, row by row: independent of rapidfuzz."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        last, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            last, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, last + (x != y))
    return row[-1]


def exact(a, b):
    longest = max(len(a), len(b))
    return 1 - Fraction(edit_distance(a, b), longest) if longest else Fraction(1)


def every_alignment(generated, reference, threshold):
    """All order-preserving pairings above the threshold."""
    n, m = len(generated), len(reference)
    good = {
        (i, j)
        for i in range(n)
        for j in range(m)
        if exact(generated[i], reference[j]) >= threshold and exact(generated[i], reference[j]) > 0
    }
    for k in range(min(n, m) + 1):
        for rows in itertools.combinations(range(n), k):
            for columns in itertools.combinations(range(m), k):
                pairs = list(zip(rows, columns, strict=True))
                if good.issuperset(pairs):
                    yield pairs


# similarity (Eq. 4)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ("", "", 1.0),
        ("", "abc", 0.0),
        ("kitten", "sitting", 4 / 7),  # three edits of seven
        ("abc", "abc", 1.0),
        ("abc", "ABC", 0.0),  # exactly as given
        ("abcde", "abcxy", 0.6),
        ("ab", "ba", 0.0),  # a swap is two edits
        ("naïve", "naive", 0.8),  # code points, not bytes
        ("😀b", "😀c", 0.5),
    ],
)
def test_similarity_by_hand(a, b, expected):
    assert similarity(a, b) == expected


@given(st.text("abc ", max_size=12), st.text("abc ", max_size=12))
def test_similarity_is_the_equation(a, b):
    assert similarity(a, b) == float(exact(a, b))
    assert similarity(a, b) == similarity(b, a)


# Alignment (the recursion for F)


def test_a_dialogue_by_hand():
    generated = ["where are you going", "to the market", "hurry up then", "goodbye"]
    reference = ["where are you going", "hurry up", "to the market", "goodbye"]
    # "hurry up then" ~ "hurry up": 8/13 = 0.615. Either that pair or "to the market" (1.0) fits the order.
    assert align_dialogue(generated, reference) == [Match(0, 0, 1.0), Match(1, 2, 1.0), Match(3, 3, 1.0)]


def test_two_middling_pairs_beat_one_perfect_one():
    # aaaaabbbbb ~ aaaaabbbxx 0.8, cccccddddd ~ cccccdddyy 0.8; the perfect pair (2, 0) would cross both.
    generated = ["aaaaabbbxx", "cccccdddyy", "zzzzz"]
    reference = ["zzzzz", "aaaaabbbbb", "cccccddddd"]
    assert align_dialogue(generated, reference) == [Match(0, 1, 0.8), Match(1, 2, 0.8)]


def test_the_threshold_itself_matches():
    assert align_dialogue(["abcde"], ["abcxy"]) == [Match(0, 0, 0.6)]  # exactly 0.6
    assert align_dialogue(["abcde"], ["abxyz"]) == []  # 0.4
    assert align_dialogue(["abcdefghijklm"], ["abcdefgxyzuvw"]) == []  # 7/13 = 0.538
    assert align_dialogue(["abcxy"], ["abcde"], threshold=0.6000001) == []


@pytest.mark.parametrize("length", [5, 10, 15, 20, 25, 30, 35, 40, 45, 55, 100])
def test_exactly_three_fifths_matches_at_every_length(length):
    edits = length * 2 // 5
    assert align_dialogue(["a" * length], ["a" * (length - edits) + "b" * edits]) == [Match(0, 0, 0.6)]


def test_one_unit_matches_one_unit():
    assert align_dialogue(["hello"] * 5, ["hello"]) == [Match(0, 0, 1.0)]
    assert align_dialogue(["hello"], ["hello"] * 5) == [Match(0, 0, 1.0)]


def test_order_is_kept():
    assert len(align_dialogue(["one one", "two two"], ["two two", "one one"])) == 1


def test_ties_go_to_the_first_generated_unit_then_the_first_reference():
    # Both crossings are worth 1; (0, 1) has the earlier generated unit.
    assert align_dialogue(["one one", "two two"], ["two two", "one one"]) == [Match(0, 1, 1.0)]


def test_a_tie_of_fractions_is_seen_through_rounding():
    # Three pairs of 2/3 make exactly 2, as the two perfect ones do that cross them. In floats 3 * (2/3) may not.
    generated = ["aab", "ccd", "eef", "xxx", "yyy"]
    reference = ["xxx", "yyy", "aaq", "ccq", "eeq"]
    assert sum((Fraction(2, 3),) * 3) == 2
    matches = align_dialogue(generated, reference)
    assert [match[:2] for match in matches] == [(0, 2), (1, 3), (2, 4)]


def test_nothing_to_align():
    assert align_dialogue([], []) == align_dialogue(["a"], []) == align_dialogue([], ["a"]) == []
    assert align_dialogue(["abc"], ["xyz"], threshold=0.0) == []


def test_two_empty_contents_are_alike():
    assert align_dialogue([""], [""]) == [Match(0, 0, 1.0)]
    assert align_dialogue([""], ["a"]) == []


@pytest.mark.parametrize("threshold", [-0.1, 1.1, float("nan")])
def test_thresholds_that_cannot_be(threshold):
    with pytest.raises(ValueError, match="must lie in"):
        align_dialogue(["a"], ["a"], threshold=threshold)


def test_units_in_all_their_forms():
    forms = ["hi there", ("Ann", "hi there"), {"speaker": "Ann", "content": "hi there"}]
    for one, other in itertools.product(forms, repeat=2):
        assert align_dialogue([one], [other]) == [Match(0, 0, 1.0)]
    with pytest.raises(ValueError, match="no unit of dialogue"):
        align_dialogue([{"speaker": "Ann"}], ["x"])


def test_against_brute_force():
    pool = ["abcde", "abcdx", "abcxy", "abxyz", "vwxyz", "abc", "ab", ""]
    rng = random.Random(0)
    for _ in range(400):
        generated = [rng.choice(pool) for _ in range(rng.randint(0, 5))]
        reference = [rng.choice(pool) for _ in range(rng.randint(0, 5))]
        threshold = rng.choice([0.0, 0.2, 0.4, 0.6, 0.8, 1.0])
        # threshold as the decimal that was meant: 0.6 is three fifths
        candidates = list(every_alignment(generated, reference, Fraction(str(threshold))))
        totals = [
            sum((exact(generated[i], reference[j]) for i, j in pairs), Fraction()) for pairs in candidates
        ]
        ours = align_dialogue(generated, reference, threshold=threshold)
        pairs = [(match.i, match.j) for match in ours]
        assert pairs in candidates
        assert sum((exact(generated[i], reference[j]) for i, j in pairs), Fraction()) == max(totals)
        # The stated tie: the first pair first.
        best = [p for p, total in zip(candidates, totals, strict=True) if total == max(totals)]
        assert pairs == min(best)
        assert [match.similarity for match in ours] == [
            float(exact(generated[i], reference[j])) for i, j in pairs
        ]


# F1 (Eq. 5-7)


def test_f1_by_hand():
    # N=2, M=3, similarities 1.0 and 0.8, one of two speakers right: S_combined = (1 + 1.8)/2 = 1.4,
    # precision 0.7, recall 0.4667, F1 = 2 * 1.4 / (2 + 3) = 0.56.
    matches = [Match(0, 0, 1.0), Match(1, 2, 0.8)]
    assert dialogue_f1(["a", "b"], ["a", "x", "b"], matches, [True, False]) == pytest.approx(0.56, abs=1e-15)


def test_f1_of_a_perfect_transcript_is_one():
    assert dialogue_f1("ab", "ab", [Match(0, 0, 1.0), Match(1, 1, 1.0)], [True, True]) == 1.0


def test_f1_without_a_right_speaker_is_half_the_content():
    assert dialogue_f1("ab", "ab", [Match(0, 0, 1.0), Match(1, 1, 1.0)], [False, False]) == 0.5


def test_f1_of_nothing():
    assert dialogue_f1([], [], [], []) == 1.0
    assert dialogue_f1(["a"], [], [], []) == 0.0
    assert dialogue_f1([], ["a"], [], []) == 0.0
    assert dialogue_f1(["a"], ["b"], [], []) == 0.0


def test_f1_wants_one_verdict_a_match():
    with pytest.raises(ValueError, match="1 speaker verdicts for 2 matches"):
        dialogue_f1("ab", "ab", [Match(0, 0, 1.0), Match(1, 1, 1.0)], [True])


units = st.lists(st.text("abc", max_size=6), max_size=6)


@settings(max_examples=200)
@given(units, units, st.randoms())
def test_f1_is_bounded_and_rises_with_every_right_speaker(generated, reference, rng):
    matches = align_dialogue(generated, reference)
    same = [rng.random() < 0.5 for _ in matches]
    value = dialogue_f1(generated, reference, matches, same)
    assert 0.0 <= value <= 1.0
    combined = (sum(same) + sum(match.similarity for match in matches)) / 2
    if generated or reference:
        assert value == pytest.approx(2 * combined / (len(generated) + len(reference)))  # Eq. 6 into Eq. 7
    for k, said in enumerate(same):
        if not said:
            assert dialogue_f1(generated, reference, matches, [*same[:k], True, *same[k + 1 :]]) > value


@given(units, units)
def test_saying_more_than_there_is_lowers_it(generated, reference):
    def score(units):
        matches = align_dialogue(units, reference)
        return dialogue_f1(units, reference, matches, [True] * len(matches))

    padded = [*generated, "zzzzzz"]
    assert score(padded) < score(generated) or score(generated) == 0.0
