"""The written folder: clips with a real audio track, the same bytes for the same seed, and rows that the trainers take."""

import av
import numpy as np

from vidalign.rows import MediaFolder, validate
from vidalign.toyworld.draw import draw
from vidalign.toyworld.sound import world
from vidalign.toyworld.sound.synthesis import RATE, synthesise
from vidalign.toyworld.world import read_jsonl, write_clip
from vidalign.video import probe, read_audio, read_video


def test_a_clip_has_video_and_sound(sound_world):
    path = sound_world / "clips/train-00000.mp4"
    with av.open(str(path)) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        assert (video.codec_context.name, video.pix_fmt, float(video.average_rate)) == (
            "h264",
            "yuv420p",
            8.0,
        )
        assert (audio.codec_context.name, audio.rate, audio.layout.name) == ("aac", RATE, "mono")
    assert abs(probe(path).duration - 2.0) < 0.05
    data = path.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")  # playable before it is wholly loaded


def test_sound_comes_back_in_step(sound_world):
    for video, scene in world.read_scenes(sound_world, "train")[:6]:
        samples, expected = read_audio(sound_world / video, rate=RATE), synthesise(scene)
        assert np.abs(samples[: len(expected)] - expected).mean() < 0.005
        frames = read_video(sound_world / video, fps=None).frames
        assert np.abs(frames.astype(int) - draw(scene)).mean() < 4


def test_a_clip_may_have_no_track(tmp_path, scenes):
    write_clip(tmp_path / "mute.mp4", draw(scenes[0]))
    with av.open(str(tmp_path / "mute.mp4")) as container:
        assert not container.streams.audio


def test_the_same_seed_gives_the_same_bytes(sound_world, tmp_path):
    world.write_world(tmp_path, {"train": 24, "test": 6}, seed=3)
    files = sorted(path.relative_to(sound_world) for path in sound_world.rglob("*") if path.is_file())
    assert len(files) == 30 + 4
    assert all((sound_world / name).read_bytes() == (tmp_path / name).read_bytes() for name in files)


def test_another_seed_gives_another_world(sound_world, tmp_path):
    world.write_world(tmp_path, {"train": 24}, seed=4)
    assert (sound_world / "train.jsonl").read_bytes() != (tmp_path / "train.jsonl").read_bytes()


def test_rows_suit_both_stages(sound_world):
    rows, folder = read_jsonl(sound_world / "train.jsonl"), MediaFolder(sound_world)
    assert validate(rows, "supervised", folder) == 24
    assert validate(rows, "online", folder) == 24
    assert [] in [row["dialogue"] for row in rows]
    for row in rows:
        assert set(row) == {"videos", "prompt", "completion", "keypoints", "dialogue"}
