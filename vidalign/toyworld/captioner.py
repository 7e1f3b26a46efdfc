"""Captions for clips from a model: greedy ones, or several samples of each clip."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from vidalign.encoding import RowEncoder
from vidalign.families import family_of
from vidalign.families.family import EncodedPrompt
from vidalign.toyworld.world import PROMPT

MAX_NEW_TOKENS = 40  # the longest caption has 33 words


def encode_clips(encoder: RowEncoder, videos: Sequence[str]) -> list[EncodedPrompt]:
    """Each clip with the prompt of the toy world, as training encodes it: same frames, same template, same cache."""
    turn = [{"role": "user", "content": PROMPT}]
    return [encoder({"videos": [video], "prompt": turn}, ()).prompt for video in videos]


@torch.no_grad()
def write_captions(
    model: Any,
    processor: Any,
    prompts: Sequence[EncodedPrompt],
    *,
    samples: int = 1,
    temperature: float | None = None,
    seed: int = 0,
    batch_size: int = 100,
    progress: Callable[[int, int], None] | None = None,
) -> list[list[str]]:
    """`samples` captions for each prompt.

    temperature: None for greedy decoding. seed: of the sampling; the global random state is left as it was.
    batch_size: clips at a time. Samples depend on it, as all of a batch are drawn from one random stream.
    progress: called with the prompts done so far and in all.

    Raises:
        ValueError: prompts of different lengths, which would need padding.
    """
    if len({len(prompt.input_ids) for prompt in prompts}) > 1:
        raise ValueError("the prompts differ in length; caption clips of one length together")
    family = family_of(model)
    draw = {} if temperature is None else {"temperature": temperature, "top_k": 0, "top_p": 1.0}
    captions: list[list[str]] = []
    was_training = model.training
    model.eval()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for start in range(0, len(prompts), batch_size):
            batch = prompts[start : start + batch_size]
            ids = torch.tensor([prompt.input_ids for prompt in batch])
            output = model.generate(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                # 2 marks video. Without these ids Qwen's positions would be those of plain text, silently.
                mm_token_type_ids=torch.where(ids == model.config.video_token_id, 2, 0),
                **family.merge([prompt.media for prompt in batch]),
                do_sample=temperature is not None,
                num_return_sequences=samples,
                max_new_tokens=MAX_NEW_TOKENS,
                **draw,
            )
            texts = processor.batch_decode(output[:, ids.shape[1] :], skip_special_tokens=True)
            captions += [texts[at : at + samples] for at in range(0, len(texts), samples)]
            if progress:
                progress(len(captions), len(prompts))
    model.train(was_training)
    return captions
