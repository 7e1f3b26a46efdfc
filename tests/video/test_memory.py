"""Reading many files does not let memory grow."""

import contextlib
import ctypes
import gc
from pathlib import Path

import pytest
from media import overwrite, packets, write_video

from vidalign.video import VideoError, probe, read_audio, read_video


def resident() -> int:
    """Bytes of memory that this process occupies."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):  # not every C library has it
        # What malloc keeps for the next file is no leak, and is several times what a leak would add.
        ctypes.CDLL(None).malloc_trim(0)
    status = Path("/proc/self/status")
    if not status.exists():
        pytest.skip("needs /proc")
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) * 1024


def read_all(path: Path, broken: Path) -> None:
    read_video(path, num_frames=4)
    read_video(path.read_bytes(), start=0.2, fps=10)
    read_audio(path)
    probe(path)
    with pytest.raises(VideoError):
        read_video(broken)


@pytest.mark.parametrize("times", [100, pytest.param(1000, marks=pytest.mark.slow)])
def test_memory_is_given_back(tmp_path, times, monkeypatch):
    # Each decoder thread gets a heap of malloc's, whose reserve comes and goes by 10 MB and hides a leak.
    monkeypatch.setattr("vidalign.video.decode.decoder_threads", lambda: 1)
    path = write_video(tmp_path / "a.mp4", 30, options={"g": "10"}, size=(192, 256), tone=(440, 0.0, 1))
    broken = write_video(tmp_path / "b.mp4", 30, options={"g": "10"}, size=(192, 256))
    for position, size, _ in packets(broken):
        overwrite(broken, position, size)
    for _ in range(20):
        read_all(path, broken)
    before = resident()
    for _ in range(times):
        read_all(path, broken)
    # One 192 x 256 frame is 147 kB: 100 leaked ones would be 15 MB. The limit is 2 kB a file at 1000 rounds.
    assert resident() - before < 2e6
