"""A model on a server that answers rows: what is sent, what is kept, what cannot be."""

import base64
import json
import sys
from pathlib import Path

import pytest
from aiohttp import web

sys.path.insert(0, str(Path(__file__).parents[1] / "judge"))

from server import JudgeServer, completion

from vidalign.cli import main
from vidalign.generate import Sample, Sampling, ServedModel, caption_rows
from vidalign.generate.aspects import ASPECTS
from vidalign.generate.sample import REVIEW
from vidalign.judge import BudgetExceeded, JudgeError, LLMJudge
from vidalign.rows import MediaFolder
from vidalign.stages import MissingRows, Run

DRAWN = Sampling(temperature=1.0, top_p=0.9, top_k=40, max_new_tokens=99, seed=3)


@pytest.fixture
def serve():
    started = []

    def start(behave=lambda number, body: f"caption {number}"):
        started.append(JudgeServer(behave=behave).start())
        return started[-1]

    yield start
    for server in started:
        server.stop()


@pytest.fixture
def served(tmp_path):
    def make(server, folder=None, **settings):
        model = LLMJudge(
            "captioner",
            api_base=server.url,
            **{"cache_dir": str(tmp_path / "cache"), "sees": ("video",), **settings},
        )
        return ServedModel(model, folder=MediaFolder(folder or tmp_path))

    return make


@pytest.fixture
def clips(tmp_path, make_video):
    for number, name in enumerate("ab"):
        make_video(tmp_path / f"{name}.mp4", frames=24, seed=number)
    return tmp_path


def row(name, prompt="Describe the video.", **more):
    return {"videos": [f"{name}.mp4"], "prompt": prompt, **more}


def content_of(request):
    return request.body["messages"][-1]["content"]


def file_of(part):
    return base64.b64decode(part["video_url"]["url"].partition(",")[2])


def test_the_conversation_is_sent_as_it_stands_with_the_file_before_the_text(serve, served, clips):
    server = serve()
    prompt = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "What happens?"}]
    [[sample]] = served(server).samples([row("a", prompt)])
    assert sample == Sample("caption 0", 20, "stop")
    [sent] = server.requests
    system, user = sent.body["messages"]
    assert system == {"role": "system", "content": [{"type": "text", "text": "Be brief."}]}
    video, text = user["content"]
    assert file_of(video) == (clips / "a.mp4").read_bytes() and text == {
        "type": "text",
        "text": "What happens?",
    }
    assert (sent.body["temperature"], sent.body["max_tokens"]) == (0.0, 2048)
    assert not {"seed", "top_p", "top_k", "response_format"} & set(sent.body)


def test_media_stand_where_their_blocks_do(serve, served, clips):
    server = serve()
    blocks = [{"type": "video"}, {"type": "text", "text": "before, after"}, {"type": "video"}]
    served(server).samples([{"videos": ["b.mp4", "a.mp4"], "prompt": [{"role": "user", "content": blocks}]}])
    first, text, second = content_of(server.requests[0])
    assert [file_of(part) for part in (first, second)] == [
        (clips / f"{name}.mp4").read_bytes() for name in "ba"
    ]
    assert text["text"] == "before, after"


@pytest.mark.parametrize(("shown", "said"), [(1, "fewer videos than"), (3, "more videos than")])
def test_blocks_that_are_not_as_many_as_the_media(serve, served, clips, shown, said):
    server = serve()
    blocks = [{"type": "video"}] * shown + [{"type": "text", "text": "Look."}]
    two = {"videos": ["a.mp4", "b.mp4"], "prompt": [{"role": "user", "content": blocks}]}
    [[bad], [good]] = served(server).samples([two, row("a")])
    assert bad.text is None and said in bad.reason and good.text


