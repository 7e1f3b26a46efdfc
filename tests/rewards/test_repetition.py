import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidalign.rewards import (
    RepetitionReward,
    collapsed,
    repetition,
    repetition_collapse_rate,
    repetition_reward,
)

CAPTION = (
    "The video opens on a quiet street at dawn, where a baker in a white apron lifts the shutter of his shop with a long "
    "metallic rattle. A bell rings twice somewhere behind him. He carries a tray of bread to the window, and a woman on a "
    'bicycle stops to ask, "Are they still warm?" The camera moves closer as he laughs and breaks one in half, and the steam '
    "rises in the cold air. In the last shot both of them eat on the kerb while traffic begins to hum."
)


def words(n, start=0):
    return " ".join(f"w{i}" for i in range(start, start + n))


def test_a_caption_repeats_nothing():
    assert repetition(CAPTION) == 0.0
    assert not collapsed(CAPTION)


def test_a_loop_by_hand():
    # 20 words, of which the last 10 say the first 10 again: 10 of 20.
    assert repetition(f"{words(10)} {words(10)}") == 0.5
    # Pieces of seven do not count, of eight they do.
    assert repetition(f"{words(7)} x {words(7)} y") == 0.0
    assert repetition(f"{words(8)} x {words(8)} y") == 8 / 18


@pytest.mark.parametrize("period", [1, 2, 3, 5, 8, 13, 40])
def test_loops_of_every_period_collapse(period):
    text = f"{CAPTION} {' '.join([words(period)] * (400 // period))}"
    assert repetition(text) > 0.6
    assert collapsed(text)


def test_a_loop_alone_comes_close_to_one():
    assert repetition("the cat " * 500) > 0.99


@pytest.mark.parametrize(
    "text",
    [
        "A man knocks: knock, knock, knock. He waits.",
        "She sings la la la la la la, and the crowd claps.",
        CAPTION + " In the last shot both of them eat on the kerb while traffic begins to hum.",  # said twice
        "",
        "one",
    ],
)
def test_what_is_no_collapse(text):
    assert not collapsed(text)


def test_far_apart_repetition_counts_too():
    blocks = [f"{words(12)} {words(3, 100 * i)}" for i in range(1, 9)]
    assert repetition(" ".join(blocks)) == 7 * 12 / (8 * 15)


def test_a_changed_loop_is_still_one():
    text = " ".join(f"the man in the red coat looks at the door again number {i}" for i in range(30))
    assert collapsed(text)


@pytest.mark.parametrize(
    "text", ["哈" * 300, "一个人走进房间然后离开" * 20, "haha" * 200, "!" * 300, "🙂" * 300]
)
def test_without_spaces_and_without_words(text):
    assert collapsed(text)


def test_a_long_chinese_caption_is_no_collapse():
    text = "清晨的街道很安静,一位穿白围裙的面包师拉起店门,身后的钟响了两声。骑车的女人停下来问面包是否还热,他笑着掰开一个。"
    assert repetition(text) == 0.0


def test_case_and_punctuation_do_not_hide_a_loop():
    assert collapsed("The dog runs. THE DOG RUNS! the dog, runs; " * 20)


@given(st.text(max_size=300))
def test_bounds(text):
    assert 0.0 <= repetition(text) < 1.0


@given(st.lists(st.sampled_from("abcdef"), max_size=60))
def test_saying_it_all_again_never_lowers_it(said):
    text = " ".join(said)
    assert repetition(f"{text} {text}") >= repetition(text)


def test_the_rate_over_a_set():
    assert repetition_collapse_rate([CAPTION, "the cat " * 100, CAPTION, ""]) == 0.25
    with pytest.raises(ValueError, match="no captions"):
        repetition_collapse_rate([])


def test_the_reward_punishes_repetition_only(run):
    loop = "the cat " * 200
    values = run(RepetitionReward(penalty=2.0), [CAPTION, loop])
    assert values == [0.0, -2.0 * repetition(loop)]
    assert run.metrics == {"repetition/share": repetition(loop) / 2, "repetition/collapsed": 0.5}


def test_without_a_penalty_it_only_measures(run):
    assert run(RepetitionReward(penalty=0.0), ["the cat " * 200]) == [0.0]
    assert run.metrics["repetition/collapsed"] == 1.0
    assert run(repetition_reward, [CAPTION]) == [0.0]


@pytest.mark.parametrize("settings", [{"penalty": -1.0}, {"piece": 0}, {"share": 1.0}])
def test_impossible_settings(settings):
    with pytest.raises(ValueError, match="must be"):
        RepetitionReward(**settings)
