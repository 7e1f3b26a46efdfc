"""An option given to the backbone reaches the attention function of every language-model layer.

The shared prefix hands its layout down this way: a family whose layers drop unknown options would see wrong
masks.
"""

from __future__ import annotations

import pytest
import torch
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

seen: list[object] = []


def probe(module, query, key, value, attention_mask, **options):
    seen.append(options.pop("vidalign_probe", None))
    return sdpa_attention_forward(module, query, key, value, attention_mask, **options)


@pytest.mark.parametrize("checkpointing", [False, True])
def test_options_reach_every_layer(built, checkpointing):
    AttentionInterface.register("vidalign_probe", probe)
    AttentionMaskInterface.register("vidalign_probe", sdpa_mask)
    model = built.family.tiny_model()
    backbone = model.base_model
    backbone.get_submodule(built.family.language_model).config._attn_implementation = "vidalign_probe"
    if checkpointing:
        model.train()
        model.gradient_checkpointing_enable({"use_reentrant": False})
    ids = torch.arange(12)[None]
    positions = built.family.positions(backbone, ids, {})
    marker = object()
    seen.clear()
    hidden = backbone(input_ids=ids, position_ids=positions, use_cache=False, vidalign_probe=marker)[0]
    forward = list(seen)
    hidden.sum().backward()
    assert forward == [marker] * 2
    assert seen == [marker] * (4 if checkpointing else 2), "checkpointing runs each layer again"