def test_samples_differ_and_are_found_again(serve, served, clips, make_video):
    server = serve()
    rows = [row("a"), row("b")]
    first = served(server).samples(rows, 3, DRAWN)
    assert len({sample.text for own in first for sample in own}) == 6
    bodies = [request.body for request in server.requests]
    assert {(body["temperature"], body["top_p"], body["top_k"], body["max_tokens"]) for body in bodies} == {
        (1.0, 0.9, 40, 99)
    }
    assert len({body["seed"] for body in bodies}) == 3
    assert served(server).samples(rows, 3, DRAWN) == first and len(server.requests) == 6
    # More samples of the same, other draws, another length, another video under the name: only these are asked for.
    assert served(server).samples(rows, 4, DRAWN)[0][:3] == first[0] and len(server.requests) == 8
    served(server).samples(rows[:1], 1, Sampling(1.0, 0.9, 40, 99, seed=4))
    served(server).samples(rows[:1], 1, Sampling(1.0, 0.9, 40, 98, seed=3))
    make_video(clips / "a.mp4", frames=24, seed=9)
    served(server).samples(rows[:1], 1, DRAWN)
    assert len(server.requests) == 11


def test_frames_and_their_number_for_a_model_of_images(serve, served, clips):
    server = serve()
    model = served(server, sees=("image",), max_frames=5, max_frame_pixels=2000)
    model.samples([row("a")])
    parts = content_of(server.requests[0])
    assert [part["type"] for part in parts].count("image_url") == 5
    served(server, sees=("image",), max_frames=4, max_frame_pixels=2000).samples([row("a")])
    served(server, sees=("image",), max_frames=5, max_frame_pixels=1900).samples([row("a")])
    assert len(server.requests) == 3  # others have been seen
    assert model.settings != served(server, sees=("image",), max_frames=4).settings


def test_a_model_of_which_nobody_said_what_it_sees(serve, served, clips):
    with pytest.raises(ValueError, match="captioner is not known to take videos; say in `sees`"):
        served(serve(), sees=None).samples([row("a")])


def test_a_caption_that_was_cut_is_one_and_says_so(serve, served, clips):
    server = serve(lambda number, body: completion("A dog ru", finish="length"))
    [[sample]] = served(server).samples([row("a")])
    assert (sample.text, sample.finish) == ("A dog ru", "length")


def test_a_thought_is_no_part_of_a_caption(serve, served, clips):
    server = serve(lambda number, body: "<think>It is a dog.</think>\n\nA dog runs.")
    assert served(server).samples([row("a")])[0][0].text == "A dog runs."


@pytest.mark.parametrize(
    ("answer", "reason"),
    [("  ", "empty"), (web.Response(status=400, text="too large"), "bad_request")],
)
def test_a_row_without_an_answer_has_the_reason(serve, served, clips, answer, reason):
    def behave(number, body):
        return (
            answer
            if file_of(body["messages"][-1]["content"][0]) == (clips / "a.mp4").read_bytes()
            else "Fine."
        )

    bad, good = served(serve(behave)).samples([row("a"), row("b")])
    assert bad == [Sample(None, reason=reason)] and good[0].text == "Fine."


def test_a_video_that_is_not_there_is_said_without_a_request(serve, served, clips):
    server = serve()
    [[bad], [good]] = served(server).samples([row("gone"), row("a")])
    assert "gone.mp4" in bad.reason and good.text == "caption 0" and len(server.requests) == 1


def test_budget_and_key_end_the_run(serve, served, clips):
    with pytest.raises(BudgetExceeded):
        served(serve(), max_calls=1).samples([row("a"), row("b")])
    with pytest.raises(JudgeError, match="captioner cannot be asked"):
        served(serve(lambda number, body: web.Response(status=401)), cache_dir="").samples([row("a")])


def test_captions_of_a_folder_go_on_after_a_stop(serve, served, clips, tmp_path):
    folder, out = clips, tmp_path / "out.jsonl"
    broken = serve(lambda number, body: "One." if not number else web.Response(status=400))
    with pytest.raises(MissingRows):
        caption_rows(
            served(broken, folder, max_concurrency=1), folder, out, prompts=["Describe.", "Count."], batch=1
        )
    server = serve()
    done = caption_rows(served(server, folder), folder, out, prompts=["Describe.", "Count."])
    assert done.rows == 4 and len(server.requests) == 3
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert [(r["videos"], r["prompt"]) for r in rows] == [
        ([f"{name}.mp4"], prompt) for name in "ab" for prompt in ("Describe.", "Count.")
    ]
    assert [r["caption"] for r in rows].count("One.") == 1 and {r["finish"] for r in rows} == {"stop"}


