"""SynPO's Figure 3: how strongly chosen and rejected responses each pull on the policy's weights."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import nn

from vidalign.families.family import Family
from vidalign.families.modules import module_parameters

BRANCHES = ("chosen", "rejected")
OUTPUTS = re.compile(r"(?:^|\.)layers\.(\d+)\.(?:.+\.)?(?:o_proj|down_proj)\.")


class BranchGradients:
    """The gradient of one optimiser step with respect to named matrices, in two parts that add up to it: what flows
    through the log-probs of the chosen responses, and what flows through those of the rejected ones.

    Logged of each part is `||A||_F / (m n)`, with A the part's gradient of an m x n matrix (SynPO, §4.2.3 and Figure 3). A
    is that of the whole step, summed over micro-batches and processes before the norm is taken: the norm of a mean is
    not the mean of norms.

    Appendix E.3 derives the gradient with respect to the two rewards instead. Of DPO that is equal and opposite, and could
    not show, as the figure does, which branch dominates.

    Of DPO the parts are -β E[σ(-margin) ∇ log π(y_w)] and +β E[σ(-margin) ∇ log π(y_l)]. SynPO's language term is in the
    chosen part, as any loss on chosen responses is. What reaches the weights by another way than the log-probs, such as
    the load-balancing loss of a mixture of experts, is in neither.

    Args:
        matrices: by name, parameters of two dimensions.
    """

    def __init__(self, matrices: dict[str, nn.Parameter]) -> None:
        self._matrices = matrices
        self._sums: dict[str, list[torch.Tensor]] = {}

    def add(self, loss: torch.Tensor, logps: torch.Tensor, weight: float) -> None:
        """Adds a micro-batch. Costs a backward pass for each part, down to the first of the matrices.

        Args:
            loss: scalar, whose graph stays for the trainer's own backward pass. No `.grad` is touched.
            logps: [2N, T] that it was computed from, chosen rows first.
            weight: share of this micro-batch in the step's loss: one over the number of micro-batches.
        """
        # Backward passes under autocast would run custom functions in another precision than the trainer's own.
        with torch.autocast(logps.device.type, enabled=False):
            (slope,) = torch.autograd.grad(loss, logps, retain_graph=True)
            chosen = torch.arange(len(slope), device=slope.device)[:, None] < len(slope) // 2
            for branch, rows in zip(BRANCHES, (chosen, ~chosen), strict=True):
                gradients = torch.autograd.grad(
                    logps,
                    list(self._matrices.values()),
                    grad_outputs=slope * rows,
                    retain_graph=True,
                    materialize_grads=True,
                )
                parts = [weight * gradient.detach().float() for gradient in gradients]
                known = self._sums.get(branch)
                self._sums[branch] = (
                    parts if known is None else [a + b for a, b in zip(known, parts, strict=True)]
                )

    def norms(self, mean: Callable[[torch.Tensor], torch.Tensor]) -> dict[str, float]:
        """The step's norms, and forgets the step.

        mean: of a tensor over processes; called by all of them.

        Returns:
            `chosen/<matrix>` and `rejected/<matrix>`, and their means over matrices, `chosen` and `rejected`.
        """
        norms: dict[str, float] = {}
        for branch in BRANCHES:
            sums = self._sums.pop(branch)
            own = [(mean(total).norm() / total.numel()).item() for total in sums]
            norms[branch] = sum(own) / len(own)
            norms |= {f"{branch}/{name}": norm for name, norm in zip(self._matrices, own, strict=True)}
        return norms


def named_matrices(model: Any, patterns: Sequence[str], family: Family | None) -> dict[str, nn.Parameter]:
    """The matrices to measure, by the names of `model.named_parameters()`.

    Args:
        model: the model that is trained, with its adapters.
        patterns: shell-style (`*`, `?`, `[...]`), each for a whole name. Without any: the output projections of attention
            and MLP (`o_proj`, `down_proj`) in the language model's first, middle and last layer, or their adapters.
        family: of the model; None looks for layers in all of it.

    Raises:
        ValueError: a pattern that matches no matrix that learns, with those that there are; weights that are sharded.
    """
    learning = {
        name: weight
        for name, weight in model.named_parameters()
        if weight.requires_grad and (weight.ndim == 2 or _is_sharded(weight))
    }
    if any(map(_is_sharded, learning.values())):
        raise ValueError(
            "grad_norm_every needs whole weights, and these are sharded over processes; leave it unset"
        )
    if not patterns:
        found = _outputs_of_three_layers(model, learning, family)
        if not found:
            raise ValueError(
                "grad_norm_every: no o_proj or down_proj of the language model learns; name matrices in "
                f"grad_norm_parameters. {_candidates(learning)}"
            )
        return found
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in learning):
            raise ValueError(
                f"grad_norm_parameters: {pattern!r} matches no matrix that learns. {_candidates(learning)}"
            )
    return {
        name: weight
        for name, weight in learning.items()
        if any(fnmatchcase(name, pattern) for pattern in patterns)
    }


def _is_sharded(weight: nn.Parameter) -> bool:
    return hasattr(weight, "ds_id") or hasattr(weight, "placements")


def _outputs_of_three_layers(
    model: Any, learning: dict[str, nn.Parameter], family: Family | None
) -> dict[str, nn.Parameter]:
    if family is not None:
        own = set(map(id, module_parameters(model, family, "language_model")))
        learning = {name: weight for name, weight in learning.items() if id(weight) in own}
    layers = {name: int(match[1]) for name in learning if (match := OUTPUTS.search(name))}
    numbers = sorted(set(layers.values()))
    wanted = {numbers[place] for place in (0, len(numbers) // 2, -1)} if numbers else set()
    return {name: learning[name] for name, layer in layers.items() if layer in wanted}


def _candidates(learning: dict[str, nn.Parameter], most: int = 20) -> str:
    """What there is to choose from, layers put together."""
    names = list(dict.fromkeys(re.sub(r"\.\d+(?=\.)", ".*", name) for name in learning))
    if not names:
        return "No matrix of the model learns."
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"There are: {', '.join(names[:most])}{more}."
