"""Several samples of each prompt: media encoded once, the prompt read once, its cache expanded to the samples."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import torch
from transformers import DynamicCache

from vidalign.families import family_of
from vidalign.families.family import EncodedPrompt
from vidalign.families.modules import unwrap


@torch.no_grad()
def generate(
    model: Any, prompts: Sequence[EncodedPrompt], *, samples: int = 1, **options: Any
) -> list[list[list[int]]]:
    """Generates `samples` responses to each prompt.

    All but the last token of a prompt are read once and their cache is copied per sample, so the towers and the
    prompt cost what one response would. Greedy, the tokens are those of full prompts. Tokens that stand for media
    features cannot be sampled: one of them in a response would break its positions when it is scored.

    Args:
        model: a transformers model with a language-model head, or a PEFT model around one.
        prompts: encoded by `Family.encode`.
        samples: responses per prompt.
        options: for `model.generate`, e.g. `max_new_tokens`, `do_sample`, `temperature`.

    Returns:
        Token ids by prompt and sample, without the prompt, up to and with the first end-of-sequence token.

    Raises:
        ValueError: a prompt of fewer than two tokens.
    """
    family, inner = family_of(model), unwrap(model)
    device = inner.get_input_embeddings().weight.device
    banned = sorted(set(options.pop("suppress_tokens", None) or ()) | family.media_token_ids(inner.config))
    takes_types = "mm_token_type_ids" in inspect.signature(type(inner.base_model).forward).parameters
    training = model.training
    model.eval()
    try:
        return [
            _samples(
                model,
                inner,
                family,
                prompt,
                samples,
                device,
                takes_types,
                {**options, "suppress_tokens": banned},
            )
            for prompt in prompts
        ]
    finally:
        model.train(training)


def _samples(
    model: Any,
    inner: Any,
    family: Any,
    prompt: EncodedPrompt,
    samples: int,
    device: torch.device,
    takes_types: bool,
    options: dict[str, Any],
) -> list[list[int]]:
    if len(prompt.input_ids) < 2:
        raise ValueError(
            f"a prompt of {len(prompt.input_ids)} token(s) cannot be continued from a cache; give two or more"
        )
    ids = torch.tensor([prompt.input_ids], device=device)
    media = {name: tensor.to(device) for name, tensor in prompt.media.items()}
    cache = DynamicCache(config=inner.config.get_text_config())
    features = {"mm_encoder_outputs": family.media_features(inner.base_model, media)} if media else {}
    inner.base_model(
        input_ids=ids[:, :-1],
        position_ids=family.positions(inner.base_model, ids, media)[..., :-1],
        past_key_values=cache,
        use_cache=True,
        **features,
    )
    cache.batch_repeat_interleave(samples)
    # What positions are computed from, without the pixels: the towers have run.
    hints = (
        {name: tensor for name, tensor in media.items() if not name.startswith("pixel_values")}
        if takes_types
        else {}
    )
    hints = {name: tensor.repeat(samples, *[1] * (tensor.dim() - 1)) for name, tensor in hints.items()}
    if takes_types and media:
        types = torch.zeros_like(ids)
        types[ids == getattr(inner.config, "image_token_id", -1)] = 1
        types[ids == getattr(inner.config, "video_token_id", -1)] = 2
        hints["mm_token_type_ids"] = types.repeat(samples, 1)
    if hasattr(inner.base_model, "rope_deltas"):
        # Left from the prompt before; a text prompt would be read at that video's offset.
        inner.base_model.rope_deltas = None
    rows = ids.repeat(samples, 1)
    output = model.generate(
        input_ids=rows,
        attention_mask=torch.ones_like(rows),
        past_key_values=cache,
        **hints,
        **options,
    )
    end = options.get("eos_token_id", inner.generation_config.eos_token_id)
    ends = end if isinstance(end, list) else [end]
    return [_cut(row, ends) for row in output[:, ids.shape[1] :].tolist()]


def _cut(tokens: list[int], ends: list[int | None]) -> list[int]:
    stop = next((place for place, token in enumerate(tokens) if token in ends), None)
    return tokens if stop is None else tokens[: stop + 1]
