"""When each frame of a stream is shown, read from its packets without decoding any."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Stream

from .container import declared_duration, read_packets
from .holes import Account

# Before a start further into the file than this, a seek is cheaper than reading the packets up to it.
SEEK_BEYOND = 2.0  # seconds
# Formats whose index tells a seek exactly where the key frames are.
_INDEXED = {"mov", "mp4", "matroska", "webm", "avi"}
# Formats whose packets' durations are differences of decoding times.
_DECODING_TIMES = {"mov", "mp4"}
# Presentation is reordered over a few frames only, so the earliest of the first packets is the first frame.
FIRST_PACKETS = 64


@dataclass(frozen=True)
class Timeline:
    """The packets of a stretch of a stream, in decoding order.

    Attributes:
        pts: [P] int64, when each packet's frame is shown, in ticks of `tick` after the stream's first frame.
        keys: [P] bool, where decoding can begin.
        usable: [P] bool, False for packets that show nothing (edit lists) or are known to be damaged.
        tick: seconds.
        origin: the first frame's own timestamp in the file, in ticks.
        seek: container timestamp to seek to before reading packet 0, or None to read from the beginning.
        end: seconds, when the last frame of the stretch ceases to be shown.
        complete: the stretch reaches the last packet of the file.
        declared: seconds, the duration that the file states, or None.
        torn: the file could not be read to its end, or has unreadable stretches.
        counted: the packets carry no timestamps; `pts` belongs to the n-th decoded frame, not the n-th
            packet.
        holes: packets right behind a stretch of the file whose frames were passed over without an error.
    """

    pts: np.ndarray
    keys: np.ndarray
    usable: np.ndarray
    tick: Fraction
    origin: int
    seek: int | None
    end: float
    complete: bool
    declared: float | None
    torn: bool
    counted: bool
    holes: frozenset[int] = frozenset()

    @property
    def slack(self) -> float:
        """Seconds by which a timestamp may be off because the file rounded it: half a tick, at most 1 ms."""
        return min(max(float(self.tick) / 2, 1e-6), 1e-3)

    def seconds(self, packets: np.ndarray) -> np.ndarray:
        """When the given packets' frames are shown: float64, seconds after the stream's first frame."""
        return self.pts[packets] * self.tick.numerator / self.tick.denominator

    def shown(self) -> np.ndarray:
        """The usable packets in the order in which their frames are shown, one per instant."""
        packets = np.flatnonzero(self.usable)
        _, first = np.unique(self.pts[packets], return_index=True)
        return packets[first]


def origin_of(container: InputContainer, stream: Stream) -> int | None:
    """Timestamp of the stream's first frame, None where packets have none. Reads from the beginning."""
    earliest: int | None = None
    for count, packet in enumerate(read_packets(container, stream)):
        if count == FIRST_PACKETS:
            break
        if packet is None or packet.pts is None or packet.is_discard:
            continue
        if earliest is not None and packet.dts is not None and packet.dts > earliest:
            break
        earliest = packet.pts if earliest is None else min(earliest, packet.pts)
    return earliest


def rewind(container: InputContainer, stream: Stream, timestamp: int) -> bool:
    """Go to the last key frame at or before a timestamp; False where the file cannot do that."""
    try:
        container.seek(timestamp, stream=stream, backward=True, any_frame=False)
    except FFmpegError:
        return False
    return True


def scan(container: InputContainer, stream: Stream, start: float = 0.0, end: float | None = None) -> Timeline:
    """Read the packets that matter for a window, decoding none. `container` must be freshly opened.

    Args:
        start, end: seconds after the stream's first frame. The stretch that comes back begins at a key frame
            shown at or before `start` and covers the window; it is all of the file where seeking does not
            pay.
    """
    tick = stream.time_base or Fraction(1, 90_000)
    if start > SEEK_BEYOND and _INDEXED & _formats(container):
        origin = origin_of(container, stream)
        # The container seeks by decoding time, which may lie some frames before presentation time: step back.
        for margin in (1.0, 10.0):
            if origin is None or start <= margin:
                break
            target = origin + int((start - margin) / tick)
            if rewind(container, stream, target):
                stretch = _collect(container, stream, tick, origin, target, end)
                if stretch is not None and stretch.keys[0] and float(stretch.pts[0] * tick) <= start:
                    return stretch
        rewind(container, stream, origin if origin is not None else 0)
        return _from_beginning(container, stream, tick, end)
    return _from_beginning(container, stream, tick, end)


