"""NEFTune: noise on the embeddings of each row, by its length; refused where rows share a prefix.

With separate rows the noise is transformers' own: the same draws in the same order, and so the same losses as stock TRL.
"""

import math

import pytest
import torch
from datasets import Dataset
from trl import DPOConfig, DPOTrainer, GRPOConfig, GRPOTrainer, SFTConfig, SFTTrainer

ALPHA = 20.0
NOISE = {"neftune_noise_alpha": ALPHA, "max_steps": 2}


@pytest.mark.parametrize("method", ["dpo", "synpo", "sft", "ranking"])
def test_refused_where_prefixes_are_shared(method, trainer_of):
    with pytest.raises(ValueError, match=r"neftune_noise_alpha=20.0 .*Set share_prefix=False"):
        trainer_of(method, **NOISE)


@pytest.mark.parametrize("method", ["dpo", "synpo", "ranking"])
def test_refused_for_text_that_shares_prefixes(method, trainer_of, pair_rows, chain_rows):
    rows = (chain_rows if method == "ranking" else pair_rows)(4, media=False)
    with pytest.raises(ValueError, match="share_prefix=False"):
        trainer_of(method, rows=rows, model="llama", **NOISE)


@pytest.mark.parametrize("media", [True, False])
def test_refused_in_grpo(media, grpo_of, online_rows):
    with pytest.raises(ValueError, match="share_prefix=False"):
        grpo_of(rows=online_rows(4, media=media), **NOISE)


def test_no_noise_is_no_noise(trainer_of):
    assert trainer_of("synpo", neftune_noise_alpha=0.0).model is not None


def quiet(losses_of, trainer_of, method, **options):
    return losses_of(trainer_of(method, **{**options, "neftune_noise_alpha": None}))


@pytest.mark.parametrize("method", ["dpo", "sft"])
def test_separate_rows_on_frames_are_trls(method, frame_rows, trainer_of, losses_of):
    classes = {"dpo": (DPOTrainer, DPOConfig), "sft": (SFTTrainer, SFTConfig)}[method]
    rows = frame_rows(("chosen", "rejected") if method == "dpo" else ("completion",))
    stock = losses_of(trainer_of(method, rows=rows, classes=classes, max_length=None, **NOISE))
    ours = losses_of(trainer_of(method, rows=rows, share_prefix=False, **NOISE))
    assert ours == pytest.approx(stock, abs=1e-4)
    assert quiet(losses_of, trainer_of, method, rows=rows, share_prefix=False, **NOISE) != pytest.approx(
        stock, abs=1e-3
    )


def test_separate_text_pairs_are_trls(pair_rows, trainer_of, losses_of):
    rows = pair_rows(6, media=False)
    stock = trainer_of(
        "dpo", rows=rows, model="llama", classes=(DPOTrainer, DPOConfig), max_length=None, **NOISE
    )
    expected = losses_of(stock)
    assert losses_of(
        trainer_of("dpo", rows=rows, model="llama", share_prefix=False, **NOISE)
    ) == pytest.approx(expected, abs=1e-4)
    assert quiet(losses_of, trainer_of, "dpo", rows=rows, model="llama", **NOISE) != pytest.approx(
        expected, abs=1e-3
    )


def test_supervised_text_never_shares(pair_rows, trainer_of, losses_of):
    rows = Dataset.from_list(
        [{"prompt": r["prompt"], "completion": r["chosen"]} for r in pair_rows(6, media=False)]
    )
    stock = losses_of(
        trainer_of("sft", rows=rows, model="llama", classes=(SFTTrainer, SFTConfig), max_length=None, **NOISE)
    )
    ours = losses_of(trainer_of("sft", rows=rows, model="llama", **NOISE))
    assert ours == pytest.approx(stock, abs=1e-4)


def test_separate_grpo_on_text_is_trls(grpo_of, online_rows):
    weights = []
    for classes in ((GRPOTrainer, GRPOConfig), None):
        options = {"classes": classes} if classes else {"share_prefix": False}
        trainer = grpo_of(
            rows=online_rows(4, media=False), model="llama", **options, **{**NOISE, "max_steps": 1}
        )
        trainer.train()
        weights.append(trainer.model.state_dict())
    for name, weight in weights[0].items():
        torch.testing.assert_close(weights[1][name], weight, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("method", ["dpo", "synpo", "sft", "ranking"])
def test_noise_of_separate_video_rows(method, trainer_of):
    """Each row its own draw, within alpha / sqrt(L d), L the padded length."""
    trainer = trainer_of(method, share_prefix=False, **{**NOISE, "max_steps": 1})
    embedding, seen = trainer.model.get_input_embeddings(), []
    call = trainer.training_step

    def step(*args, **options):
        # Added after transformers' own hook, which `train` adds: it sees the embeddings with their noise.
        hook = embedding.register_forward_hook(
            lambda module, inputs, output: seen.append((output - module.weight[inputs[0]]).detach())
        )
        try:
            return call(*args, **options)
        finally:
            hook.remove()

    trainer.training_step = step
    trainer.train()
    noise = seen[0]
    rows, length, width = noise.shape
    assert rows > 1
    largest = ALPHA / math.sqrt(length * width)
    sizes = noise.abs().amax(dim=(1, 2))
    assert (sizes <= largest * (1 + 1e-4)).all() and (sizes > 0.95 * largest).all()
    assert not torch.allclose(noise[0], noise[1], atol=0.1 * largest)
