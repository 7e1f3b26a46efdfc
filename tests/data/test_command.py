"""`vidalign build keypoints` as its users meet it: processes, kills, signals, a judge over HTTP."""

import json
import math
import re
import signal
from collections import Counter

import pytest

CONCURRENCY = 4


def lines_of(path):
    return path.read_bytes().count(b"\n") if path.exists() else 0


def expected(number, text):
    return {
        "id": number,
        "caption": text,
        "keypoints": [f"{text} (1)", "a sound"],
        "keypoint_dimensions": ["entity", "sound"],
        "dialogue": [{"speaker": "she", "content": text}],
    }


def test_each_row_in_its_order_with_the_columns_added(cli, judge, read_rows):
    texts = [f"caption {number}" for number in range(20)]
    code, out, err = cli(cli.captions(texts), "out.jsonl", judge=judge)
    assert (code, err) == (0, "")
    assert "20 rows written to out.jsonl" in out and "40 questions: 40 answered" in out
    assert read_rows(cli.folder / "out.jsonl") == [expected(i, text) for i, text in enumerate(texts)]
    assert Counter(judge.asked) == {(task, t): 1 for task in ("keypoints", "dialogue") for t in texts}
    assert sorted(path.name for path in cli.folder.iterdir()) == ["in.jsonl", "out.jsonl", "out.jsonl.stages"]


def test_killed_three_times_each_row_comes_once_and_finished_ones_are_not_asked_again(
    cli, start_judge, read_rows, wait_until
):
    texts = [f"caption {number}" for number in range(60)]
    source, journal = cli.captions(texts), cli.folder / "out.jsonl.stages" / "keypoints.0.jsonl"
    judge = start_judge()
    finished = set()
    for _ in range(3):
        before = lines_of(journal)
        judge.server.held_from = len(judge.asked) + 34  # so that it is in the middle when it is killed
        process = cli.start(source, "out.jsonl", "--concurrency", CONCURRENCY, judge=judge)
        wait_until(lambda before=before: lines_of(journal) >= before + 12)
        process.kill()
        process.communicate()
        # The first line is the settings, and a line that the kill tore is none.
        kept = [json.loads(line) for line in journal.read_bytes().split(b"\n")[1:-1]]
        assert len({entry["row"] for entry in kept}) == len(kept) > len(finished)
        finished = {texts[entry["row"]] for entry in kept}
    assert not (cli.folder / "out.jsonl").exists()
    judge.server.held_from = math.inf
    asked = len(judge.asked)
    code, out, _ = cli(source, "out.jsonl", "--concurrency", CONCURRENCY, judge=judge)
    assert code == 0 and f"{2 * (60 - len(finished))} questions" in out
    assert not finished & {caption for _, caption in judge.asked[asked:]}
    assert read_rows(cli.folder / "out.jsonl") == [expected(i, text) for i, text in enumerate(texts)]
    # What a kill loses are the questions under way and the rows that have one of their two answers.
    assert len(judge.asked) - 2 * 60 <= 3 * 4 * CONCURRENCY
    assert max(Counter(judge.asked).values()) <= 1 + 3


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_at_once_and_says_how_to_go_on(cli, start_judge, read_rows, wait_until, number):
    judge = start_judge()
    judge.server.held_from = 40
    source = cli.captions(f"caption {i}" for i in range(40))
    process = cli.start(source, "out.jsonl", "--concurrency", CONCURRENCY, judge=judge)
    wait_until(lambda: len(judge.asked) == 40 + CONCURRENCY)
    wait_until(lambda: lines_of(cli.folder / "out.jsonl.stages" / "keypoints.0.jsonl") > 5)
    process.send_signal(number)
    out, err = process.communicate(timeout=300)  # without the answers, which do not come
    assert process.returncode == 128 + number
    assert f"stopped by {number.name}" in err and "start the same again" in err and "Traceback" not in err
    assert "questions" in out
    judge.server.held_from = math.inf
    assert cli(source, "out.jsonl", "--concurrency", CONCURRENCY, judge=judge)[0] == 0
    assert [row["id"] for row in read_rows(cli.folder / "out.jsonl")] == list(range(40))


