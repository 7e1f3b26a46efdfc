"""A folder of the toy world with sound: MP4 clips with an audio track, their scenes, and rows for supervised training and GRPO.

world/clips/train-00000.mp4     one clip a scene (H.264 and AAC; of a silent clip, a track of silence)
world/train.scenes.jsonl        {"video", "scene"} a clip
world/train.jsonl               {"videos", "prompt", "completion", "keypoints", "dialogue"} a clip
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from vidalign.toyworld import world
from vidalign.toyworld.draw import draw
from vidalign.toyworld.sound.captions import caption, dialogue, keypoints
from vidalign.toyworld.sound.scene import SoundScene, random_sound_scene
from vidalign.toyworld.sound.synthesis import RATE, synthesise


def write_world(
    folder: Path,
    sizes: Mapping[str, int],
    *,
    seed: int,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write clips and rows for each split, e.g. `{"train": 1500, "test": 300}`.

    A split's scenes depend on the seed, the split's name and its size alone.
    progress: called with the clips written so far and in all.
    """
    (folder / "clips").mkdir(parents=True, exist_ok=True)
    done = 0
    for split, size in sizes.items():
        rng = random.Random(f"sound/{seed}/{split}")
        scenes = [random_sound_scene(rng) for _ in range(size)]
        names = [f"clips/{split}-{index:05d}.mp4" for index in range(size)]
        for name, scene in zip(names, scenes, strict=True):
            world.write_clip(folder / name, draw(scene), sound=synthesise(scene), rate=RATE)
            done += 1
            if progress:
                progress(done, sum(sizes.values()))
        scene_rows = [
            {"video": name, "scene": scene.to_dict()} for name, scene in zip(names, scenes, strict=True)
        ]
        world.write_jsonl(folder / f"{split}.scenes.jsonl", scene_rows)
        world.write_jsonl(folder / f"{split}.jsonl", map(row, names, scenes))


def read_scenes(folder: Path, split: str) -> list[tuple[str, SoundScene]]:
    """A split's clips, as paths relative to the folder, each with its scene."""
    rows = world.read_jsonl(folder / f"{split}.scenes.jsonl")
    return [(row["video"], SoundScene.from_dict(row["scene"])) for row in rows]


def row(video: str, scene: SoundScene) -> dict[str, Any]:
    """One row: the supervised trainer reads `completion`, the rewards read `keypoints` and `dialogue`."""
    supervised = world.supervised_row(video, caption(scene))
    return {**supervised, "keypoints": keypoints(scene), "dialogue": dialogue(scene)}
