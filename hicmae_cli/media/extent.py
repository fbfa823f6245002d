"""Start and end of a stream, computed from its packets on the readers' clock."""

from __future__ import annotations

import heapq
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

import av.error
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from hicmae_cli.media.clock import BACKWARD_JUMP_S, MAX_FPS, MAX_JUMP_S, Clock, Ticks, keep_time
from hicmae_cli.media.source import is_audible

# No codec reorders more packets.
_REORDERING_PACKETS: Final = 32
# A packet is presented within this time of its decoding, or within the duration of 32 packets; otherwise its timestamp
# is damaged.
_REORDERING_S: Final = 1
# The first packet that can be decoded is one of these.
_OPENING_PACKETS: Final = 1024
_NO_STAMP: Final = -(1 << 63)


@dataclass(frozen=True)
class Extent:
    """Times of a stream's packets on its reader's clock.

    Attributes:
        start_s: presentation time of the first packet on the container's own clock.
        length_s: from there to the end of the last packet.
        last_s: from there to the start of the last packet.
        count: number of packets.
        shortest_s: shortest distance between two packets.
        longest_s: longest distance between two packets.
        skipped_s: sum of the pauses that the clock skipped.
    """

    start_s: Fraction
    length_s: Fraction
    last_s: Fraction
    count: int
    shortest_s: Fraction
    longest_s: Fraction
    skipped_s: Fraction

    def estimate_rate(self, nominal: Fraction) -> Fraction | None:
        """Estimate the packets per second: the header's value if it fits the count; None beyond `MAX_FPS`.

        Args:
            nominal: the header's value.
        """
        if self.count < 2:
            return nominal
        counted = (self.count - 1) / self.last_s
        if abs(nominal / counted - 1) < 0.002:
            return nominal
        return (counted.limit_denominator(1001) or counted) if counted <= MAX_FPS else None


class PacketTimes:
    """Records the times of one stream's packets and decodes its first frame.

    Args:
        stream: its decoder must not be in use elsewhere.
        has_pts: whether the container stores presentation times.
    """

    def __init__(self, stream: VideoStream | AudioStream, has_pts: bool) -> None:
        self.first: VideoFrame | AudioFrame | None = None
        """The first frame that can be decoded; None before it is decoded."""
        self._context = stream.codec_context
        self._tick_s = Fraction(stream.time_base or 1)
        self._has_pts = has_pts
        self._back = -int(BACKWARD_JUMP_S / self._tick_s)
        self._ahead = int(MAX_JUMP_S / self._tick_s)
        self._reordering_ticks = int(_REORDERING_S / self._tick_s)
        # In the order of presentation.
        self._stamps, self._durations = array("q"), array("q")
        # Packets come in the order of decoding.
        self._waiting: list[tuple[int, int, int, int]] = []
        self._count = self._decoded = self._place = 0

    def add(self, packet: Packet[Any]) -> None:
        """Record the next packet of the stream, and decode it unless there is a first frame already."""
        if self.first is None:
            self._decode(packet)
        if packet.is_discard:
            return
        decoded = packet.dts
        stamp = packet.pts if self._has_pts else None
        stamp = decoded if stamp is None else stamp
        if decoded is not None:
            if self._count and not self._back < decoded - self._decoded <= self._ahead:
                # The clock started again: earlier packets come first.
                self._take(0)
            self._decoded = decoded
        # A picture with a damaged timestamp is sorted by its decoding time.
        duration = max(0, packet.duration or 0)
        longest = max(self._reordering_ticks, _REORDERING_PACKETS * duration)
        is_near = decoded is None or stamp is None or abs(stamp - decoded) <= longest
        place = stamp if is_near else decoded
        self._place = self._place if place is None else place
        noted = _NO_STAMP if stamp is None else stamp
        heapq.heappush(self._waiting, (self._place, self._count, noted, duration))
        self._count += 1
        self._take(_REORDERING_PACKETS)

    def finish(self) -> None:
        """Record the packets that still wait after the last one."""
        self._take(0)
        if self.first is None:
            self._decode(None)

    def measure(self, nominal_s: Fraction) -> Extent:
        """Compute the stream's extent; packets without a duration get `nominal_s`."""
        opening = self.first.pts if self.first is not None and self._has_pts else None
        # Readers skip what comes before the first frame that can be decoded.
        skipped = 0
        if opening is not None and opening in self._stamps[:_OPENING_PACKETS]:
            skipped = self._stamps.index(opening)
        nominal, clock = nominal_s / self._tick_s, Clock(self._tick_s)
        count = 0
        last: Ticks = 0
        end: Ticks = 0
        shortest: Ticks = 0
        longest: Ticks = 0
        for _, time, duration in keep_time(self._read_stamped(skipped, nominal), clock):
            step = time - last
            shortest = step if count == 1 else min(shortest, step)
            longest = max(longest, step)
            last, end = time, time + duration
            count += 1
        start = opening if opening is not None else next((s for s in self._stamps if s != _NO_STAMP), 0)
        return Extent(
            start_s=start * self._tick_s,
            length_s=(end or nominal) * self._tick_s,
            last_s=last * self._tick_s,
            count=count,
            shortest_s=shortest * self._tick_s,
            longest_s=longest * self._tick_s,
            skipped_s=clock.skipped * self._tick_s,
        )

    def _read_stamped(self, skipped: int, nominal: Fraction) -> Iterator[tuple[None, int | None, Ticks]]:
        for stamp, duration in zip(self._stamps[skipped:], self._durations[skipped:], strict=True):
            yield (None, None if stamp == _NO_STAMP else stamp, duration if 0 < duration <= self._ahead else nominal)

    def _take(self, left: int) -> None:
        while len(self._waiting) > left:
            _, _, stamp, duration = heapq.heappop(self._waiting)
            self._stamps.append(stamp)
            self._durations.append(duration)

    def _decode(self, packet: Packet[Any] | None) -> None:
        frames: Sequence[object] = ()
        try:
            frames = self._context.decode(packet)
        except (av.error.FFmpegError, ValueError):
            return
        for frame in frames:
            if isinstance(frame, VideoFrame) or (isinstance(frame, AudioFrame) and is_audible(frame)):
                self.first = frame
                return
