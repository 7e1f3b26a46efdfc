"""The joint optimizer: hand-checked steps, agreement with PyTorch's own, and states that can be saved."""

import copy

import pytest
import torch
from torch import nn

from vidalign.toyworld.optimizer import MuonAdamW, orthogonalise


def model(seed=0):
    torch.manual_seed(seed)
    return nn.ModuleDict({"embed": nn.Embedding(5, 4), "up": nn.Linear(4, 6), "down": nn.Linear(6, 4)})


def backward(module, seed):
    torch.manual_seed(seed)
    ids = torch.randint(0, 5, (7,))
    module["down"](torch.tanh(module["up"](module["embed"](ids)))).pow(2).sum().backward()


def test_adamw_by_hand():
    # The first step's corrected mean and root are g and |g|, so a vector moves by lr against the gradient's sign.
    vector = nn.Parameter(torch.tensor([1.0, -2.0, 3.0]))
    optimizer = MuonAdamW([("bias", vector)], lr_matrices=1.0, lr_rest=0.1, weight_decay=0.5)
    vector.grad = torch.tensor([0.3, -0.2, 0.0])
    optimizer.step()
    torch.testing.assert_close(vector.data, torch.tensor([0.9, -1.9, 3.0]))


def test_adamw_equals_torch_over_many_steps():
    ours, theirs = model(), model()
    for module in (ours, theirs):
        module["up"].weight.requires_grad_(False)
        module["down"].weight.requires_grad_(False)
    optimizer = MuonAdamW(
        ours.named_parameters(), lr_matrices=1.0, lr_rest=0.01, betas=(0.9, 0.98), weight_decay=0.05
    )
    matrices = [theirs["embed"].weight]
    vectors = [theirs["up"].bias, theirs["down"].bias]
    reference = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": 0.05}, {"params": vectors, "weight_decay": 0.0}],
        lr=0.01,
        betas=(0.9, 0.98),
    )
    for step in range(20):
        for module, rule in ((ours, optimizer), (theirs, reference)):
            backward(module, step)
            rule.step()
            rule.zero_grad()
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(mine, other)


def test_muon_by_hand():
    # A diagonal gradient stays diagonal. With equal entries, each singular value starts at 1/sqrt(2) and runs through
    # x -> 3.4445 x - 4.775 x^3 + 2.0315 x^5 five times. Rows = columns, so the scale is 1.
    value = 0.5**0.5
    for _ in range(5):
        value = 3.4445 * value - 4.7750 * value**3 + 2.0315 * value**5
    weight = nn.Parameter(torch.eye(2) * 2)
    optimizer = MuonAdamW([("weight", weight)], lr_matrices=0.1, lr_rest=1.0, weight_decay=0.5)
    weight.grad = torch.eye(2) * 7.0
    optimizer.step()
    torch.testing.assert_close(weight.data, torch.eye(2) * (2 * (1 - 0.1 * 0.5) - 0.1 * value))


@pytest.mark.parametrize("shape", [(6, 4), (4, 6), (5, 5)])
def test_muon_equals_torch_but_for_its_precision(shape):
    # torch.optim.Muon orthogonalises in bfloat16, about three digits.
    torch.manual_seed(0)
    start, gradients = torch.randn(shape), [torch.randn(shape) for _ in range(3)]
    ours, theirs = nn.Parameter(start.clone()), nn.Parameter(start.clone())
    optimizer = MuonAdamW([("weight", ours)], lr_matrices=0.01, lr_rest=1.0, weight_decay=0.05)
    reference = torch.optim.Muon([theirs], lr=0.01, weight_decay=0.05)
    for gradient in gradients:
        ours.grad, theirs.grad = gradient.clone(), gradient.clone()
        optimizer.step()
        reference.step()
    torch.testing.assert_close(ours, theirs, atol=1e-3, rtol=0)


@pytest.mark.parametrize("shape", [(3, 8, 5), (2, 5, 8), (1, 6, 6)])
def test_orthogonalise_sets_singular_values_near_one(shape):
    torch.manual_seed(1)
    matrices = torch.randn(shape) * torch.tensor(5.0)
    found = orthogonalise(matrices)
    values = torch.linalg.svdvals(found)
    assert values.min() > 0.5
    assert values.max() < 1.3
    # The singular vectors stay: the polar factor's direction is kept.
    u, _, v = torch.linalg.svd(matrices, full_matrices=False)
    rotated = u.mT @ found @ v.mT
    off_diagonal = rotated - torch.diag_embed(rotated.diagonal(dim1=1, dim2=2))
    assert off_diagonal.abs().max() < 1e-4


def test_matrices_of_a_batch_do_not_see_each_other():
    torch.manual_seed(2)
    first, second = torch.randn(4, 6), torch.randn(4, 6) * 100
    torch.testing.assert_close(orthogonalise(torch.stack([first, second]))[0], orthogonalise(first[None])[0])


def test_parameters_are_sorted_by_kind():
    optimizer = MuonAdamW(model().named_parameters(), lr_matrices=0.02, lr_rest=0.01, weight_decay=0.05)
    kinds = [
        (group["kind"], group["lr"], group["weight_decay"], len(group["params"]))
        for group in optimizer.param_groups
    ]
    assert kinds == [("muon", 0.02, 0.05, 2), ("adamw", 0.01, 0.05, 1), ("adamw", 0.01, 0.0, 2)]


def test_a_schedule_scales_both_rates():
    optimizer = MuonAdamW(model().named_parameters(), lr_matrices=0.02, lr_rest=0.01)
    torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.5)
    assert [group["lr"] for group in optimizer.param_groups] == [0.01, 0.005, 0.005]


def test_training_goes_on_from_a_saved_state_as_if_it_had_not_stopped(tmp_path):
    straight = model()
    optimizer = MuonAdamW(straight.named_parameters(), lr_matrices=0.02, lr_rest=0.01)
    for step in range(3):
        optimizer.zero_grad()
        backward(straight, step)
        optimizer.step()
    torch.save(optimizer.state_dict(), tmp_path / "optimizer.pt")
    resumed = copy.deepcopy(straight)
    again = MuonAdamW(resumed.named_parameters(), lr_matrices=0.5, lr_rest=0.5)
    again.load_state_dict(torch.load(tmp_path / "optimizer.pt", weights_only=True))
    for step in range(3, 6):
        for module, rule in ((straight, optimizer), (resumed, again)):
            rule.zero_grad()
            backward(module, step)
            rule.step()
    for one, other in zip(straight.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(one, other)
