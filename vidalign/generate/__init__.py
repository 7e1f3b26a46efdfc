"""Captions and answers from a model on this machine or on a server, behind one protocol.

    from vidalign.generate import LocalModel, Sampling

    model = LocalModel.load("Qwen/Qwen2.5-VL-7B-Instruct")
    [[sample]] = model.samples([{"videos": ["a.mp4"], "prompt": "Describe the video."}])

    model = ServedModel(LLMJudge("Qwen/Qwen2.5-VL-72B-Instruct", api_base="http://localhost:8000/v1", sees=("video",)))

The names load on first use: a command line that only shows its help must not load torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vidalign.generate.caption import caption_rows
    from vidalign.generate.local import LocalModel
    from vidalign.generate.sample import Sample, Sampler, Sampling
    from vidalign.generate.served import ServedModel

_MODULE_OF = {
    "LocalModel": "local",
    "Sample": "sample",
    "Sampler": "sample",
    "Sampling": "sample",
    "ServedModel": "served",
    "caption_rows": "caption",
}

__all__ = ["LocalModel", "Sample", "Sampler", "Sampling", "ServedModel", "caption_rows"]


def __getattr__(name: str) -> object:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
