"""The study of pairs: table and sentences say what the numbers say."""

import pytest

from demo.pairs.summary import HEADERS, summarise


def test_the_table_has_a_row_a_method(results):
    summary = summarise(results)
    rows = {row[0]: row[1:] for row in summary.rows}
    assert rows["SFT"] == ("0.600", "0.500", "", "−2.00", "−3.00", "0.250", "120 MB")
    # DPO's seeds have recall 0.5 and 0.6; paired with the checkpoint: -0.05, 0.05, -0.15, -0.05.
    assert rows["DPO"][:3] == ("0.550 ± 0.071", "0.500 ± 0.000", "−0.050 (0.041)")
    assert rows["DPO"][3:5] == ("−2.55", "−9.00")
    assert all(len(row) == len(HEADERS) for row in summary.rows)


@pytest.mark.parametrize(
    ("shift", "verdict"), [(0.02, "within noise"), (0.04, "a hint"), (0.2, "beyond noise")]
)
def test_verdicts_follow_the_standard_errors(results, shift, verdict):
    base = results.base.evaluation.recall
    # Gaps shift - 0.05 and shift + 0.05, twice each: error sqrt((4 * 0.05^2 / 3) / 4) = 0.0289.
    gaps = [shift - 0.05, shift + 0.05] * 2
    for run in results.pairs.runs["DPO"]:
        run.evaluation.recall[:] = [value + gap for value, gap in zip(base, gaps, strict=True)]
    said = next(
        text for text in summarise(results).sentences if text.startswith("DPO against the checkpoint")
    )
    assert verdict in said


def test_all_comparisons_are_made_and_none_is_hidden(results):
    said = " ".join(summarise(results).sentences)
    for title in ("DPO", "SynPO", "SFT on best"):
        assert f"{title} against the checkpoint: recall" in said
        assert f"{title} moves the log-prob of chosen captions from −2.00 to" in said
    for pair in ("DPO against SynPO", "DPO against SFT on best", "SynPO against SFT on best"):
        assert pair in said
    assert "Of 100 fresh clips, 80 gave a pair and 20" in said


def test_a_rate_at_the_edge_of_the_grid_is_confessed(results):
    assert any("highest learning rate" in text for text in summarise(results).caveats)
