"""Random initialisation of a tiny model that leaves the caller's random state alone."""

from __future__ import annotations

from typing import Any

import torch

from vidalign.families.tiny_tokenizer import BOS_ID, EOS_ID, PAD_ID

# Ten times smaller, as in real configs, and a tiny model's logits would hardly depend on its inputs: no test
# could tell a right feature from a wrong one.
INITIALIZER_RANGE = 0.1


def special_ids() -> dict[str, int]:
    """The special tokens of `tiny_tokenizer`, as a config names them."""
    return {"bos_token_id": BOS_ID, "eos_token_id": EOS_ID, "pad_token_id": PAD_ID}


def text_fields(**overrides: Any) -> dict[str, Any]:
    """Config fields of a Llama-like language model of two layers, with grouped-query attention."""
    return {
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 4096,
        "initializer_range": INITIALIZER_RANGE,
        **special_ids(),
        **overrides,
    }


def initialise(model_class: Any, config: Any, seed: int) -> Any:
    """`model_class(config)` in evaluation mode, float32, its weights fixed by `seed`."""
    for key, value in special_ids().items():
        setattr(config, key, value)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = model_class(config)
    for key, value in special_ids().items():
        setattr(model.generation_config, key, value)
    return model.eval()
