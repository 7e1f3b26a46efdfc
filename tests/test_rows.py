"""Rows without a trainer: what is asked of each kind."""

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
