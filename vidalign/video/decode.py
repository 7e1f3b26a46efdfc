"""Exact decoding of chosen frames: only the stretches that they depend on, and never a damaged picture."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain, dropwhile

import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from .container import MAX_FAILURES_IN_A_ROW, open_media, read_packets, video_stream
from .errors import Source
from .timeline import Timeline, rewind

# Codecs whose disposable pictures are never referred to by any other, so that unwanted ones need no decoding.
# Not HEVC: its sub-layer non-reference pictures may serve higher temporal layers.
_SKIPPABLE = {"h264"}
# Decoders that drop what they could not decode without an error, or pass it off as good unless told to refuse
# it.
_LENIENT = {"hevc"}
MAX_THREADS = 8


def decoder_threads() -> int:
    """Threads for one decoder: as many as this process has cores; 1 in a dataloader's worker, beside which others work."""
    if multiprocessing.current_process().daemon:
        return 1
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, MAX_THREADS)


@dataclass
class Losses:
    """Packets that gave no intact picture.

    Attributes:
        silent: gave none at all although the decoder did not complain (VP8's hidden frames).
        damaged: could not be decoded, or depend on one that could not.
    """

    silent: set[int] = field(default_factory=set)
    damaged: set[int] = field(default_factory=set)

    def all(self) -> set[int]:
        return self.silent | self.damaged


def decode_frames(
    source: Source, timeline: Timeline, wanted: Collection[int], keep: Callable[[int, VideoFrame], None]
) -> Losses:
    """Decode chosen frames and hand each to `keep` with its packet's number.

    `keep` may be called with a frame that turns out to be damaged, and then again with the intact one, or
    never.

    Args:
        wanted: packet numbers of the timeline (of decoded frames, where the timeline is counted).

    Returns:
        The packets whose frames cannot be had: among them each wanted one for which `keep` got no intact frame.
    """
    losses = _decode(source, timeline, set(wanted), keep, decoder_threads())
    if not losses.damaged:
        return losses
    # Frame threads report an error some packets late. One thread tells exactly where a group went bad.
    suspects = set(wanted) & losses.damaged
    exact = _decode(source, timeline, suspects, keep, 1)
    return Losses(losses.silent | exact.silent, exact.damaged)


def _stretches(timeline: Timeline, wanted: set[int]) -> list[tuple[int, int]]:
    """First and last packet of each stretch to decode, both included, in order and without overlap."""
    if timeline.counted:
        return [(0, len(timeline.pts) - 1)] if wanted else []
    keys = np.flatnonzero(timeline.keys)
    needs: list[tuple[int, int]] = []
    for packet in wanted:
        at = int(np.searchsorted(keys, packet, side="right")) - 1
        # A frame shown before its own key frame (open GOP) refers to the group before that.
        if at > 0 and timeline.pts[packet] < timeline.pts[keys[at]]:
            at -= 1
        needs.append((int(keys[at]) if at >= 0 else 0, packet))
    stretches: list[tuple[int, int]] = []
    for first, last in sorted(needs):
        if stretches and first <= stretches[-1][1] + 1:
            stretches[-1] = (stretches[-1][0], max(last, stretches[-1][1]))
        else:
            stretches.append((first, last))
    return stretches


def _decode(
    source: Source,
    timeline: Timeline,
    wanted: set[int],
    keep: Callable[[int, VideoFrame], None],
    threads: int,
) -> Losses:
    losses = Losses()
    with open_media(source) as container:
        stream = video_stream(container, source)
        context = stream.codec_context
        context.thread_type = "AUTO" if threads > 1 else "NONE"
        context.thread_count = threads
        if context.name in _LENIENT:
            context.options = {"err_detect": "explode"}
        packets = _numbered(_from_packet_zero(container, stream, timeline), timeline.holes)
        numbers = {int(pts): number for number, pts in reversed(list(enumerate(timeline.pts)))}
        for first, last in _stretches(timeline, wanted):
            run = _Run(timeline, numbers, context, {n for n in wanted if first <= n <= last}, keep)
            for number, packet, torn in packets:
                if number >= first:
                    if torn:
                        run.faults.add(number)
                    run.send(number, packet)
                if number >= last or not run.pending:
                    break
            run.drain(last)
            if context.name in _LENIENT:
                run.faults |= run.pending
            lost = run.damaged(first, last) if threads == 1 else set(range(first, last + 1))
            if run.faults:
                losses.damaged |= lost
            losses.silent |= run.pending - losses.damaged
    return losses


