"""What DistributedDataParallel is told of our models: nothing where one process trains, else which weights to wait for."""

from __future__ import annotations

from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedType

from vidalign.families.family import Family
from vidalign.families.modules import inside
from vidalign.prefix.idle import idle_towers

DDP = (DistributedType.MULTI_GPU, DistributedType.MULTI_CPU)


def leave_ddp_when_alone(accelerator: Accelerator) -> None:
    """A launcher starts one process as one of several, and accelerate would wrap its model to wait for nobody."""
    if accelerator.num_processes == 1 and accelerator.distributed_type in DDP:
        accelerator.state.distributed_type = DistributedType.NO


def search_only_if_needed(accelerator: Accelerator, model: Any, family: Family, *, idle: bool) -> None:
    """Has DDP search each backward graph for weights without a gradient only if there can be any. TRL has it search in all
    vision-language models, as their towers are left out where a batch has no images; ours run then, too.

    Args:
        model: the policy, PEFT's or not.
        idle: whether towers run on every process and at every step (`SharedPrefix.run_idle_towers`).
    """
    if accelerator.distributed_type in DDP and accelerator.ddp_handler is not None:
        accelerator.ddp_handler.find_unused_parameters = bool(unreached(model, family, idle=idle))


def unreached(model: Any, family: Family, *, idle: bool) -> list[str]:
    """Names of the weights that learn and that some loss may leave without a gradient.

    Follows the graph of two tokens' logits, with the towers on a dummy if they run `idle`. No gradient is computed.
    """
    whole = getattr(model, "get_base_model", lambda: model)()
    backbone, training = whole.base_model, model.training
    device = next(backbone.parameters()).device
    model.eval()
    try:
        with torch.enable_grad():
            ids = torch.zeros(1, 2, dtype=torch.long, device=device)
            hidden = backbone(input_ids=ids, use_cache=False).last_hidden_state
            total = whole.get_output_embeddings()(hidden).float().sum()
            towers = idle_towers(family, backbone, {}) if idle else None
            graph = [total.grad_fn, None if towers is None else towers.grad_fn]
    finally:
        model.train(training)
    reached = _weights_of(graph)
    # Of several vision towers only those run whose medium a batch has.
    doubtful = family.vision_tower if len(family.vision_tower) > 1 else ()
    names = {id(weight): name for name, weight in backbone.named_parameters()}
    return [
        name
        for name, weight in model.named_parameters()
        if weight.requires_grad and (id(weight) not in reached or inside(names.get(id(weight), ""), doubtful))
    ]


def _weights_of(graph: list[Any]) -> set[int]:
    found, seen, todo = set(), set(), [node for node in graph if node is not None]
    while todo:
        node = todo.pop()
        if node in seen:
            continue
        seen.add(node)
        if hasattr(node, "variable"):
            found.add(id(node.variable))
        todo += [following for following, _ in node.next_functions if following is not None]
    return found
