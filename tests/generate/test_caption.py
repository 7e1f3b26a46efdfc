"""`vidalign caption`: rows in their order, nothing asked twice, one process or two."""

import json
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from vidalign.cli import main
from vidalign.generate import Sample, Sampling, caption_rows
from vidalign.rows import BadRows, MediaFolder
from vidalign.stages import MissingRows, PipelineError, Processes, Run, Summary

ROOT = Path(__file__).resolve().parents[2]


class Scripted:
    """A sampler that says what it was asked. fails: videos that it cannot read."""

    def __init__(self, fails=()):
        self.fails, self.asked = fails, []
        self.settings = {"model": "scripted"}

    def samples(self, rows, n=1, sampling=None):
        self.asked += [(row["videos"][0], row["prompt"][0]["content"]) for row in rows]
        return [
            [Sample(None, reason="video: broken")] * n
            if row["videos"][0] in self.fails
            else [
                Sample(f"{row['videos'][0]} {row['prompt'][0]['content']} {i}", 3, "stop") for i in range(n)
            ]
            for row in rows
        ]


@pytest.fixture
def videos(tmp_path):
    folder = tmp_path / "videos"
    folder.mkdir()
    for name in "abc":
        (folder / f"{name}.mp4").write_bytes(name.encode())
    return folder


def read(path):
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


def test_a_folder_of_videos_and_two_prompts(videos, tmp_path):
    sampler = Scripted()
    done = caption_rows(sampler, videos, tmp_path / "out.jsonl", prompts=["one", "two"])
    assert (done.rows, done.missing) == (6, {})
    rows = read(tmp_path / "out.jsonl")
    assert [(row["videos"], row["prompt"]) for row in rows] == [
        ([f"videos/{name}.mp4"], prompt) for name in "abc" for prompt in ("one", "two")
    ]
    assert rows[3] == {
        "videos": ["videos/b.mp4"], "prompt": "two", "caption": "b.mp4 two 0", "tokens": 3, "finish": "stop"
    }  # fmt: skip


def test_rows_keep_their_columns_and_their_own_prompt(videos, tmp_path):
    rows = [{"videos": ["a.mp4"], "id": 7, "prompt": "mine"}, {"videos": ["b.mp4"], "id": 8}]
    source = videos / "rows.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in rows))
    caption_rows(Scripted(), source, tmp_path / "out.jsonl", n=2, sampling=Sampling(temperature=1.0))
    one, two = read(tmp_path / "out.jsonl")
    assert one["id"] == 7 and one["prompt"] == "mine" and one["captions"] == ["a.mp4 mine 0", "a.mp4 mine 1"]
    assert two["prompt"] == "Describe the video in detail." and two["tokens"] == [3, 3]


def test_what_failed_is_named_and_tried_again_and_a_replaced_video_is_captioned_anew(videos, tmp_path):
    out = tmp_path / "out.jsonl"
    with pytest.raises(MissingRows, match="row 1: video: broken"):
        caption_rows(Scripted(fails={"b.mp4"}), videos, out)
    assert not out.exists()
    sampler = Scripted()
    caption_rows(sampler, videos, out)
    assert [video for video, _ in sampler.asked] == ["b.mp4"]
    with pytest.raises(PipelineError, match="there already"):
        caption_rows(Scripted(), videos, out)
    out.unlink()
    (videos / "c.mp4").write_bytes(b"another")
    sampler = Scripted()
    caption_rows(sampler, videos, out)
    assert [video for video, _ in sampler.asked] == ["c.mp4"]


def test_other_sampling_does_not_go_on_with_what_was_made(videos, tmp_path):
    out = tmp_path / "out.jsonl"
    drawn = {"n": 2, "sampling": Sampling(temperature=1.0)}
    with pytest.raises(MissingRows):
        caption_rows(Scripted(fails={"b.mp4"}), videos, out, **drawn)
    for said, other in (
        ("n was 2 and is 3", {**drawn, "n": 3}),
        ("temperature was 1.0 and is 0.5", {"n": 2, "sampling": Sampling(temperature=0.5)}),
    ):
        with pytest.raises(PipelineError, match=said):
            caption_rows(Scripted(), videos, out, **other)
    assert caption_rows(Scripted(), videos, out, **drawn).rows == 3


def test_videos_of_a_folder_are_files_by_their_ending_in_either_case(videos, tmp_path):
    (videos / "below").mkdir()
    (videos / "below" / "D.MP4").write_bytes(b"d")
    (videos / "e.mp4").mkdir()
    (videos / "notes.txt").write_text("")
    caption_rows(Scripted(), videos, tmp_path / "out.jsonl")
    found = [row["videos"][0] for row in read(tmp_path / "out.jsonl")]
    assert found == [f"videos/{name}" for name in ("a.mp4", "b.mp4", "below/D.MP4", "c.mp4")]