def test_two_at_once_the_second_is_refused_and_the_first_undisturbed(cli, start_judge, read_rows, wait_until):
    judge = start_judge()
    judge.server.held_from = 10
    source = cli.captions(f"caption {i}" for i in range(20))
    first = cli.start(source, "out.jsonl", "--concurrency", CONCURRENCY, judge=judge)
    wait_until(lambda: judge.asked)
    for options in ([], ["--resume", "restart"]):
        code, _, err = cli(source, "out.jsonl", *options, judge=judge)
        assert code == 2 and "another process" in err
    judge.server.held_from = math.inf
    first.communicate(timeout=300)
    assert first.returncode == 0 and len(read_rows(cli.folder / "out.jsonl")) == 20
    assert len(judge.asked) == 40


def test_a_budget_stops_it_and_a_further_one_goes_on(cli, judge, read_rows):
    source = cli.captions(f"caption {i}" for i in range(15))
    options = ["--concurrency", 2, "--max-calls", 12]
    runs = [cli(source, "out.jsonl", *options, judge=judge) for _ in range(4)]
    assert [code for code, _, _ in runs][:2] == [1, 1] and runs[-1][0] in (0, 2)
    assert "budget" in runs[0][2] and "of 15 rows are finished" in runs[0][2]
    assert [row["id"] for row in read_rows(cli.folder / "out.jsonl")] == list(range(15))
    # A stop loses at most one answer of each row under way, of which there are twice the concurrency.
    assert 30 <= len(judge.asked) <= 30 + 3 * 4


def test_rows_without_an_answer_are_named_and_only_they_are_asked_for_again(cli, judge, read_rows):
    texts = [f"caption {i}" for i in range(8)]
    source = cli.captions(texts)
    judge.answers = {("keypoints", "caption 3"): "no JSON", ("dialogue", "caption 5"): '{"turns": 1}'}
    code, _, err = cli(source, "out.jsonl", judge=judge)
    assert code == 1 and "no usable answer for 2 of 8 rows" in err
    assert "row 3: keypoints: " in err and "row 5: dialogue: wrong_form" in err and "--allow-missing" in err
    assert not (cli.folder / "out.jsonl").exists()

    code, out, err = cli(source, "allowed.jsonl", "--allow-missing", judge=judge)
    assert code == 0 and "6 rows written" in out and "left out (dialogue: wrong_form): row 5" in err
    assert [row["id"] for row in read_rows(cli.folder / "allowed.jsonl")] == [0, 1, 2, 4, 6, 7]

    asked, judge.answers = len(judge.asked), {}
    assert cli(source, "out.jsonl", judge=judge)[0] == 0
    assert sorted(judge.asked[asked:]) == sorted(
        (task, texts[i]) for task in ("keypoints", "dialogue") for i in (3, 5)
    )
    assert read_rows(cli.folder / "out.jsonl") == [expected(i, text) for i, text in enumerate(texts)]


def test_a_judge_that_cannot_be_asked_stops_it_with_one_message(cli, judge, judge_server):
    from aiohttp import web

    judge.answers = {("keypoints", "a"): lambda *_: web.json_response({"error": "no such key"}, status=401)}
    code, _, err = cli(cli.captions(["a"]), "out.jsonl", "--no-dialogue", judge=judge)
    assert code == 1 and "cannot be asked" in err and "Nothing was finished yet" in err
    assert not (cli.folder / "out.jsonl.stages" / "keypoints.0.jsonl").exists()


def test_a_journal_of_other_rows_or_arguments_is_refused_and_kept(cli, judge, read_rows):
    texts = [f"caption {i}" for i in range(4)]
    source, journal = cli.captions(texts), cli.folder / "out.jsonl.stages" / "keypoints.0.jsonl"
    judge.answers = {("keypoints", "caption 3"): "no JSON"}
    assert cli(source, "out.jsonl", judge=judge)[0] == 1
    kept, asked = journal.read_bytes(), len(judge.asked)
    code, _, err = cli(source, "out.jsonl", "--no-dialogue", judge=judge)
    assert code == 2 and "dialogue was True and is False" in err and "--resume restart" in err
    code, _, err = cli.here(source, "out.jsonl")
    assert code == 2 and "judge was {'model': 'judge'" in err
    assert journal.read_bytes() == kept and len(judge.asked) == asked
    assert cli(source, "out.jsonl", "--resume", "restart", "--allow-missing", judge=judge)[0] == 0
    assert len(judge.asked) > asked


