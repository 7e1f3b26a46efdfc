"""SynPO on video pairs: a few clips, each with a right and a wrong caption, and a tiny model. Offline, on a CPU, in seconds.

    python examples/pairs.py

For a model of yours: its name in place of `build_model`, its own processor, and rows with the paths of your videos.
"""

import tempfile
from pathlib import Path

from datasets import Dataset

from vidalign import SynPOConfig, SynPOTrainer
from vidalign.toyworld.captions import caption
from vidalign.toyworld.model import build_model, build_processor
from vidalign.toyworld.world import read_scenes, write_world

folder = Path(tempfile.mkdtemp())
write_world(folder, {"train": 16}, seed=0)
clips = read_scenes(folder, "train")


def turn(role, text):
    return [{"role": role, "content": text}]


# The rejected caption is that of another clip.
rows = [
    {
        "videos": [video],
        "prompt": turn("user", "describe the video"),
        "chosen": turn("assistant", caption(scene)),
        "rejected": turn("assistant", caption(other)),
    }
    for (video, scene), (_, other) in zip(clips, clips[1:] + clips[:1], strict=True)
]

processor = build_processor()
args = SynPOConfig(
    output_dir=str(folder / "out"),
    media_root=str(folder),
    video_num_frames=8,
    per_device_train_batch_size=4,
    max_steps=4,
    learning_rate=1e-3,
    logging_steps=1,
    report_to="none",
    use_cpu=True,
)
trainer = SynPOTrainer(
    model=build_model(processor, seed=0),
    args=args,
    train_dataset=Dataset.from_list(rows),
    processing_class=processor,
)
trainer.train()
losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
print("loss:", *(f"{loss:.3f}" for loss in losses))
