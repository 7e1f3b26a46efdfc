"""A program that a test launches: reference log-probs of rows from memory, with media and without."""

import json
import sys
from pathlib import Path

from accelerate import PartialState
from datasets import Dataset

from vidalign.trainers.dpo import VideoDPOConfig, VideoDPOTrainer

given = json.loads(Path(sys.argv[1]).read_text())
for name, rows in given["rows"].items():
    table = Dataset.from_list(rows)
    trainer = VideoDPOTrainer(
        given["model"],
        args=VideoDPOConfig(**given["settings"]),
        train_dataset=table,
        eval_dataset={"seen": table.select(range(3))},
    )
    values = {
        "train": trainer.train_dataset["ref_chosen_logps"][:],
        "eval": trainer.eval_dataset["seen"]["ref_chosen_logps"][:],
        "rows": [row.get("vidalign_row") for row in trainer.train_dataset],
    }
    Path(trainer.args.output_dir, f"{name}-{PartialState().process_index}.json").write_text(
        json.dumps(values)
    )
