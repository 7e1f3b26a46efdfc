"""When the towers run, and when a frozen one's output may be taken again."""

import copy
import gc
from dataclasses import replace

import pytest
import torch

from vidalign.families import FAMILIES, freeze
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


def test_groups_that_were_encoded_by_themselves_are_found_in_any_selection(row_batch):
    for name in (family for family in FAMILIES if FAMILIES[family].vision_tower):
        model, rows = row_batch(name)
        freeze(model, ["vision_tower", "audio_tower", "projector"])
        encoder = MediaEncoder(SharedPrefix(model).family)
        encoder.each(model.base_model, rows.media)
        assert encoder.runs == 2
        together = logps(model, rows, encoder)
        assert encoder.runs == 2, name
        alone = logps(model, rows, MediaEncoder(encoder.family))
        torch.testing.assert_close(together, alone, atol=1e-6, rtol=0, msg=name)


def test_features_live_as_long_as_their_media(row_batch):
    model, rows = row_batch("qwen2_5_vl")
    freeze(model, ["vision_tower", "projector"])
    encoder = MediaEncoder(SharedPrefix(model).family)
    logps(model, rows, encoder)
    assert len(encoder._kept) == 1
    rows.media = []
    gc.collect()
    assert not encoder._kept


PROJECTING = [name for name in FAMILIES if FAMILIES[name].projections]


@pytest.mark.parametrize("name", PROJECTING)
def test_frozen_towers_run_once_for_a_projector_that_learns(name, row_batch):
    policy, rows = row_batch(name)
    reference = copy.deepcopy(policy)
    freeze(policy, ["vision_tower", "audio_tower"])
    encoder = MediaEncoder(SharedPrefix(policy).family)
    plain = MediaEncoder(replace(encoder.family, projections={}))  # every forward runs the towers
    gradients = []
    for own in (encoder, plain):
        policy.zero_grad()
        logps(policy, rows, own).sum().backward()
        gradients.append({n: p.grad.clone() for n, p in policy.named_parameters() if p.grad is not None})
    assert any("merger" in parameter for parameter in gradients[0])
    assert gradients[0].keys() == gradients[1].keys()
    for parameter, gradient in gradients[0].items():
        torch.testing.assert_close(gradient, gradients[1][parameter], atol=1e-6, rtol=1e-4)
    with torch.no_grad():
        for parameter in policy.model.visual.merger.parameters():
            parameter.add_(0.1)
        learnt, other = logps(policy, rows, encoder), logps(reference, rows, encoder)
        assert encoder.runs == 1
        torch.testing.assert_close(learnt, logps(policy, rows, MediaEncoder(plain.family)))
        torch.testing.assert_close(other, logps(reference, rows, MediaEncoder(plain.family)))
    assert (learnt - other).abs().max() > 1e-3
