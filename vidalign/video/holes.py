"""Where a Matroska file lost frames without a word."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.stream import Discard, Stream

# What the format writes around a packet: the block's header, a cluster's, padding between clusters.
_PACKET_HEADERS = 64
_CLUSTER_HEADERS = 256


class Account:
    """Accounts for the bytes of a file while its packets are read.

    Matroska's demuxer drops damaged blocks without an error. Two signs together show a loss: a jump in time that no
    packet fills, not even a later one (B-frames come out of order), and at the same place bytes of the file that
    belong to no packet of any stream. Where the picture merely pauses, packets of audio account for the bytes. Other
    formats report what they lose, and are not looked at.
    """

    def __init__(self, container: InputContainer, stream: Stream) -> None:
        self._stream = stream
        self.streams = [stream]
        """The streams whose packets must be entered, in file order."""
        self._on = "matroska" in container.format.name
        if self._on:
            self.streams = list(container.streams)
            for other in self.streams:
                other.discard = Discard.default
        self._packets: list[tuple[int | None, int, int]] = []  # pts, duration, bytes
        self._missing: list[int | None] = []  # bytes before each packet that are nobody's
        self._end: int | None = None  # where the bytes that are accounted for end in the file
        self._last_dts: int | None = None

    def enter(self, packet: Packet) -> bool:
        """Enter the next packet of the file. Returns whether it is one of the stream's own."""
        own = packet.stream.index == self._stream.index
        if not self._on:
            return own
        if not own:
            if self._end is not None:
                self._end += packet.size + _PACKET_HEADERS
            return False
        unknown = self._end is None or packet.pos is None
        self._missing.append(None if unknown else packet.pos - self._end)  # type: ignore[operator]
        self._packets.append((packet.pts, packet.duration or 0, packet.size))
        self._end = None if packet.pos is None else packet.pos + packet.size + _PACKET_HEADERS
        self._last_dts = packet.dts
        return True

    def holes(self, tick: Fraction, complete: bool) -> frozenset[int]:
        """The stream's packets (by number) that stand right behind a hole.

        Args:
            tick: seconds.
            complete: all packets were entered to the end of the file.
        """
        stamps = np.sort(np.array([p for p, _, _ in self._packets if p is not None], dtype=np.int64))
        found = set()
        for number in range(1, len(self._packets)):
            before, duration, size = self._packets[number - 1]
            after, missing = self._packets[number][0], self._missing[number]
            # Not dts: Matroska has none, and libavformat's guess counts on as if nothing had been lost.
            if not duration or before is None or after is None or missing is None:
                continue
            if missing <= max(size, _CLUSTER_HEADERS):
                continue
            if not complete and self._last_dts is not None:
                after = min(after, self._last_dts)  # beyond it, frames may follow that were not read
            between = np.searchsorted(stamps, after, side="left") - np.searchsorted(
                stamps, before, side="right"
            )
            lost = (after - before) / duration - 1 - max(0, int(between))
            if lost > max(2.0, 0.25 / float(duration * tick)):
                found.add(number)
        return frozenset(found)
