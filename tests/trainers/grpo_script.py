"""A program that tests launch: GRPO whose completions depend on prompt and place alone, not on the processes' random
states. Everything else is the trainer's own: media, generation, scoring, rewards, gradients."""

import json
import os
import random
import sys

from datasets import load_dataset

from vidalign.trainers.grpo import VideoGRPOConfig, VideoGRPOTrainer


class Fixed(VideoGRPOTrainer):
    def _generate_single_turn(self, prompt_ids, *args, **kwargs):
        super()._generate_single_turn(prompt_ids, *args, **kwargs)
        drawn, seen = [], {}
        offset = self.accelerator.process_index * len(prompt_ids) % self.num_generations
        for number, ids in enumerate(prompt_ids):
            key = tuple(ids)
            first = offset if number == 0 else 0
            seen.setdefault(key, first)
            rng = random.Random(f"{len(ids)}/{ids[-12:]}/{seen[key]}")
            seen[key] += 1
            drawn.append([rng.randrange(40, 90) for _ in range(rng.randrange(2, 7))])
        return drawn, None


async def reward(completion_ids, trainer_state, **_):
    if os.environ.get("FAIL_IN") == os.environ.get("RANK", "0") and trainer_state.global_step == 1:
        raise ConnectionError("the judge is gone")
    return [sum(ids) % 7 / 7 for ids in completion_ids]


settings = json.loads(sys.argv[1])
resume = settings.pop("resume", None)
trainer = Fixed(
    model=settings.pop("model"),
    reward_funcs=reward,
    train_dataset=load_dataset("json", data_files=settings.pop("data"), split="train"),
    args=VideoGRPOConfig(**settings, use_cpu=True, bf16=False, report_to=[], logging_steps=1),
)
trainer.train(resume_from_checkpoint=resume)
trainer.end()
