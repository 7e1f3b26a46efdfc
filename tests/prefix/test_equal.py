"""Packed equals separate: log-probs and gradients, for every family and every way of running it."""

import pytest
import torch
from peft import LoraConfig, get_peft_model

from vidalign.families import FAMILIES, lora_target_regex
from vidalign.prefix import RowBatch, SharedPrefix, token_logps

VIDEO = [name for name, family in FAMILIES.items() if family.vision_tower]
TEXT = [name for name, family in FAMILIES.items() if not family.vision_tower]


def run(model, rows, **options):
    """Log-probs, and gradients of a loss that weighs every token differently."""
    model.zero_grad()
    logps = token_logps(model, rows, prefix=SharedPrefix(model, **options))
    weights = torch.linspace(-1, 1, logps.numel()).view_as(logps)
    (logps * weights).sum().backward()
    return logps.detach(), {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}


def assert_equal(packed, separate):
    assert (packed[0] - separate[0]).abs().max() <= 1e-5
    assert packed[0].abs().sum() > 0
    assert set(packed[1]) == set(separate[1])
    total = torch.stack([grad.norm() for grad in separate[1].values()]).norm()
    difference = torch.stack([(packed[1][name] - grad).norm() for name, grad in separate[1].items()]).norm()
    assert total > 0 and difference <= 1e-4 * total


@pytest.mark.parametrize("name", VIDEO + TEXT)
def test_several_groups_and_lengths(name, row_batch):
    model, rows = row_batch(name)
    assert_equal(run(model, rows), run(model, rows, share=False))


@pytest.mark.parametrize("name", VIDEO)
def test_one_group_of_two(name, row_batch):
    model, rows = row_batch(name, responses=((6, 1), (1,), (1,)))
    rows = RowBatch(
        *(t[:2] for t in (rows.input_ids, rows.attention_mask, rows.labels, rows.group)), rows.media[:1]
    )
    assert_equal(run(model, rows), run(model, rows, share=False))


@pytest.mark.parametrize("name", VIDEO)
def test_responses_that_begin_alike(name, row_batch):
    model, rows = row_batch(name, shared_start=3)
    prefix = SharedPrefix(model)
    media = family_media_end(prefix, rows)
    assert prefix.pack(rows).groups[0].prefix >= media + 3
    assert_equal(run(model, rows), run(model, rows, share=False))


def family_media_end(prefix, rows):
    is_media = torch.isin(
        rows.input_ids[0], torch.tensor(sorted(prefix.family.media_token_ids(prefix._model().config)))
    )
    return int(is_media.sum())


@pytest.mark.parametrize("reentrant", [False, True])
@pytest.mark.parametrize("name", ["qwen2_5_vl", "qwen3_vl", "llava_next_video"])
def test_gradient_checkpointing(name, reentrant, row_batch):
    model, rows = row_batch(name)
    expected = run(model, rows, share=False)
    model.train()
    model.gradient_checkpointing_enable({"use_reentrant": reentrant})
    model.enable_input_require_grads()
    assert_equal(run(model, rows), expected)


@pytest.mark.parametrize("name", VIDEO)
def test_lora(name, row_batch):
    model, rows = row_batch(name)
    targets = lora_target_regex(model, FAMILIES[name], vision_tower=True)
    adapted = get_peft_model(model, LoraConfig(r=4, target_modules=targets, init_lora_weights=False))
    base = adapted.get_base_model()
    packed, separate = run(base, rows), run(base, rows, share=False)
    assert any("lora" in key for key in packed[1])
    assert_equal(packed, separate)


def test_bf16_autocast_stays_close(row_batch):
    model, rows = row_batch("qwen2_5_vl")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        packed = token_logps(model, rows)
        separate = token_logps(model, rows, prefix=SharedPrefix(model, share=False))
    assert (packed - separate).abs().max() < 0.1
    assert (packed - token_logps(model, rows)).abs().max() > 0  # autocast was really on


def test_media_are_encoded_once_per_group(row_batch):
    model, rows = row_batch("qwen2_5_vl")
    patches = []
    model.model.visual.register_forward_pre_hook(
        lambda module, args, kwargs: patches.append(args[0].shape[0]), with_kwargs=True
    )
    token_logps(model, rows, prefix=SharedPrefix(model, self_check=False))
    shared = sum(media["pixel_values_videos"].shape[0] for media in rows.media if media)
    assert patches == [shared]
    patches.clear()
    token_logps(model, rows, prefix=SharedPrefix(model, share=False))
    counts = [
        rows.media[number]["pixel_values_videos"].shape[0]
        for number in rows.group.tolist()
        if rows.media[number]
    ]
    assert patches == [sum(counts)] and sum(counts) > 2 * shared


def test_a_suffix_sees_neither_another_suffix_nor_another_group(row_batch):
    model, rows = row_batch("qwen2_5_vl")
    before = token_logps(model, rows)
    changed = rows.input_ids.clone()
    where = (rows.labels[1] != -100).nonzero().flatten()
    changed[1, where[0]] = changed[0, 0] + 1
    after = token_logps(model, RowBatch(changed, rows.attention_mask, rows.labels, rows.group, rows.media))
    others = torch.ones(len(changed), dtype=torch.bool)
    others[1] = False
    assert torch.equal(before[others] == 0, after[others] == 0)
    assert (before[others] - after[others]).abs().max() < 1e-5
    assert (before[1] - after[1]).abs().max() > 1e-3


def test_installed_attention_leaves_the_models_own_forward_alone(row_batch):
    model, rows = row_batch("qwen2_5_vl")
    inputs = SharedPrefix(model, share=False).separate_inputs(rows)
    with torch.no_grad():
        before = model(**inputs).logits
        SharedPrefix(model)
        after = model(**inputs).logits
    real = rows.attention_mask.bool()
    assert torch.equal(before[real], after[real])


@pytest.mark.parametrize("name", VIDEO)
def test_idle_towers_run_without_changing_anything(name, row_batch):
    """A rank whose batch has no media runs the towers on a dummy, with zero gradient."""
    model, rows = row_batch(name)
    text = rows.group == 2
    rows = RowBatch(
        rows.input_ids[text],
        rows.attention_mask[text],
        rows.labels[text],
        torch.zeros(2, dtype=torch.long),
        [{}],
    )
    expected, grads = run(model, rows)
    logps, idle_grads = run(model, rows, run_idle_towers=True)
    assert torch.equal(logps, expected)
    towers = [name for name in idle_grads if name not in grads]
    for path in (
        *FAMILIES[model.config.model_type].vision_tower,
        *FAMILIES[model.config.model_type].projector,
    ):
        if any(True for _ in model.base_model.get_submodule(path).parameters()):
            assert any(f".{path}." in f".{name}" for name in towers)
    assert all(float(idle_grads[name].abs().sum()) == 0 for name in towers)
