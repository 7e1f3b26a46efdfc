"""Responses of a model on this machine: each video decoded once, its prompt read once for all samples."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import torch

from vidalign.encoding import RowEncoder, VideoSampling
from vidalign.encoding.sound import take_over_chunks
from vidalign.families import family_of, thinker_class
from vidalign.families.family import EncodedPrompt
from vidalign.families.modules import unwrap
from vidalign.generate.hub import commit_of
from vidalign.generate.sample import GREEDY, Sample, Sampling, check_samples, review_of
from vidalign.prefix import KeptPrefixes, MediaEncoder, RowBatch, SharedPrefix, generate, token_logps
from vidalign.rows import MediaFolder

_CHECKPOINT = (".safetensors", ".bin", ".json", ".jinja", ".model", ".txt")
"""Files of a folder that weights, tokens and pixels come from."""


class _Encoded(NamedTuple):
    """prompts: of a row, the whole one and, for a contrast, the weaker. last: what their encoders take over for further prompts
    on the same media."""

    prompts: list[EncodedPrompt]
    last: list[Any]


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
        self._weaker: RowEncoder | None = None
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
        version = version_of(path, revision)
        return cls(model.to(device).eval(), processor, name=path, version=version, **options)

    @property
    def settings(self) -> dict[str, Any]:
        return settings_of(self.name, self.version, self._encoder.sampling)

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
        found: list[list[Sample]] = []
        encoded: dict[int, _Encoded] = {}
        for number, row in enumerate(rows):
            found.append([])
            try:
                encoded[number] = self._encoded(row, sampling)
            except (ValueError, OSError) as error:
                found[number] = [Sample(None, reason=str(error))] * n
        if not encoded:
            return found
        kept = KeptPrefixes() if sampling.retrospection else None
        answers = self._answers(list(encoded.values()), n, sampling, kept)
        found = [own or answers.pop(0) for own in found]
        return self._reviewed(rows, found, encoded, sampling, kept) if sampling.retrospection else found

    def _encoded(
        self, row: Mapping[str, Any], sampling: Sampling, before: _Encoded | None = None
    ) -> _Encoded:
        """A row and its weaker form. before: of a row with the same media, which are taken over."""
        encoders = [self._encoder]
        if sampling.contrast:
            self._weaker = self._weaker or self._encoder.with_fewer_frames()
            encoders.append(self._weaker)
        prompts = []
        for number, encoder in enumerate(encoders):
            if before is not None:
                encoder.last = before.last[number]
            prompts.append(encoder(row, ()).prompt)
        return _Encoded(prompts, [encoder.last for encoder in encoders])

    def _reviewed(
        self,
        rows: Sequence[Mapping[str, Any]],
        drafts: list[list[Sample]],
        encoded: Mapping[int, _Encoded],
        sampling: Sampling,
        kept: KeptPrefixes | None,
    ) -> list[list[Sample]]:
        """The second pass of a retrospection: one response to each draft."""
        found = [list(own) for own in drafts]
        again: dict[tuple[int, int], _Encoded] = {}
        for number, before in encoded.items():
            for place, draft in enumerate(drafts[number]):
                row = {**rows[number], "prompt": review_of(rows[number]["prompt"], draft.text or "")}
                try:
                    again[number, place] = self._encoded(row, sampling, before)
                except ValueError as error:  # such as words that stand for media
                    found[number][place] = Sample(None, reason=f"the second pass: {error}", draft=draft.text)
        if again:
            answers = self._answers(list(again.values()), 1, sampling, kept)
            for (number, place), [sample] in zip(again, answers, strict=True):
                found[number][place] = replace(sample, draft=drafts[number][place].text)
        return found

    @torch.no_grad()
    def _answers(
        self, encoded: Sequence[_Encoded], n: int, sampling: Sampling, kept: KeptPrefixes | None
    ) -> list[list[Sample]]:
        prompts = [one.prompts[0] for one in encoded]
        device = next(self.model.parameters()).device
        drawn: dict[str, Any] = {"do_sample": False, "temperature": None, "top_p": None, "top_k": None}
        if sampling.temperature:
            drawn = {
                "do_sample": True,
                "temperature": sampling.temperature,
                "top_p": sampling.top_p,
                "top_k": sampling.top_k,
            }
        if sampling.contrast:
            drawn |= {"against": [one.prompts[1] for one in encoded], "strength": sampling.contrast}
        # Somebody else's random numbers are not ours to change.
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(_seed(sampling.seed, prompts))
            responses = generate(
                self.model,
                prompts,
                samples=n,
                encoder=self._media,
                kept=kept,
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
    numbers: dict[int, int] = {}
    for prompt in prompts:
        for tensor in prompt.media.values():
            met = id(tensor) in numbers
            digest.update(numbers.setdefault(id(tensor), len(numbers)).to_bytes(4, "big"))
            if not met:  # of prompts on one video the first brings it
                digest.update(tensor.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return int.from_bytes(digest.digest()[:7], "big")


def settings_of(name: str, version: str, sampling: VideoSampling) -> dict[str, Any]:
    """Those of a model that is loaded as `version_of` had it."""
    return {
        "model": name,
        "version": version,
        **{f"video_{name}": value for name, value in vars(sampling).items()},
    }


def version_of(path: str, revision: str | None = None) -> str:
    """Changes with the checkpoint: of a folder, its files' names, sizes and times; on the Hub, the commit. Loads no weights.

    Raises:
        OSError: there is no such model.
    """
    if not os.path.isdir(path):
        from transformers import AutoConfig
        from transformers.utils.peft_utils import find_adapter_config_file

        # The one or the other comes from the Hub, if there is something newer.
        try:
            if find_adapter_config_file(path, revision=revision) is None:
                AutoConfig.from_pretrained(path, revision=revision)
        except OSError as error:
            said = str(error).splitlines()[0]
            raise OSError(
                f"model {path!r}: no folder of that name here, and not to be had from the Hub: {said}"
            ) from None
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
