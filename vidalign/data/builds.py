"""The builds of `vidalign build`, by name. What a build takes is in the signature and the docstring of its function."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vidalign.stages.run import Summary


@dataclass(frozen=True)
class Build:
    """One `vidalign build NAME`.

    function: "module:name". It takes the rows, the output, `judge` (if it asks one), options, and `run`, a `vidalign.stages.Run`; if
        it samples from a model, also `options`, a `vidalign.generate.options.ModelOptions`. Its docstring says what each is, and
        so does the help. It is imported when it is called.
    help: one line for the list of builds.
    tasks: what it asks a judge; () for a build that asks none and has no options of one.
    without: fields of `Run` that are no options of it.
    """

    function: str
    help: str
    tasks: tuple[str, ...]
    without: tuple[str, ...] = ()

    def load(self) -> Callable[..., Summary]:
        module, _, name = self.function.partition(":")
        return getattr(importlib.import_module(module), name)


BUILDS = {
    "keypoints": Build(
        "vidalign.data.keypoints:build_keypoints",
        "reference captions -> keypoints and dialogue, which online training is rewarded by",
        ("keypoints", "dialogue"),
    ),
    "chains": Build(
        "vidalign.data.chains:build_chains",
        "full captions -> chains of captions that have one error more each, for ranking",
        ("degrade",),
    ),
    "question-chains": Build(
        "vidalign.data.questions:build_question_chains",
        "caption chains -> multiple-choice and yes-or-no questions, for ranking",
        ("choices", "yes_no"),
    ),
    "pairs": Build(
        "vidalign.data.pairs:build_pairs",
        "a model's responses -> preference pairs, by a teacher or a judge",
        ("improve", "compare", "claims", "claim_check"),
    ),
    "aspect-pairs": Build(
        "vidalign.data.aspect_pairs:build_aspect_pairs",
        "videos -> pairs of a model's captions, asked with an aspect in view and plainly (AVC-DPO)",
        ("principles", "scores"),
    ),
    "answer-pairs": Build(
        "vidalign.data.answer_pairs:build_answer_pairs",
        "captions -> questions -> pairs of a model's answers, by a judge that reads the caption (LLaVA-Hound)",
        ("quiz", "reward"),
    ),
    "captions": Build(
        "vidalign.data.recaption:build_captions",
        "people's short captions and the video -> one detailed caption a row, which chains start from",
        ("recaption",),
    ),
    "import": Build(
        "vidalign.data.imports.build:build_import",
        "data sets in other people's formats -> preference or supervised rows, each of them checked",
        (),
        without=("allow_missing", "window"),
    ),
}
