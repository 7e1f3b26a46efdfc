"""What LLaVA-Hound has released."""

import pytest

from vidalign.data.imports.llava_hound import convert_caption, convert_pair
from vidalign.data.imports.row import BadRow

VIDEO = {"type": "video"}
PAIR = {
    "id": "v_1-Scene-001_2",
    "video": "v_1-Scene-001",
    "prompt": "Who runs?",
    "answer": "A dog.",
    "chosen": "A dog does.",
    "rejected": "A cat does.",
    "chosen_score": 4,
    "rejected_score": 2,
}
CAPTION = {
    "id": "v_1-Scene-001",
    "video": "v_1-Scene-001",
    "conversations": [
        {"from": "human", "value": "<video>\nDescribe the video."},
        {"from": "gpt", "value": "A dog runs."},
    ],
}


def text(words):
    return {"type": "text", "text": words}


@pytest.mark.parametrize("prompt", ["Who runs?", "<video>\nWho runs?", " <video> Who runs? "])
def test_a_pair(prompt):
    converted = convert_pair({**PAIR, "prompt": prompt}, ending=".mp4")
    assert converted.kind == "preference"
    assert converted.row == {
        "id": "v_1-Scene-001_2",
        "videos": ["v_1-Scene-001.mp4"],
        "prompt": [{"role": "user", "content": [VIDEO, text("Who runs?")]}],
        "chosen": [{"role": "assistant", "content": "A dog does."}],
        "rejected": [{"role": "assistant", "content": "A cat does."}],
        "chosen_score": 4,
        "rejected_score": 2,
    }


def test_a_video_stands_where_its_tag_does():
    row = convert_pair({**PAIR, "prompt": "Who runs?\n<video>"}).row
    assert row["prompt"][0]["content"] == [text("Who runs?"), VIDEO]


@pytest.mark.parametrize(
    ("name", "ending", "file"),
    [("a.b", "", "a.b"), ("a.b", ".mp4", "a.b.mp4"), ("a.MP4", ".webm", "a.MP4"), ("x/a", ".avi", "x/a.avi")],
)
def test_an_ending_is_added_to_names_without_one(name, ending, file):
    assert convert_pair({**PAIR, "video": name}, ending=ending).row["videos"] == [file]


def test_a_caption():
    converted = convert_caption(CAPTION)
    assert converted.kind == "supervised"
    assert converted.row == {
        "id": "v_1-Scene-001",
        "videos": ["v_1-Scene-001"],
        "messages": [
            {"role": "user", "content": [VIDEO, text("Describe the video.")]},
            {"role": "assistant", "content": [text("A dog runs.")]},
        ],
    }


@pytest.mark.parametrize(
    ("change", "column", "reason"),
    [
        ({"prompt": "<video><video>Who?"}, "prompt", "has <video>, <video>, and a row has one"),
        ({"prompt": "<image>Who?"}, "prompt", "has <image>"),
        ({"prompt": "<video>"}, "prompt", "asks nothing"),
        ({"prompt": None}, "prompt", "missing"),
        ({"chosen": "A <video>"}, "chosen", "holds <video>"),
        ({"chosen": {"from": "gpt", "value": "A dog."}}, "chosen", "dict instead of a text"),
        ({"rejected": ""}, "rejected", "empty"),
        ({"rejected": "A dog does."}, "rejected", "equal"),
        ({"rejected_score": 5}, "chosen_score", "contradicts itself"),
        ({"video": None}, "video", "missing"),
    ],
)
def test_pairs_that_cannot_be_taken_are_named(change, column, reason):
    with pytest.raises(BadRow) as error:
        convert_pair({**PAIR, **change})
    assert str(error.value).startswith(f"{column}: ") and reason in str(error.value)


@pytest.mark.parametrize(
    ("turns", "column", "reason"),
    [
        ([("human", "Describe."), ("gpt", "A dog.")], "conversations: turn 0", "has no tag"),
        ([("human", "<video><video>So?"), ("gpt", "A dog.")], "conversations: turn 0", "has <video>, <video>"),
        ([("human", "<video>A?"), ("gpt", "B"), ("human", "<video>C?"), ("gpt", "D")], "conversations: turn 2", "has <video>"),
        ([("human", "<video>A?")], "conversations", "end with gpt's"),
        ([("human", "<image>A?"), ("gpt", "B")], "conversations: turn 0", "has <image>"),
        ([("human", "<video>A?"), ("gpt", "")], "conversations: turn 1", "empty"),
    ],
)  # fmt: skip
def test_captions_that_cannot_be_taken_are_named(turns, column, reason):
    with pytest.raises(BadRow) as error:
        convert_caption({**CAPTION, "conversations": [{"from": who, "value": said} for who, said in turns]})
    assert str(error.value).startswith(f"{column}: ") and reason in str(error.value)
