"""Responses of a model on a server or at a provider: requests side by side, each answer kept on disk, bounded and priced as a judge's are."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from vidalign.generate.sample import GREEDY, Sample, Sampling, check_samples, review_of
from vidalign.llm.background import run_sync
from vidalign.llm.client import LLMJudge
from vidalign.llm.media import Medium, shown
from vidalign.llm.question import Answer, Prompt, Text, text_of
from vidalign.rows import MediaFolder, media_of, without_nulls
from vidalign.text.blocks import with_blocks

KINDS = ("video", "image", "audio")
TASK = "respond"
"""Under which the ledger counts requests."""


class ServedModel:
    """A `Sampler` whose model answers over HTTP.

    A row's media go along as the file, or, to a model that takes images, as frames, and their sound where it hears
    (`sees`, `max_frames`, `max_frame_pixels` of the model). An answer is asked for once: the same row, sampling and sample are
    found in the model's cache from then on. Log-probs are not known.

    Args:
        model: which is asked, with its limits and its budget. `temperature` and `max_tokens` are those of the sampling.
        folder: where media are.
    """

    def __init__(self, model: LLMJudge, *, folder: MediaFolder | None = None) -> None:
        self.model, self.folder = model, folder or MediaFolder()

    @property
    def settings(self) -> dict[str, Any]:
        model = self.model
        frames = {"max_frames": model.max_frames, "max_frame_pixels": model.max_frame_pixels}
        sees = sorted(run_sync(model.senses(TASK)))
        return {"model": model.name, "params": dict(model.params), "sees": sees, **frames}

    def samples(
        self, rows: Sequence[Mapping[str, Any]], n: int = 1, sampling: Sampling = GREEDY
    ) -> list[list[Sample]]:
        """See `Sampler`.

        Raises:
            ValueError: several samples of greedy decoding; or the model takes no media of a row's kind.
            JudgeError: no further request can be answered either: the budget, the key, the address.
        """
        return run_sync(self._all(rows, n, sampling))

    async def _all(self, rows: Sequence[Mapping[str, Any]], n: int, sampling: Sampling) -> list[list[Sample]]:
        return list(await asyncio.gather(*(self.answer(row, n, sampling) for row in rows)))

    async def answer(self, row: Mapping[str, Any], n: int = 1, sampling: Sampling = GREEDY) -> list[Sample]:
        """`n` responses to one row, in any event loop; otherwise as `samples`."""
        check_samples(n, sampling)
        if sampling.contrast:
            raise ValueError(
                f"contrast={sampling.contrast} takes the logits of the model, which no server gives; leave it out, or take a model "
                "on this machine"
            )
        try:
            media, prompt = self._media(row), row["prompt"]
        except (ValueError, OSError) as error:
            return [Sample(None, reason=str(error))] * n
        sees = await self.model.senses(TASK)
        for medium in media:
            if shown(medium, sees) is None:
                raise ValueError(
                    f"{self.model.name} is not known to take {medium.kind}s; say in `sees` which media it takes, such as video (the "
                    "file) or image (frames of it)"
                )
        try:
            messages = _messages(prompt, row)
        except ValueError as error:
            return [Sample(None, reason=f"prompt: {error}")] * n
        asked = [_prompt(messages, media, sampling, number) for number in range(n)]
        found = [_sample(answer) for answer in await self.model.ask_all(asked)]
        return await self._reviewed(messages, media, sampling, found) if sampling.retrospection else found

    async def _reviewed(
        self,
        messages: list[dict[str, Any]],
        media: Sequence[Medium],
        sampling: Sampling,
        drafts: list[Sample],
    ) -> list[Sample]:
        """The second pass of a retrospection: one response to each draft."""
        asked = {
            number: _prompt(review_of(messages, draft.text), media, sampling, number)
            for number, draft in enumerate(drafts)
            if draft.text is not None
        }
        answers = await self.model.ask_all(list(asked.values()))
        found = list(drafts)
        for number, answer in zip(asked, answers, strict=True):
            found[number] = replace(_sample(answer), draft=drafts[number].text)
        return found

    def _media(self, row: Mapping[str, Any]) -> list[Medium]:
        """In the order of their blocks if those of a kind stand together; see `_messages`."""
        return [
            Medium(kind, self.folder.locate(medium))  # type: ignore[arg-type]
            for kind in KINDS
            for medium in media_of(row, kind)
        ]


def _messages(prompt: Any, row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """OpenAI's messages. A block of a medium names it by its number among those of its kind, videos first."""
    given = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else without_nulls(prompt)
    counts = {kind: len(media_of(row, kind)) for kind in KINDS}
    numbers = dict(zip(KINDS, _starts(counts), strict=True))
    ends = {kind: numbers[kind] + counts[kind] for kind in KINDS}
    messages = []
    for message in with_blocks(given, counts):
        content = []
        for block in message["content"]:
            kind = block.get("type")
            if kind not in KINDS:
                content.append(block)
                continue
            if numbers[kind] == ends[kind]:
                raise ValueError(f"it shows more {kind}s than the row has")
            content.append({"type": "medium", "number": numbers[kind]})
            numbers[kind] += 1
        messages.append({"role": message["role"], "content": content})
    for kind in KINDS:
        if numbers[kind] < ends[kind]:
            raise ValueError(f"it shows fewer {kind}s than the row has")
    return messages


def _starts(counts: Mapping[str, int]) -> list[int]:
    starts = [0]
    for kind in KINDS[:-1]:
        starts.append(starts[-1] + counts[kind])
    return starts


def _prompt(
    messages: list[dict[str, Any]], media: Sequence[Medium], sampling: Sampling, number: int
) -> Prompt[Text]:
    params: dict[str, Any] = {"temperature": sampling.temperature, "max_tokens": sampling.max_new_tokens}
    if sampling.temperature:
        params["seed"] = _seed(sampling.seed, number)
        params |= {"top_p": sampling.top_p} if sampling.top_p < 1 else {}
        params |= {"top_k": sampling.top_k} if sampling.top_k else {}
    return Prompt(
        task=TASK,
        instructions="",
        data={"messages": messages},
        schema=None,
        read=_read,
        media=tuple(media),
        params=params,
        draw=number,
    )


def _read(answer: Any) -> Text:
    return {"text": text_of(answer), "finish": answer["finish"], "tokens": answer.get("tokens", 0)}


def _sample(answer: Answer[Text]) -> Sample:
    if answer.value is None:
        return Sample(None, reason=answer.reason)
    said = answer.value
    return Sample(said["text"], said["tokens"] or None, said["finish"])


def _seed(seed: int, number: int) -> int:
    """Of one sample; servers take 31 bits."""
    return int.from_bytes(hashlib.sha256(f"{seed} {number}".encode()).digest()[:4], "big") >> 1
