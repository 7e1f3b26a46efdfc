"""Caption chains: a full caption, and captions that have one error more each (caption chains, §3.1 and §3.2)."""

from vidalign.data.chains.build import build_chains
from vidalign.data.chains.summary import BuiltChains

__all__ = ["BuiltChains", "build_chains"]
