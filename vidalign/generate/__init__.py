"""Captions and answers from a model on this machine, behind a protocol that a model on a server can have as well.

    from vidalign.generate import LocalModel, Sampling

    model = LocalModel.load("Qwen/Qwen2.5-VL-7B-Instruct")
    [[sample]] = model.samples([{"videos": ["a.mp4"], "prompt": "Describe the video."}])

The names load on first use: a command line that only shows its help must not load torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vidalign.generate.caption import caption_rows
    from vidalign.generate.local import LocalModel
    from vidalign.generate.sample import Sample, Sampler, Sampling

_MODULE_OF = {
    "LocalModel": "local",
    "Sample": "sample",
    "Sampler": "sample",
    "Sampling": "sample",
    "caption_rows": "caption",
}

__all__ = ["LocalModel", "Sample", "Sampler", "Sampling", "caption_rows"]


def __getattr__(name: str) -> object:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
