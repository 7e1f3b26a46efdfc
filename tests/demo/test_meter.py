"""The measuring instruments of training runs."""

import pytest
import torch

from demo import meter


def test_memory_peaks_are_seen_though_freed_again():
    with meter.MemoryPeak() as memory:
        torch.ones(16 * 2**20).sum()  # 64 MB
    if memory.megabytes is None:
        pytest.skip("this system does not tell a process's peak memory")
    assert 60 < memory.megabytes < 90
    with meter.MemoryPeak() as nothing:
        pass
    assert nothing.megabytes < 5
