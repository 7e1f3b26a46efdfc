"""A folder of the toy world: MP4 clips, their scenes, and rows in the library's supervised format.

world/clips/train-00000.mp4     one clip a scene (H.264)
world/train.scenes.jsonl        {"video", "scene", "caption", "keypoints"} a clip
world/train.jsonl               {"videos", "prompt", "completion", "keypoints"}: supervised rows
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from vidalign.toyworld.captions import caption, scene_facts
from vidalign.toyworld.draw import draw
from vidalign.toyworld.scene import FPS, Scene, random_scene

PROMPT = "describe the video"


def write_clip(
    path: Path,
    frames: NDArray[np.uint8],
    *,
    fps: float = FPS,
    sound: NDArray[np.float32] | None = None,
    rate: int = 16_000,
) -> None:
    """Write frames `[T, H, W, 3]`, RGB, with even sides, as an H.264 file that browsers play.

    sound: mono samples within [-1, 1], `rate` a second, for an AAC track; None for a file without one.
    One thread and a fixed preset make the file a function of the frames and the sound alone.
    """
    speed = Fraction(fps).limit_denominator(1000)
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream("libx264", rate=speed)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        stream.thread_count = 1
        stream.options = {"preset": "ultrafast", "crf": "12", "threads": "1"}
        # All streams before the first packet: with it the file's header is written.
        track = None if sound is None else container.add_stream("aac", rate=rate, layout="mono")
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
        if track is not None and sound is not None:
            samples = av.AudioFrame.from_ndarray(sound[None], format="fltp", layout="mono")
            samples.sample_rate, samples.time_base, samples.pts = rate, Fraction(1, rate), 0
            container.mux(track.encode(samples))
            container.mux(track.encode())


def write_world(
    folder: Path,
    sizes: Mapping[str, int],
    *,
    seed: int,
    events: bool = False,
    mirrored: Iterable[str] = (),
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write clips and rows for each split, e.g. `{"train": 1500, "test": 300}`.

    A split's scenes depend on the seed, the split's name and its size alone: adding a split changes no other.
    Scenes are told apart by caption *and* positions, so splits share captions (there are few) but no clip.

    mirrored: splits in which each scene is followed by its mirror image, so that they have twice as many clips.
    progress: called with the clips written so far and in all.
    """
    mirrored = frozenset(mirrored)
    (folder / "clips").mkdir(parents=True, exist_ok=True)
    total = sum(size * (2 if split in mirrored else 1) for split, size in sizes.items())
    done = 0
    for split, size in sizes.items():
        # Strings are seeded by their SHA-512, so this is the same on every machine, unlike `hash`.
        rng = random.Random(f"{seed}/{split}")
        scenes = [random_scene(rng, events=events) for _ in range(size)]
        if split in mirrored:
            scenes = [view for scene in scenes for view in (scene, scene.mirrored())]
        names = [f"clips/{split}-{index:05d}.mp4" for index in range(len(scenes))]
        for name, scene in zip(names, scenes, strict=True):
            write_clip(folder / name, draw(scene))
            done += 1
            if progress:
                progress(done, total)
        write_jsonl(folder / f"{split}.scenes.jsonl", map(_scene_row, names, scenes))
        write_jsonl(folder / f"{split}.jsonl", map(_supervised_row, names, scenes))


def read_scenes(folder: Path, split: str) -> list[tuple[str, Scene]]:
    """A split's clips, as paths relative to the folder, each with its scene."""
    rows = read_jsonl(folder / f"{split}.scenes.jsonl")
    return [(row["video"], Scene.from_dict(row["scene"])) for row in rows]


def supervised_row(video: str, text: str) -> dict[str, Any]:
    """One supervised row: clip, prompt and caption."""
    return {"videos": [video], "prompt": [_turn("user", PROMPT)], "completion": [_turn("assistant", text)]}


def preference_row(video: str, chosen: tuple[str, float], rejected: tuple[str, float]) -> dict[str, Any]:
    """One preference row from two (caption, score)."""
    return {
        "videos": [video],
        "prompt": [_turn("user", PROMPT)],
        "chosen": [_turn("assistant", chosen[0])],
        "rejected": [_turn("assistant", rejected[0])],
        "chosen_score": chosen[1],
        "rejected_score": rejected[1],
    }


def write_jsonl(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _scene_row(video: str, scene: Scene) -> dict[str, Any]:
    return {
        "video": video,
        "scene": scene.to_dict(),
        "caption": caption(scene),
        "keypoints": [fact.keypoint() for fact in scene_facts(scene)],
    }


def _supervised_row(video: str, scene: Scene) -> dict[str, Any]:
    keypoints = [fact.keypoint() for fact in scene_facts(scene)]
    return {**supervised_row(video, caption(scene)), "keypoints": keypoints}


def _turn(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}
