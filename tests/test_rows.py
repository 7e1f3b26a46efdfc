"""Rows without a trainer: what is asked of each kind."""

import numpy as np
import pytest

from vidalign.rows import BadRows, MediaFolder, media_of, validate


def test_online_rows_need_a_prompt_and_keep_the_rest(media_folder):
    folder = MediaFolder(media_folder)
    prompt = [{"role": "user", "content": "Describe the video."}]
    rows = [
        {"prompt": prompt, "videos": ["0.mp4"], "keypoints": ["a bell rings"], "dialogue": None},
        {"prompt": "Describe it.", "audios": ["1.mp4"], "dialogue": [{"speaker": "a man", "content": "Hi"}]},
    ]
    assert validate(rows, "online", folder) == 2
    with pytest.raises(BadRows, match="row 1: prompt: missing"):
        validate([rows[0], {"videos": ["0.mp4"]}], "online", folder)
    with pytest.raises(BadRows, match=r"row 0: videos: .*gone\.mp4' does not exist"):
        validate([{"prompt": prompt, "videos": ["gone.mp4"]}], "online", folder)
    with pytest.raises(BadRows, match=r"no rows\. .*online have the columns prompt\."):
        validate([], "online", folder)


@pytest.mark.parametrize("kind", ["video", "audio", "image"])
def test_one_medium_or_a_list(kind):
    assert media_of({kind: "a", f"{kind}s": None}, kind) == ["a"]
    assert media_of({kind: None, f"{kind}s": ["a", b"b"]}, kind) == ["a", b"b"]
    assert media_of({}, kind) == []


def test_images_are_files_or_pictures(media_folder, tmp_path):
    """`missing=False` asks what may be opened, not what is there."""
    from PIL import Image

    folder = MediaFolder(tmp_path)
    (tmp_path / "a.png").write_bytes(b"any")
    row = {"prompt": "Describe it."}
    held = ["a.png", b"any", {"path": "a.png", "bytes": None}, {"path": None, "bytes": b"any"}]
    held += [Image.new("P", (2, 2)), np.zeros((2, 2, 3))]
    assert validate([{**row, "images": held}, {**row, "image": "a.png"}], "online", folder) == 2
    assert validate([{**row, "images": ["gone.png"]}], "online", folder, missing=False) == 1
    for image, reason in (
        ("gone.png", r"'.*gone\.png' does not exist"),
        ("../a.png", "lies outside"),
        ("http://example.org/a.png", "is a URL"),
        (None, "holds NoneType None"),
        ([[0, 0], [0, 0]], "holds list .*neither a path nor bytes"),
        ({"path": None, "bytes": None}, "holds NoneType None"),
    ):
        with pytest.raises(BadRows, match=f"row 0: images: .*{reason}"):
            validate([{**row, "images": [image]}], "online", folder)
    with pytest.raises(BadRows, match="images: a string instead of a list of paths"):
        validate([{**row, "images": "a.png"}], "online", folder)
