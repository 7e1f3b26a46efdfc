"""What a judge that sees is shown."""

import base64
import io

import pytest
from server import all_true

from vidalign.judge import Medium
from vidalign.judge.tasks import speakers
from vidalign.judge.tasks.dialogue import Turn

PAIRS = [(Turn("a man", "hello"), Turn("the host", "hello"))]


@pytest.fixture
def clip(tmp_path, make_video):
    path = tmp_path / "clip.mp4"
    make_video(path, frames=24)
    return path


def about(path):
    return speakers.question(PAIRS, "a caption", [Medium("video", str(path))])


def content_of(server, number=-1):
    return server.requests[number].body["messages"][-1]["content"]


def test_a_judge_that_sees_nothing_is_shown_nothing(serve, judge, clip):
    server = serve()
    judge(server).ask_sync([about(clip)])
    assert isinstance(content_of(server), str)


def test_the_video_itself(serve, judge, clip):
    server = serve()
    judge(server, sees=("video",)).ask_sync([about(clip)])
    video, text = content_of(server)
    kind, data = video["video_url"]["url"].split(",")
    assert kind == "data:video/mp4;base64"
    assert base64.b64decode(data) == clip.read_bytes()
    assert text["type"] == "text"


def test_frames_for_a_judge_of_images(serve, judge, clip):
    from PIL import Image

    server = serve()
    judge(server, sees=("image",)).ask_sync([about(clip)])
    parts = content_of(server)
    images = [part["image_url"]["url"] for part in parts if part["type"] == "image_url"]
    assert len(images) == 16
    for url in images:
        assert Image.open(io.BytesIO(base64.b64decode(url.split(",")[1]))).size == (56, 56)
    assert [part["text"] for part in parts if part["type"] == "text"][:2] == [
        "Frame at 0.0 s:",
        "Frame at 0.2 s:",
    ]


def test_an_answer_belongs_to_the_file_s_content(serve, judge, clip, make_video):
    server = serve()
    judge(server, sees=("video",)).ask_sync([about(clip)])
    judge(server, sees=("video",)).ask_sync([about(clip)])
    assert len(server.requests) == 1
    make_video(clip, frames=12, seed=5)
    judge(server, sees=("video",)).ask_sync([about(clip)])
    judge(server).ask_sync([about(clip)])  # unseen, another question
    assert len(server.requests) == 3


def test_bytes_are_media_too(serve, judge, clip):
    server = serve(lambda number, body: all_true(body))
    question = speakers.question(PAIRS, media=[Medium("video", clip.read_bytes())])
    assert judge(server, sees=("video",)).ask_sync([question])[0].value == [True]
    assert judge(server, sees=("image",)).ask_sync([question])[0].value == [True]
    assert len(server.requests) == 2
