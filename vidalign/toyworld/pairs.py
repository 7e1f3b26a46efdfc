"""Scored candidates -> preference pairs: the best caption of a clip against its worst."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vidalign.toyworld.captions import score
from vidalign.toyworld.scene import Scene


@dataclass(frozen=True)
class Pair:
    """Captions of one clip, each with its score, F1 of keypoint recall and precision."""

    video: str
    chosen: tuple[str, float]
    rejected: tuple[str, float]


def best_and_worst(
    clips: Sequence[tuple[str, Scene]], candidates: Sequence[Sequence[str]]
) -> tuple[list[Pair], int]:
    """One pair a clip, and the number of clips whose candidates all score the same, which give none.

    Among equals the first sampled counts, so that the outcome does not depend on a caption's length or words.
    """
    pairs, ties = [], 0
    for (video, scene), texts in zip(clips, candidates, strict=True):
        # Only a caption with words can be trained on.
        scored = [(text, score(text, scene).f1) for text in texts if text.strip()]
        if not scored or max(value for _, value in scored) == min(value for _, value in scored):
            ties += 1
            continue
        chosen = max(scored, key=lambda item: item[1])
        rejected = min(scored, key=lambda item: item[1])
        pairs.append(Pair(video, chosen, rejected))
    return pairs, ties
