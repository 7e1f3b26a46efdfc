"""A model's responses as a stage of a pipeline: request by request to a server, in batches on this machine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from vidalign.generate.sample import REVIEW, AsyncSampler, Sample, Sampler, Sampling
from vidalign.stages import Cost, Stage, Unfinished


def sampling_stage(
    name: str,
    model: Sampler,
    rows: Callable[[Any, Mapping[str, Any]], Sequence[Mapping[str, Any]]],
    n: int,
    sampling: Sampling,
    *,
    batch: int,
    settings: Mapping[str, Any] | None = None,
) -> Stage:
    """A stage whose result is a list for each of an item's rows, of `n` samples each as JSON (`vidalign.generate.Sample`).

    Args:
        name: of the stage.
        model: who answers.
        rows: (item, results before) -> what is asked, as `Sampler.samples` takes it; {} are the results of a dry run.
        n, sampling: of each row.
        batch: items at a time, or under way at once.
        settings: what the results depend on besides.
    """
    review = {"review": REVIEW} if sampling.retrospection else {}
    own = {**model.settings, "n": n, **asdict(sampling), **review, **(settings or {})}

    def cost(item: Any, found: Mapping[str, Any]) -> Cost:
        calls = n * len(rows(item, found)) * (2 if sampling.retrospection else 1)
        return Cost(calls, None, None, None if isinstance(model, AsyncSampler) else 0.0, None)

    if isinstance(model, AsyncSampler):

        async def ask(item: Any, found: Mapping[str, Any]) -> Any:
            asked = (model.answer(row, n, sampling) for row in rows(item, found))
            result = _result(await asyncio.gather(*asked))
            if isinstance(result, Unfinished):
                raise result
            return result

        return Stage(name, ask, own, window=batch, cost=cost)

    def answer(items: Sequence[Any], found: Sequence[Mapping[str, Any]]) -> list[Any]:
        asked = [rows(item, before) for item, before in zip(items, found, strict=True)]
        samples = iter(model.samples([row for own in asked for row in own], n, sampling))
        return [_result([next(samples) for _ in own]) for own in asked]

    return Stage(name, answer, own, batch=batch, cost=cost)


def turn(prompt: Any) -> Any:
    """A prompt as messages."""
    return [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt


def _result(found: Sequence[Sequence[Sample]]) -> Any:
    """JSON of an item's samples; `Unfinished` if one of them is missing."""
    for samples in found:
        for sample in samples:
            if sample.text is None:
                return Unfinished(sample.reason or "no answer")
    return [[asdict(sample) for sample in samples] for samples in found]
