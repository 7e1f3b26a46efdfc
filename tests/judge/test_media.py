"""What a judge that sees is shown."""

import base64
import io
import wave
from fractions import Fraction

import av
import numpy as np
import pytest
from aiohttp import web
from server import all_true

from vidalign.judge import Answer, Medium
from vidalign.judge.tasks import speakers
from vidalign.judge.tasks.dialogue import Turn
from vidalign.llm.media import parts, shown

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


@pytest.fixture
def loud(tmp_path):
    """A video of one second with a tone as loud as can be."""
    path = tmp_path / "loud.mp4"
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=8)
        video.width = video.height = 64
        video.pix_fmt = "yuv420p"
        sound = container.add_stream("aac", rate=16000, layout="mono")
        for n in range(8):
            frame = av.VideoFrame.from_ndarray(np.full((64, 64, 3), 20 * n, np.uint8), format="rgb24")
            frame.pts, frame.time_base = n, Fraction(1, 8)
            container.mux(video.encode(frame))
        container.mux(video.encode())
        tone = np.sign(np.sin(np.arange(16000) * 0.2)).astype(np.float32)[None]
        for start in range(0, 16000, 1024):
            block = np.ascontiguousarray(tone[:, start : start + 1024])
            frame = av.AudioFrame.from_ndarray(block, format="fltp", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = 16000, start, Fraction(1, 16000)
            container.mux(sound.encode(frame))
        container.mux(sound.encode())
    return path


@pytest.mark.parametrize(
    ("kind", "sees", "how"),
    [
        ("image", [], None),
        ("image", ["video", "audio"], None),
        ("image", ["image"], "image"),
        ("audio", ["image", "video"], None),
        ("audio", ["audio"], "audio"),
        ("video", [], None),
        ("video", ["audio"], None),
        ("video", ["image"], "frames"),
        ("video", ["image", "audio"], "frames and sound"),
        ("video", ["image", "audio", "video"], "video"),
    ],
)
def test_how_a_medium_is_shown(kind, sees, how):
    medium = Medium(kind, b"")
    assert shown(medium, sees) == how
    if how is None:
        assert parts(medium, sees, as_file=False, max_frames=16, max_frame_pixels=200_704) == []


def test_a_judge_that_hears_is_played_the_sound(serve, judge, loud):
    server = serve()
    judge(server, sees=("image", "audio")).ask_sync([about(loud)])
    *frames, label, sound, _ = content_of(server)
    assert sum(part["type"] == "image_url" for part in frames) == 8
    assert label["text"] == "The sound of the video:" and sound["input_audio"]["format"] == "wav"
    with wave.open(io.BytesIO(base64.b64decode(sound["input_audio"]["data"]))) as track:
        assert (track.getnchannels(), track.getsampwidth(), track.getframerate()) == (1, 2, 16000)
        samples = np.frombuffer(track.readframes(track.getnframes()), "<i2").astype(float)
    # Neither silent nor wrapped around where the codec overshoots.
    assert len(samples) == pytest.approx(16000, abs=1100)
    assert np.abs(samples).mean() > 25000
    changes = (np.diff(np.sign(samples[2000:14000])) != 0).sum()
    assert changes == pytest.approx(12000 * 0.2 / np.pi, abs=4)


def test_a_silent_video_has_no_sound_part(serve, judge, clip):
    server = serve()
    judge(server, sees=("image", "audio")).ask_sync([about(clip)])
    assert "input_audio" not in {part["type"] for part in content_of(server)}


def test_an_answer_with_sound_is_not_the_answer_without(serve, judge, loud):
    server = serve()
    for sees in (("image",), ("image", "audio"), ("image",), ("image", "audio")):
        judge(server, sees=sees).ask_sync([about(loud)])
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("name", "form"),
    [("a.wav", "wav"), ("a.MP3", "mp3"), ("a.flac", "flac"), ("a.ogg", "ogg"), ("a", "wav"), (None, "wav")],
)
def test_sound_files_are_sent_as_they_are(serve, judge, tmp_path, name, form):
    source = b"some sound"
    if name:
        (tmp_path / name).write_bytes(source)
    medium = Medium("audio", str(tmp_path / name) if name else source)
    server = serve()
    judge(server, sees=("audio",)).ask_sync([speakers.question(PAIRS, media=[medium])])
    sound = content_of(server)[0]
    assert sound == {
        "type": "input_audio",
        "input_audio": {"data": base64.b64encode(source).decode(), "format": form},
    }


@pytest.mark.parametrize(
    ("name", "kind"), [("a.png", "image/png"), ("a.jpg", "image/jpeg"), ("a", "image/jpeg")]
)
def test_pictures_are_sent_as_they_are(serve, judge, tmp_path, name, kind):
    (tmp_path / name).write_bytes(b"a picture")
    server = serve()
    question = speakers.question(PAIRS, media=[Medium("image", str(tmp_path / name))])
    judge(server, sees=("image",)).ask_sync([question])
    url = content_of(server)[0]["image_url"]["url"]
    assert url == f"data:{kind};base64,{base64.b64encode(b'a picture').decode()}"


def test_several_media_come_in_order_before_the_text(serve, judge):
    server = serve()
    media = [Medium("image", b"first"), Medium("audio", b"unheard"), Medium("image", b"second")]
    judge(server, sees=("image",)).ask_sync([speakers.question(PAIRS, media=media)])
    first, second, text = content_of(server)
    assert first["image_url"]["url"].endswith(base64.b64encode(b"first").decode())
    assert second["image_url"]["url"].endswith(base64.b64encode(b"second").decode())
    assert text["type"] == "text"


def test_a_missing_file_is_an_error_that_names_it_if_it_is_looked_at(serve, judge, tmp_path):
    server, gone = serve(), tmp_path / "gone.mp4"
    with pytest.raises(FileNotFoundError, match=r"gone\.mp4"):
        judge(server, sees=("video",)).ask_sync([about(gone)])
    assert server.requests == []
    assert judge(server).ask_sync([about(gone)]) == [Answer([True])]


def test_a_damaged_file_is_an_error_that_names_it(serve, judge, tmp_path):
    server, damaged = serve(), tmp_path / "damaged.mp4"
    damaged.write_bytes(b"no video" * 100)
    with pytest.raises(ValueError, match=r"damaged\.mp4"):
        judge(server, sees=("image",)).ask_sync([about(damaged)])
    assert server.requests == []


def test_media_reach_the_server_again_when_it_is_asked_again(serve, judge, clip):
    server = serve(lambda number, body: web.Response(status=500) if number == 0 else all_true(body))
    judge(server, sees=("video",)).ask_sync([about(clip)])
    assert content_of(server, 0) == content_of(server, 1)
