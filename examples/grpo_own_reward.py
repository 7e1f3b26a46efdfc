"""GRPO on video with a reward of one's own: a function that counts words. Offline, on a CPU, in seconds.

python examples/grpo_own_reward.py
"""

import tempfile
from pathlib import Path

from datasets import Dataset

from vidalign import VideoGRPOConfig, VideoGRPOTrainer
from vidalign.toyworld.model import build_model, build_processor
from vidalign.toyworld.world import read_scenes, write_world

folder = Path(tempfile.mkdtemp())
write_world(folder, {"train": 4}, seed=0)
rows = [
    {
        "videos": [video],
        "prompt": [{"role": "user", "content": "describe the video"}],
        "colours": [shape.colour for shape in scene.shapes],
    }
    for video, scene in read_scenes(folder, "train")
]


def names_the_colours(completions, colours, **columns):
    """One number a completion. Columns of the data set come as arguments, one entry a completion."""
    texts = [completion[0]["content"] for completion in completions]
    return [
        sum(colour in text.split() for colour in own) / len(own)
        for text, own in zip(texts, colours, strict=True)
    ]


processor = build_processor()
args = VideoGRPOConfig(
    output_dir=str(folder / "out"),
    media_root=str(folder),
    video_num_frames=8,
    num_generations=4,
    per_device_train_batch_size=8,  # captions: 2 clips, 4 captions each
    max_completion_length=12,
    max_steps=2,
    logging_steps=1,
    report_to="none",
    use_cpu=True,
    bf16=False,
)
trainer = VideoGRPOTrainer(
    model=build_model(processor, seed=0),
    reward_funcs=names_the_colours,
    args=args,
    train_dataset=Dataset.from_list(rows),
    processing_class=processor,
)
trainer.train()
for entry in trainer.state.log_history:
    if "reward" in entry:
        print(f"reward {entry['reward']:.3f}")
