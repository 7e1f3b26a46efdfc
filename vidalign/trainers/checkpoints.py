"""Loading a checkpoint's weights back into a model whose files name them differently.

transformers saves vision-language models under their original names (`visual...`, `model.layers...`) and trains them
under others (`model.visual...`, `model.language_model.layers...`). `Trainer` 5.23 loads a checkpoint without renaming and
without strictness: nothing is loaded, a warning is printed, and training goes on from the initial weights.
"""

from __future__ import annotations

import json
import os
from typing import Any

from safetensors import safe_open
from transformers.utils import SAFE_WEIGHTS_INDEX_NAME, SAFE_WEIGHTS_NAME


def is_renamed(model: Any, folder: str) -> bool:
    """Whether `folder` holds whole weights of `model` under other names. False for adapters and shards of FSDP."""
    names = saved_names(folder)
    return names is not None and not names <= set(model.state_dict())


def saved_names(folder: str) -> set[str] | None:
    index = os.path.join(folder, SAFE_WEIGHTS_INDEX_NAME)
    if os.path.isfile(index):
        with open(index, encoding="utf-8") as file:
            return set(json.load(file)["weight_map"])
    weights = os.path.join(folder, SAFE_WEIGHTS_NAME)
    if not os.path.isfile(weights):
        return None
    with safe_open(weights, framework="pt") as file:
        return set(file.keys())


def load_renamed(model: Any, folder: str) -> None:
    """Loads the weights of `folder` by the class's own `from_pretrained`, which knows both names.

    Raises:
        RuntimeError: a weight is missing or has another shape.
    """
    loaded = type(model).from_pretrained(folder, dtype=model.dtype)
    model.load_state_dict(loaded.state_dict(), strict=True)
