"""Pairs by aspect: a model over HTTP describes, a judge over HTTP states principles and scores."""

import json
from types import SimpleNamespace

import pytest

from vidalign.cli import main
from vidalign.data.aspect_pairs import build_aspect_pairs
from vidalign.generate.aspects import ASPECTS
from vidalign.generate.options import ModelOptions
from vidalign.rows import BadRows, MediaFolder, validate
from vidalign.stages import Run
from vidalign.stages.errors import MissingRows, PipelineError
from vidalign.stages.folder import CARD, ROWS

LONG = "Plain words on a video."
SAID = {"plain": LONG, "temporal": "First a dog runs, then it sits.", "spatial": "A dog left of a tree."}


def kind_of(body):
    asked = " ".join(part.get("text", "") for part in body["messages"][-1]["content"])
    return next((name for name, aspect in ASPECTS.items() if aspect.prompt in asked), "plain")


@pytest.fixture
def captioner(judge_server, tmp_path, monkeypatch):
    """A model on a server. `says`: what it says, by the aspect that it is asked for."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))

    one = SimpleNamespace(says=dict(SAID))
    one.server = judge_server.JudgeServer(lambda number, body: one.says[kind_of(body)]).start()
    one.options = ModelOptions(server=one.server.url, server_sees=("video",))
    yield one
    one.server.stop()


POINTS = {SAID["plain"]: 5, SAID["temporal"]: 8, SAID["spatial"]: 5}


def judged(points=POINTS):
    return {
        "principles": lambda data: {"principles": ["It must name the dog.", "It must name the dog."]},
        "scores": lambda data: {
            "scores": [
                {"index": row["index"], "reason": f"of {row['text'][:5]}", "score": points[row["text"]]}
                for row in reversed(data["captions"])
            ]
        },
    }


@pytest.fixture
def videos(tmp_path, make_video):
    folder = tmp_path / "videos"
    folder.mkdir()
    for number, name in enumerate(("a b", "ü'\"")):
        make_video(folder / f"{name}.mp4", seed=number)
    return folder


def written(folder):
    return [json.loads(line) for line in (folder / ROWS).read_text("utf-8").splitlines()]


def said(role, text):
    return [{"role": role, "content": text}]


def test_pairs_have_the_plain_prompt_and_the_better_aspects_caption(tmp_path, videos, captioner, scripted):
    script = scripted(judged())
    judge = script.judge(sees=("video",))
    built = build_aspect_pairs(
        videos, tmp_path / "out", judge, model="captioner", prompt="What happens?", options=captioner.options
    )
    assert (built.rows, dict(built.left_out)) == (2, {"gap_too_small": 2})
    assert dict(built.counts) == {"gap +3": 2, "gap +0": 2}
    assert built.media_root == videos
    rows = written(tmp_path / "out")
    assert rows[0] == {
        "videos": ["a b.mp4"],
        "prompt": said("user", "What happens?"),
        "chosen": said("assistant", SAID["temporal"]),
        "rejected": said("assistant", SAID["plain"]),
        "aspect": "temporal",
        "chosen_score": 8.0,
        "rejected_score": 5.0,
        "explanation": "chosen: of First\nrejected: of Plain",
    }
    validate(rows, "preference", MediaFolder(videos))
    # Three prompts a video; principles once a video and aspect, scores once a pair, each with the file.
    assert len(captioner.server.requests) == 6
    tasks = [task for task, _ in script.asked]
    assert (tasks.count("principles"), tasks.count("scores")) == (4, 4)
    for request in script.server.requests:
        assert request.body["messages"][-1]["content"][0]["type"] == "video_url"
    focus = {data["focus"] for task, data in script.asked if task == "principles"}
    assert focus == {aspect.focus for aspect in ASPECTS.values()}
    assert all(
        data["principles"] == ["It must name the dog."] for task, data in script.asked if task == "scores"
    )
    card = (tmp_path / "out" / CARD).read_text("utf-8")
    assert "gap +3 | 2" in card and "gap_too_small | 2" in card and "captioner" in card


@pytest.mark.parametrize(("gap", "rows"), [(0, 1), (2, 1), (3, 0), (9, 0)])
def test_the_gap_must_be_larger_than_the_threshold(tmp_path, videos, captioner, scripted, gap, rows):
    given = [{"videos": ["a b.mp4"]}]
    call = lambda: build_aspect_pairs(  # noqa: E731
        given,
        tmp_path / "out",
        scripted(judged()).judge(sees=("video",)),
        model="captioner",
        aspect=["temporal"],
        min_gap=gap,
        media_root=videos,
        options=captioner.options,
    )
    if rows:
        assert call().rows == rows
    else:
        with pytest.raises(MissingRows, match="gap_too_small 1"):
            call()


def test_neither_caption_has_a_place_of_its_own(tmp_path, make_video, captioner, scripted):
    """Which one the judge sees first goes by the words."""
    for number in range(12):
        make_video(tmp_path / f"{number}.mp4", seed=number)
    captioner.says["temporal"] = "later"

    class Numbered(dict):
        def __getitem__(self, kind):
            return f"{kind} {len(captioner.server.requests)}"

    captioner.says = Numbered()
    first = []

    def scores(data):
        first.append(data["captions"][0]["text"].split()[0])
        points = {"plain": 3, "temporal": 7}
        return {
            "scores": [
                {"index": row["index"], "reason": "", "score": points[row["text"].split()[0]]}
                for row in data["captions"]
            ]
        }

    script = scripted({**judged(), "scores": scores})
    built = build_aspect_pairs(
        [{"videos": [f"{number}.mp4"]} for number in range(12)],
        tmp_path / "out",
        script.judge(sees=("video",)),
        model="captioner",
        aspect=["temporal"],
        media_root=tmp_path,
        options=captioner.options,
    )
    assert built.rows == 12 and {
        row["chosen"][0]["content"].split()[0] for row in written(tmp_path / "out")
    } == {"temporal"}
    assert 0 < first.count("plain") < 12


@pytest.mark.parametrize(
    ("says", "settings", "reason"),
    [
        ({"temporal": SAID["plain"].upper()}, {}, "equal"),
        ({"temporal": "One two three four."}, {"max_words": 3}, "too_long"),
    ],
)
def test_captions_that_are_no_pair_are_not_scored(
    tmp_path, videos, captioner, scripted, says, settings, reason
):
    captioner.says.update(says)
    script = scripted(judged())
    with pytest.raises(MissingRows, match=f"no row came out of 2 .*{reason} 2"):
        build_aspect_pairs(
            videos,
            tmp_path / "out",
            script.judge(sees=("video",)),
            model="captioner",
            aspect="temporal",
            options=captioner.options,
            **settings,
        )
    assert not script.asked


def test_without_scores_every_pair_that_differs_is_kept_and_no_judge_asked(tmp_path, videos, captioner):
    built = build_aspect_pairs(
        videos, tmp_path / "out", model="captioner", scoring=False, options=captioner.options
    )
    assert built.rows == 4
    assert {row["aspect"] for row in written(tmp_path / "out")} == {"temporal", "spatial"}
    assert "chosen_score" not in written(tmp_path / "out")[0]


@pytest.mark.parametrize(
    "bad",
    [
        lambda data: {"scores": [{"index": 1, "reason": "", "score": 5}]},
        lambda data: {"scores": [{"index": i, "reason": "", "score": 11} for i in (1, 2)]},
        lambda data: {"scores": [{"index": i, "reason": "", "score": "5"} for i in (1, 2)]},
        lambda data: {"scores": [{"index": 1, "reason": "", "score": 5}] * 2},
    ],
)
def test_captions_that_could_not_be_scored_are_no_pair_and_are_asked_again(
    tmp_path, videos, captioner, scripted, bad
):
    script = scripted({**judged(), "scores": bad})
    given = {"model": "captioner", "aspect": ["temporal"], "options": captioner.options}
    with pytest.raises(MissingRows, match="scores: "):
        build_aspect_pairs(
            videos,
            tmp_path / "out",
            script.judge(sees=("video",), cache_dir=str(tmp_path / "cache")),
            **given,
        )
    mended = scripted(judged())
    assert (
        build_aspect_pairs(
            videos,
            tmp_path / "out",
            mended.judge(sees=("video",), cache_dir=str(tmp_path / "cache")),
            **given,
        ).rows
        == 2
    )
    assert len(captioner.server.requests) == 4, "captions are kept"
    assert {task for task, _ in mended.asked} == {"scores"}, "and so are principles"


def test_a_judge_that_sees_no_video_is_refused_before_a_caption(tmp_path, videos, captioner, scripted):
    with pytest.raises(PipelineError, match="is shown no video"):
        build_aspect_pairs(
            videos, tmp_path / "out", scripted(judged()).judge(), model="captioner", options=captioner.options
        )
    assert not captioner.server.requests and not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"videos": []}, "videos: missing"),
        ({"videos": ["gone.mp4"]}, "videos: .*gone.mp4.* does not exist"),
        ({"videos": ["a b.mp4"], "images": ["a.png"]}, "images: "),
        ({"videos": ["a b.mp4"], "audios": ["a.wav"]}, "audios: "),
        (
            {"videos": ["a b.mp4"], "prompt": [{"role": "system", "content": "x"}]},
            "prompt: more than one turn",
        ),
    ],
)
def test_rows_that_cannot_be_are_named_first(tmp_path, videos, captioner, scripted, row, said):
    with pytest.raises(BadRows, match=f"(?s)row 1.*{said}"):
        build_aspect_pairs(
            [{"videos": ["a b.mp4"]}, row],
            tmp_path / "out",
            scripted(judged()).judge(sees=("video",)),
            model="captioner",
            media_root=videos,
            options=captioner.options,
        )
    assert not captioner.server.requests


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"aspect": ["depth"]}, "aspect=depth; known are temporal, spatial"),
        ({"aspect": []}, "give at least one"),
        ({"aspect": ["spatial", "spatial"]}, "each once"),
        ({"min_gap": -1}, "min_gap=-1"),
        ({"temperature": -1.0}, "temperature=-1.0"),
    ],
)
def test_settings_that_cannot_be(tmp_path, videos, captioner, scripted, settings, said):
    with pytest.raises(PipelineError, match=said):
        build_aspect_pairs(
            videos,
            tmp_path / "out",
            scripted(judged()).judge(sees=("video",)),
            model="captioner",
            options=captioner.options,
            **settings,
        )


def test_the_command_by_a_file_and_a_dry_run(tmp_path, videos, captioner, scripted, capsys):
    script = scripted(judged())
    config = tmp_path / "build.yaml"
    config.write_text(
        f"model: captioner\nserver: {captioner.server.url}\nserver_sees: [video]\naspect: [temporal]\nmin_gap: 1\n"
        f"judge: {{model: judge, api_base: {script.server.url}, sees: [video]}}\n"
    )
    command = ["build", "aspect-pairs", str(videos), str(tmp_path / "out"), "--config", str(config)]
    assert main([*command, "--dry-run"]) == 0
    assert not captioner.server.requests and not script.asked
    assert (
        capsys.readouterr().out.split("total")[1].split()[0] == "8"
    )  # 2 captions, principles and scores a video
    assert main(command) == 0 and len(written(tmp_path / "out")) == 2


def test_a_broken_video_is_named_and_can_be_left_out(tmp_path, videos, saved_model, scripted):
    (videos / "broken.mp4").write_bytes(b"no video")
    given = {
        "model": saved_model("qwen2_5_vl"),
        "aspect": ["spatial"],
        "max_new_tokens": 6,
        "scoring": False,
        "options": ModelOptions(device="cpu", dtype="float32"),
    }
    with pytest.raises(MissingRows, match=r"row 1: .*broken\.mp4"):
        build_aspect_pairs(videos, tmp_path / "out", **given)
    with pytest.raises(MissingRows, match="cut 2"):
        build_aspect_pairs(videos, tmp_path / "out", **given, run=Run(allow_missing=True))


def test_what_was_made_goes_by_the_wording_and_by_the_frames_that_a_judge_is_shown(
    tmp_path, videos, captioner, scripted, monkeypatch
):
    """Each of these makes what is kept stale: the captions, or the scores alone."""
    script = scripted(judged())

    def build(name, resume="go-on", **shown):
        judge = script.judge(**{"sees": ("image",), **shown})
        given = {"model": "captioner", "aspect": ["temporal"], "options": captioner.options}
        build_aspect_pairs(videos, tmp_path / name, judge, **given, run=Run(resume=resume))
        counts = len(captioner.server.requests), len(script.asked)
        captioner.server.requests.clear()
        script.server.requests.clear()
        return counts

    assert build("out") == (4, 4)
    assert build("out") == (0, 0)
    assert build("out", max_frames=4) == (0, 4)
    assert build("out", max_frames=4, max_frame_pixels=9999) == (0, 4)
    assert build("out", sees=("video",)) == (0, 4)
    # The plain captions are found in the model's own cache, but the stage has been gone through anew.
    changed = ASPECTS["temporal"]._replace(prompt="Tell it in order of time.")
    monkeypatch.setitem(ASPECTS, "temporal", changed)
    assert build("out", sees=("video",))[0] == 2
