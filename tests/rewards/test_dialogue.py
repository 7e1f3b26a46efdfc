"""The dialogue reward: what the judge is asked, what counts, which file it is shown."""

import os

import pytest

from vidalign.judge import Unusable
from vidalign.rewards import DialogueReward
from vidalign.rows import MediaFolder


def said(*turns):
    return [{"speaker": speaker, "content": content} for speaker, content in turns]


REFERENCE = said(("a man", "Where are you going?"), ("a woman", "To the market."), ("a man", "Wait for me!"))
PERFECT = 'A man asks, "Where are you going?" A woman answers, "To the market." The man calls, "Wait for me!"'


def turns_judge(stand_in, turns, same=None, **kwargs):
    def verdicts(data):
        good = same or [True] * len(data["pairs"])
        return {
            "verdicts": [{"index": p["index"], "same": s} for p, s in zip(data["pairs"], good, strict=True)]
        }

    return stand_in({"dialogue": {"turns": turns}, "speakers": verdicts}, **kwargs)


def test_a_perfect_caption(stand_in, run):
    judge = turns_judge(stand_in, REFERENCE)
    assert run(DialogueReward(judge), [PERFECT], dialogue=[REFERENCE]) == [1.0]
    assert [question.task for question in judge.questions] == ["dialogue", "speakers"]
    assert run.metrics["dialogue/units"] == 3
    assert run.metrics["dialogue/matched"] == run.metrics["dialogue/speaker"] == 1.0


def test_swapped_speakers_lose_their_half(stand_in, run):
    swapped = said(
        ("a woman", "Where are you going?"), ("a man", "To the market."), ("a woman", "Wait for me!")
    )
    judge = turns_judge(stand_in, swapped, same=[False] * 3)
    assert run(DialogueReward(judge), [PERFECT], dialogue=[REFERENCE]) == [0.5]


def test_a_dialogue_in_the_wrong_order_is_not_all_matched(stand_in, run):
    text = 'The man calls, "Wait for me!" A woman: "To the market." A man asks, "Where are you going?"'
    judge = turns_judge(stand_in, REFERENCE[::-1])
    [value] = run(DialogueReward(judge), [text], dialogue=[REFERENCE])
    assert value == pytest.approx(1 / 3)


def test_the_same_caption_offline_is_perfect(run, offline):
    assert run(DialogueReward(offline), [PERFECT], dialogue=[REFERENCE]) == [1.0]


def test_offline_swapped_speakers_and_wrong_words_cost(run, offline):
    swapped = PERFECT.replace("A man asks", "A woman asks").replace("A woman answers", "A man answers")
    wrong = PERFECT.replace("To the market.", "I would rather not say.")
    values = run(DialogueReward(offline), [PERFECT, swapped, wrong], dialogue=[REFERENCE] * 3)
    assert values[0] == 1.0
    assert values[1] < 0.9
    assert values[2] < 0.9


def test_speakers_are_asked_in_one_question_with_the_matched_pairs(stand_in, run):
    judge = turns_judge(stand_in, [*REFERENCE[:1], *said(("a dog", "Where is the tower"))])
    text = PERFECT + ' A dog: "Where is the tower"'
    run(DialogueReward(judge), [text], dialogue=[REFERENCE])
    [question] = [q for q in judge.questions if q.task == "speakers"]
    assert [pair["index"] for pair in question.data["pairs"]] == [1]
    assert question.data["pairs"][0]["reference"] == REFERENCE[0]


def test_case_punctuation_and_unicode_forms_do_not_count(stand_in, run):
    spoken = said(("x", "WHERE   are you going"), ("x", "to the “market”"), ("x", "wait for me…"))
    text = " ".join(unit["content"] for unit in spoken)
    assert run(DialogueReward(turns_judge(stand_in, spoken)), [text], dialogue=[REFERENCE]) == [1.0]
    full = said(("x", "ｈｅｌｌｏ"))
    judge = turns_judge(stand_in, full)
    assert run(DialogueReward(judge), ["ｈｅｌｌｏ"], dialogue=[said(("y", "Hello!"))]) == [1.0]


def test_eq_4_by_words_and_as_it_stands(stand_in, run):
    """ "Hello, there!" of 13 characters against "hello there" of 11: as they stand a capital, a comma and an exclamation mark
    are three edits, 1 - 3/13 = 10/13. F1 of one pair with the right speaker is (1 + Sim) / 2 (Eq. 5-7 with N = M = 1)."""
    heard, there = said(("x", "Hello, there!")), said(("y", "hello there"))

    def scores(**settings):
        judge = turns_judge(stand_in, heard)
        return run(DialogueReward(judge, **settings), ["Hello, there!"], dialogue=[there])

    assert scores() == scores(normalise=True) == [1.0]
    assert scores(normalise=False) == [pytest.approx((1 + 10 / 13) / 2, abs=1e-15)]
    assert scores(normalise=False, threshold=10 / 13 + 1e-9) == [0.0]  # no pair


