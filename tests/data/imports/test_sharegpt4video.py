"""ShareGPT4Video's captions."""

import pytest

from vidalign.data.imports.row import BadRow
from vidalign.data.imports.sharegpt4video import convert

ROW = {
    "video_id": "x1",
    "video_path": "pexels/x1.mp4",
    "zip_folder": "pexels_1.zip",
    "captions": [
        {"idx": "0", "content": "A part."},
        {"idx": "1", "content": "Another part."},
        {"idx": "-1", "content": "A dog runs."},
    ],
}


@pytest.mark.parametrize(
    "captions", [ROW["captions"], ROW["captions"][::-1], [{"idx": -1, "content": "A dog runs."}]]
)
def test_the_caption_of_the_whole(captions):
    converted = convert({**ROW, "captions": captions}, prompt="Describe the video.")
    assert converted.kind == "supervised"
    assert converted.row == {
        "id": "x1",
        "videos": ["pexels/x1.mp4"],
        "messages": [
            {"role": "user", "content": [{"type": "video"}, {"type": "text", "text": "Describe the video."}]},
            {"role": "assistant", "content": [{"type": "text", "text": "A dog runs."}]},
        ],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("change", "column", "reason"),
    [
        ({"captions": ROW["captions"][:2]}, "captions", "0 with idx -1"),
        ({"captions": ROW["captions"][2:] * 2}, "captions", "2 with idx -1"),
        ({"captions": "A dog."}, "captions", "str instead of a list"),
        ({"captions": [{"idx": "-1", "content": " "}]}, "captions: content", "empty"),
        ({"captions": [{"idx": "-1", "content": "<video>"}]}, "captions: content", "holds <video>"),
        ({"video_path": None}, "video_path", "missing"),
        ({"video_id": 1.5}, "video_id", "no name of a row"),
    ],
)
def test_what_cannot_be_taken_is_named(change, column, reason):
    with pytest.raises(BadRow) as error:
        convert({**ROW, **change}, prompt="Describe.")
    assert str(error.value).startswith(f"{column}: ") and reason in str(error.value)
