"""Responses of a model on this machine: each video decoded once, its prompt read once for all samples."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from vidalign.encoding import RowEncoder, VideoSampling
from vidalign.encoding.sound import take_over_chunks
from vidalign.families import family_of, thinker_class
from vidalign.families.family import EncodedPrompt
from vidalign.families.modules import unwrap
from vidalign.generate.hub import commit_of
from vidalign.generate.sample import GREEDY, Sample, Sampling, check_samples
from vidalign.prefix import MediaEncoder, RowBatch, SharedPrefix, generate, token_logps
from vidalign.rows import MediaFolder

_CHECKPOINT = (".safetensors", ".bin", ".json", ".jinja", ".model", ".txt")
"""Files of a folder that weights, tokens and pixels come from."""


class LocalModel:
    """A `Sampler`. Rows next to each other with the same media decode and read them once, also for several prompts.

    Args:
        model: a transformers model with a language-model head, or a PEFT model around one.
        processor: the model's, or a tokenizer for rows of text.
        sampling: how media are read.
        folder: where they are.
        batch_size: prompts that are decoded together, each with all its samples.
        logps: whether samples carry their log-prob, which costs one more forward.
        name, version: of the model, for `settings`: what its responses depend on.

    Raises:
        UnknownFamilyError: the model's family is not known.
    """

    def __init__(
        self,
        model: Any,
        processor: Any,
        *,
        sampling: VideoSampling | None = None,
        folder: MediaFolder | None = None,
        batch_size: int = 8,
        logps: bool = False,
        name: str = "",
        version: str = "",
    ) -> None:
        self.model, self.processor = model, processor
        self.batch_size, self.logps = batch_size, logps
        self.name, self.version = name or unwrap(model).config._name_or_path, version
        family = family_of(model)
        self._encoder = RowEncoder(
            processor,
            family,
            sampling=sampling,
            folder=folder,
            media_token_ids=family.media_token_ids(unwrap(model).config),
        )
        self._media = MediaEncoder(family)
        self._prefix = SharedPrefix(unwrap(model), encoder=self._media) if logps else None

    @classmethod
    def load(
        cls,
        path: str,
        *,
        revision: str | None = None,
        dtype: str | torch.dtype = "auto",
        device: str | torch.device | None = None,
        **options: Any,
    ) -> LocalModel:
        """Loads a model, or an adapter with its base, and its processor.

        Args:
            path: a folder, or a name on the Hub. Of a model that also speaks (Qwen2.5-Omni) the thinker alone is loaded.
            revision: on the Hub.
            dtype: "auto" is the checkpoint's.
            device: default the first GPU, in a launch of several processes each its own, or the CPU.
            options: of `LocalModel`.

        Raises:
            UnknownFamilyError: the model's family is not known.
        """
        from transformers import AutoProcessor

        model = _load(path, revision, dtype)
        if device is None:
            # Each process of a launch has a GPU of its own.
            number = int(os.environ.get("LOCAL_RANK", "0"))
            device = f"cuda:{number}" if torch.cuda.is_available() else "cpu"
        processor = AutoProcessor.from_pretrained(path, revision=revision)
        take_over_chunks(processor, unwrap(model).config)
        return cls(model.to(device).eval(), processor, name=path, version=_version(path, revision), **options)

    @property
    def settings(self) -> dict[str, Any]:
        sampling = self._encoder.sampling
        named = {"model": self.name, "version": self.version}
        return {**named, **{f"video_{name}": value for name, value in vars(sampling).items()}}

    def samples(
        self, rows: Sequence[Mapping[str, Any]], n: int = 1, sampling: Sampling = GREEDY
    ) -> list[list[Sample]]:
        """See `Sampler`.

        Raises:
            ValueError: n is not 1 for greedy decoding, where all samples would be equal, or is below 1.
        """
        check_samples(n, sampling)
        found: list[list[Sample]] = []
        for start in range(0, len(rows), self.batch_size):
            found += self._batch(rows[start : start + self.batch_size], n, sampling)
        return found

    def _batch(self, rows: Sequence[Mapping[str, Any]], n: int, sampling: Sampling) -> list[list[Sample]]:
        prompts: list[EncodedPrompt] = []
        found: list[list[Sample] | None] = []
        for row in rows:
            try:
                prompts.append(self._encoder(row, ()).prompt)
                found.append(None)
            except (ValueError, OSError) as error:
                found.append([Sample(None, reason=str(error))] * n)
        answers = iter(self._answers(prompts, n, sampling) if prompts else [])
        return [samples if samples is not None else next(answers) for samples in found]

    @torch.no_grad()
    def _answers(self, prompts: list[EncodedPrompt], n: int, sampling: Sampling) -> list[list[Sample]]:
        device = next(self.model.parameters()).device
        drawn: dict[str, Any] = {"do_sample": False, "temperature": None, "top_p": None, "top_k": None}
        if sampling.temperature:
            drawn = {
                "do_sample": True,
                "temperature": sampling.temperature,
                "top_p": sampling.top_p,
                "top_k": sampling.top_k,
            }
        # Somebody else's random numbers are not ours to change.
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(_seed(sampling.seed, prompts))
            responses = generate(
                self.model,
                prompts,
                samples=n,
                encoder=self._media,
                max_new_tokens=sampling.max_new_tokens,
                **drawn,
            )
        logps = self._logps(prompts, responses)
        ends = _ends(unwrap(self.model).generation_config)
        decode = self._encoder.tokenizer.decode
        return [
            [
                Sample(
                    decode(ids, skip_special_tokens=True).strip(),
                    len(ids),
                    "stop" if ids and ids[-1] in ends else "length",
                    logps[number][place] if logps else None,
                )
                for place, ids in enumerate(own)
            ]
            for number, own in enumerate(responses)
        ]

    def _logps(
        self, prompts: list[EncodedPrompt], responses: list[list[list[int]]]
    ) -> list[list[float]] | None:
        if self._prefix is None:
            return None
        rows = [
            (number, prompts[number].input_ids, ids) for number, own in enumerate(responses) for ids in own
        ]
        width = max(len(prompt) + len(ids) for _, prompt, ids in rows)
        device = next(self.model.parameters()).device
        input_ids = torch.zeros(len(rows), width, dtype=torch.long, device=device)
        mask, labels = torch.zeros_like(input_ids), torch.full_like(input_ids, -100)
        for place, (_, prompt, ids) in enumerate(rows):
            end = len(prompt) + len(ids)
            input_ids[place, :end] = torch.tensor(prompt + ids, device=device)
            mask[place, :end] = 1
            labels[place, len(prompt) : end] = input_ids[place, len(prompt) : end]
        group = torch.tensor([number for number, _, _ in rows], device=device)
        batch = RowBatch(input_ids, mask, labels, group, [prompt.media for prompt in prompts])
        sums = iter(token_logps(unwrap(self.model), batch, prefix=self._prefix).sum(1).tolist())
        return [[next(sums) for _ in own] for own in responses]


def _load(path: str, revision: str | None, dtype: Any) -> Any:
    import transformers
    from transformers import AutoConfig
    from transformers.utils.peft_utils import find_adapter_config_file

    if find_adapter_config_file(path, revision=revision) is not None:
        from peft import PeftConfig, PeftModel

        adapter = PeftConfig.from_pretrained(path, revision=revision)
        base = _load(adapter.base_model_name_or_path, adapter.revision, dtype)
        return PeftModel.from_pretrained(base, path, revision=revision)
    config = AutoConfig.from_pretrained(path, revision=revision)
    thinker = thinker_class(config)
    if thinker is None:
        family_of(config)  # says which families there are
        thinker = getattr(transformers, config.architectures[0])
    return thinker.from_pretrained(path, revision=revision, dtype=dtype)


def _seed(seed: int, prompts: Sequence[EncodedPrompt]) -> int:
    """Of a batch, by its prompts too: with one seed for all, every batch would draw the same random numbers."""
    digest = hashlib.sha256(repr((seed, [prompt.input_ids for prompt in prompts])).encode())
    for prompt in prompts:
        for tensor in prompt.media.values():
            digest.update(tensor.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return int.from_bytes(digest.digest()[:7], "big")


def _version(path: str, revision: str | None) -> str:
    """Changes with the checkpoint: of a folder, its files' names, sizes and times; on the Hub, the commit."""
    if not os.path.isdir(path):
        return commit_of(path, revision) or ""
    digest = hashlib.sha256()
    for entry in sorted(os.scandir(path), key=lambda entry: entry.name):
        if entry.is_file() and entry.name.endswith(_CHECKPOINT):
            state = entry.stat()
            digest.update(repr((entry.name, state.st_size, state.st_mtime_ns)).encode())
    return digest.hexdigest()[:16]


def _ends(config: Any) -> set[int]:
    ends = config.eos_token_id
    return set(ends) if isinstance(ends, list) else {ends}