def _from_packet_zero(
    container: InputContainer, stream: VideoStream, timeline: Timeline
) -> Iterator[Packet | None]:
    """The file's packets, beginning with the timeline's first."""
    if timeline.seek is None:
        return read_packets(container, stream)
    first = int(timeline.pts[0]) + timeline.origin
    # Without an index (Matroska without cues) a seek may land elsewhere than the scan's did, even too late.
    for target in (timeline.seek, timeline.origin):
        rewind(container, stream, target)
        packets = dropwhile(
            lambda packet: packet is None or packet.pts != first, read_packets(container, stream)
        )
        head = next(packets, None)
        if head is not None:
            return chain([head], packets)
    return iter(())


def _numbered(packets: Iterable[Packet | None], holes: Collection[int]) -> Iterator[tuple[int, Packet, bool]]:
    """Packets with their numbers, and whether each is damaged or stands right behind a damaged part.

    The latter may be two packets run into one (MPEG-TS that lost a header), which no decoder notices.
    """
    number, torn = 0, False
    for packet in packets:
        if packet is None:
            torn = True
            continue
        cut_off = number in holes and not packet.is_keyframe
        yield number, packet, torn or cut_off or packet.is_corrupt
        number, torn = number + 1, packet.is_corrupt


class _Run:
    """One stretch on its way through the decoder."""

    def __init__(
        self,
        timeline: Timeline,
        numbers: dict[int, int],
        context: VideoCodecContext,
        pending: set[int],
        keep: Callable[[int, VideoFrame], None],
    ) -> None:
        self.timeline, self.numbers, self.context, self.keep = timeline, numbers, context, keep
        self.wanted, self.pending = frozenset(pending), pending
        self.faults: set[int] = set()
        self.received = 0
        self.skippable = context.name in _SKIPPABLE and not timeline.counted

    def send(self, number: int, packet: Packet) -> None:
        if self.skippable:
            self.context.skip_frame = "DEFAULT" if number in self.wanted else "NONREF"
        try:
            for frame in self.context.decode(packet):
                self._receive(frame)
        except FFmpegError:
            self.faults.add(number)

    def drain(self, last: int) -> None:
        """Take the frames that the decoder still holds, and make it forget the stretch."""
        for _ in range(MAX_FAILURES_IN_A_ROW):
            try:
                for frame in self.context.decode(None):
                    self._receive(frame)
                break
            except EOFError:
                break
            except FFmpegError:
                self.faults.add(last)
        self.context.flush_buffers()

    def _receive(self, frame: VideoFrame) -> None:
        if self.timeline.counted:
            number: int | None = self.received
            self.received += 1
        else:
            number = None if frame.pts is None else self.numbers.get(frame.pts - self.timeline.origin)
        if number is None:
            return
        if frame.is_corrupt:
            self.faults.add(number)
        elif number in self.pending:
            self.pending.discard(number)
            self.keep(number, frame)

    def damaged(self, first: int, last: int) -> set[int]:
        """All frames from a fault to the end of its group may be spoilt, as the next group's leading ones."""
        bounds = [int(k) for k in np.flatnonzero(self.timeline.keys)] + [len(self.timeline.pts)] * 2
        lost: set[int] = set()
        for fault in self.faults:
            at = int(np.searchsorted(bounds[:-2], fault, side="right"))
            following, stop = bounds[at], min(bounds[at + 1], last + 1)
            lost.update(range(max(fault, first), min(following, last + 1)))
            if following < stop:
                key = self.timeline.pts[following]
                lost.update(n for n in range(following + 1, stop) if self.timeline.pts[n] < key)
        return lost
