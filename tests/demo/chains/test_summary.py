"""The study of chains: table and sentences say what the numbers say."""

import dataclasses

from demo.chains.summary import APART, HEADERS, summarise


def test_the_table_has_a_row_for_each_method_and_tower(results):
    summary = summarise(results)
    rows = {row[0]: row[1:] for row in summary.rows}
    # Three, three, two and none of the three pairs: 8 of 12.
    assert rows["SFT checkpoint"] == ("0.600", "0.500", "0.667", "", "", "0.250")
    # Every clip is 0.1 better: no spread over clips.
    assert rows["SFT"][:1] + rows["SFT"][3:5] == ("0.700 ± 0.000", "+0.100 (0.000)", "+0.000 (0.000)")
    # The last chain goes from 0 to 1: mean 1/4, standard deviation 1/2, error 1/4.
    assert rows["Ranking 5"][2] == "0.917 ± 0.000"
    assert rows["Ranking 5"][4] == "+0.250 (0.250)"
    assert rows["Ranking 5, frozen"][3] == "+0.000 (0.000)"
    assert len(summary.rows) == 1 + 2 * 5
    assert all(len(row) == len(HEADERS) for row in summary.rows)


def test_dpo_stands_for_ranking_chains_of_two(results):
    summary = summarise(results)
    assert any(row[0] == "DPO = Ranking 2" for row in summary.rows)
    assert not any(row[0] == "DPO" for row in summary.rows)
    assert any("trained once" in note for note in summary.notes)


def test_all_comparisons_are_made_and_none_is_hidden(results):
    sentences = summarise(results).sentences
    for method in ("SFT", "DPO = Ranking 2", "MPO", "Ranking 3", "Ranking 5"):
        for tower in ("", ", tower frozen"):
            assert any(
                text.startswith(f"{method}{tower} against the checkpoint: recall") for text in sentences
            )
        assert any(text.startswith(f"{method}, tower trainable against frozen: recall") for text in sentences)
        if method != "Ranking 5":
            assert any(text.startswith(f"Ranking 5 against {method}: recall") for text in sentences)
    assert "90 chains for training, of length 4 (10), 5 (80)" in " ".join(sentences)


def test_verdicts_name_both_measures(results):
    [said] = [text for text in summarise(results).sentences if text.startswith("Ranking 5 against SFT")]
    assert said == (
        "Ranking 5 against SFT: recall +0.000 (0.0 standard errors, within noise), pairs in order +0.250 (1.0 standard "
        "errors, a hint)."
    )


def test_the_number_of_comparisons_is_confessed(results):
    caveats = summarise(results).caveats
    # 10 against the checkpoint, 4 against ranking, 5 of towers, in two measures each.
    assert caveats[0].startswith("38 differences are listed: by chance alone about 2")
    assert sum("highest learning rate" in text for text in caveats) == 10


def test_differences_that_may_be_those_of_learning_rates_are_confessed(results):
    assert not any(APART in text for text in (*summarise(results).sentences, *summarise(results).caveats))
    runs = results.chains.runs["trainable"]
    runs["Ranking 3"] = [dataclasses.replace(run, rate=1e-4) for run in runs["Ranking 3"]]
    summary = summarise(results)
    told = [text for text in summary.sentences if APART in text]
    assert [text.split(":")[0] for text in told] == [
        "Ranking 5 against Ranking 3",
        "Ranking 3, tower trainable against frozen",
    ]
    assert told[0].endswith("at different learning rates (0.0003 and 0.0001).")
    [caveat] = [text for text in summary.caveats if APART in text]
    assert caveat.startswith("2 of the comparisons")
    assert "lie 0.100 to 0.100 of recall" in caveat
