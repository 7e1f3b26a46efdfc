"""The table and its sentences follow from the numbers."""

import pytest

from demo.av.settings import ARMS, CONTINUED, FULL
from demo.av.summary import (
    HEADERS,
    HINT,
    NO_GAIN,
    NOISE,
    OPPOSITE,
    SHOWS,
    _decide,
    summarise,
)
from vidalign.report import tables
from vidalign.report.statistics import Difference


def test_two_rows_for_the_checkpoint_and_each_arm(results):
    table = [dict(zip(("arm", "how", *HEADERS[2:]), row, strict=True)) for row in summarise(results).rows]
    assert [row["how"] for row in table] == ["greedy", "sampled"] * (1 + len(ARMS))
    rows = {row["arm"]: row for row in table if row["how"] == "greedy"}
    assert list(rows) == ["SFT", *ARMS]
    # 0.5, 0.7, 0.6, 0.6: mean 0.6, standard deviation 0.0816, over the square root of four 0.041.
    assert rows["SFT"]["dialogue F1"] == "0.600 ± 0.041"
    assert rows["SFT"]["RepCol"] == "33.3 ± 21.1%"
    assert rows["SFT"]["F1 gained"] == ""
    assert rows[FULL]["F1 gained"] == "+0.350 ± 0.029"
    assert rows[FULL]["tokens"] == "32.5"


def test_each_claim_is_judged(results):
    greedy, sampled, *claims = summarise(results).sentences[:-5]
    outcome = {claim.split(" (")[0]: claim.split("greedy: ")[1].split(", ")[0] for claim in claims}
    assert outcome["R_D improves the dialogue"] == SHOWS
    assert outcome["Adding R_C covers more of the events"] == SHOWS
    assert outcome["Adding R_L cuts repetition collapse"] == NOISE
    assert outcome["Adding R_L improves the dialogue as well"] == SHOWS
    assert outcome["All three rewards beat the checkpoint in coverage"] == OPPOSITE
    assert outcome["All three rewards lower collapse below the checkpoint's"] == HINT
    assert outcome["Supervised training on the same clips covers no more"] == NO_GAIN
    assert greedy.startswith("Of 11 findings of the paper, with greedy captions ")
    assert sampled == greedy.replace("greedy", "sampled")
    for sentence in (greedy, *claims):
        assert sentence.endswith(".")


def test_made_up_dialogue_and_the_curves_are_told(results):
    made_up, *said = summarise(results).sentences[-5:]
    assert f"SFT 50.0%, {CONTINUED} 50.0%" in made_up
    assert f"{FULL} 0.0%" in made_up
    assert said[0].startswith("R_D of the samples, with all three rewards: 0.100 in the first third")
    assert "0.300 in the last, higher in 2 of 2 seeds" in said[0]
    assert "25.0% of those trained without R_L and 0.0% of those trained with it" in said[3]


@pytest.mark.parametrize(
    ("mean", "sign", "expected"),
    [
        (2.0, 1, SHOWS),
        (1.5, 1, HINT),
        (0.5, 1, NOISE),
        (-1.9, 1, NOISE),
        (-2.0, 1, OPPOSITE),
        (-2.0, -1, SHOWS),
        (1.9, 0, NO_GAIN),
        (-5.0, 0, NO_GAIN),
        (2.0, 0, OPPOSITE),
    ],
)
def test_what_counts_as_shown(mean, sign, expected):
    assert _decide(Difference(mean, 1.0), sign) == expected


def test_it_prints(results):
    text = tables.render(summarise(results))
    assert CONTINUED in text
    assert "by chance alone about 1 of them" in text
