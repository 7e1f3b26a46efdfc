from vidalign.stages.media_paths import media_paths


def test_sound_and_images_start_where_videos_do(tmp_path):
    (tmp_path / "out").mkdir()
    row = {"video": "out/a.mp4", "audios": ["out/a.wav"], "images": [{"path": "out/a.png", "bytes": None}], "x": "out/x"}  # fmt: skip
    paths = media_paths([row], tmp_path, tmp_path / "out")
    assert paths.media_root is None
    assert paths.rewritten(row) == {
        "video": "a.mp4",
        "audios": ["a.wav"],
        "images": [{"path": "a.png", "bytes": None}],
        "x": "out/x",
    }


def test_one_image_outside_keeps_all_paths_as_they_are(tmp_path):
    (tmp_path / "out").mkdir()
    row = {"videos": ["out/a.mp4"], "images": ["a.png"]}
    paths = media_paths([row], tmp_path, tmp_path / "out")
    assert paths.media_root == tmp_path and paths.rewritten(row) == row
