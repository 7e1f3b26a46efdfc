"""Attention over a packed sequence in which every suffix sees its prefix and itself.

`install` gives the language model an attention function of its own. A forward that carries a `PackedLayout` (keyword
`vidalign_layout`) takes one of the three paths below; any other forward, generation included, goes to the function
that was there before. None of them builds an N x N mask:

- `sdpa`: causal attention over each prefix, then all suffixes of a group against prefix and themselves, with a mask
  of (suffix tokens) x (group tokens), made once a forward. Groups whose mask would be large go suffix by suffix.
- `flex`: one FlexAttention call over the packed sequence; its block mask skips what is not seen. For CUDA.
- `flash`: one variable-length flash-attn call; keys and values of the prefix are gathered once per suffix.
"""

from __future__ import annotations

import contextlib
import contextvars
import functools
import sys
from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch.nn.attention.bias import causal_lower_right
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from vidalign.prefix.layout import PackedGroup, PackedLayout

LAYOUT = "vidalign_layout"
"""Keyword under which the layout reaches the attention functions. A keyword, not a global: gradient checkpointing
runs a layer again during backward, long after a global would have been reset."""

_MASK_LIMIT = 2**25
"""Entries of a suffix mask above which suffixes are attended one by one (2**25 float32 entries are 128 MiB)."""

ONE_BY_ONE = "suffixes one by one"
"""Name in `PackedLayout.cache`: whether to attend so, whatever the size of the masks."""

_packed = contextvars.ContextVar("vidalign_packed", default=False)


@contextlib.contextmanager
def packed_forward() -> Iterator[None]:
    """While it lasts, installed models build no attention mask of their own."""
    token = _packed.set(True)
    try:
        yield
    finally:
        _packed.reset(token)


def install(config: Any, backend: str = "sdpa") -> None:
    """Makes the language model with this (text) config run packed sequences with `backend`. Idempotent.

    Raises:
        ValueError: an unknown backend, or a base implementation without a mask function of its own.
        ImportError: `flash` without flash-attn.
    """
    if backend not in BACKENDS:
        raise ValueError(f"prefix attention {backend!r} is not known; choose one of {', '.join(BACKENDS)}")
    if backend == "flash":
        _flash_varlen()
    base = config._attn_implementation or "sdpa"
    if base.startswith("vidalign_"):
        base = base.split("_over_", 1)[1]
    if base not in ALL_MASK_ATTENTION_FUNCTIONS._global_mapping:
        raise ValueError(
            f"attn_implementation={base!r} has no mask function in transformers, so a shared prefix cannot stand beside "
            "it. Load the model with attn_implementation='sdpa', or set share_prefix=False."
        )
    # transformers takes a name with "flash" in it for flash attention and then checks for padding of its own.
    name = f"vidalign_{backend}_over_{base}".replace("vidalign_flash", "vidalign_varlen")
    if name not in ALL_ATTENTION_FUNCTIONS:
        AttentionInterface.register(name, _attention_function(BACKENDS[backend], base))
        AttentionMaskInterface.register(name, _mask_function(ALL_MASK_ATTENTION_FUNCTIONS[base]))
    config._attn_implementation = name


def _mask_function(base: Callable) -> Callable:
    def mask(*args: Any, **kwargs: Any) -> Any:
        return None if _packed.get() else base(*args, **kwargs)

    return mask


