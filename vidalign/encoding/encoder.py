"""A dataset row -> token ids and media tensors, each medium decoded once."""

from __future__ import annotations

import copy
import hashlib
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from vidalign.encoding.assistant import assistant_mask
from vidalign.encoding.images import read_image
from vidalign.encoding.keys import KINDS, media_key, sources
from vidalign.encoding.named_media import Placeholders, row_problem
from vidalign.encoding.rendering import RowText, added_ids, named_placeholders, placeholders, render
from vidalign.encoding.row import DecodedPrompt, EncodedRow
from vidalign.encoding.sampling import VideoSampling, fewer_frames, frame_budget, refuse_fixed_frames
from vidalign.encoding.sound import SILENCE, require_audio
from vidalign.encoding.splice import splice
from vidalign.encoding.text_rows import tokenize_row
from vidalign.families import FAMILIES
from vidalign.families.family import EncodedPrompt, Family
from vidalign.rows import MediaFolder, chain_of
from vidalign.video import NoAudioStream, Video, read_audio, read_video


@dataclass(frozen=True)
class _Media:
    """The media of a row, files not decoded. key: equal for the same media, "" for none."""

    videos: list[str | bytes]
    images: list[Any]
    audios: list[str | bytes]
    key: str

    @property
    def counts(self) -> dict[str, int]:
        return {"video": len(self.videos), "image": len(self.images), "audio": len(self.audios)}


@dataclass
class _Encoded:
    """The last prompt with media that was encoded, for others on the same media."""

    key: str
    media_key: str
    text: str
    prompt: EncodedPrompt


