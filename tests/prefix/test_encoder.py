"""When the towers run, and when a frozen one's output may be taken again."""

import copy
import gc
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from peft import LoraConfig, get_peft_model

from vidalign.families import FAMILIES, freeze
from vidalign.prefix import MediaEncoder, SharedPrefix, token_logps


def logps(model, rows, encoder, **options):
    return token_logps(model, rows, prefix=SharedPrefix(model, self_check=False, encoder=encoder, **options))


@pytest.mark.parametrize("options", [{"modules_to_save": ["merger"]}, {"target_modules": ["qkv", "q_proj"]}])
def test_features_of_an_adapter_are_not_those_of_the_model_below(options, row_batch):
    """Nothing learns here, as in an evaluation; a projector's copy and a tower's adapters are switched off and on."""
    model, rows = row_batch("qwen2_5_vl")
    adapted = get_peft_model(model, LoraConfig(**{"r": 4, "target_modules": ["q_proj"], **options}))
    with torch.no_grad():
        for name, weight in adapted.named_parameters():
            if "modules_to_save" in name or "lora_B" in name:
                weight.add_(0.1)
    adapted.requires_grad_(False)
    encoder = MediaEncoder(SharedPrefix(model).family)
    with_adapter = logps(model, rows, encoder)
    with adapted.disable_adapter():
        below = logps(model, rows, encoder)
        assert torch.equal(below, logps(model, rows, MediaEncoder(encoder.family)))
    assert (with_adapter - below).abs().max() > 1e-3
    assert torch.equal(with_adapter, logps(model, rows, MediaEncoder(encoder.family)))


def test_features_end_with_the_weights_they_are_of(row_batch):
    model, rows = row_batch("qwen2_5_vl")
    freeze(model, ["vision_tower", "projector"])
    encoder = MediaEncoder(SharedPrefix(model).family)
    before = logps(model, rows, encoder)
    runs = encoder.runs
    state = {name: 1.1 * weight for name, weight in model.state_dict().items() if "visual" in name}
    model.load_state_dict(state, strict=False)
    after = logps(model, rows, encoder)
    assert encoder.runs > runs and (after - before).abs().max() > 1e-4
    assert torch.equal(after, logps(model, rows, MediaEncoder(encoder.family)))


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
    assert len(encoder.kept) == 1
    rows.media = []
    gc.collect()
    assert not encoder.kept


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


def clips(name="qwen2_5_vl", count=6):
    """A frozen model and the media of so many prompts, which live on as in a cache of prompts; every second one longer."""
    family, rng = FAMILIES[name], np.random.default_rng(0)
    model, processor = family.tiny_model(), family.tiny_processor()
    freeze(model, ["vision_tower", "audio_tower", "projector"])
    text = f"{family.video_placeholder(processor)} describe it"
    media = []
    for frames in (4 + 2 * (number % 2) for number in range(count)):
        pixels = rng.integers(0, 255, (frames, 56, 56, 3)).astype("uint8")
        video = SimpleNamespace(
            frames=pixels, timestamps=np.arange(frames) / 2.0, duration=frames / 2.0, fps=2.0
        )
        media.append(family.encode(processor, text, [video]).media)
    return model, media


def selections(count, of, size=3):
    generator = torch.Generator().manual_seed(0)
    return [torch.randperm(of, generator=generator)[:size].tolist() for _ in range(count)]


def flat(value):
    """All features of a batch, in order."""
    if isinstance(value, torch.Tensor):
        return value.flatten()
    values = value.values() if hasattr(value, "values") else value
    return torch.cat([flat(item) for item in values if item is not None])


# Features as one tensor a clip, with those of deeper layers beside them, and as one tensor for all.
@pytest.mark.parametrize("name", ["qwen2_5_vl", "qwen3_vl", "llava_next_video"])
def test_media_that_come_again_are_kept_each_by_itself(name):
    """Whatever the batches of one set of cached prompts, the towers run at most twice for each."""
    model, media = clips(name, count=4)
    encoder, plain = MediaEncoder(FAMILIES[name]), MediaEncoder(FAMILIES[name], cache_gb=0)
    for numbers in selections(10, len(media)):
        batch = [media[number] for number in numbers]
        features = encoder(model.base_model, batch)
        torch.testing.assert_close(
            flat(features), flat(plain(model.base_model, batch)), atol=1e-5, rtol=1e-4, msg=name
        )
    assert encoder.runs <= 2 * len(media) < 10
    assert len(encoder.kept) <= 2 * len(media)
    assert plain.runs == 10 and len(plain.kept) == 0


@pytest.mark.parametrize("room", [1, 2.5])
def test_what_is_kept_stays_within_its_memory(room):
    model, media = clips()
    unbounded = MediaEncoder(FAMILIES["qwen2_5_vl"])
    sizes = []
    for group in media:
        unbounded(model.base_model, [group])
        sizes.append(unbounded.kept.held - sum(sizes))
    # Features of 64 float32 numbers, one for four patches.
    assert sizes == [len(group["pixel_values_videos"]) // 4 * 64 * 4 for group in media]
    capacity = int(room * max(sizes))
    encoder = MediaEncoder(FAMILIES["qwen2_5_vl"], cache_gb=capacity / 2**30)
    assert encoder.kept.capacity == capacity
    for numbers in selections(8, len(media)):
        batch = [media[number] for number in numbers]
        features = encoder(model.base_model, batch)
        assert encoder.kept.held <= capacity
        torch.testing.assert_close(
            flat(features), flat(unbounded(model.base_model, batch)), atol=1e-6, rtol=0
        )
    assert encoder.kept.held > 0


def test_the_least_recently_used_go_first():
    model, media = clips(count=5)
    media = media[::2]  # of equal size
    encoder = MediaEncoder(FAMILIES["qwen2_5_vl"])
    encoder(model.base_model, media[:1])
    encoder.kept.capacity = 2 * encoder.kept.held

    def runs(group):
        before = encoder.runs
        encoder(model.base_model, [group])
        return encoder.runs - before

    a, b, c = media
    assert [runs(group) for group in (a, b, a, c, a, b)] == [0, 1, 0, 1, 0, 1]


def test_what_alone_is_too_large_drops_nothing():
    model, media = clips(count=2)  # the second is larger
    encoder = MediaEncoder(FAMILIES["qwen2_5_vl"])
    encoder(model.base_model, media[:1])
    encoder.kept.capacity = encoder.kept.held
    for _ in range(2):
        encoder(model.base_model, media[1:])
    encoder(model.base_model, media[:1])
    assert encoder.runs == 3 and len(encoder.kept) == 1
