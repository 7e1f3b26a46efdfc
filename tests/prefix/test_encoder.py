"""When the towers run, and when a frozen one's output may be taken again."""

import copy

import torch

from vidalign.families import freeze
from vidalign.prefix import MediaEncoder, SharedPrefix, token_logps


def logps(model, rows, encoder, **options):
    return token_logps(model, rows, prefix=SharedPrefix(model, self_check=False, encoder=encoder, **options))


def test_a_frozen_tower_runs_once_for_policy_and_reference(row_batch):
    policy, rows = row_batch("qwen2_5_vl")
    reference = copy.deepcopy(policy)
    freeze(policy, ["vision_tower", "projector"])
    encoder = MediaEncoder(SharedPrefix(policy).family)
    own = logps(policy, rows, encoder)
    with torch.no_grad():
        other = logps(reference, rows, encoder)
    assert encoder.runs == 1
    assert torch.equal(own.detach(), other)


def test_a_tower_that_learns_runs_for_each(row_batch):
    policy, rows = row_batch("qwen2_5_vl")
    reference = copy.deepcopy(policy)
    encoder = MediaEncoder(SharedPrefix(policy).family)
    logps(policy, rows, encoder)
    with torch.no_grad():
        logps(reference, rows, encoder)
    assert encoder.runs == 2


def test_another_tower_is_not_given_these_features(row_batch):
    policy, rows = row_batch("qwen2_5_vl")
    reference = copy.deepcopy(policy)
    with torch.no_grad():
        next(reference.model.visual.parameters()).add_(0.1)
    freeze(policy, ["vision_tower", "projector"])
    encoder = MediaEncoder(SharedPrefix(policy).family)
    logps(policy, rows, encoder)
    with torch.no_grad():
        shared = logps(reference, rows, encoder)
        alone = logps(reference, rows, MediaEncoder(encoder.family))
    assert encoder.runs == 2
    assert torch.equal(shared, alone)


def test_other_media_are_encoded_afresh(row_batch):
    model, rows = row_batch("qwen2_5_vl")
    freeze(model, ["vision_tower", "projector"])
    encoder = MediaEncoder(SharedPrefix(model).family)
    logps(model, rows, encoder)
    _, same_values = row_batch("qwen2_5_vl")
    logps(model, same_values, encoder)
    assert encoder.runs == 2
