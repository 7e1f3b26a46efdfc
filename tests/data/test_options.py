"""`vidalign build` with files of options, and its modes of resuming, as users meet them."""

import json
import os
import re

import pytest
import yaml

from vidalign import cli as command_line
from vidalign.data import judge_options
from vidalign.data.builds import BUILDS

PRICE = ["--price", "1,2"]


def save(path, **given):
    path.write_text(yaml.safe_dump(given), "utf-8")
    return path


@pytest.mark.parametrize("kind", BUILDS)
def test_every_build_says_what_it_takes(cli, kind):
    """The one place where a build is declared is its function."""
    cli.kind = kind
    code, out, err = cli.here("--help")
    assert (code, err) == (0, "") and out.startswith(f"usage: vidalign build {kind} ")
    for option in ("--config FILE", "--print-config", "--dry-run", "--resume RESUME"):
        assert option in out
    # A build that asks nobody has no options of a judge.
    for option in ("--allow-missing", "--judge MODEL"):
        assert (option in out) == bool(BUILDS[kind].tasks)
    undocumented = [line for line in out.splitlines() if line.startswith("  --") and "  " not in line.strip()]
    following = out.splitlines()
    for line in undocumented:
        assert following[following.index(line) + 1].startswith(" " * 20), line


def test_a_file_has_all_options_and_the_command_line_stands_above_it(cli, judge, read_rows):
    (cli.folder / "far").mkdir()
    source = cli.captions(["a", "b"])
    config = save(
        cli.folder / "far" / "build.yaml",
        rows=source.name,  # from where the command is given, not from where the file is
        output="of-file.jsonl",
        dialogue=False,
        judge={
            "model": "of file",
            "api_base": judge.server.url,
            "temperature": 0.5,
            "max_tokens": 77,
            "cache_dir": "",
        },
    )
    env = {
        "VIDALIGN_JUDGE": "of the environment",
        "VIDALIGN_JUDGE_MAX_TOKENS": "5",
        "VIDALIGN_JUDGE_TIMEOUT": "9",
    }
    code, out, err = cli("--config", config, env=env)
    assert (code, err) == (0, "") and "timeout=9.0" in out
    asked = {(r.body["model"], r.body["temperature"], r.body["max_tokens"]) for r in judge.server.requests}
    assert asked == {("of file", 0.5, 77)} and {task for task, _ in judge.asked} == {"keypoints"}
    assert len(read_rows(cli.folder / "of-file.jsonl")) == 2

    judge.server.requests.clear()
    above = [source, "of-line.jsonl", "--dialogue", "--judge", "of line", "--max-tokens", 88]
    assert cli("--config", config, *above)[0] == 0
    asked = {(r.body["model"], r.body["temperature"], r.body["max_tokens"]) for r in judge.server.requests}
    assert asked == {("of line", 0.5, 88)} and {task for task, _ in judge.asked} == {"keypoints", "dialogue"}


def test_judges_of_tasks_in_a_file(cli, start_judge):
    one, other, third = start_judge(), start_judge(), start_judge()
    config = save(
        cli.folder / "build.yaml",
        rows=str(cli.captions(["a"])),
        judges={
            "keypoints": {"model": "one", "api_base": one.server.url, "cache_dir": ""},
            "dialogue, speakers": {"model": "other", "api_base": other.server.url, "cache_dir": ""},
        },
    )
    assert cli("--config", config, "--output", "1.jsonl")[0] == 2  # it is positional
    code, _, err = cli("--config", config, "--no-dialogue", cli.folder / "in.jsonl", "1.jsonl")
    assert code == 0 and [task for task, _ in one.asked] == ["keypoints"] and not other.asked, err
    both = [cli.folder / "in.jsonl", "2.jsonl", "--judge", "dialogue=third"]
    code, _, err = cli(
        "--config", config, *both, "--api-base", f"dialogue={third.server.url}", "--cache-dir", "dialogue="
    )
    assert code == 0 and not other.asked and [task for task, _ in third.asked] == ["dialogue"], err


