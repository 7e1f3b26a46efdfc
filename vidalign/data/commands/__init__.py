"""The kinds of `vidalign build`, by name: one file a kind, with its options and what it runs."""

from __future__ import annotations

from vidalign.data.commands import captions, chains, keypoints, pairs, question_chains
from vidalign.data.commands.kind import Kind

KINDS: dict[str, Kind] = {
    "keypoints": keypoints.KIND,
    "chains": chains.KIND,
    "question-chains": question_chains.KIND,
    "pairs": pairs.KIND,
    "captions": captions.KIND,
}
