"""Rollouts by a colocated vLLM engine, which is given the very frames and samples that the trainer scores on.

Not run with vLLM itself, which needs a GPU: tested for its contract against a stand-in engine behind TRL's own
`VLLMGeneration`. What may differ with a real engine (sizes, order of tokens, placement of sound)
shows at the first rollout: the tokens that the engine has read must be the trainer's.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from vidalign.families.sampled_clip import effective_fps, sampled_metadata
from vidalign.trainers.encoding import DecodedPrompt


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


def rollout_prompt(
    decoded: DecodedPrompt, input_ids: Sequence[int], text_ids: Sequence[int], audio_rate: int | None
) -> dict[str, Any]:
    """What `RolloutEngine` takes for one prompt.

    Args:
        decoded: frames, sound and text as the trainer's processor got them.
        input_ids: the prompt as the trainer scores it, to compare with what the engine reads.
        text_ids: the text's tokens, one placeholder a medium, which the engine expands itself.
        audio_rate: of the samples.
    """
    media: dict[str, Any] = {}
    processing: dict[str, Any] = {}
    if decoded.videos:
        media["video"] = [
            (video.frames, {**asdict(sampled_metadata(video)), "do_sample_frames": False})
            for video in decoded.videos
        ]
        rates = {effective_fps(video) for video in decoded.videos}
        processing = {"do_sample_frames": False}
        if len(rates) == 1:
            processing["fps"] = rates.pop()
    sounds = [*decoded.soundtracks, *decoded.audios]
    if decoded.soundtracks and decoded.audios:
        raise ValueError(
            "a prompt with both a video's sound and sound alone is not passed to vLLM; leave use_vllm unset for it"
        )
    if sounds:
        media["audio"] = [(samples, audio_rate) for samples in sounds]
    if decoded.soundtracks:
        processing["use_audio_in_video"] = True
    if decoded.images:
        media["image"] = list(decoded.images)
    request: dict[str, Any] = {"prompt_token_ids": list(text_ids)}
    if media:
        request |= {"multi_modal_data": media, "mm_processor_kwargs": processing}
    return {"request": request, "input_ids": list(input_ids)}


def forbid(generation: Any, token_ids: Collection[int]) -> None:
    """Keeps an engine from sampling the tokens that stand for media; `generation` is TRL's `VLLMGeneration`."""
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
