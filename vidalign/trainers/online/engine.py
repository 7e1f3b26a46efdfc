"""Rollouts by a colocated vLLM engine, which is given the very frames, sizes, times and samples that the trainer scores on.

The processors of vLLM 0.32 read these requests as the trainer does: token ids, pixels and seconds of Qwen2.5-VL, Qwen3-VL,
both Omni thinkers and LLaVA-NeXT-Video (one video a prompt). It takes no videos of Video-LLaVA and PerceptionLM, and writes
InternVL's otherwise. A whole rollout was not run with vLLM: TRL's own `VLLMGeneration` is tested with a stand-in behind it.
What an engine reads otherwise shows at the first rollout, where it changes a token: each prompt is compared. Pixels and
positions are not in the tokens; TRL logs how far the engine's log-probs are from the trainer's (`sampling/sampling_logp_difference`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from vidalign.encoding import DecodedPrompt, EncodedRow, RowEncoder
from vidalign.families.family import EncodedPrompt
from vidalign.families.sampled_clip import effective_fps


class EngineMismatch(RuntimeError):
    """The engine did not read the prompt that the trainer scores."""


class RolloutEngine:
    """Stands before a `vllm.LLM` in TRL's `VLLMGeneration`: takes prompts with media where TRL passes token ids.

    TRL's loop, sampling parameters, weight synchronisation and tensor-parallel gathering stay as they are.

    Args:
        llm: the engine.
    """

    def __init__(self, llm: Any) -> None:
        self._llm = llm

    def generate(self, prompts: Sequence[Mapping[str, Any]], **given: Any) -> list[Any]:
        """As `LLM.generate`.

        Raises:
            EngineMismatch: naming the first difference.
        """
        asked = [prompt["prompt_token_ids"] for prompt in prompts]
        requests = [
            own["request"] if isinstance(own, Mapping) else prompt
            for own, prompt in zip(asked, prompts, strict=True)
        ]
        outputs = self._llm.generate(requests, **given)
        for own, output in zip(asked, outputs, strict=True):
            if isinstance(own, Mapping):
                _check_read(own["input_ids"], list(output.prompt_token_ids))
        return list(outputs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._llm, name)


def take_over(generation: Any, mode: str, encoder: RowEncoder) -> None:
    """The engine is given media as well, and may not sample their tokens.

    Args:
        generation: TRL's `VLLMGeneration`.
        mode: `vllm_mode`.
        encoder: of the rows; keeps from here on what it decodes.

    Raises:
        ValueError: an engine that runs elsewhere.
    """
    if mode != "colocate":
        raise ValueError(f"vllm_mode={mode!r} cannot be given decoded media; set vllm_mode='colocate'")
    encoder.keeps_decoded = True
    generation.llm = RolloutEngine(generation.llm)
    _forbid(generation, encoder.media_token_ids)


def request_of(row: EncodedRow, audio_rate: int | None) -> dict[str, Any]:
    """`rollout_prompt` of a row whose encoder keeps what it decodes."""
    assert row.decoded is not None
    return rollout_prompt(row.decoded, row.prompt, row.decoded.text_ids, audio_rate)


def rollout_prompt(
    decoded: DecodedPrompt, prompt: EncodedPrompt, text_ids: Sequence[int], audio_rate: int | None
) -> dict[str, Any]:
    """What `RolloutEngine` takes for one prompt: the frames, sizes, times and samples that the trainer's processor was given.

    Args:
        decoded: sound, images and text as the trainer's processor got them.
        prompt: the prompt as the trainer scores it, to compare with what the engine reads, and its videos.
        text_ids: the text's tokens, one placeholder a medium, which the engine expands itself.
        audio_rate: of the samples; None for a family that does not hear.

    Raises:
        ValueError: media that cannot be passed to vLLM together.
    """
    sounds = [*decoded.soundtracks, *decoded.audios]
    if decoded.soundtracks and decoded.audios:
        raise ValueError(
            "a prompt with both a video's sound and sound alone is not passed to vLLM; leave use_vllm unset for it"
        )
    media: dict[str, Any] = {}
    processing: dict[str, Any] = {}
    if prompt.videos:
        media["video"] = [
            (video.frames, {**_unchanging(video.metadata), "do_sample_frames": False})
            for video in prompt.videos
        ]
        rates = [effective_fps(video) for video in decoded.videos]
        processing = _video_processing(prompt, rates, hears=audio_rate is not None)
    if sounds:
        media["audio"] = [(samples, audio_rate) for samples in sounds]
    if decoded.soundtracks:
        processing["use_audio_in_video"] = True
        # Where among the frames vLLM's Qwen2.5-Omni puts the sound.
        seconds = prompt.media["video_second_per_grid"].tolist()
        processing["second_per_grid_ts"] = seconds
    if decoded.images:
        media["image"] = list(decoded.images)
    request: dict[str, Any] = {"prompt_token_ids": list(text_ids)}
    if media:
        request |= {"multi_modal_data": media, "mm_processor_kwargs": processing}
    return {"request": request, "input_ids": list(prompt.input_ids)}


def _video_processing(prompt: EncodedPrompt, rates: Sequence[float], *, hears: bool) -> dict[str, Any]:
    """What the engine's processor is told of all videos of a prompt. Their times it reads from their metadata, but for
    the families that hear, which have one rate for a whole prompt."""
    processing: dict[str, Any] = {"do_sample_frames": False}
    if len(set(rates)) == 1:
        processing["fps"] = rates[0]
    elif hears:
        raise ValueError(
            f"its videos have {', '.join(f'{rate:g}' for rate in rates)} frames a second, and vLLM has one rate for all videos "
            "of a prompt of a model that hears; leave use_vllm unset, or give each row one video"
        )
    if any(video.resized for video in prompt.videos):
        processing["videos_kwargs"] = {"do_resize": False}
    return processing


def _unchanging(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """A request goes out once a completion, and is known again by its media's hash: no list that a processor lengthens."""
    return {**metadata, "frames_indices": np.asarray(metadata["frames_indices"])}


def _forbid(generation: Any, token_ids: Collection[int]) -> None:
    """Keeps the engine from sampling the tokens that stand for media."""
    given = dict(generation.generation_kwargs)
    bias = {**(given.get("logit_bias") or {}), **dict.fromkeys(sorted(token_ids), -100.0)}
    generation.generation_kwargs = {**given, "logit_bias": bias}


def _check_read(expected: list[int], read: list[int]) -> None:
    if read == expected:
        return
    pairs = enumerate(zip(expected, read, strict=False))
    first = next((place for place, (one, other) in pairs if one != other), min(len(expected), len(read)))
    raise EngineMismatch(
        f"vLLM read a prompt of {len(read)} tokens, and the trainer scores one of {len(expected)}; they differ from token "
        f"{first} on. Frames, sizes or sound are processed otherwise there, so its samples would not be the policy's. Give "
        "both the same processor settings (size, fps), or leave use_vllm unset."
    )