@pytest.mark.parametrize("n", [1, 2])
def test_log_probs_are_written_where_a_sampler_gives_them(videos, tmp_path, n):
    class Scoring(Scripted):
        def samples(self, rows, n=1, sampling=None):
            found = super().samples(rows, n, sampling)
            return [[replace(sample, logp=-1.5) for sample in own] for own in found]

    caption_rows(Scoring(), videos, tmp_path / "out.jsonl", n=n, sampling=Sampling(temperature=1.0))
    [first, *_] = read(tmp_path / "out.jsonl")
    assert first["logp" if n == 1 else "logps"] == (-1.5 if n == 1 else [-1.5, -1.5])


def test_missing_rows_may_be_left_out(videos, tmp_path):
    done = caption_rows(
        Scripted(fails={"b.mp4"}), videos, tmp_path / "out.jsonl", run=Run(allow_missing=True)
    )
    assert done.rows == 2 and done.missing == {1: "video: broken"}
    assert [row["videos"] for row in read(tmp_path / "out.jsonl")] == [["videos/a.mp4"], ["videos/c.mp4"]]


@dataclass(frozen=True)
class Threads(Processes):
    barrier: threading.Barrier | None = None

    def wait(self):
        if self.barrier is not None:
            self.barrier.wait()


def together(videos, out, samplers, **options):
    """Each sampler in a thread of its own, as the processes of a launch."""
    barrier = threading.Barrier(len(samplers), timeout=60)
    with ThreadPoolExecutor(len(samplers)) as pool:
        runs = []
        for rank, sampler in enumerate(samplers):
            run = Run(processes=Threads(rank, len(samplers), barrier), **options)
            runs.append(pool.submit(caption_rows, sampler, videos, out, run=run))
        return [run.result() for run in runs]


def test_ranks_share_the_rows_and_the_first_writes(videos, tmp_path):
    out, samplers = tmp_path / "out.jsonl", [Scripted(), Scripted()]
    done, nothing = together(videos, out, samplers)
    assert nothing == Summary() and done.rows == 3 and len(read(out)) == 3
    assert [len(sampler.asked) for sampler in samplers] == [2, 1]


def test_ranks_that_restart_all_begin_anew_and_none_loses_what_another_made(videos, tmp_path):
    out = tmp_path / "out.jsonl"
    together(videos, out, [Scripted() for _ in range(3)])
    samplers = [Scripted(), Scripted()]
    done, _ = together(videos, out, samplers, resume="restart")
    assert done.rows == 3 and sum(len(sampler.asked) for sampler in samplers) == 3
    # With another model, when the first output is gone: every rank knows that the old one was finished.
    out.unlink()
    for sampler in samplers:
        sampler.settings = {"model": "another"}
    done, _ = together(videos, out, samplers)
    assert done.rows == 3 and sum(len(sampler.asked) for sampler in samplers) == 6


def test_the_model_is_loaded_when_the_rows_have_been_looked_at(videos, tmp_path):
    def load():
        raise AssertionError("a large model takes minutes")

    with pytest.raises(BadRows):
        caption_rows(load, [{"videos": ["no.mp4"]}], tmp_path / "a.jsonl", folder=MediaFolder(videos))
    with pytest.raises(PipelineError, match="does not exist"):
        caption_rows(load, videos, tmp_path / "no" / "a.jsonl")
    with pytest.raises(ValueError, match="n=2 at temperature=0"):
        caption_rows(load, videos, tmp_path / "a.jsonl", n=2)
    sampler = Scripted()
    assert caption_rows(lambda: sampler, videos, tmp_path / "a.jsonl").rows == 3 and len(sampler.asked) == 3


def test_captions_that_are_there_are_kept_unless_told(videos, tmp_path):
    rows = [{"videos": ["a.mp4"], "caption": "by a person"}]
    given = {"folder": MediaFolder(videos)}
    with pytest.raises(PipelineError, match="has caption already"):
        caption_rows(Scripted(), rows, tmp_path / "out.jsonl", **given)
    caption_rows(Scripted(), rows, tmp_path / "out.jsonl", overwrite=True, **given)
    assert read(tmp_path / "out.jsonl")[0]["caption"].startswith("a.mp4")


@pytest.mark.parametrize("inside", [True, False])
def test_written_paths_are_found_from_the_output(videos, tmp_path, inside):
    out = (tmp_path if inside else tmp_path / "elsewhere") / "out.jsonl"
    out.parent.mkdir(exist_ok=True)
    done = caption_rows(Scripted(), videos, out)
    root = out.parent if done.media_root is None else done.media_root
    assert (done.media_root is None) == inside
    for row in read(out):
        assert (Path(root) / row["videos"][0]).is_file()


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"videos": []}, "videos: missing"),
        ({"videos": ["nowhere.mp4"]}, "does not exist"),
        ({"videos": ["a.mp4"], "images": ["a.png"]}, "images"),
    ],
)
def test_rows_that_cannot_be(videos, tmp_path, row, said):
    with pytest.raises(BadRows, match=said):
        caption_rows(Scripted(), [row], tmp_path / "out.jsonl", folder=MediaFolder(videos))


