"""`vidalign build question-chains`, `pairs` and `captions` as their users meet them: processes, kills, a judge over HTTP."""

import json
import math
from collections import Counter

import pytest

from vidalign.rows import text_of
from vidalign.stages.folder import ROWS

CONCURRENCY = 4


def lines_of(path):
    return path.read_bytes().count(b"\n") if path.exists() else 0


def save(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def chain(number):
    return {
        "videos": ["clip.mp4"],
        "prompt": "p",
        "ranked": [f"clip {number} has {place} balls" for place in range(3)],
    }


def choices(data):
    options = [{"index": c["index"], "text": c["text"].split("has ")[1]} for c in data["captions"]]
    return {"question": f"How many balls? {data['captions'][0]['text'].split(' has')[0]}", "options": options}


def yes_no(data):
    return {
        "questions": [{"index": c["index"], "text": f"Is it so that {c['text']}?"} for c in data["captions"]]
    }


ANSWERS = {"choices": choices, "yes_no": yes_no}


@pytest.fixture
def run(cli):
    def start(kind, *args, **options):
        cli.kind = kind
        return cli(*args, **options)

    return start


def test_killed_three_times_each_row_comes_once_and_finished_ones_are_not_asked_again(
    cli, run, clip, scripted, read_rows, wait_until
):
    clip()
    source = save(cli.folder / "chains.jsonl", [chain(number) for number in range(30)])
    judge = scripted(ANSWERS)
    journal = cli.folder / "out" / "stages" / "question-chains.0.jsonl"
    cli.kind = "question-chains"
    options = ["--concurrency", CONCURRENCY]
    for _ in range(3):
        before = lines_of(journal)
        judge.server.held_from = len(judge.asked) + 14  # so that it is in the middle when it is killed
        process = cli.start(source, "out", *options, judge=judge)
        wait_until(lambda before=before: lines_of(journal) >= before + 10)
        process.kill()
        process.communicate()
    assert not (cli.folder / "out" / ROWS).exists()
    judge.server.held_from = math.inf
    code, out, err = cli(source, "out", *options, judge=judge)
    assert (code, err) == (0, "") and "60 rows written to out" in out
    rows = read_rows(cli.folder / "out" / ROWS)
    asked = [
        text_of(row["prompt"]).split("\n")[0].split("? ")[1] if row["prompt"] else text_of(row["prompts"][0])
        for row in rows
    ]
    for number in range(30):
        assert asked[2 * number] == f"clip {number}"
        assert asked[2 * number + 1].startswith(f"Is it so that clip {number} has 2 balls?")
    # What a kill loses are the questions under way.
    assert len(judge.asked) - 60 <= 3 * 2 * CONCURRENCY
    assert max(Counter(str(asked) for asked in judge.asked).values()) <= 1 + 3
    assert sorted(path.name for path in (cli.folder / "out").iterdir()) == ["README.md", "stages", ROWS]


def test_a_finished_build_is_not_built_again(cli, run, clip, scripted):
    clip()
    source = save(cli.folder / "chains.jsonl", [chain(number) for number in range(3)])
    judge = scripted(ANSWERS)
    assert run("question-chains", source, "out", judge=judge)[0] == 0
    asked = len(judge.asked)
    code, _, err = run("question-chains", source, "out", judge=judge)
    assert code == 2 and "is there already" in err and len(judge.asked) == asked == 6


def test_chains_of_the_toy_world_without_a_model(cli, run, clip, read_rows):
    clip()
    caption = "the background is grey . a red circle moves left . a blue square stays at the top right ."
    save(cli.folder / "rows.jsonl", [{"videos": ["clip.mp4"], "caption": caption}] * 2)
    toyworld = ["--judge", "toyworld"]
    assert run("chains", "rows.jsonl", "chains", "--length", 3, *toyworld)[0] == 0
    code, out, err = run("question-chains", "chains", "out", "--media-root", ".", *toyworld)
    assert (code, err) == (0, "") and "4 rows written to out" in out and "--media_root" in out
    rows = read_rows(cli.folder / "out" / ROWS)
    assert [row["kind"] for row in rows] == ["choices", "yes-no"] * 2
    assert [len(row["ranked"] or row["prompts"]) for row in rows] == [3] * 4


def test_pairs(cli, run, clip, scripted, read_rows):
    clip()
    rows = [
        {"videos": ["clip.mp4"], "prompt": "p", "caption": "c", "responses": [f"a {number}", "b 0"]}
        for number in range(3)
    ]
    save(cli.folder / "rows.jsonl", rows)
    judge = scripted(
        {"compare": lambda data: {"better": 1 + max((0, 1), key=lambda i: data["responses"][i]["text"][-1])}}
    )
    code, out, err = run("pairs", "rows.jsonl", "out", "--method", "compare", judge=judge)
    assert (code, err) == (0, "")
    assert "2 rows written to out" in out and "no row (contradiction): 1" in out and "comparisons: 3" in out
    assert [row["chosen"] for row in read_rows(cli.folder / "out" / ROWS)] == ["a 1", "a 2"]
    code, _, err = run("pairs", "rows.jsonl", "two", judge=judge)
    assert code == 2 and "--method" in err
    code, _, err = run("pairs", "rows.jsonl", "two", "--method", "claims")
    assert code == 1 and "the offline judge cannot do the task 'claims'" in err


def test_captions(cli, run, clip, scripted, read_rows):
    clip()
    rows = [{"videos": ["clip.mp4"], "captions": [text]} for text in ("a dog", "a red dog runs")]
    save(cli.folder / "rows.jsonl", rows)
    judge = scripted({"recaption": lambda data: {"text": data["captions"][0]}})
    bounds = ["--min-words", 3, "--max-words", 9, "--tries", 2]
    code, _, err = run("captions", "rows.jsonl", "out.jsonl", *bounds, judge=judge)
    assert code == 1 and "row 0: recaption: too_short" in err
    code, out, err = run("captions", "rows.jsonl", "out.jsonl", "--allow-missing", *bounds, judge=judge)
    assert code == 0 and "1 rows written" in out and "left out (recaption: too_short): row 0" in err
    assert read_rows(cli.folder / "out.jsonl") == [{**rows[1], "caption": "a red dog runs"}]
    code, _, err = run("captions", "rows.jsonl", "two.jsonl", "--min-words", 0, judge=judge)
    assert code == 2 and "min_words=0" in err