def test_other_rows_take_what_was_made_of_the_same_captions(cli, judge, read_rows):
    source = cli.captions([f"caption {i}" for i in range(4)])
    judge.answers = {("keypoints", "caption 3"): "no JSON"}
    assert cli(source, "out.jsonl", judge=judge)[0] == 1
    asked = len(judge.asked)
    texts = ["another", "caption 2", "caption 0"]
    cli.captions(texts)
    code, out, _ = cli(source, "out.jsonl", judge=judge)
    assert code == 0 and "2 questions" in out
    assert {caption for _, caption in judge.asked[asked:]} == {"another"}
    assert read_rows(cli.folder / "out.jsonl") == [expected(i, text) for i, text in enumerate(texts)]


def test_options_stand_above_the_environment(cli, judge):
    source = cli.captions(["a", "b"])
    env = {
        "VIDALIGN_JUDGE": "another",
        "VIDALIGN_JUDGE_MAX_TOKENS": "77",
        "VIDALIGN_JUDGE_TEMPERATURE": "0.5",
    }
    code, out, _ = cli(source, "out.jsonl", "--max-tokens", "99", judge=judge, env=env)
    bodies = [request.body for request in judge.server.requests]
    assert code == 0 and {(b["model"], b["max_tokens"], b["temperature"]) for b in bodies} == {
        ("judge", 99, 0.5)
    }
    assert "model='judge'" in out
    code, _, err = cli.here(source, "o.jsonl", env={"VIDALIGN_JUDGE_TIMEOUTS": "3"})
    assert code == 2 and "VIDALIGN_JUDGE_TIMEOUTS is no setting" in err
    code, _, err = cli.here(source, "o.jsonl", "--concurrency", "0", "--judge", "judge")
    assert code == 2 and "max_concurrency=0" in err
    code, _, err = cli.here(source, "o.jsonl", "--max-dollars", "1")
    assert code == 2 and "--max-dollars is for a model" in err


def test_a_judge_of_each_task(cli, start_judge, read_rows):
    """AVoCaDO's: keypoints by one model, dialogue by another, each with a budget of its own."""
    one, other = start_judge(), start_judge()
    source = cli.captions([f"caption {n}" for n in range(3)])
    address = ["--api-base", f"keypoints={one.server.url}", "--api-base", f"dialogue={other.server.url}"]
    judges = ["--judge", "keypoints=openai/one", "--judge", "dialogue=openai/other"]
    price = [
        "--price",
        "dialogue=0,10",
        "--max-dollars",
        "dialogue=1",
        "--cache-dir",
        "keypoints=",
        "--cache-dir",
        "dialogue=",
    ]
    env = {"VIDALIGN_JUDGE__DIALOGUE__SPEAKERS": "of the environment"}
    code, out, err = cli(source, "out.jsonl", *address, *judges, *price, env=env)
    assert code == 0 and err.count("NO JUDGE") == 0, err
    assert {task for task, _ in one.asked} == {"keypoints"} and {task for task, _ in other.asked} == {
        "dialogue"
    }
    assert {request.body["model"] for request in one.server.requests} == {"one"}
    lines = out.splitlines()
    assert any(line.startswith("keypoints (openai/one): 3 questions: 3 answered") for line in lines)
    [dialogue] = [line for line in lines if line.startswith("dialogue (openai/other): 3 questions")]
    assert dialogue.endswith("0.0006 dollars")  # 3 x 20 tokens at 10 dollars a million
    assert lines[-1].startswith("6 questions: 6 answered") and lines[-1].endswith("0.0006 dollars")
    assert len(read_rows(cli.folder / "out.jsonl")) == 3


