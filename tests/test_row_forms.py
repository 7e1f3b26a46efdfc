"""Columns of an odd form are named before training, with what to do."""

import re

import numpy as np
import pytest
from PIL import Image

from vidalign.encoding.keys import held
from vidalign.rows import MediaFolder, problem

PAIR = {"prompt": "Describe it.", "chosen": "a dog", "rejected": "a cat"}
CHAIN = {"prompt": "Describe it.", "ranked": ["a", "b", "c"]}


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"video": "a.mp4", "videos": ["b.mp4"]}, "video: given together with videos"),
        ({"image": "a.png", "images": ["b.png"]}, "image: given together with images"),
        ({"videos": "a.mp4"}, "videos: a string instead of a list of paths; .* a column video$"),
        ({"videos": {"path": "a.mp4", "bytes": None}}, "videos: dict instead of a list"),
        ({"videos": b"\0\0\0 ftyp"}, "videos: bytes instead of a list"),
        ({"audios": 3}, "audios: int instead of a list"),
        ({"images": Image.new("RGB", (2, 2))}, "images: Image instead of a list"),
        ({"images": np.zeros((2, 4, 4, 3))}, "images: ndarray instead of a list"),
    ],
)
def test_media_columns(columns, reason, tmp_path):
    folder = MediaFolder(tmp_path)
    for name in ("a.mp4", "b.mp4", "a.png", "b.png"):
        (tmp_path / name).write_bytes(b"any")
    said = problem({**PAIR, **columns}, "preference", folder)
    assert said is not None and re.match(reason, said)
    kind = next(iter(columns)).rstrip("s")
    # Rows of a stream are seen by the encoder first.
    with pytest.raises(ValueError, match=reason):
        held(columns, kind)


@pytest.mark.parametrize(
    "columns",
    [
        {"video": "a.mp4", "videos": None},
        {"video": "a.mp4", "videos": []},
        {"video": None, "videos": ("a.mp4",)},
        {"video": {"path": "a.mp4", "bytes": None}},
    ],
)
def test_one_of_two_columns_may_be_empty(columns, tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"any")
    assert problem({**PAIR, **columns}, "preference", MediaFolder(tmp_path)) is None


@pytest.mark.parametrize("rejected", ["a dog", " a dog\n", "a cat"])
def test_equal_responses_are_a_pair_as_in_trl(rejected):
    row = {"prompt": "Describe it.", "chosen": "a dog", "rejected": rejected}
    assert problem(row, "preference", MediaFolder()) is None


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"scores": [3.0, 2.0, None]}, "scores: .*None.* are not all numbers"),
        ({"scores": ["3", "2", "1"]}, "scores: .* are not all numbers"),
        ({"scores": "cba"}, "scores: 'cba' are not all numbers"),
        ({"scores": [3.0, float("nan"), 1.0]}, "scores: item 1 has nan"),
        ({"scores": 3}, "scores: 3 instead of one for each of the 3 items"),
        ({"ordered": "false"}, "ordered: 'false' instead of true or false"),
        ({"ordered": 0}, "ordered: 0 instead of true or false"),
    ],
)
def test_columns_of_chains(columns, reason):
    found = problem({**CHAIN, **columns}, "ranked", MediaFolder())
    assert found is not None and re.match(reason, found)


@pytest.mark.parametrize(
    "columns",
    [{"scores": [3, 2.5, np.float32(1)]}, {"ordered": True}, {"ordered": False}, {"ordered": None}],
)
def test_columns_of_chains_that_are_right(columns):
    assert problem({**CHAIN, **columns}, "ranked", MediaFolder()) is None


def test_a_folder_whose_name_only_begins_alike_is_outside(tmp_path):
    for name in ("media", "media2", "more", "more2"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.mp4").write_bytes(b"any")
    folder = MediaFolder(tmp_path / "media", allow=(str(tmp_path / "more"),))
    for path in ("a.mp4", "../more/a.mp4", str(tmp_path / "more/a.mp4"), "../media/a.mp4"):
        assert str(folder.resolve(path)).endswith("a.mp4")
    for path in ("../media2/a.mp4", "../more2/a.mp4", str(tmp_path / "media2/a.mp4")):
        with pytest.raises(ValueError, match="lies outside"):
            folder.resolve(path)