class RowEncoder:
    """Turns rows into token ids and media.

    Args:
        processor: the model's processor, or a tokenizer for text-only rows.
        family: what the model's family does with media; None for text-only rows.
        sampling, folder: how media are read, and where they are.
        cache_gb: memory for encoded prompts, least recently used first out.
        media_token_ids: ids that stand for features, which no text may contain.

    Raises:
        ValueError: the sampling asks for sound, and the family does not hear; or it bounds the tokens of a video, and
            the family's frames have a fixed number of them.
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
        if self.sampling.use_audio_in_video and family is not None:
            require_audio(family, "use_audio_in_video=True asks for the videos' sound")
        refuse_fixed_frames(self.sampling, family)
        self.folder = folder or MediaFolder()
        self.media_token_ids = media_token_ids
        self.named = (
            named_placeholders(processor, family, media_token_ids) if family else Placeholders(only_text=True)
        )
        written = [*self.named.tokens.values(), *self.named.reserved]
        self.named_ids = frozenset(self.tokenizer.convert_tokens_to_ids(written)) | media_token_ids
        """Ids that stand for media, before a processor expands them or behind it."""
        self.chat_template: str | None = None
        """In place of the processor's own."""
        self.keeps_decoded = False
        """Whether rows come with their frames and samples, read once for both; no prompt is taken from a cache then."""
        self._capacity = int(cache_gb * 2**30)
        self._held = 0
        self._cache: OrderedDict[str, EncodedPrompt] = OrderedDict()
        self.last: _Encoded | None = None
        """The row before, which the next one takes over from if it has the same media; an earlier one's may be put here."""
        self._whole: RowEncoder | None = None
        self._keeps_videos = False
        self._videos_of: tuple[str, list[Video]] = ("", [])

    def with_fewer_frames(self) -> RowEncoder:
        """An encoder of the same rows with a third of each video's frames (see `fewer_frames`). Of a row that this one has just
        encoded it takes the frames over."""
        weaker = copy.copy(self)
        weaker._cache, weaker._held, weaker.last = OrderedDict(), 0, None
        weaker._whole, self._keeps_videos = self, True
        return weaker

    @property
    def reading(self) -> tuple[Any, ...]:
        """What its rows depend on beside the processor, the rows and the files: plain values, for keys on the disk."""
        name = self.family.name if self.family is not None else None
        return name, self.sampling, sorted(self.media_token_ids), self.chat_template

    def __getstate__(self) -> dict[str, Any]:
        # Spawned workers: a family holds functions that cannot be pickled, and a cache is not worth sending.
        name = self.family.name if self.family is not None else None
        return {
            **self.__dict__,
            "family": name,
            "_cache": OrderedDict(),
            "_held": 0,
            "last": None,
            "_videos_of": ("", []),
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.family = FAMILIES[state["family"]] if state["family"] is not None else None

    def __call__(
        self, row: Mapping[str, Any], columns: Sequence[str], *, assistant: bool = False
    ) -> EncodedRow:
        """Encodes a row with `prompt` and the given completion columns.

        assistant: say which tokens the assistant wrote, by the chat template's marks. Takes one completion column.

        Raises:
            ValueError: with the row's media in the message where they are the cause.
        """
        return self._encode(row, columns, self._media(row), assistant)

    def chain(self, row: Mapping[str, Any], longest: int | None = None) -> list[EncodedRow]:
        """The items of a ranked row, best first, its media read once; with `completion` as their column.

        longest: take only the first so many.

        Raises:
            ValueError: as for one row; no chain; or items that are equal once they are tokens.
        """
        media, chain = self._media(row), chain_of(row)[:longest]
        if row.get("prompts") is not None:
            items = [self._encode(item, ("completion",), media) for item in chain]
        else:
            # As the two of a pair in TRL: the prompt is as long as all items agree with it.
            completions = {f"item {number}": item["completion"] for number, item in enumerate(chain)}
            whole = self._encode({**chain[0], **completions}, tuple(completions), media)
            items = [replace(whole, completions={"completion": ids}) for ids in whole.completions.values()]
        seen = {(item.key, tuple(item.completions["completion"])) for item in items}
        if len(seen) < len(items):
            raise ValueError("two items of the chain have the same tokens, so neither is better")
        return items

    def decoded(self, row: Mapping[str, Any]) -> DecodedPrompt:
        """What the processor would be given for the row's prompt: for an engine that runs a processor of its own.

        Raises:
            ValueError: as for encoding the row.
        """
        media = self._media(row)
        self._refuse_named_media(row, (), media)
        if not media.key:
            return self._decoded_text(self._without_media(row, (), False).prompt.input_ids)
        return self._decoded(self._render(row, (), media), media)

    def _media(self, row: Mapping[str, Any]) -> _Media:
        held = {kind: sources(row, kind, self.folder) for kind in KINDS}
        return _Media(held["video"], held["image"], held["audio"], media_key(held, self.sampling))

    def _encode(
        self, row: Mapping[str, Any], columns: Sequence[str], media: _Media, assistant: bool = False
    ) -> EncodedRow:
        self._refuse_named_media(row, columns, media)
        encoded = (
            self._with_media(row, columns, media, assistant)
            if media.key
            else self._without_media(row, columns, assistant)
        )
        for column, ids in encoded.completions.items():
            self._refuse_named(column, ids)
            if not ids:
                raise ValueError(f"{column} has no tokens")
        if assistant and not any(encoded.assistant or ()):
            raise ValueError(
                "assistant_only_loss=True, and the chat template marks none of the row's tokens as the assistant's "
                "({% generation %}), so it has nothing to learn from; drop the row, or mend the template"
            )
        return encoded

    def _without_media(self, row: Mapping[str, Any], columns: Sequence[str], assistant: bool) -> EncodedRow:
        ids = tokenize_row(
            row, columns, self.processor, chat_template=self.chat_template, assistant=assistant
        )
        self._refuse_named("prompt", ids.prompt)
        key = hashlib.sha256(repr(ids.prompt).encode()).hexdigest()
        decoded = self._decoded_text(ids.prompt) if self.keeps_decoded else None
        return EncodedRow(EncodedPrompt(ids.prompt), ids.completions, key, "", decoded, ids.assistant)

    def _with_media(
        self, row: Mapping[str, Any], columns: Sequence[str], media: _Media, assistant: bool
    ) -> EncodedRow:
        text = self._render(row, columns, media, assistant)
        added = added_ids(text, self.tokenizer)
        key = hashlib.sha256(f"{media.key}\0{added}\0{text.prompt}".encode()).hexdigest()
        decoded = self._decoded(text, media) if self.keeps_decoded else None
        prompt = self._process(decoded) if decoded is not None else self._prompt(key, text.prompt, media)
        completions = {column: self._ids(completion) for column, completion in text.completions.items()}
        marked = None
        if text.assistant is not None:
            marked = assistant_mask(
                (text.prompt, *text.completions.values()),
                text.assistant,
                self.tokenizer,
                prompt.input_ids,
                self._placeholder_ids(),
            )
            marked = [*([0] * len(added)), *marked]
        prompt = replace(prompt, input_ids=[*added, *prompt.input_ids])
        return EncodedRow(prompt, completions, key, media.key, decoded, marked)

    def _refuse_named_media(self, row: Mapping[str, Any], columns: Sequence[str], media: _Media) -> None:
        if (reason := row_problem(row, columns, media.counts, self.named)) is not None:
            raise ValueError(reason)

    def _refuse_named(self, column: str, ids: Sequence[int]) -> None:
        wrong = self.named_ids.intersection(ids)
        if wrong:
            token = self.tokenizer.convert_ids_to_tokens(min(wrong))
            raise ValueError(f"{column} contains the media placeholder {token!r}; remove it from the text")

    def _render(
        self, row: Mapping[str, Any], columns: Sequence[str], media: _Media, assistant: bool = False
    ) -> RowText:
        if self.family is None:
            raise ValueError("the row has media, but the model has no vision tower; load a video model")
        return render(
            row,
            columns,
            media.counts,
            processor=self.processor,
            family=self.family,
            chat_template=self.chat_template,
            assistant=assistant,
        )

    def _decoded(self, text: RowText, media: _Media) -> DecodedPrompt:
        ids = [*added_ids(text, self.tokenizer), *self._ids(text.prompt)]
        return replace(self._decode(text.prompt, media), text_ids=ids)

    def _decoded_text(self, ids: list[int]) -> DecodedPrompt:
        return DecodedPrompt(self.tokenizer.decode(ids), [], [], [], [], None, ids)

    def _ids(self, text: str) -> list[int]:
        return self.tokenizer(text, add_special_tokens=False)["input_ids"]

    def _placeholder_ids(self) -> frozenset[int]:
        assert self.family is not None
        written = "".join(placeholders(self.processor, self.family).values())
        return self.media_token_ids | {
            token for token in self._ids(written) if token in self.tokenizer.added_tokens_decoder
        }

    def _prompt(self, key: str, text: str, media: _Media) -> EncodedPrompt:
        if key in self._cache:
            self._cache.move_to_end(key)
            self.last = _Encoded(key, media.key, text, self._cache[key])
            return self._cache[key]
        if self.last is not None and self.last.media_key == media.key:
            if self.last.key == key:
                return self.last.prompt
            last = self.last
            ids = splice(
                last.prompt.input_ids, self._ids(last.text), self._ids(text), self._placeholder_ids()
            )
            if ids is not None:
                return EncodedPrompt(ids, last.prompt.media)
        prompt = self._process(self._decode(text, media))
        self.last = _Encoded(key, media.key, text, prompt)
        self._remember(key, prompt)
        return prompt

    def _decode(self, text: str, media: _Media) -> DecodedPrompt:
        if media.audios:
            require_audio(self.family, "the row has audios")
        videos = self._videos(media)
        heard = list(zip(media.videos, videos, strict=True)) if self.sampling.use_audio_in_video else []
        span = self._span() if videos else (1, 1)
        budgets = [frame_budget(self.sampling, span, len(video.frames)) for video in videos]
        return DecodedPrompt(
            text,
            videos,
            [self._soundtrack(*pair) for pair in heard],
            [self._audio(source) for source in media.audios],
            [read_image(source) for source in media.images],
            tuple(budget for budget in budgets if budget is not None) or None,
        )

    def _videos(self, media: _Media) -> list[Video]:
        if self._whole is not None:
            return [fewer_frames(video) for video in self._whole._videos(media)]
        if self._keeps_videos and self._videos_of[0] == media.key:
            return self._videos_of[1]
        videos = [self._video(source) for source in media.videos]
        if self._keeps_videos:
            self._videos_of = (media.key, videos)
        return videos

    def _video(self, source: str | bytes) -> Video:
        span = self._span()
        return read_video(
            source,
            fps=self.sampling.fps,
            num_frames=self.sampling.num_frames,
            max_frames=self.sampling.max_frames,
            max_pixels=partial(frame_budget, self.sampling, span),
            multiple=span[1] if self.sampling.bounds_size else 1,
        )

    def _audio(self, source: str | bytes) -> np.ndarray:
        assert self.family is not None and self.family.audio_rate is not None
        return read_audio(source, rate=self.family.audio_rate)

    def _soundtrack(self, source: str | bytes, video: Video) -> np.ndarray:
        assert self.family is not None and self.family.audio_rate is not None
        try:
            return self._audio(source)
        except NoAudioStream as error:
            if self.sampling.missing_audio == "silence":
                return np.zeros(round(video.duration * self.family.audio_rate), dtype=np.float32)
            raise NoAudioStream(error.path, error.problem, SILENCE) from None

    def _process(self, prompt: DecodedPrompt) -> EncodedPrompt:
        assert self.family is not None
        sound = {"audios": prompt.audios, "soundtracks": prompt.soundtracks} if self.family.audio_rate else {}
        encoded = self.family.encode(
            self.processor,
            prompt.text,
            prompt.videos,
            prompt.images,
            max_pixels=prompt.max_pixels,
            **sound,
        )
        return encoded if self.keeps_decoded else EncodedPrompt(encoded.input_ids, encoded.media)

    def _span(self) -> tuple[int, int]:
        """(frames, side in pixels) of a token's block of video; (1, 1) where frames have a fixed number of tokens."""
        assert self.family is not None
        span = self.family.video_token_span
        return span(self.processor) if span is not None else (1, 1)

    def _remember(self, key: str, prompt: EncodedPrompt) -> None:
        size = _bytes(prompt)
        if size > self._capacity:
            return
        self._cache[key] = prompt
        self._held += size
        while self._held > self._capacity:
            _, dropped = self._cache.popitem(last=False)
            self._held -= _bytes(dropped)


def _bytes(prompt: EncodedPrompt) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in prompt.media.values()) + 8 * len(
        prompt.input_ids
    )
