"""Rows that share a video and a prompt, computed once: exact log-probabilities at the cost of one prefix.

Token logits that a model scales or caps after its head are left to the caller (TRL's fused head does it).
"""

from vidalign.prefix.encoder import MediaEncoder
from vidalign.prefix.forward import HeldMedia, RowBatch, SelfCheckError, SharedPrefix, token_logps
from vidalign.prefix.generation import KeptPrefixes, generate
from vidalign.prefix.layout import PackedGroup, PackedLayout, SharedPrefixError, pack_rows

__all__ = [
    "HeldMedia",
    "KeptPrefixes",
    "MediaEncoder",
    "PackedGroup",
    "PackedLayout",
    "RowBatch",
    "SelfCheckError",
    "SharedPrefix",
    "SharedPrefixError",
    "generate",
    "pack_rows",
    "token_logps",
]
