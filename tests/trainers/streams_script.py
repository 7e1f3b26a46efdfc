"""A program that tests launch: trainings on a table or on a stream, evaluated on a table and on a stream of the same rows.

Prints one line of JSON in the first process: for each method what was measured.
"""

import json
import sys

from datasets import Dataset, IterableDataset
from transformers import set_seed

from vidalign.trainers.dpo import VideoDPOConfig, VideoDPOTrainer
from vidalign.trainers.grpo import VideoGRPOConfig, VideoGRPOTrainer
from vidalign.trainers.ranking import RankingConfig, RankingTrainer
from vidalign.trainers.sft import VideoSFTConfig, VideoSFTTrainer
from vidalign.trainers.synpo import SynPOConfig, SynPOTrainer

METHODS = {
    "dpo": (VideoDPOTrainer, VideoDPOConfig),
    "synpo": (SynPOTrainer, SynPOConfig),
    "sft": (VideoSFTTrainer, VideoSFTConfig),
    "ranking": (RankingTrainer, RankingConfig),
    "grpo": (VideoGRPOTrainer, VideoGRPOConfig),
}


def varied(completion_ids, **_):
    return [sum(ids) % 7 / 7 for ids in completion_ids]


def stream_of(rows):
    """Two files of unlike length, as a data set on the Hub has them."""
    return IterableDataset.from_generator(
        lambda parts: (row for part in parts for row in part), gen_kwargs={"parts": [rows[:-2], rows[-2:]]}
    )


def measured(trainer, dataset):
    set_seed(7)  # completions
    metrics = trainer.evaluate(dataset)
    timed = ("runtime", "per_second", "preparation_time", "reward_time", "step_time")
    return {k: v for k, v in metrics.items() if not any(name in k for name in timed)}


def run(method, rows, settings):
    trainer_class, config_class = METHODS[method]
    given = {"reward_funcs": varied} if method == "grpo" else {}
    args = config_class(
        **settings, use_cpu=True, bf16=False, report_to=[], logging_steps=1, save_strategy="no"
    )
    trainer = trainer_class(
        model=MODEL, args=args, train_dataset=Dataset.from_list(rows), eval_dataset=stream_of(rows), **given
    )
    found = {
        "stream": measured(trainer, None),
        "stream of evaluate": measured(trainer, stream_of(rows)),
        "table": measured(trainer, Dataset.from_list(rows)),
    }
    trainer = trainer_class(model=MODEL, args=args, train_dataset=stream_of(rows), **given)
    trainer.train()
    found["losses on a stream"] = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    found["wrapped by"] = type(trainer.model_wrapped).__name__
    found["table after a stream"] = measured(trainer, Dataset.from_list(rows))
    return found, trainer


if __name__ == "__main__":
    tasks = json.loads(sys.argv[1])
    MODEL = tasks.pop("model")
    results = {}
    for method, task in tasks.items():
        results[method], trainer = run(method, **task)
    if trainer.is_world_process_zero():
        print("\n" + json.dumps(results))
    trainer.end()