def test_another_judge_of_one_task_is_another_build(cli, judge):
    source = cli.captions(["a", "b"])
    judge.answers = {("keypoints", "a"): "no JSON"}
    assert cli(source, "out.jsonl", judge=judge)[0] == 1
    code, _, err = cli(source, "out.jsonl", "--judge", "dialogue=lexical", judge=judge)
    assert (
        code == 2 and "judge was {'model': 'judge'" in err and "'dialogue': {'model': 'LexicalJudge'" in err
    )
    # Of a task that is not asked here nothing is said.
    code, _, err = cli(source, "out.jsonl", judge=judge, env={"VIDALIGN_JUDGE__CHECKLIST": "another"})
    assert code == 1 and "row 0: keypoints: no_json" in err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--judge", "dialog=a"], "'dialog' is no task of a judge; known are checklist"),
        (["--judge", "checklist=a"], "--judge is for the task checklist, and this build asks keypoints, dialogue"),
        (["--max-dollars", "dialogue=1"], "--max-dollars dialogue=...: give the tasks' judge as well"),
        (["--max-dollars", "dialogue=x"], "invalid float value: 'dialogue=x'"),
        (["--judge", "keypoints,dialogue=a", "--max-calls", "5"], "--max-calls is for tasks without a judge of their own"),
        (["--judge", "dialogue=lexical", "--max-calls", "dialogue=5"], "--max-calls is for a model"),
        (["--judge", "dialogue=a", "--judge", "dialogue,keypoints=b"], "--judge names two judges for dialogue"),
    ],
)  # fmt: skip
def test_judges_of_tasks_that_cannot_be(cli, options, said):
    code, _, err = cli.here(cli.captions(["a"]), "out.jsonl", *options)
    assert code == 2 and re.search(re.escape(said), err), err


def test_without_a_model_it_works_offline_and_says_so(cli, read_rows):
    source = cli.captions(['A red dog runs. The man says "hello there".'])
    code, out, err = cli(source, "out.jsonl")
    assert err.count("NO JUDGE IS NAMED") == 1 and "--judge" in err
    code, out, err = cli(source, "again.jsonl", "--judge", "lexical")
    assert "NO JUDGE" not in err
    (row,) = read_rows(cli.folder / "out.jsonl")
    assert [row] == read_rows(cli.folder / "again.jsonl")
    assert code == 0 and "LexicalJudge" in out
    assert row["dialogue"] == [{"speaker": "The man", "content": "hello there"}] and row["keypoints"]


def test_bad_rows_are_named_before_any_question(cli, judge):
    texts = ["fine", None, "  ", 7, [], {"text": "a"}, ["a"], [{"role": "assistant", "content": ""}]]
    code, _, err = cli(cli.captions(texts), "out.jsonl", judge=judge)
    assert code == 2 and "7 of 8 rows cannot be used" in err and not judge.asked
    for line in (
        "row 1: caption: missing",
        "row 2: caption: empty",
        "row 3: caption: int instead of a string or a list of messages",
        "row 4: caption: empty",
        "row 5: caption: dict instead of",
        "... and 2 more",
    ):
        assert line in err
    assert not (cli.folder / "out.jsonl.stages" / "keypoints.0.jsonl").exists()


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["nothing.jsonl", "out.jsonl"], "not there"),
        (["in.jsonl", "out.txt"], ".txt ending"),
        (["in.jsonl", "in.jsonl"], "is the input as well"),
        (["in.jsonl", "nowhere/out.jsonl"], "does not exist"),
        (["in.jsonl", "out.jsonl", "--column", "text"], "no column 'text', only id, caption"),
        (["in.jsonl", "there.jsonl"], "is there already"),
        (["in.jsonl", "out.jsonl", "--columm", "text"], "unrecognized arguments: --columm"),
        (["in.jsonl"], "the following arguments are required: OUTPUT"),
    ],
)
def test_what_cannot_be_is_one_message(cli, args, said):
    cli.captions(["a"])
    (cli.folder / "there.jsonl").write_text("")
    code, _, err = cli.here(*args)
    assert code == 2 and said in err and "Traceback" not in err


def test_a_full_disk_stops_it_and_the_next_run_goes_on(cli, read_rows):
    source = cli.captions(f"A red dog runs to house number {i}." for i in range(200))
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000)); "
    code, _, err = cli(source, "out.jsonl", before=limit)
    assert code == 2 and "of 200 rows are finished" in err and "is kept in" in err
    code, out, _ = cli(source, "out.jsonl")
    assert code == 0 and [row["id"] for row in read_rows(cli.folder / "out.jsonl")] == list(range(200))
    assert int(out.split(" questions")[0].split()[-1]) < 400


def test_started_again_after_it_ended_nothing_is_asked_or_changed(cli, judge):
    source = cli.captions(["a"])
    assert cli(source, "out.jsonl", judge=judge)[0] == 0
    code, _, err = cli(source, "out.jsonl", judge=judge)
    assert code == 2 and "is there already" in err and len(judge.asked) == 2
    assert cli(source, "out.jsonl", "--resume", "restart", judge=judge)[0] == 0
    assert len(judge.asked) == 4
