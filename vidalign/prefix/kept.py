"""A cache of features, by the media tensors that they were computed from: as long as those live, as many as memory allows."""

from __future__ import annotations

import weakref
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

Key = tuple[bool, tuple[int, ...]]


@dataclass
class Kept:
    """features: what the towers gave. owner: the backbone that computed them. stamp: of its weights, at that time."""

    features: dict[str, Any]
    owner: weakref.ref[nn.Module]
    stamp: int


@dataclass
class _Entry:
    kept: Kept
    refs: list[weakref.ref[torch.Tensor]]
    size: int


class FeatureCache:
    """Features by the media tensors that they were computed from.

    An entry is dropped when one of its tensors dies, since nobody can then ask for it, and when the capacity is used up,
    least recently used first.

    Args:
        capacity: bytes of all features together. What is larger alone is not kept; 0 keeps nothing.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.held = 0
        """Bytes of what is kept."""
        self._entries: OrderedDict[Key, _Entry] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def put(self, media: Sequence[torch.Tensor], kept: Kept, *, with_projector: bool) -> None:
        key = _key(media, with_projector)
        self._drop(key)
        size = _bytes(kept.features)
        if size > self.capacity:
            return
        refs = [weakref.ref(tensor, lambda _: self._drop(key)) for tensor in media]
        self._entries[key] = _Entry(kept, refs, size)
        self.held += size
        while self.held > self.capacity:
            self._drop(next(iter(self._entries)))

    def get(self, media: Sequence[torch.Tensor], *, with_projector: bool) -> Kept | None:
        key = _key(media, with_projector)
        entry = self._entries.get(key)
        # A new tensor may have the id of one that died; a reference tells them apart.
        if entry is None or any(ref() is not tensor for ref, tensor in zip(entry.refs, media, strict=True)):
            return None
        self._entries.move_to_end(key)
        return entry.kept

    def clear(self) -> None:
        self._entries.clear()
        self.held = 0

    def _drop(self, key: Key) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self.held -= entry.size


class SeenTensors:
    """Tensors that were seen before and still live."""

    def __init__(self) -> None:
        self._refs: dict[int, weakref.ref[torch.Tensor]] = {}

    def add(self, tensor: torch.Tensor) -> None:
        number, refs = id(tensor), self._refs
        refs[number] = weakref.ref(tensor, lambda _: refs.pop(number, None))

    def __contains__(self, tensor: torch.Tensor) -> bool:
        ref = self._refs.get(id(tensor))
        return ref is not None and ref() is tensor


def _key(media: Sequence[torch.Tensor], with_projector: bool) -> Key:
    return with_projector, tuple(map(id, media))


def _bytes(features: Any) -> int:
    """Bytes of the memory behind all tensors, each storage once: features of one batch are views of one."""
    pieces = {}
    for tensor in _tensors(features):
        storage = tensor.untyped_storage()
        pieces[storage.data_ptr()] = storage.nbytes()
    return sum(pieces.values())


def _tensors(value: Any) -> Iterator[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        yield value
    elif hasattr(value, "values"):
        for item in value.values():
            yield from _tensors(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _tensors(item)
