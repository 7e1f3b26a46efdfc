"""`vidalign build import`: files, media, rows that are left out, the folder that is written."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from vidalign.data.imports.build import build_import
from vidalign.rows import DIALOGUE, BadRows, MediaFolder, validate
from vidalign.stages import Run
from vidalign.stages.errors import PipelineError


def pair(number=0, **change):
    return {
        "id": f"row {number}",
        "conversations": [{"from": "human", "value": "<video>What happens?"}],
        "chosen": {"from": "gpt", "value": "A dog runs."},
        "rejected": {"from": "gpt", "value": "A cat."},
        "videos": ["a.mp4"],
        **change,
    }


def talk(number=0, **change):
    return {
        "id": number,
        "messages": [
            {"role": "user", "content": "<video><image>Hear <audio>."},
            {"role": "assistant", "content": "A dog."},
        ],
        "videos": ["a.mp4"],
        "images": ["a.png"],
        "audios": ["a.wav"],
        **change,
    }


HOUND_PAIR = {"id": "x", "video": "a.mp4", "prompt": "Who?", "answer": "It.", "chosen": "A dog.", "rejected": "A cat.", "chosen_score": 4, "rejected_score": 1}  # fmt: skip
HOUND_CAPTION = {"id": "x", "video": "a", "conversations": [{"from": "human", "value": "<video>\nDescribe."}, {"from": "gpt", "value": "A dog."}]}  # fmt: skip
SHAREGPT4VIDEO = {"video_id": "x", "video_path": "a.mp4", "captions": [{"idx": "-1", "content": "A dog."}]}


@pytest.mark.parametrize("name", ["in.json", "in.jsonl", "in.parquet"])
@pytest.mark.parametrize(
    ("given", "kind", "options"),
    [
        ([pair(0), pair(1)], "preference", {"format": "sharegpt"}),
        ([talk(0), talk(1, images=None, messages=[{"role": "user", "content": "<video><audio>"}, {"role": "assistant", "content": "B"}])], "supervised", {"format": "sharegpt"}),
        ([HOUND_PAIR], "preference", {"format": "llava-hound-pairs"}),
        ([HOUND_CAPTION], "supervised", {"format": "llava-hound-captions", "video_ending": ".mp4"}),
        ([SHAREGPT4VIDEO], "supervised", {"format": "sharegpt4video", "prompt": "Describe."}),
    ],
)  # fmt: skip
def test_every_format_from_every_file(tmp_path, save, read_rows, name, given, kind, options):
    built = build_import(save(given, name), tmp_path / "out", **options)
    assert (built.rows, built.kind, built.left_out) == (len(given), kind, {})
    assert built.media_root == tmp_path
    rows = read_rows(tmp_path / "out" / "train.jsonl")
    if kind == "supervised":
        rows = [{**row, "prompt": row["messages"][:-1], "completion": row["messages"][-1:], DIALOGUE: True} for row in rows]  # fmt: skip
    assert validate(rows, kind, MediaFolder(tmp_path)) == len(given)
    assert all(row["videos"] == ["a.mp4"] for row in rows)


def test_the_card(tmp_path, save):
    rows = [pair(0, source="web"), pair(1, videos=["none.mp4"]), pair(2, margin=1, source=None)]
    built = build_import(save(rows), tmp_path / "out", format="sharegpt", missing_media="skip")
    assert dict(built.dropped) == {"source": 1, "margin": 1}
    assert built.further() == [
        f"left out (media not there): 1; the first is row 1: videos: {str(tmp_path / 'none.mp4')!r} does not exist (relative "
        "paths start at media_root)",
        "not carried over: source (1 rows)",
        "not carried over: margin (1 rows)",
    ]
    card = (tmp_path / "out" / "README.md").read_text("utf-8")
    head = yaml.safe_load(card.split("---\n")[1])
    assert head["tags"] == ["vidalign", "preference"] and "language" not in head
    for line in (
        "| command | `vidalign build import` |",
        "| format | `sharegpt` |",
        "| rows | `in.jsonl` |",
        "| written | 2 |",
        "| left out (media not there) | 1 |",
        "| source | 1 |",
        "paths start from `..`",
    ):
        assert line in card
    assert str(tmp_path) not in card and "judge" not in card


def test_paths_start_from_the_output_that_holds_the_media(tmp_path, save, read_rows):
    source = save([talk()])
    home = tmp_path / "home"
    (home / "media").mkdir(parents=True)
    for name in ("a.mp4", "a.png", "a.wav"):
        (tmp_path / name).rename(home / "media" / name)
    built = build_import(source, home, format="sharegpt", media_root=home / "media")
    assert built.media_root is None
    [row] = read_rows(home / "train.jsonl")
    assert [row[name] for name in ("videos", "images", "audios")] == [
        ["media/a.mp4"],
        ["media/a.png"],
        ["media/a.wav"],
    ]


def test_all_bad_rows_are_counted_and_the_first_named(tmp_path, save):
    rows = [pair(number, rejected="A dog runs." if number % 2 else "A cat.") for number in range(14)]
    rows[4]["videos"] = ["gone.mp4"]
    source = save(rows)
    with pytest.raises(BadRows) as error:
        build_import(source, tmp_path / "out", format="sharegpt")
    first, *others = str(error.value).splitlines()
    assert first == f"{source}: 7 of 14 rows cannot be imported"
    assert others[0].startswith("  row 1: rejected: equal") and others[4].startswith("  row 9: ")
    assert others[5] == "  ... and 2 more" and "--max-bad" in others[6]
    assert others[7] == f"{source}: the media of 1 of 14 rows are not there"
    assert others[8].startswith("  row 4: videos: ") and "--missing-media skip" in others[9]
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("share", "passes"), [(0.5, True), (0.49, False)])
def test_a_share_of_bad_rows_may_be_left_out(tmp_path, save, read_rows, share, passes):
    source = save([pair(0), pair(1, kto_tag=True), pair(2), pair(3, id="row 0")])
    if not passes:
        with pytest.raises(BadRows, match="2 of 4 rows cannot be imported"):
            build_import(source, tmp_path / "out", format="sharegpt", max_bad=share)
        return
    built = build_import(source, tmp_path / "out", format="sharegpt", max_bad=share)
    [(count, first)] = built.left_out.values()
    assert count == 2 and first.startswith("row 1: kto_tag: a label of KTO")
    assert [row["id"] for row in read_rows(tmp_path / "out" / "train.jsonl")] == ["row 0", "row 2"]


def test_bad_rows_do_not_count_as_missing_media_nor_the_other_way_round(tmp_path, save):
    source = save([pair(0), pair(1, videos=["gone.mp4"])])
    with pytest.raises(BadRows, match="media of 1 of 2 rows are not there"):
        build_import(source, tmp_path / "out", format="sharegpt", max_bad=1.0)
    source = save([pair(0), pair(1, rejected=" ")])
    with pytest.raises(BadRows, match="1 of 2 rows cannot be imported"):
        build_import(source, tmp_path / "out", format="sharegpt", missing_media="skip")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"videos": ["https://x.org/a.mp4"]}, "videos: 'https://x.org/a.mp4' is a URL"),
        ({"videos": ["../a.mp4"]}, "videos: '../a.mp4' lies outside"),
        ({"videos": ["frames"]}, "videos: 'frames' is a folder, and a video here is a file"),
        ({"id": "row 0"}, "id: 'row 0' is that of row 0 as well"),
    ],
)
def test_a_row_that_no_file_can_be_of(tmp_path, save, change, reason):
    (tmp_path / "frames").mkdir()
    with pytest.raises(BadRows) as error:
        build_import(
            save([pair(0), pair(1, **change)]), tmp_path / "out", format="sharegpt", missing_media="skip"
        )
    assert f"row 1: {reason}" in str(error.value)


def test_an_empty_file_is_one_that_is_not_there(tmp_path, save):
    source = save([pair(0), pair(1, videos=["b.mp4"])])
    (tmp_path / "b.mp4").write_bytes(b"")
    with pytest.raises(BadRows, match="is empty"):
        build_import(source, tmp_path / "out", format="sharegpt")
    assert build_import(source, tmp_path / "out", format="sharegpt", missing_media="skip").rows == 1


def test_frames_made_into_a_video_are_found_by_their_ending(tmp_path, save, read_rows):
    source = save([{**HOUND_PAIR, "video": "v_1"}])
    (tmp_path / "v_1").mkdir()
    with pytest.raises(BadRows) as error:
        build_import(source, tmp_path / "out", format="llava-hound-pairs")
    assert "ffmpeg -framerate 2 -i v_1/c01_%04d.jpeg -pix_fmt yuv420p v_1.mp4" in str(error.value)
    (tmp_path / "v_1.mp4").write_bytes(b"not looked into")
    build_import(source, tmp_path / "out", format="llava-hound-pairs", video_ending=".mp4")
    assert read_rows(tmp_path / "out" / "train.jsonl")[0]["videos"] == ["v_1.mp4"]


def test_absolute_paths_lead_where_they_may(tmp_path, save, read_rows):
    source = save([pair(0, videos=[str(tmp_path / "a.mp4")])])
    (tmp_path / "elsewhere").mkdir()
    with pytest.raises(BadRows, match="lies outside"):
        build_import(source, tmp_path / "out", format="sharegpt", media_root=tmp_path / "elsewhere")
    build_import(
        source, tmp_path / "out", format="sharegpt", media_root=tmp_path / "elsewhere", media_allow=[str(tmp_path)]
    )  # fmt: skip
    assert read_rows(tmp_path / "out" / "train.jsonl")[0]["videos"] == [str(tmp_path / "a.mp4")]


@pytest.mark.parametrize(
    ("rows", "options", "reason"),
    [
        ([], {}, "no rows"),
        ([pair(), talk()], {}, "1 preference and 1 supervised rows"),
        ([pair()], {"format": "alpaca"}, "known are sharegpt, llava-hound-pairs"),
        ([pair()], {"prompt": "Describe."}, "rows of sharegpt have their own"),
        ([pair()], {"video_ending": ".mp4"}, "rows of sharegpt name files"),
        (
            [SHAREGPT4VIDEO],
            {"format": "sharegpt4video"},
            "prompt: captions of sharegpt4video answer no question",
        ),
        ([SHAREGPT4VIDEO], {"format": "sharegpt4video", "prompt": " "}, "give a text without tags"),
        ([HOUND_PAIR], {"format": "llava-hound-pairs", "video_ending": "mp4"}, "give one such as .mp4"),
        ([pair()], {"max_bad": 1.5}, "0 ≤ max_bad ≤ 1"),
        ([pair()], {"missing_media": "drop"}, "known are error, skip"),
    ],
)
def test_what_cannot_be_done(tmp_path, save, rows, options, reason):
    with pytest.raises(PipelineError) as error:
        build_import(save(rows), tmp_path / "out", **{"format": "sharegpt", **options})
    assert reason in str(error.value)


def test_no_row_is_left(tmp_path, save):
    with pytest.raises(BadRows, match="none of 1 rows is left; row 0: videos: "):
        build_import(
            save([pair(videos=["none.mp4"])]), tmp_path / "out", format="sharegpt", missing_media="skip"
        )


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("in.json", '{"a": 1}\n{"a": 2}\n', "if it has one object a line, end its name in .jsonl"),
        ("in.json", '{"a": [1]}', "dict instead of an array of rows"),
        ("in.json", "[[1]]", "row 0 is list instead of an object"),
        ("in.csv", "a,b", "known are"),
        ("none.json", None, "is not there"),
    ],
)
def test_files_that_are_no_data_sets(tmp_path, name, content, reason):
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(PipelineError) as error:
        build_import(tmp_path / name, tmp_path / "out", format="sharegpt")
    assert reason in str(error.value)


def test_a_dry_run_looks_at_every_row_and_writes_nothing(tmp_path, save):
    source = save([pair(0), pair(1)])
    before = sorted(os.listdir(tmp_path))
    built = build_import(source, tmp_path / "out", format="sharegpt", run=Run(dry_run=True))
    assert built.written("out") == "2 preference rows would be written to out"
    with pytest.raises(BadRows):
        build_import(save([pair(0), pair(0)]), tmp_path / "out", format="sharegpt", run=Run(dry_run=True))
    assert sorted(os.listdir(tmp_path)) == before


def test_an_output_that_is_there_is_not_overwritten(tmp_path, save, read_rows):
    build_import(save([pair(0)]), tmp_path / "out", format="sharegpt")
    source = save([pair(0), pair(1)])
    with pytest.raises(PipelineError, match="is there already"):
        build_import(source, tmp_path / "out", format="sharegpt")
    build_import(source, tmp_path / "out", format="sharegpt", run=Run(resume="restart"))
    assert len(read_rows(tmp_path / "out" / "train.jsonl")) == 2
    assert sorted(os.listdir(tmp_path / "out")) == ["README.md", "stages", "train.jsonl"]


def test_a_write_that_fails_leaves_nothing(tmp_path, save, monkeypatch):
    source = save([pair(0)])

    def full(path, rows):
        raise OSError("no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("vidalign.data.imports.build.write_lines", full)
        with pytest.raises(OSError, match="no space"):
            build_import(source, tmp_path / "out", format="sharegpt")
    assert not (tmp_path / "out").exists()
    assert build_import(source, tmp_path / "out", format="sharegpt").rows == 1


def test_a_file_whose_late_rows_have_more_is_read(tmp_path, save):
    """`datasets` takes the types from the head of a file: here more than it looks at comes before media, scores and calls."""
    from datasets import load_dataset

    plain = [{"from": "human", "value": "Describe."}, {"from": "gpt", "value": "many words " * 2000}]
    call = [plain[0], {"from": "function_call", "value": '{"name": "look", "arguments": {"at": "dog"}}'}]
    rows = [{"conversations": plain}] * 700
    rows += [
        talk(1),
        {"conversations": call, "tools": "[{}]"},
        {"conversations": plain, "system": "Be brief."},
    ]
    build_import(save(rows), tmp_path / "out", format="sharegpt")
    assert (tmp_path / "out" / "train.jsonl").stat().st_size > 15e6
    read = load_dataset(str(tmp_path / "out"), split="train", cache_dir=str(tmp_path / "cache"))
    assert len(read) == 703
    assert [row["id"] for row in read if row["images"]] == ["1"]
    [called] = [row["messages"][1] for row in read if row["tools"]]
    assert called["tool_calls"][0]["function"] == {"name": "look", "arguments": {"at": "dog"}}


def test_the_order_stays_but_for_the_first_row_with_a_column(tmp_path, save, read_rows):
    text = {"videos": None, "conversations": [{"from": "human", "value": "What?"}]}
    rows = [pair(0, **text), pair(1, **text), pair(2), pair(3), pair(4, chosen_score=2, rejected_score=1)]
    build_import(save(rows), tmp_path / "out", format="sharegpt")
    ids = [row["id"] for row in read_rows(tmp_path / "out" / "train.jsonl")]
    assert ids == ["row 0", "row 2", "row 4", "row 1", "row 3"]


def test_a_file_that_is_changed_meanwhile_gives_nothing(tmp_path, save, monkeypatch):
    from vidalign.stages.tables import write_lines

    source = save([pair(0), pair(1)])

    def write(path, rows):
        source.write_text(json.dumps(pair(0, rejected=" ")) + "\n")
        write_lines(path, rows)

    monkeypatch.setattr("vidalign.data.imports.build.write_lines", write)
    with pytest.raises(PipelineError, match="was written to during the build"):
        build_import(source, tmp_path / "out", format="sharegpt")
    assert not (tmp_path / "out").exists()


# --- the command ----------------------------------------------------------------------------------------------------


@pytest.fixture
def cli(cli):
    cli.kind = "import"
    return cli


def test_the_command(cli, save):
    save([pair(0), pair(1)])
    code, out, err = cli.here("in.jsonl", "out", "--format", "sharegpt")
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        "2 preference rows written to out",
        f"the videos lie outside out: train with --media_root {cli.folder}",
    ]


def test_bad_rows_end_the_command_with_2(cli, save):
    save([pair(0), pair(1, label=True)])
    code, out, err = cli.here("in.jsonl", "out", "--format", "sharegpt")
    assert (code, out) == (2, "")
    assert err.startswith("vidalign: in.jsonl: 1 of 2 rows cannot be imported\n  row 1: label: ")


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ([], "the following arguments are required: --format"),
        (["--format", "alpaca"], "sharegpt4video"),
        (["--format", "sharegpt", "--judge", "x"], "unrecognized arguments: --judge"),
        (["--format", "sharegpt", "--allow-missing"], "unrecognized arguments: --allow-missing"),
    ],
)
def test_options_that_it_does_not_have(cli, save, words, reason):
    save([pair(0)])
    code, _, err = cli.here("in.jsonl", "out", *words)
    assert code == 2 and reason in err
    assert not (cli.folder / "out").exists()


def test_a_file_of_options(cli, save):
    save([pair(0)])
    code, printed, _ = cli.here(
        "in.jsonl", "out", "--format", "sharegpt", "--max-bad", "0.1", "--print-config"
    )
    assert code == 0 and not (cli.folder / "out").exists()
    given = yaml.safe_load(printed)
    assert given["max_bad"] == 0.1 and not {"judge", "judges", "allow_missing", "window"} & set(given)
    (cli.folder / "build.yaml").write_text(printed)
    assert cli.here("--config", "build.yaml")[0] == 0
    (cli.folder / "judge.yaml").write_text("judge: x\n")
    code, _, err = cli.here("--config", "build.yaml", "--config", "judge.yaml")
    assert code == 2 and "judge.yaml: unknown key 'judge'" in err


def test_of_two_processes_one_writes(tmp_path, save, read_rows):
    source = save([pair(number) for number in range(4)])
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", "--master_port", "0", "--rdzv_backend", "c10d", "--rdzv_endpoint", "localhost:0"]  # fmt: skip
    command = [*launch, "-m", "vidalign.data", "import", str(source), "out", "--format", "sharegpt"]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3]), "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("4 preference rows written") == 1
    assert len(read_rows(tmp_path / "out" / "train.jsonl")) == 4
    assert json.loads((tmp_path / "out" / "train.jsonl").read_bytes().splitlines()[0])["id"] == "row 0"