def test_what_is_printed_builds_the_same(cli, judge, read_rows):
    source = cli.captions(["a", "b"])
    words = [
        "--no-dialogue",
        "--max-dollars",
        "dialogue=5",
        "--judge",
        "dialogue=other",
        "--max_tokens",
        "99",
        *PRICE,
    ]
    code, out, err = cli(source, "1.jsonl", *words, "--print-config", judge=judge)
    assert (code, err) == (0, "") and not judge.asked and not (cli.folder / "1.jsonl").exists()
    printed = yaml.safe_load(out)
    assert printed["judge"] == {
        "model": "judge", "api_base": judge.server.url, "max_tokens": 99, "price": "1,2", "cache_dir": ""
    }  # fmt: skip
    assert printed["judges"] == {"dialogue": {"model": "other", "max_dollars": 5.0}}
    (cli.folder / "printed.yaml").write_text(out, "utf-8")
    assert cli("--config", "printed.yaml", "--print-config")[1] == out
    assert cli("--config", "printed.yaml")[0] == 0
    assert [row["id"] for row in read_rows(cli.folder / "1.jsonl")] == [0, 1] and len(judge.asked) == 2


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"colum": "x"}, "build.yaml: unknown key 'colum'; did you mean column?"),
        ({"judge": {"model": "a", "max_dollar": 1}}, "build.yaml: judge: max_dollar is no setting of the judge 'a'"),
        ({"judge": 5}, "build.yaml: judge: int without `model`"),
        ({"judges": {"dialog": "a"}}, "build.yaml: 'dialog' is no task of a judge"),
        ({"judges": "a"}, "build.yaml: judges: 'a' is not a mapping"),
        ({"judge": "a", "judges": {"default": "b"}}, "build.yaml: default has two judges"),
        ({"judges": {"dialogue": "a", "speakers, dialogue": "b"}}, "build.yaml: dialogue has two judges"),
        ({"max_dollars": "many"}, "build.yaml: max_dollars: max_dollars='many' is not of the kind"),
        ({"judges": {"checklist": "a"}}, "model is for the task checklist, and this build asks keypoints, dialogue"),
        ({"max_dollars": 3}, "max_dollars is for a model, and the judge is the offline one"),
        ({"judges": {"dialogue": {"max_dollars": 3}}}, "give the tasks' judge as well"),
        ({"rows": "none.jsonl"}, "'none.jsonl' is not there"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_is_one_message(cli, given, said):
    cli.captions(["a"])
    save(cli.folder / "build.yaml", **{"rows": "in.jsonl", "output": "out.jsonl", **given})
    code, _, err = cli.here("--config", "build.yaml")
    assert code == 2 and said in err and "Traceback" not in err
    assert sorted(os.listdir(cli.folder)) == ["build.yaml", "in.jsonl"]


def test_layers_of_settings():
    lower = {(): {"model": "a", "timeout": 3}, ("dialogue", "speakers"): {"model": "b", "timeout": 4}}
    upper = {(): {"model": "c"}, ("dialogue",): {"model": "d"}}
    assert judge_options.above(upper, lower) == {
        (): {"model": "c", "timeout": 3}, ("speakers",): {"model": "b", "timeout": 4}, ("dialogue",): {"model": "d"}
    }  # fmt: skip
    assert judge_options.above({("dialogue",): {"timeout": 5}}, {("dialogue",): {"model": "b"}}) == {
        (): {}, ("dialogue",): {"model": "b", "timeout": 5}
    }  # fmt: skip


# --- what to do with what is there ----------------------------------------------------------------------------------


@pytest.fixture
def unfinished(cli, judge):
    """A build that has stopped with one of three rows missing; its rows."""
    source = cli.captions([f"caption {number}" for number in range(3)])
    judge.answers = {("keypoints", "caption 1"): "no JSON"}
    assert cli(source, "out.jsonl", judge=judge)[0] == 1
    judge.answers = {}
    judge.server.requests.clear()
    return source


def test_refuse_stops_where_there_is_anything(cli, judge, unfinished):
    code, _, err = cli(unfinished, "out.jsonl", "--resume", "refuse", judge=judge)
    assert code == 2 and "results of an earlier run" in err and not judge.asked
    assert cli(unfinished, "fresh.jsonl", "--resume", "refuse", judge=judge)[0] == 0
    code, _, err = cli(unfinished, "fresh.jsonl", "--resume", "refuse", judge=judge)
    assert code == 2 and "there already" in err


def test_go_on_takes_what_fits_of_another_build(cli, judge, unfinished, read_rows):
    source = cli.captions(["caption 0", "another", "caption 2"])
    assert cli(source, "out.jsonl", "--resume", "go-on", judge=judge)[0] == 0
    assert {caption for _, caption in judge.asked} == {"another"}
    # Of a finished output, which more rows are added to.
    source = cli.captions(["caption 0", "another", "caption 2", "one more"])
    code, _, err = cli(source, "out.jsonl", judge=judge)
    assert code == 2 and "--resume go-on" in err
    judge.server.requests.clear()
    assert cli(source, "out.jsonl", "--resume", "go-on", judge=judge)[0] == 0
    assert {caption for _, caption in judge.asked} == {"one more"}
    assert [row["id"] for row in read_rows(cli.folder / "out.jsonl")] == [0, 1, 2, 3]


def test_go_on_replaces_no_file_that_it_has_not_written(cli, judge):
    (cli.folder / "out.jsonl").write_text("mine")
    code, _, err = cli(cli.captions(["a"]), "out.jsonl", "--resume", "go-on", judge=judge)
    assert code == 2 and "there already" in err and (cli.folder / "out.jsonl").read_text() == "mine"


def test_restart_asks_all_again(cli, judge, unfinished):
    assert cli(unfinished, "out.jsonl", "--resume", "restart", judge=judge)[0] == 0
    assert len(judge.asked) == 6


# --- dry runs -------------------------------------------------------------------------------------------------------


def state(folder):
    """All that lies in a folder, with contents and times."""
    return {
        str(path): (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else None)
        for path in sorted(folder.rglob("*"))
    }


def table(out):
    """The stages' numbers, by stage and column."""
    lines = [line.split("  ") for line in out.splitlines() if "  " in line]
    header, *rows = [[cell.strip() for cell in line if cell.strip()] for line in lines]
    return {
        row[0]: dict(zip(header[1:] if len(row) == len(header) else header[3:], row[1:], strict=True))
        for row in rows
    }


def test_a_dry_run_counts_what_is_left_asks_nothing_and_writes_nothing(cli, judge, unfinished):
    before = state(cli.folder)
    known = ["--price", "10,100", "--requests-per-minute", 60]
    code, out, err = cli(unfinished, "out.jsonl", "--dry-run", *known, judge=judge)
    assert (code, err) == (0, "") and not judge.asked and state(cli.folder) == before
    row = table(out)["keypoints"]
    assert (row["rows"], row["done"], row["calls"], row["at most"], row["hours"]) == (
        "3",
        "2",
        "2",
        "4",
        "0.00",
    )
    tokens = int(row["tokens in"].replace(",", "")), int(row["tokens out"].replace(",", ""))
    assert 200 < tokens[0] < 2000 and 0 < tokens[1] < 50
    assert float(row["dollars"]) == pytest.approx((tokens[0] * 10 + tokens[1] * 100) / 1e6, abs=0.006)
    # As if it were thrown away, which a real run alone does.
    code, out, _ = cli(unfinished, "out.jsonl", "--dry-run", "--resume", "restart", judge=judge)
    row = table(out)["keypoints"]
    assert (row["done"], row["calls"], row["dollars"], row["hours"]) == ("0", "6", "unknown", "unknown")
    assert state(cli.folder) == before
    code, _, err = cli(unfinished, "out.jsonl", "--dry-run", "--resume", "refuse", judge=judge)
    assert code == 2 and "earlier run" in err and state(cli.folder) == before


def test_a_dry_run_beside_a_build_does_not_disturb_it(cli, start_judge, read_rows, wait_until):
    judge = start_judge()
    judge.server.held_from = 10
    source = cli.captions(f"caption {number}" for number in range(20))
    process = cli.start(source, "out.jsonl", "--concurrency", 2, judge=judge)
    wait_until(lambda: len(judge.asked) >= 10)
    code, out, err = cli(source, "out.jsonl", "--dry-run", judge=judge)
    assert code == 0 and table(out)["keypoints"]["rows"] == "20", err
    judge.server.held_from = float("inf")
    process.communicate(timeout=300)
    assert (
        process.returncode == 0 and len(read_rows(cli.folder / "out.jsonl")) == 20 and len(judge.asked) == 40
    )


CHAIN = {"videos": ["clip.mp4"], "prompt": "p", "ranked": ["a red dog", "a blue dog", "a blue cat"]}
PAIR = {
    "videos": ["clip.mp4"],
    "prompt": "p",
    "caption": "c",
    "response": "one",
    "responses": ["one", "two", "three", "one"],
}


@pytest.mark.parametrize(
    ("kind", "row", "options", "calls", "most"),
    [
        ("keypoints", {"caption": "A red dog runs."}, [], 2, 4),
        ("keypoints", {"caption": "A red dog runs."}, ["--no-dialogue"], 1, 2),
        ("chains", {"caption": "A red dog runs."}, [], 4, 2 * (4 * 3 + 19)),
        ("chains", {"caption": "A red dog runs."}, ["--length", 3, "--types", "colour,object", "--tries", 2], 2, 2 * (2 * 2 + 2)),
        ("chains", {"caption": "A red dog runs."}, ["--method", "unconditioned"], 4, 2 * 4 * 3),
        ("question-chains", CHAIN, [], 2, 2 * 2 * 3),
        ("question-chains", CHAIN, ["--kinds", "yes-no", "--tries", 1], 1, 2),
        ("pairs", PAIR, ["--method", "improve"], 1, 6),
        ("pairs", PAIR, ["--method", "compare"], 6, 12),
        ("pairs", PAIR, ["--method", "claims"], 6, 12),
        ("captions", {"videos": ["clip.mp4"], "captions": ["a dog"]}, [], 1, 6),
    ],
)  # fmt: skip
def test_calls_of_a_row(cli, clip, judge, kind, row, options, calls, most):
    """An answer that cannot be used is asked for once more by the judge itself, besides a build's own tries."""
    clip()
    cli.kind, source = kind, cli.folder / "rows.jsonl"
    source.write_text(json.dumps(row) + "\n")
    before = state(cli.folder)
    output = "out" if kind in ("chains", "question-chains", "pairs") else "out.jsonl"
    words = ["--judge", "judge", "--api-base", judge.server.url, "--price", "0,0"]
    code, out, err = cli.here(source, output, *options, *words, "--dry-run")
    total = table(out)["total"]
    assert (code, err) == (0, "") and not judge.asked and state(cli.folder) == before
    assert (int(total["calls"]), int(total.get("at most", total["calls"]))) == (calls, most)
    assert total["dollars"] == "0.00"


@pytest.mark.parametrize("name", command_line.build_names())
def test_the_papers_builds_are_read_from_the_package(name, tmp_path, monkeypatch, capsys):
    """By their name, from any folder; each of their keys is an option."""
    monkeypatch.chdir(tmp_path)
    text = (command_line.RECIPES / f"{name}.yaml").read_text("utf-8")
    [kind] = set(re.findall(r"vidalign build (\S+)", text))
    for given in (name, f"recipes/{name}.yaml"):
        with pytest.raises(SystemExit) as ended:
            command_line.main(["build", kind, "in", "out", "--config", given, "--print-config"])
        assert ended.value.code == 0
        printed = yaml.safe_load(capsys.readouterr().out)
        for key, value in yaml.safe_load(text).items():
            assert printed[key] == value
    # Every value says whose it is.
    for line in text.splitlines():
        if re.match(r"\s*\w+: \S", line):
            assert re.search(r"# (ours|section|Table|the released code)", line), line