def test_a_retrospection_shows_the_model_its_own_answer(serve, served, clips):
    server = serve(lambda number, body: f"answer of {len(body['messages'])} messages, draw {body['seed']}")
    samples = served(server).samples([row("a")], 2, Sampling(temperature=1.0, retrospection=True))[0]
    assert [sample.text[:20] for sample in samples] == ["answer of 3 messages"] * 2
    assert [sample.draft[:20] for sample in samples] == ["answer of 1 messages"] * 2
    for request in server.requests[2:]:
        question, answer, review = request.body["messages"]
        assert question["content"][0]["type"] == "video_url" and answer["role"] == "assistant"
        assert answer["content"].endswith(f"draw {request.body['seed']}") and review["content"] == REVIEW


def test_a_server_gives_no_contrast(serve, served, clips):
    with pytest.raises(ValueError, match=r"contrast=0\.5 takes the logits"):
        served(serve()).samples([row("a")], 1, Sampling(contrast=0.5))


def test_the_command_asks_a_server(serve, clips, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    server, out = serve(), tmp_path / "out.jsonl"
    command = ["caption", "captioner", str(clips), str(out), "--server", server.url]
    assert main([*command, "--server-sees", "video", "--prompt", "Describe.", "--dry-run"]) == 0
    assert not server.requests and not out.exists()
    assert main([*command, "--server-sees", "video", "--prompt", "Describe.", "--retrospection"]) == 0
    assert len(server.requests) == 4 and [row["caption"] for row in map(json.loads, out.open())]
    assert main([*command, "--prompt", "Describe.", "--resume", "restart"]) == 2
    assert "--server-sees" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--server", "http://localhost:1/v1", "--logps", "--video-fps", "2"], "video_fps, logps: of a model on this machine"),
        (["--server-max-calls", "3"], "server_max_calls: of a model on a server; give server as well"),
        (["--server", "localhost:8000"], "api_base must be a URL such as http://localhost:8000/v1"),
        (["--server", "http://localhost:1/v1", "--server-sees", "video", "--contrast", "0.5"], "takes the logits of the model"),
        (["--contrast", "-1"], "contrast=-1.0: give 0"),
    ],
)  # fmt: skip
def test_options_that_do_not_go_together(clips, tmp_path, options, said, capsys):
    assert main(["caption", "captioner", str(clips), str(tmp_path / "out.jsonl"), *options]) == 2
    assert said in capsys.readouterr().err and not (tmp_path / "out.jsonl").exists()


def test_an_aspect_stands_behind_every_prompt(serve, clips, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    server, out = serve(), tmp_path / "out.jsonl"
    command = ["caption", "captioner", str(clips), str(out), "--server", server.url, "--server-sees", "video"]
    assert main([*command, "--prompt", "Describe.", "--aspect", "spatial"]) == 0
    for request in server.requests:
        assert content_of(request)[1]["text"] == f"Describe. {ASPECTS['spatial'].prompt}"
    assert main([*command, "--aspect", "depth"]) == 2 and "aspect='depth'" in capsys.readouterr().err


def test_another_wording_of_the_second_pass_makes_captions_stale(serve, served, clips, tmp_path, monkeypatch):
    out, server = tmp_path / "out.jsonl", serve()
    twice = {"prompts": ["Describe."], "sampling": Sampling(retrospection=True)}
    for said, requests in ((None, 4), (None, 4), ("Do it better.", 6)):
        if said:
            for module in ("sample", "stage"):
                monkeypatch.setattr(f"vidalign.generate.{module}.REVIEW", said)
        caption_rows(served(server), clips, out, **twice, run=Run(resume="go-on"))
        assert len(server.requests) == requests
