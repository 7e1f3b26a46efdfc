"""The written folder: real clips that show what their scenes say, and the same bytes for the same seed."""

import av
import numpy as np
import pytest

from vidalign.rows import MediaFolder, validate
from vidalign.toyworld import world
from vidalign.toyworld.captions import caption, score
from vidalign.toyworld.draw import RGB, draw
from vidalign.toyworld.scene import COLOURS, FRAMES, SIDE


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("world")
    world.write_world(path, {"train": 24, "test": 8}, seed=3, mirrored=["test"])
    return path


def decode(path):
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        facts = (stream.codec_context.name, stream.pix_fmt, float(stream.average_rate))
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]), facts


def test_a_clip_is_h264_that_browsers_play(folder):
    frames, facts = decode(folder / "clips/train-00000.mp4")
    assert facts == ("h264", "yuv420p", 8.0)
    assert frames.shape == (FRAMES, SIDE, SIDE, 3)
    data = (folder / "clips/train-00000.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")  # playable before it is wholly loaded


def test_shapes_are_where_the_scene_says(folder):
    axis = (np.arange(SIDE) + 0.5) / SIDE - 0.5
    names = list(RGB)
    palette = np.array([RGB[name] for name in names], dtype=float)
    for video, scene in world.read_scenes(folder, "train"):
        frames = decode(folder / video)[0].astype(float)
        nearest = ((frames[..., None, :] - palette) ** 2).sum(-1).argmin(-1)
        for step in range(FRAMES):
            for shape in scene.shapes:
                rows, columns = np.nonzero(nearest[step] == names.index(shape.colour))
                # The median: where two colours meet, a few pixels look like a third.
                centre = np.median(axis[columns]), np.median(axis[rows])
                np.testing.assert_allclose(centre, shape.centre(step / (FRAMES - 1)), atol=0.06)
            # Colours of no object are not seen, but for a few pixels on edges.
            absent = [names.index(c) for c in COLOURS if c not in {shape.colour for shape in scene.shapes}]
            assert np.isin(nearest[step], absent).sum() < 0.03 * SIDE**2


def test_decoded_frames_are_close_to_the_drawn_ones(folder):
    for video, scene in world.read_scenes(folder, "train")[:6]:
        # Chroma is stored at half resolution, so edges differ; flat areas must not.
        assert np.abs(decode(folder / video)[0].astype(int) - draw(scene)).mean() < 4


def test_the_same_seed_gives_the_same_bytes(folder, tmp_path):
    world.write_world(tmp_path, {"train": 24, "test": 8}, seed=3, mirrored=["test"])
    files = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    assert len(files) == 24 + 16 + 4
    assert all((folder / name).read_bytes() == (tmp_path / name).read_bytes() for name in files)


def test_a_split_does_not_depend_on_the_others(folder, tmp_path):
    world.write_world(tmp_path, {"other": 3, "train": 24}, seed=3)
    assert (folder / "train.jsonl").read_bytes() == (tmp_path / "train.jsonl").read_bytes()
    assert (folder / "clips/train-00005.mp4").read_bytes() == (
        tmp_path / "clips/train-00005.mp4"
    ).read_bytes()


def test_another_seed_gives_another_world(folder, tmp_path):
    world.write_world(tmp_path, {"train": 24}, seed=4)
    assert (folder / "train.jsonl").read_bytes() != (tmp_path / "train.jsonl").read_bytes()


def test_rows_are_valid_and_exact(folder):
    rows = world.read_jsonl(folder / "train.jsonl")
    assert validate(rows, "supervised", MediaFolder(folder)) == 24
    for row, (video, scene) in zip(rows, world.read_scenes(folder, "train"), strict=True):
        assert row["videos"] == [video]
        assert row["prompt"] == [{"role": "user", "content": world.PROMPT}]
        assert score(row["completion"][0]["content"], scene).f1 == 1
        assert len(row["keypoints"]) == 1 + 2 * len(scene.shapes)


def test_preference_rows_are_valid(folder):
    row = world.preference_row(
        "clips/train-00000.mp4", ("a red circle moves left .", 0.5), ("nothing .", 0.0)
    )
    assert validate([row], "preference", MediaFolder(folder)) == 1
    assert (row["chosen_score"], row["rejected_score"]) == (0.5, 0.0)


def test_a_mirrored_split_has_each_clip_twice(folder):
    scenes = [scene for _, scene in world.read_scenes(folder, "test")]
    assert len(scenes) == 16
    for scene, mirrored in zip(scenes[::2], scenes[1::2], strict=True):
        assert scene.mirrored() == mirrored
        assert len(caption(scene).split()) == len(caption(mirrored).split())