def test_as_it_stands_case_alone_can_keep_units_apart(stand_in, run):
    # "WAIT" and "wait" share no character: Sim = 0. By words they are one.
    shouted = turns_judge(stand_in, said(("x", "WAIT")))
    assert run(DialogueReward(shouted, normalise=False), ["WAIT"], dialogue=[said(("y", "wait"))]) == [0.0]
    assert run(DialogueReward(shouted), ["WAIT"], dialogue=[said(("y", "wait"))]) == [1.0]


def test_as_it_stands_units_without_words_are_none_either(stand_in, run):
    judge = turns_judge(stand_in, said(("x", "..."), ("x", "hello")))
    reference = [said(("y", "?!"), ("y", "hello"))]
    assert run(DialogueReward(judge, normalise=False), ["hello ..."], dialogue=reference) == [1.0]


def test_words_count_whole(stand_in, run):
    judge = turns_judge(stand_in, said(("x", "5")))
    assert run(DialogueReward(judge), ["5"], dialogue=[said(("x", "25"))]) == [0.0]


def test_units_without_words_are_none(stand_in, run):
    judge = turns_judge(stand_in, said(("x", "..."), ("x", "hello")))
    assert run(DialogueReward(judge), ["hello ..."], dialogue=[said(("y", "?!"), ("y", "hello"))]) == [1.0]


def test_nothing_said_and_nothing_to_say(stand_in, run):
    judge = turns_judge(stand_in, [])
    assert run(DialogueReward(judge), ["A red ball.", "", PERFECT], dialogue=[[], [], REFERENCE]) == [
        1.0,
        1.0,
        0.0,
    ]
    assert all(question.task == "dialogue" for question in judge.questions)


def test_speech_where_there_is_none_scores_nothing(stand_in, run):
    assert run(DialogueReward(turns_judge(stand_in, REFERENCE)), [PERFECT], dialogue=[[]]) == [0.0]


def test_an_empty_caption_costs_no_question(stand_in, run):
    judge = turns_judge(stand_in, [])
    assert run(DialogueReward(judge), ["  "], dialogue=[REFERENCE]) == [0.0]
    assert judge.questions == []


def test_rows_without_the_column_do_not_apply(stand_in, run):
    judge = turns_judge(stand_in, [])
    assert run(DialogueReward(judge), ["a"], dialogue=[None]) == [None]
    assert judge.questions == []
    with pytest.raises(ValueError, match="needs the column 'dialogue'"):
        run(DialogueReward(judge), ["a"], other=[1])


def test_speech_that_the_judge_makes_up_is_left_out(stand_in, run):
    assert run(DialogueReward(turns_judge(stand_in, REFERENCE)), ["A red ball."], dialogue=[REFERENCE]) == [
        0.0
    ]


@pytest.mark.parametrize("task", ["dialogue", "speakers"])
def test_an_unusable_answer_is_unscored(stand_in, run, task):
    judge = turns_judge(stand_in, REFERENCE)
    judge.answers[task] = Unusable("truncated")
    assert run(DialogueReward(judge), [PERFECT], dialogue=[REFERENCE]) == [None]
    assert run.metrics["dialogue/unscored"] == 1.0
    assert judge.ledger.unscored == {"truncated": 1}


def test_too_many_speaker_verdicts_award_no_more(stand_in, run):
    judge = turns_judge(stand_in, REFERENCE)
    judge.answers["speakers"] = {
        "verdicts": [{"index": i % 3 + 1, "same": i < 1} for i in range(9)] + [{"index": 99, "same": True}]
    }
    # Index 1 is granted once and denied twice; 2 and 3 are denied; 99 does not exist.
    assert run(DialogueReward(judge), [PERFECT], dialogue=[REFERENCE]) == [0.5]


def test_the_video_goes_along_where_the_judge_sees(stand_in, run, make_video, tmp_path):
    path = tmp_path / "clip.mp4"
    make_video(path)
    judge = turns_judge(stand_in, REFERENCE, media=frozenset({"video"}))
    reward = DialogueReward(judge, media_root=str(path.parent))
    assert run(reward, [PERFECT], dialogue=[REFERENCE], videos=[[path.name]]) == [1.0]
    [question] = [q for q in judge.questions if q.task == "speakers"]
    assert [medium.source for medium in question.media] == [str(path)]
    with pytest.raises(ValueError, match=r"completion 0.*does not exist"):
        run(reward, [PERFECT], dialogue=[REFERENCE], videos=[["gone.mp4"]])
    # Who is not shown a video needs no file of one.
    for media in (frozenset(), frozenset({"audio"})):
        blind = DialogueReward(turns_judge(stand_in, REFERENCE, media=media))
        assert run(blind, [PERFECT], dialogue=[REFERENCE], videos=[["gone.mp4"]]) == [1.0]