@pytest.fixture
def clips(make_video, tmp_path):
    """A folder of its own: that of all tests holds what others have put there."""
    folder = tmp_path / "clips"
    folder.mkdir()
    for number in range(6):
        make_video(folder / f"{number}.mp4", frames=8 + 4 * (number % 2), seed=number)
    return folder


def test_the_command(saved_model, clips, tmp_path, capsys):
    out = tmp_path / "out.jsonl"
    options = ["--prompt", "describe", "--max-new-tokens", "4", "--device", "cpu", "--dtype", "float32"]
    assert main(["caption", saved_model("qwen2_5_vl"), str(clips), str(out), *options]) == 0
    assert "6 rows written" in capsys.readouterr().out
    rows = read(out)
    assert [row["videos"] for row in rows] == [[f"clips/{number}.mp4"] for number in range(6)]
    assert all(row["tokens"] <= 4 and row["finish"] in ("stop", "length") for row in rows)
    assert main(["caption", saved_model("qwen2_5_vl"), str(clips), str(out), *options]) == 2
    assert "there already" in capsys.readouterr().err
    assert main(["caption", str(tmp_path / "nowhere"), str(clips), str(tmp_path / "2.jsonl")]) == 2


def test_a_dry_run_loads_no_weights_and_knows_what_is_done(saved_model, clips, tmp_path, capsys, monkeypatch):
    model, out, config = saved_model("qwen2_5_vl"), tmp_path / "out.jsonl", tmp_path / "caption.yaml"
    config.write_text(
        f"model: {model}\nrows: {clips}\noutput: {out}\nprompt: [describe, listen]\nmax_new_tokens: 4\n"
        "device: cpu\ndtype: float32\nvideo-num-frames: 4\n"
    )

    def loaded(*args, **options):
        raise AssertionError("a large model takes minutes")

    def rows_done_calls():
        assert main(["caption", "--config", str(config), "--dry-run"]) == 0
        [line] = [line for line in capsys.readouterr().out.splitlines() if line.startswith("caption")]
        return line.split()[1:4]

    with monkeypatch.context() as patch:
        patch.setattr("vidalign.generate.local.LocalModel.load", loaded)
        assert rows_done_calls() == ["6", "0", "12"]
        assert sorted(path.name for path in tmp_path.iterdir()) == ["caption.yaml", "clips"]
    assert main(["caption", "--config", str(config)]) == 0
    assert "12 rows written" in capsys.readouterr().out
    out.unlink()
    with monkeypatch.context() as patch:
        # Nor is it loaded where there is nothing to do, or it is refused.
        patch.setattr("vidalign.generate.local.LocalModel.load", loaded)
        assert rows_done_calls() == ["6", "6", "0"]
        assert main(["caption", "--config", str(config), "--resume", "refuse"]) == 2
        assert "results of an earlier run" in capsys.readouterr().err
        assert main(["caption", "--config", str(config)]) == 0
        assert len(read(out)) == 12
        out.unlink()
        (clips / "0.mp4").write_bytes((clips / "1.mp4").read_bytes())
        assert rows_done_calls() == ["6", "5", "2"]  # another video under this name


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["--max-new-token", "4"],
            "unrecognized arguments: --max-new-token 4; did you mean --max-new-tokens?",
        ),
        (["--n", "x"], "--n: 'x' is not a whole number"),
        (["--top-p", "0"], "top_p=0.0"),
        (["--window", "3"], "unrecognized arguments: --window 3"),
        (["--config", "no.yaml"], "no.yaml: it cannot be read"),
    ],
)
def test_what_cannot_be_is_one_message(videos, tmp_path, capsys, words, said):
    try:
        code = main(["caption", str(tmp_path / "model"), str(videos), str(tmp_path / "out.jsonl"), *words])
    except SystemExit as stop:
        code = stop.code
    err = capsys.readouterr().err
    assert code == 2 and said in err and len(err.splitlines()) == 1


def test_two_processes_write_what_one_does(saved_model, clips, tmp_path):
    outs = [tmp_path / "1.jsonl", tmp_path / "2.jsonl"]
    given = ["--prompt", "describe", "--max-new-tokens", "4", "--device", "cpu", "--dtype", "float32"]
    one, two = ([saved_model("qwen2_5_vl"), str(clips), str(out), *given] for out in outs)
    assert main(["caption", *one]) == 0
    config = str(ROOT / "recipes" / "accelerate" / "cpu.yaml")
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--config_file", config]
    launch += ["--num_processes", "2", "--main_process_port", "0", "-m", "vidalign.generate", *two]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(launch, cwd=ROOT, env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    written = [read(out) for out in outs]
    for processes, out in enumerate(outs, 1):
        assert len(list(Path(f"{out}.stages").glob("caption.*.jsonl"))) == processes
    assert written[0] == written[1] and len(written[0]) == 6
