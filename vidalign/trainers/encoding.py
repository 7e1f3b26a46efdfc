"""A dataset row -> token ids and media tensors, each video decoded once."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trl.data_utils import apply_chat_template, is_conversational

from vidalign.families import FAMILIES
from vidalign.families.family import EncodedPrompt, Family
from vidalign.rows import MediaFolder, chain_of, media_of, without_nulls
from vidalign.trainers.splice import splice
from vidalign.video import read_video


@dataclass(frozen=True)
class VideoSampling:
    """Which frames of a video, and how large (see `vidalign.video.read_video`)."""

    fps: float | None = 2.0
    num_frames: int | None = None
    max_frames: int | None = None
    max_pixels: int | None = None
    total_pixels: int | None = None


@dataclass
class EncodedRow:
    """prompt: its ids and media. completions: token ids by column. key: equal for rows with the same prompt and media.
    media_key: equal for rows with the same media, "" without any."""

    prompt: EncodedPrompt
    completions: dict[str, list[int]]
    key: str
    media_key: str


@dataclass
class _Encoded:
    """The last prompt with media that was encoded, for others on the same media."""

    key: str
    media_key: str
    text: str
    prompt: EncodedPrompt


class RowEncoder:
    """Turns rows into token ids and media.

    Text is rendered as TRL does for vision rows: the chat template for messages, plain strings as they are with the
    end-of-sequence token after the completion. Messages with string content get their media before the first user
    message; plain strings without a placeholder get it at the front.

    Args:
        processor: the model's processor, or a tokenizer for text-only rows.
        family: what the model's family does with media; None for text-only rows.
        sampling, folder: how videos are read, and where they are.
        cache_gb: memory for encoded prompts, least recently used first out.
        media_token_ids: ids that no completion may contain.
    """

    def __init__(
        self,
        processor: Any,
        family: Family | None,
        *,
        sampling: VideoSampling | None = None,
        folder: MediaFolder | None = None,
        cache_gb: float = 0.0,
        media_token_ids: frozenset[int] = frozenset(),
    ) -> None:
        self.processor = processor
        self.tokenizer = getattr(processor, "tokenizer", processor)
        self.family = family
        self.sampling = sampling or VideoSampling()
        self.folder = folder or MediaFolder()
        self.media_token_ids = media_token_ids
        self._capacity = int(cache_gb * 2**30)
        self._held = 0
        self._cache: OrderedDict[str, EncodedPrompt] = OrderedDict()
        self._last: _Encoded | None = None

    def __getstate__(self) -> dict[str, Any]:
        # Spawned workers: a family holds functions that cannot be pickled, and a cache is not worth sending.
        name = self.family.name if self.family is not None else None
        return {**self.__dict__, "family": name, "_cache": OrderedDict(), "_held": 0, "_last": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.family = FAMILIES[state["family"]] if state["family"] is not None else None

    def __call__(self, row: Mapping[str, Any], columns: Sequence[str]) -> EncodedRow:
        """Encodes a row with `prompt` and the given completion columns.

        Raises:
            ValueError: with the row's media in the message where they are the cause.
        """
        return self._encode(row, columns, *self._media(row))

    def chain(self, row: Mapping[str, Any], longest: int | None = None) -> list[EncodedRow]:
        """The items of a ranked row, best first, its media read once; with `completion` as their column.

        longest: take only the first so many.

        Raises:
            ValueError: as for one row; no chain; or items that are equal once they are tokens.
        """
        media = self._media(row)
        items = [self._encode(item, ("completion",), *media) for item in chain_of(row)[:longest]]
        seen = {(item.key, tuple(item.completions["completion"])) for item in items}
        if len(seen) < len(items):
            raise ValueError("two items of the chain have the same tokens, so neither is better")
        return items

    def _media(self, row: Mapping[str, Any]) -> tuple[list[str | bytes], list[Any]]:
        stored = media_of(row, "image") or media_of(row, "vidalign_image")
        videos = [self.folder.locate(medium) for medium in media_of(row, "video")]
        return videos, [_image(image) for image in stored]

    def _encode(
        self, row: Mapping[str, Any], columns: Sequence[str], videos: list[str | bytes], images: list[Any]
    ) -> EncodedRow:
        text = self._render(row, columns, len(videos), len(images))
        media_key = _media_key(videos, images)
        key = hashlib.sha256(f"{media_key}\0{text['prompt']}".encode()).hexdigest()
        prompt = self._prompt(key, media_key, text["prompt"], videos, images)
        completions = {
            column: self.tokenizer(text[column], add_special_tokens=False)["input_ids"] for column in columns
        }
        for column, ids in completions.items():
            wrong = self.media_token_ids.intersection(ids)
            if wrong:
                token = self.tokenizer.convert_ids_to_tokens(min(wrong))
                raise ValueError(
                    f"{column} contains the media placeholder {token!r}; remove it from the text"
                )
            if not ids:
                raise ValueError(f"{column} has no tokens")
        return EncodedRow(prompt, completions, key, media_key)

    def _ids(self, text: str) -> list[int]:
        return self.tokenizer(text, add_special_tokens=False)["input_ids"]

    def _placeholder_ids(self) -> frozenset[int]:
        assert self.family is not None
        written = self.family.video_placeholder(self.processor) + self.family.image_placeholder(
            self.processor
        )
        return self.media_token_ids | {
            token for token in self._ids(written) if token in self.tokenizer.added_tokens_decoder
        }

    def _prompt(
        self, key: str, media_key: str, text: str, videos: list[str | bytes], images: list[Any]
    ) -> EncodedPrompt:
        if not media_key:
            # Through the tokenizer: some processors refuse a call without media.
            return EncodedPrompt(self._ids(text))
        if key in self._cache:
            self._cache.move_to_end(key)
            self._last = _Encoded(key, media_key, text, self._cache[key])
            return self._cache[key]
        if self._last is not None and self._last.media_key == media_key:
            if self._last.key == key:
                return self._last.prompt
            last = self._last
            ids = splice(
                last.prompt.input_ids, self._ids(last.text), self._ids(text), self._placeholder_ids()
            )
            if ids is not None:
                return EncodedPrompt(ids, last.prompt.media)
        prompt = self._process(text, videos, images)
        self._last = _Encoded(key, media_key, text, prompt)
        self._remember(key, prompt)
        return prompt

    def _process(self, text: str, videos: list[str | bytes], images: list[Any]) -> EncodedPrompt:
        """Decodes the media and runs the processor."""
        if self.family is None:
            raise ValueError("the row has media, but the model has no vision tower; load a video model")
        decoded = [
            read_video(
                video,
                fps=self.sampling.fps,
                num_frames=self.sampling.num_frames,
                max_frames=self.sampling.max_frames,
                max_pixels=self.sampling.max_pixels,
                total_pixels=self.sampling.total_pixels,
                multiple=self.family.frame_multiple if self._has_budget() else 1,
            )
            for video in videos
        ]
        budget = self.sampling.max_pixels
        if self.sampling.total_pixels is not None and decoded:
            longest = max(len(video.frames) for video in decoded)
            budget = min(budget or self.sampling.total_pixels, self.sampling.total_pixels // longest)
        return self.family.encode(self.processor, text, decoded, images, max_pixels=budget)

    def _has_budget(self) -> bool:
        return self.sampling.max_pixels is not None or self.sampling.total_pixels is not None

    def _remember(self, key: str, prompt: EncodedPrompt) -> None:
        size = _bytes(prompt)
        if size > self._capacity:
            return
        self._cache[key] = prompt
        self._held += size
        while self._held > self._capacity:
            _, dropped = self._cache.popitem(last=False)
            self._held -= _bytes(dropped)

    def _render(
        self, row: Mapping[str, Any], columns: Sequence[str], videos: int, images: int
    ) -> dict[str, str]:
        example = {column: without_nulls(row[column]) for column in ("prompt", *columns)}
        if is_conversational(example):
            # A tokenizer's template reads strings, a processor's reads blocks.
            if self.processor is not self.tokenizer:
                example["prompt"] = _with_blocks(example["prompt"], videos, images)
                for column in columns:
                    example[column] = _with_blocks(example[column], 0, 0)
            options = dict(row.get("chat_template_kwargs") or {})
            return apply_chat_template(example, self.processor, tools=row.get("tools"), **options)
        eos = self.tokenizer.eos_token or ""
        for column in columns:
            if not example[column].endswith(eos):
                example[column] += eos
        if videos or images:
            example["prompt"] = self._with_placeholders(example["prompt"], videos, images)
        return example

    def _with_placeholders(self, prompt: str, videos: int, images: int) -> str:
        if self.family is None:
            return prompt
        missing = ""
        for placeholder, count in (
            (self.family.video_placeholder(self.processor), videos),
            (self.family.image_placeholder(self.processor), images),
        ):
            if count and placeholder not in prompt:
                missing += placeholder * count
        return f"{missing}\n{prompt}" if missing else prompt


def _with_blocks(messages: list[dict[str, Any]], videos: int, images: int) -> list[dict[str, Any]]:
    """Every content a list of blocks; media blocks stand before the first user message unless they are there already."""
    messages = [dict(message) for message in messages]
    written = [
        block.get("type")
        for message in messages
        if isinstance(message.get("content"), list)
        for block in message["content"]
    ]
    blocks = [{"type": "video"}] * (videos if "video" not in written else 0)
    blocks += [{"type": "image"}] * (images if "image" not in written else 0)
    for message in messages:
        if isinstance(message.get("content"), str):
            message["content"] = [{"type": "text", "text": message["content"]}]
    for message in messages:
        if message["role"] == "user" and blocks:
            message["content"] = [*blocks, *message["content"]]
            blocks = []
    if blocks:
        raise ValueError("the prompt has media but no user message to show them in")
    return messages


def _image(image: Any) -> Any:
    """PIL image of what a dataset holds: an image, a path, bytes, or `{"path", "bytes"}`."""
    from transformers.image_utils import load_image

    if isinstance(image, Mapping):
        image = image.get("bytes") or image.get("path")
    if isinstance(image, (bytes, bytearray)):
        import io

        from PIL import Image

        return Image.open(io.BytesIO(image)).convert("RGB")
    return load_image(image) if isinstance(image, str) else image


def _media_key(videos: Sequence[str | bytes], images: Sequence[Any]) -> str:
    if not videos and not images:
        return ""
    digest = hashlib.sha256()
    for video in videos:
        digest.update(b"\0video")
        digest.update(video if isinstance(video, bytes) else video.encode())
    for image in images:
        digest.update(b"\0image")
        digest.update(image.tobytes() if hasattr(image, "tobytes") else repr(image).encode())
    return digest.hexdigest()


def _bytes(prompt: EncodedPrompt) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in prompt.media.values()) + 8 * len(
        prompt.input_ids
    )