def _from_beginning(container: InputContainer, stream: Stream, tick: Fraction, end: float | None) -> Timeline:
    stretch = _collect(container, stream, tick, None, None, end)
    if stretch is None:
        none = np.zeros(0, dtype=np.int64)
        declared = declared_duration(container, stream)
        return Timeline(none, none > 0, none > 0, tick, 0, None, 0.0, True, declared, True, False)
    return stretch


def _collect(
    container: InputContainer,
    stream: Stream,
    tick: Fraction,
    origin: int | None,
    seek: int | None,
    end: float | None,
) -> Timeline | None:
    """Packets from the current position to the end of the window; None if there are none."""
    pts: list[int | None] = []
    keys: list[bool] = []
    usable: list[bool] = []
    durations: list[int] = []
    torn, complete = False, True
    earliest = origin
    account = Account(container, stream)
    for packet in read_packets(container, *account.streams):
        if packet is None:
            torn = True
            continue
        if not account.enter(packet):
            continue
        pts.append(packet.pts)
        keys.append(packet.is_keyframe)
        usable.append(not (packet.is_discard or packet.is_corrupt))
        durations.append(packet.duration or 0)
        torn = torn or packet.is_corrupt
        if packet.pts is not None and origin is None and usable[-1]:
            earliest = packet.pts if earliest is None else min(earliest, packet.pts)
        if end is not None and earliest is not None and _past(packet, earliest, tick, end):
            complete = False
            break
    if not pts:
        return None
    holes = account.holes(tick, complete)
    counted = sum(p is None for p in pts) > len(pts) // 10
    step = _frame_interval(stream, tick, durations)
    if counted:
        steps = [d or step for d in durations]
        stamps = np.concatenate([[0], np.cumsum(steps)[:-1]]).astype(np.int64)
        earliest = 0
    else:
        usable = [u and p is not None for u, p in zip(usable, pts, strict=True)]
        stamps = np.array([p or 0 for p in pts], dtype=np.int64)
    ticks = stamps - (earliest or 0)
    mask = np.array(usable, dtype=bool) & (ticks >= 0)
    last = 0.0
    if mask.any():
        shown = int(np.argmax(np.where(mask, ticks, -1)))
        # MP4 states the time to the next packet in decoding order, which of reordered frames is another frame's: only
        # behind the last packet it is what is left to show.
        lasting = int(np.flatnonzero(mask)[-1]) if _DECODING_TIMES & _formats(container) else shown
        last = float((int(ticks[shown]) + (durations[lasting] or step)) * tick)
    return Timeline(
        ticks,
        np.array(keys, dtype=bool),
        mask,
        tick,
        earliest or 0,
        seek,
        last,
        complete,
        declared_duration(container, stream),
        torn or bool(holes),
        counted,
        holes,
    )


def _formats(container: InputContainer) -> set[str]:
    return set(container.format.name.split(","))


def _past(packet: Packet, origin: int, tick: Fraction, end: float) -> bool:
    # No frame is shown before it is decoded, so once decoding time has passed the end, so has every frame.
    return packet.dts is not None and (packet.dts - origin) * tick > end


def _frame_interval(stream: Stream, tick: Fraction, durations: list[int]) -> int:
    """Ticks between frames, for packets that do not say how long they are shown."""
    known = [d for d in durations if d]
    if known:
        return sorted(known)[len(known) // 2]
    rate = stream.average_rate or stream.guessed_rate or Fraction(25)
    return max(1, round(1 / (rate * tick)))
