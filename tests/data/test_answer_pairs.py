"""Pairs of answers: a model over HTTP answers from the video, a judge over HTTP asks and gives points by the caption."""

import json
from types import SimpleNamespace

import pytest

from vidalign.cli import main
from vidalign.data.answer_pairs import build_answer_pairs, draw
from vidalign.generate.options import ModelOptions
from vidalign.generate.served import _seed
from vidalign.judge.tasks.scores import Score
from vidalign.rows import BadRows, MediaFolder, validate
from vidalign.stages.errors import MissingRows, PipelineError
from vidalign.stages.folder import CARD, ROWS

CAPTION = "A red dog runs past a tree and sits."


@pytest.fixture
def model(judge_server, tmp_path, monkeypatch):
    """Answer number n to a question is "answer n", known by its seed."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    seeds = [_seed(0, number) for number in range(6)]
    one = SimpleNamespace(answer=lambda number, body: f"answer {number}")
    one.server = judge_server.JudgeServer(
        lambda _, body: one.answer(seeds.index(body["seed"]) + 1, body)
    ).start()
    one.options = ModelOptions(server=one.server.url, server_sees=("video",))
    yield one
    one.server.stop()


def quiz(data):
    made = [{"question": f"What {number}?", "answer": f"It is {number}."} for number in range(data["count"])]
    return {"questions": made}


def by_number(data):
    """Five points at most: answer 6 is as good as answer 5."""
    number = int(data["prediction"].split()[-1])
    return {"reason": f"it says {number}", "score": min(5, number)}


@pytest.fixture
def rows(tmp_path, make_video):
    for number in range(2):
        make_video(tmp_path / f"{number}.mp4", seed=number)
    path = tmp_path / "in.jsonl"
    given = [{"videos": [f"{number}.mp4"], "caption": f"{CAPTION} {number}"} for number in range(2)]
    path.write_text("".join(json.dumps(row) + "\n" for row in given))
    return path


def written(folder):
    return [json.loads(line) for line in (folder / ROWS).read_text("utf-8").splitlines()]


def text(messages):
    return messages[0]["content"]


def test_one_good_and_one_bad_answer_to_each_question(tmp_path, rows, model, scripted):
    script = scripted({"quiz": quiz, "reward": by_number})
    built = build_answer_pairs(rows, tmp_path / "out", script.judge(), model="m", options=model.options)
    assert built.rows == 6 and not built.left_out
    assert sum(count for name, count in built.counts.items()) == 36
    made = written(tmp_path / "out")
    validate(made, "preference", MediaFolder(tmp_path))
    for row in made:
        assert row["chosen_score"] == min(5, int(text(row["chosen"]).split()[-1])) >= 3
        assert row["rejected_score"] == int(text(row["rejected"]).split()[-1]) < 3
        assert row["explanation"].startswith("chosen: it says ")
    assert [text(row["prompt"]) for row in made] == ["What 0?", "What 1?", "What 2?"] * 2
    # The judge reads the row's own caption and reference, and sees no video.
    for task, data in script.asked:
        assert data["caption"] in (f"{CAPTION} 0", f"{CAPTION} 1")
        if task == "reward":
            assert data["reference"] == f"It is {data['question'][-2]}."
    assert all(isinstance(request.body["messages"][-1]["content"], str) for request in script.server.requests)
    sent = [request.body for request in model.server.requests]
    assert {(body["temperature"], body["top_p"]) for body in sent} == {(1.0, 0.95)} and len(sent) == 36
    card = (tmp_path / "out" / CARD).read_text("utf-8")
    assert "answers with 5 | 12" in card and "From Language Model Reward".lower() in card.lower()


@pytest.mark.parametrize(("points", "reason"), [(3, "all_good"), (2, "all_bad")])
def test_questions_whose_answers_are_alike_give_no_row(tmp_path, rows, model, scripted, points, reason):
    script = scripted({"quiz": quiz, "reward": lambda data: {"reason": "", "score": points}})
    with pytest.raises(MissingRows, match=f"no row came out of 6 .*{reason} 6"):
        build_answer_pairs(rows, tmp_path / "out", script.judge(), model="m", options=model.options)


@pytest.mark.parametrize(
    ("points", "threshold", "good", "bad"),
    [
        ([1, 2, 3, 4, 5], 3, {2, 3, 4}, {0, 1}),
        ([1, 2, 3, 4, 5], 5, {4}, {0, 1, 2, 3}),
        ([None, 2, 3, None], 3, {2}, {1}),
        ([3, 2, 2, 2], 3, {0}, {1, 2, 3}),
    ],
)
def test_both_are_drawn_among_their_like(points, threshold, good, bad):
    scores = [None if point is None else Score(point, "") for point in points]
    texts = [f"answer {number}" for number in range(len(points))]
    drawn = [draw(texts, scores, threshold, str(seed)) for seed in range(200)]
    assert {one for one, _ in drawn} == good and {other for _, other in drawn} == bad
    assert drawn == [draw(texts, scores, threshold, str(seed)) for seed in range(200)]


def test_an_answer_that_could_not_be_scored_is_neither_best_nor_worst():
    assert draw(["a", "b"], [Score(4, ""), None], 3, "") == "all_good"
    assert draw(["a", "b"], [None, Score(1, "")], 3, "") == "all_bad"
    assert draw(["a", "b"], [None, None], 3, "") == "no_answers"


def test_equal_words_are_no_pair_whatever_the_points():
    assert draw(["A dog.", "a dog"], [Score(4, ""), Score(2, "")], 3, "") == "all_good"


def test_unscored_answers_are_counted_and_the_others_go_on(tmp_path, rows, model, scripted):
    def moody(data):
        return by_number(data) if not data["prediction"].endswith("5") else {"score": "5/5"}

    script = scripted({"quiz": quiz, "reward": moody})
    built = build_answer_pairs(rows, tmp_path / "out", script.judge(), model="m", options=model.options)
    assert built.rows == 6 and built.counts["answers without points"] == 6
    assert "answer 5" not in {text(row["chosen"]) for row in written(tmp_path / "out")}


def test_a_judge_that_fails_is_asked_again_for_its_part_alone(tmp_path, rows, model, scripted):
    down = scripted({"quiz": quiz, "reward": lambda data: "I cannot say."})
    with pytest.raises(MissingRows, match="reward: no answer has points"):
        build_answer_pairs(rows, tmp_path / "out", down.judge(), model="m", options=model.options)
    up = scripted({"quiz": quiz, "reward": by_number})
    built = build_answer_pairs(rows, tmp_path / "out", up.judge(), model="m", options=model.options)
    assert built.rows == 6 and len(model.server.requests) == 36
    assert {task for task, _ in up.asked} == {"reward"}


def test_answers_that_are_cut_or_empty_are_neither(tmp_path, rows, model, scripted, judge_server):
    model.answer = lambda number, body: (
        judge_server.completion("answer 5", finish="length")
        if number % 6 == 4
        else f"answer {number % 6 + 1}"
    )
    script = scripted({"quiz": quiz, "reward": by_number})
    build_answer_pairs(rows, tmp_path / "out", script.judge(), model="m", options=model.options)
    assert "answer 5" not in {data.get("prediction") for _, data in script.asked}


def test_questions_of_the_rows_are_taken(tmp_path, rows, model, scripted):
    given = [
        {**json.loads(line), "questions": [{"question": "Who runs?", "answer": "A dog."}]}
        for line in rows.open()
    ]
    script = scripted({"reward": by_number})
    built = build_answer_pairs(
        given, tmp_path / "out", script.judge(), model="m", media_root=tmp_path, options=model.options
    )
    assert built.rows == 2 and {text(row["prompt"]) for row in written(tmp_path / "out")} == {"Who runs?"}
    assert {data["reference"] for _, data in script.asked} == {"A dog."}


def test_self_play_takes_the_reference_over_the_models_answer(tmp_path, rows, model, scripted):
    script = scripted({"quiz": quiz})
    built = build_answer_pairs(
        rows, tmp_path / "out", script.judge(), model="m", self_play=True, questions=1, options=model.options
    )
    assert built.rows == 2 and len(model.server.requests) == 2
    [row, _] = written(tmp_path / "out")
    assert text(row["chosen"]) == "It is 0." and text(row["rejected"]).startswith("answer ")
    assert "chosen_score" not in row


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        ([], "wrong_count"),
        ([{"question": "What?", "answer": "It."}] * 3, "wrong_count"),
        ([{"question": "What?", "answer": ""}] * 3, "empty"),
        ([{"question": "What?"}] * 3, "wrong_type"),
    ],
)
def test_questions_that_cannot_be_used(tmp_path, rows, model, scripted, made, reason):
    script = scripted({"quiz": lambda data: {"questions": made}, "reward": by_number})
    with pytest.raises(MissingRows, match=f"quiz: {reason}"):
        build_answer_pairs(rows, tmp_path / "out", script.judge(), model="m", options=model.options)
    assert not model.server.requests


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"videos": []}, "videos: missing"),
        ({"videos": ["gone.mp4"]}, "videos: .*gone.mp4"),
        ({"caption": " "}, "caption: empty"),
        ({"questions": [{"question": "Who?"}]}, "questions: no list of mappings"),
        ({"questions": "Who?"}, "questions: no list of mappings"),
    ],
)
def test_rows_that_cannot_be_are_named_first(tmp_path, rows, model, scripted, row, said):
    good = json.loads(rows.open().readline())
    with pytest.raises(BadRows, match=f"(?s)row 1.*{said}"):
        build_answer_pairs(
            [good, {**good, **row}],
            tmp_path / "out",
            scripted({}).judge(),
            model="m",
            media_root=tmp_path,
            options=model.options,
        )


@pytest.mark.parametrize(
    "settings",
    [{"threshold": 1}, {"threshold": 6}, {"questions": 0}, {"n": 1}, {"temperature": 0.0}],
)
def test_settings_that_cannot_be(tmp_path, rows, model, scripted, settings):
    [name] = settings
    with pytest.raises(PipelineError, match=f"{name}={settings[name]}"):
        build_answer_pairs(
            rows, tmp_path / "out", scripted({}).judge(), model="m", options=model.options, **settings
        )


def test_the_command_and_its_dry_run(tmp_path, rows, model, scripted, capsys):
    script = scripted({"quiz": quiz, "reward": by_number})
    command = [
        "build",
        "answer-pairs",
        str(rows),
        str(tmp_path / "out"),
        "--model",
        "m",
        "--server",
        model.server.url,
    ]
    command += [
        "--server-sees",
        "video",
        "--judge",
        "judge",
        "--api-base",
        script.server.url,
        "--questions",
        "2",
    ]
    assert main([*command, "--dry-run"]) == 0
    assert not model.server.requests and not script.asked
    # 2 captions: a quiz each, 2 questions, 6 answers and 6 rewards each.
    assert capsys.readouterr().out.split("total")[1].split()[0] == str(2 + 24 + 24)
    assert main(command) == 0 and len(written(tmp_path / "out")) == 4