def _attention_function(attend: Callable, base: str) -> Callable:
    def attention(
        module: torch.nn.Module,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        attention_mask: torch.Tensor | None,
        scaling: float | None = None,
        dropout: float = 0.0,
        **kwargs: Any,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        layout: PackedLayout | None = kwargs.pop(LAYOUT, None)
        if layout is None:
            # "eager" is not in the registry: each modeling file has its own.
            eager = getattr(sys.modules[type(module).__module__], "eager_attention_forward", None)
            function = ALL_ATTENTION_FUNCTIONS.get_interface(base, eager)
            return function(
                module, query, key, value, attention_mask, scaling=scaling, dropout=dropout, **kwargs
            )
        if kwargs.get("sliding_window"):
            raise ValueError(
                f"{type(module).__name__} attends in a sliding window; a shared prefix is exact only for full causal "
                "attention. Set share_prefix=False."
            )
        output = attend(query, key, value, layout, scaling=scaling, dropout=dropout)
        return output.transpose(1, 2).contiguous(), None

    return attention


def sdpa(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    layout: PackedLayout,
    *,
    scaling: float | None = None,
    dropout: float = 0.0,
) -> torch.Tensor:
    """query [1, H, N, D], key and value [1, H_kv, N, D] -> [1, H, N, D]."""
    if query.device.type != "cpu" and key.shape[1] != query.shape[1]:
        # Off the CPU a mask together with enable_gqa falls back to the math kernel.
        key, value = (x.repeat_interleave(query.shape[1] // x.shape[1], dim=1) for x in (key, value))
    options: dict[str, Any] = {
        "scale": scaling,
        "dropout_p": dropout,
        "enable_gqa": key.shape[1] != query.shape[1],
    }
    outputs = []
    for number, group in enumerate(layout.groups):
        q, k, v = (x[:, :, group.start : group.end] for x in (query, key, value))
        if group.prefix:
            head = slice(0, group.prefix)
            outputs.append(
                F.scaled_dot_product_attention(
                    q[:, :, head], k[:, :, head], v[:, :, head], is_causal=True, **options
                )
            )
        if group.end == group.start + group.prefix:
            continue
        if not attends_one_by_one(layout, group):
            mask = _suffix_mask(layout, number, group, query)
            outputs.append(
                F.scaled_dot_product_attention(q[:, :, group.prefix :], k, v, attn_mask=mask, **options)
            )
            continue
        start = group.prefix
        for length in group.suffixes:
            if length:
                keys, values = (
                    torch.cat((x[:, :, : group.prefix], x[:, :, start : start + length]), dim=2)
                    for x in (k, v)
                )
                bias = causal_lower_right(length, group.prefix + length)
                outputs.append(
                    F.scaled_dot_product_attention(
                        q[:, :, start : start + length], keys, values, attn_mask=bias, **options
                    )
                )
            start += length
    return torch.cat(outputs, dim=2)


def attends_one_by_one(layout: PackedLayout, group: PackedGroup) -> bool:
    """Whether `sdpa` takes the group's suffixes by themselves: their mask would be large, or the layout says so."""
    own = group.end - group.start - group.prefix
    return layout.cache.get(ONE_BY_ONE, own * (group.prefix + own) > _MASK_LIMIT)


def _suffix_mask(layout: PackedLayout, number: int, group: PackedGroup, query: torch.Tensor) -> torch.Tensor:
    """[suffix tokens, group tokens]: 0 where a suffix token may look, -inf elsewhere. Shared by all layers."""
    name = ("suffix_mask", number, query.dtype, query.device)
    if name not in layout.cache:
        own = sum(group.suffixes)
        mask = torch.full((own, group.prefix + own), float("-inf"), dtype=query.dtype, device=query.device)
        mask[:, : group.prefix] = 0
        start = 0
        for length in group.suffixes:
            causal = torch.ones(length, length, dtype=torch.bool, device=query.device).tril()
            own_block = mask[start : start + length, group.prefix + start : group.prefix + start + length]
            own_block.masked_fill_(causal, 0)
            start += length
        layout.cache[name] = mask
    return layout.cache[name]


def flex(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    layout: PackedLayout,
    *,
    scaling: float | None = None,
    dropout: float = 0.0,
) -> torch.Tensor:
    """As `sdpa`, by one FlexAttention call, compiled on CUDA."""
    from torch.nn.attention.flex_attention import create_block_mask

    if dropout:
        raise ValueError(
            "FlexAttention has no dropout; set the model's attention_dropout to 0 or use prefix 'sdpa'"
        )
    on_cuda = query.device.type == "cuda"
    name = ("block_mask", query.device)
    if name not in layout.cache:
        group_of, suffix_of = segments(layout, query.device)

        def visible(b: Any, h: Any, q: torch.Tensor, k: torch.Tensor) -> torch.Tensor:
            seen = (suffix_of[k] < 0) | (suffix_of[k] == suffix_of[q])
            return (k <= q) & (group_of[k] == group_of[q]) & seen

        layout.cache[name] = create_block_mask(
            visible, None, None, layout.tokens, layout.tokens, device=query.device, _compile=on_cuda
        )
    return _flex_call(on_cuda)(
        query,
        key,
        value,
        block_mask=layout.cache[name],
        scale=scaling,
        enable_gqa=key.shape[1] != query.shape[1],
    )


@functools.cache
def _flex_call(compiled: bool) -> Callable[..., Any]:
    from torch.nn.attention.flex_attention import flex_attention

    call: Any = flex_attention
    # dynamic: the packed length changes with every batch, and each recompilation costs tens of seconds.
    return torch.compile(call, dynamic=True) if compiled else call


def segments(layout: PackedLayout, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Group number [N] and suffix number [N] (-1: prefix) of every packed token."""
    group_of = torch.empty(layout.tokens, dtype=torch.int32)
    suffix_of = torch.full((layout.tokens,), -1, dtype=torch.int32)
    for number, group in enumerate(layout.groups):
        group_of[group.start : group.end] = number
        start = group.start + group.prefix
        for suffix, length in enumerate(group.suffixes):
            suffix_of[start : start + length] = suffix
            start += length
    return group_of.to(device), suffix_of.to(device)


def flash(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    layout: PackedLayout,
    *,
    scaling: float | None = None,
    dropout: float = 0.0,
) -> torch.Tensor:
    """As `sdpa`, by flash-attn's variable-length kernel, whose causal mask is aligned to the lower right."""
    name = ("varlen", query.device)
    if name not in layout.cache:
        gather: list[torch.Tensor] = []
        lengths_q, lengths_k = [], []
        for group in layout.groups:
            prefix = torch.arange(group.start, group.start + group.prefix)
            pieces = [(prefix[:0], group.prefix, group.start)]
            start = group.start + group.prefix
            for length in group.suffixes:
                pieces.append((prefix, length, start))
                start += length
            for before, length, at in pieces:
                if length:
                    gather += [before, torch.arange(at, at + length)]
                    lengths_q.append(length)
                    lengths_k.append(len(before) + length)
        ends = [
            F.pad(torch.tensor(lengths, dtype=torch.int32).cumsum(0), (1, 0)).to(query.device, torch.int32)
            for lengths in (lengths_q, lengths_k)
        ]
        layout.cache[name] = (torch.cat(gather).to(query.device), *ends, max(lengths_q), max(lengths_k))
    index, ends_q, ends_k, longest_q, longest_k = layout.cache[name]
    output = _flash_varlen()(
        query[0].transpose(0, 1).contiguous(),
        key[0].transpose(0, 1)[index],
        value[0].transpose(0, 1)[index],
        ends_q,
        ends_k,
        longest_q,
        longest_k,
        dropout_p=dropout,
        softmax_scale=scaling,
        causal=True,
    )
    return output.transpose(0, 1).unsqueeze(0)


def _flash_varlen() -> Callable:
    try:
        from flash_attn import flash_attn_varlen_func
    except ImportError as error:
        raise ImportError(
            "prefix attention 'flash' needs flash-attn: pip install 'vidalign[flash]', or use prefix attention 'sdpa'"
        ) from error
    return flash_attn_varlen_func


BACKENDS: dict[str, Callable[..., torch.Tensor]] = {"sdpa": sdpa, "flex": flex, "flash": flash}
