"""Files of an odd kind in one batch: shared prefixes give what separate rows give."""

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

sys.path.append(str(Path(__file__).parents[1] / "video"))
from media import write_video

PROMPT = [{"role": "user", "content": "describe"}]
TONE = (440.0, 0.0, 1)


@pytest.fixture(scope="module")
def odd(tmp_path_factory):
    """One frame; a GIF; lying on its side, with a pause; a name beyond ASCII, its copy and a link to it; without a sound
    track; with sound that begins late and outlasts the picture."""
    folder = tmp_path_factory.mktemp("odd")
    write_video(folder / "one.mp4", 1, size=(56, 56), tone=TONE)
    pictures = [Image.fromarray(np.full((56, 56, 3), 20 * shade, np.uint8)) for shade in range(10)]
    pictures[0].save(folder / "a.gif", save_all=True, append_images=pictures[1:], duration=[100, 700] * 5)
    pts = [*range(10), *range(60, 70)]
    write_video(folder / "side.mp4", 20, size=(56, 84), rotation=90, pts=pts, options={"bf": "3"})
    write_video(folder / "熊 é.mp4", 40, size=(56, 56))
    shutil.copy(folder / "熊 é.mp4", folder / "copy.mp4")
    (folder / "link.mp4").symlink_to(folder / "熊 é.mp4")
    write_video(folder / "late.mp4", 10, size=(56, 56), tone=(440.0, 2.0, 2))
    return folder


@pytest.mark.parametrize("family", ["qwen2_5_vl", "qwen3_vl", "qwen2_5_omni_thinker"])
def test_odd_media_are_equal_to_separate_rows(family, odd, trainer_of, first_step, assert_same_gradients):
    names = [["one.mp4"], ["a.gif"], ["side.mp4"], ["熊 é.mp4"], ["link.mp4"], ["late.mp4"]]
    names += [["copy.mp4", "copy.mp4"], ["copy.mp4", "熊 é.mp4"]]
    held = [[{"path": name, "bytes": None} for name in row] for row in names]
    held.append([{"path": None, "bytes": (odd / "copy.mp4").read_bytes()}])
    rows = [
        {
            "videos": videos,
            "prompt": PROMPT,
            "chosen": [{"role": "assistant", "content": f"a red circle {number}"}],
            "rejected": [{"role": "assistant", "content": "no"}],
        }
        for number, videos in enumerate(held)
    ]
    settings = {"media_root": str(odd), "per_device_train_batch_size": len(rows), "synpo_alpha": 3.0}
    if "omni" in family:
        settings |= {"use_audio_in_video": True, "missing_audio": "silence"}
    (shared, gradients), (separate, others) = (
        first_step(trainer_of("synpo", rows=rows, model=family, share_prefix=share, **settings))
        for share in (True, False)
    )
    assert shared == pytest.approx(separate, abs=1e-5)
    assert_same_gradients(gradients, others)
