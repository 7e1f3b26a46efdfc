"""Judges: language models that litellm reaches, or offline by words; what they are asked, and what they spent.

The names are those of `own.pyi` and of `vidalign.llm`, and load on first use.
"""

from __future__ import annotations

from pathlib import Path

import lazy_loader as lazy

from vidalign import llm

_own_name, _, _own_names = lazy.attach_stub(__name__, str(Path(__file__).with_name("own.pyi")))
__all__ = sorted([*_own_names, *llm.__all__])


def __getattr__(name: str) -> object:
    return getattr(llm, name) if name in llm.__all__ else _own_name(name)


def __dir__() -> list[str]:
    return list(__all__)