# Which file is opened


@pytest.fixture
def clips(tmp_path, make_video, monkeypatch):
    """Folders that each have their own clip.mp4; the working folder is none of them."""
    for name in ("trainer", "own", "environment", "allowed"):
        (tmp_path / name).mkdir()
        make_video(tmp_path / name / "clip.mp4")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    return tmp_path


def shown(stand_in, run, video, column="videos", settings=None, **given):
    judge = turns_judge(stand_in, REFERENCE, media=frozenset({"video"}))
    reward = DialogueReward(judge, **(settings or {}))
    run(
        reward,
        [PERFECT],
        dialogue=[REFERENCE],
        **{column: [[video] if column == "videos" else video]},
        **given,
    )
    [question] = [q for q in judge.questions if q.task == "speakers"]
    [medium] = question.media
    return medium.source


def test_the_file_that_the_trainer_read(stand_in, run, clips):
    folder = MediaFolder(str(clips / "trainer"))
    content = (clips / "trainer" / "clip.mp4").read_bytes()
    for video in ("clip.mp4", {"path": "clip.mp4", "bytes": None}, str(clips / "trainer" / "clip.mp4")):
        for column in ("videos", "video"):
            assert shown(stand_in, run, video, column, media_folder=folder) == str(
                clips / "trainer" / "clip.mp4"
            )
    for video in (content, {"path": "gone.mp4", "bytes": content}):
        assert shown(stand_in, run, video, media_folder=folder) == content


def test_a_folder_of_its_own_wins(stand_in, run, clips, monkeypatch):
    trainers = MediaFolder(str(clips / "trainer"), (str(clips / "allowed"),))
    monkeypatch.setenv("VIDALIGN_MEDIA_ROOT", str(clips / "environment"))
    own = {"media_root": str(clips / "own")}
    assert shown(stand_in, run, "clip.mp4", settings=own, media_folder=trainers) == str(
        clips / "own" / "clip.mp4"
    )
    assert shown(stand_in, run, "clip.mp4", media_folder=trainers) == str(clips / "trainer" / "clip.mp4")
    assert shown(stand_in, run, "clip.mp4") == str(clips / "environment" / "clip.mp4")
    # With a root of its own, what the trainer allows is not allowed.
    allowed = str(clips / "allowed" / "clip.mp4")
    assert shown(stand_in, run, allowed, media_folder=trainers) == allowed
    with pytest.raises(ValueError, match="lies outside"):
        shown(stand_in, run, allowed, settings=own, media_folder=trainers)


def test_one_string_is_no_tuple_of_folders():
    with pytest.raises(ValueError, match="media_allow='/data' is one string; give a tuple"):
        DialogueReward(media_allow="/data")


def test_without_a_trainers_folder_the_environment_says_what_may_be_opened(stand_in, run, clips, monkeypatch):
    allowed = str(clips / "allowed" / "clip.mp4")
    monkeypatch.setenv("VIDALIGN_MEDIA_ROOT", str(clips / "environment"))
    with pytest.raises(ValueError, match=r"videos of completion 0.*lies outside"):
        shown(stand_in, run, allowed)
    monkeypatch.setenv("VIDALIGN_MEDIA_ALLOW", f"/nowhere{os.pathsep}{clips / 'allowed'}")
    assert shown(stand_in, run, allowed) == allowed


@pytest.mark.parametrize("video", ["/etc/passwd", "../own/clip.mp4", "http://localhost/clip.mp4"])
def test_what_the_trainer_may_not_open_the_judge_is_not_shown(stand_in, run, clips, video):
    with pytest.raises(ValueError, match=r"videos of completion 0: .*(outside|URL)"):
        shown(stand_in, run, video, media_folder=MediaFolder(str(clips / "trainer")))


@pytest.mark.parametrize(
    "row", ["text", [{"speaker": "x"}], [["only one"]], [{"speaker": 1, "content": "x"}], 3]
)
def test_rows_that_are_no_dialogue(stand_in, run, row):
    with pytest.raises((ValueError, TypeError), match=r"dialogue of completion 0|not iterable"):
        run(DialogueReward(turns_judge(stand_in, [])), ["a"], dialogue=[row])


def test_a_struct_of_lists_is_a_dialogue(stand_in, run):
    row = {"speaker": ["a man", "a woman", "a man"], "content": [unit["content"] for unit in REFERENCE]}
    assert run(DialogueReward(turns_judge(stand_in, REFERENCE)), [PERFECT], dialogue=[row]) == [1.0]
