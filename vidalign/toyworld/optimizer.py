"""Muon for hidden matrices and AdamW for everything else, as one optimizer that a Trainer takes whole."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, overload

import torch
from torch import nn

# The quintic's coefficients from Keller Jordan's post on Muon, as in torch.optim.Muon.
_NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
_NEWTON_SCHULZ_STEPS = 5


class MuonAdamW(torch.optim.Optimizer):
    """One optimizer over two kinds of parameters; `kind` in a group says which rule it follows.

    Muon: a momentum average of the gradient, orthogonalised, times lr * max(1, rows / columns)^0.5: each step has
    the same size in every direction, which is what lets a few hundred steps suffice. AdamW: as in PyTorch.
    Weight decay is decoupled in both, and is for matrices only.

    torch.optim.Muon orthogonalises one matrix after another in bfloat16, which a CPU may have to emulate, and cannot
    hold other parameters. Here matrices of one shape are orthogonalised in one batch, in float32.

    params: (name, parameter) pairs of a model. Matrices are hidden unless their name says embedding or head.
    lr_matrices, lr_rest: learning rates before the schedule. momentum, betas: in [0, 1).
    """

    def __init__(
        self,
        params: Iterable[tuple[str, nn.Parameter]],
        *,
        lr_matrices: float,
        lr_rest: float,
        weight_decay: float = 0.05,
        momentum: float = 0.95,
        betas: tuple[float, float] = (0.9, 0.98),
        eps: float = 1e-8,
    ) -> None:
        hidden, embeddings, vectors = [], [], []
        for name, parameter in params:
            if not parameter.requires_grad:
                continue
            if parameter.ndim < 2:
                vectors.append(parameter)
            elif "embed" in name or "lm_head" in name:
                embeddings.append(parameter)
            else:
                hidden.append(parameter)
        muon = {"kind": "muon", "lr": lr_matrices, "momentum": momentum}
        adamw = {"kind": "adamw", "lr": lr_rest, "betas": betas, "eps": eps}
        groups = [
            {"params": hidden, **muon, "weight_decay": weight_decay},
            {"params": embeddings, **adamw, "weight_decay": weight_decay},
            {"params": vectors, **adamw, "weight_decay": 0.0},
        ]
        super().__init__([group for group in groups if group["params"]], {})

    @overload
    def step(self, closure: None = None) -> None: ...

    @overload
    def step(self, closure: Callable[[], float]) -> float: ...

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            parameters = [parameter for parameter in group["params"] if parameter.grad is not None]
            if group["kind"] == "muon":
                self._muon(parameters, group)
            else:
                self._adamw(parameters, group)
        return loss

    def _muon(self, parameters: list[nn.Parameter], group: dict[str, Any]) -> None:
        by_shape: dict[tuple[int, int], list[nn.Parameter]] = {}
        for parameter in parameters:
            by_shape.setdefault((parameter.shape[0], parameter[0].numel()), []).append(parameter)
        for (rows, columns), alike in by_shape.items():
            updates = []
            for parameter in alike:
                assert parameter.grad is not None
                average = self.state[parameter].setdefault("average", torch.zeros_like(parameter))
                average.lerp_(parameter.grad, 1 - group["momentum"])
                ahead = parameter.grad.lerp(average, group["momentum"])  # Nesterov
                updates.append(ahead.view(rows, columns))
            scale = max(1.0, rows / columns) ** 0.5
            for parameter, update in zip(alike, orthogonalise(torch.stack(updates)), strict=True):
                parameter.mul_(1 - group["lr"] * group["weight_decay"])
                parameter.add_(update.view_as(parameter), alpha=-group["lr"] * scale)

    def _adamw(self, parameters: list[nn.Parameter], group: dict[str, Any]) -> None:
        beta1, beta2 = group["betas"]
        for parameter in parameters:
            assert parameter.grad is not None
            state = self.state[parameter]
            if not state:
                state["step"] = torch.zeros(())
                state["mean"], state["square"] = torch.zeros_like(parameter), torch.zeros_like(parameter)
            state["step"] += 1
            steps = int(state["step"])
            state["mean"].lerp_(parameter.grad, 1 - beta1)
            state["square"].mul_(beta2).addcmul_(parameter.grad, parameter.grad, value=1 - beta2)
            spread = (state["square"] / (1 - beta2**steps)).sqrt_().add_(group["eps"])
            parameter.mul_(1 - group["lr"] * group["weight_decay"])
            parameter.addcdiv_(state["mean"], spread, value=-group["lr"] / (1 - beta1**steps))


def orthogonalise(matrices: torch.Tensor) -> torch.Tensor:
    """Set the singular values of each matrix near 1 (0.7 to 1.2): five Newton-Schulz steps. `[N, rows, columns]`."""
    a, b, c = _NEWTON_SCHULZ
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.mT if tall else matrices
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp(min=1e-7)
    for _ in range(_NEWTON_SCHULZ_STEPS):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.mT if tall else x
