"""Where a stream begins and ends, told from its packets on the clock that the readers go by."""

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

from hicmae_cli.media.clock import BACKWARD_JUMP_S, MAX_FPS, MAX_JUMP_S, Steps, Ticks, keep_time
from hicmae_cli.media.source import is_audible

_REORDERING_PACKETS: Final = 32  # more than any codec holds back
_REORDERING_S: Final = (
    1  # or as long as so many packets last: later stamps than that after decoding are damaged
)
_OPENING_PACKETS: Final = 1024  # the first that can be decoded is among so many
_NO_STAMP: Final = -(1 << 63)


@dataclass(frozen=True)
class Extent:
    """A stream's packets on its reader's clock.

    Attributes:
        start_s: When the first one is presented on the container's own clock.
        length_s: From there to the end of the last one.
        last_s: From there to the start of the last one.
        count: How many there are.
        shortest_s: Least distance of two.
        longest_s: Greatest distance of two.
        left_out_s: Pauses too long to be believed.
    """

    start_s: Fraction
    length_s: Fraction
    last_s: Fraction
    count: int
    shortest_s: Fraction
    longest_s: Fraction
    left_out_s: Fraction

    def rate(self, nominal: Fraction) -> Fraction | None:
        """Packets per second: as the header states it if that fits, else as counted; None beyond `MAX_FPS`."""
        if self.count < 2:
            return nominal
        counted = (self.count - 1) / self.last_s
        if abs(nominal / counted - 1) < 0.002:
            return nominal
        return (counted.limit_denominator(1001) or counted) if counted <= MAX_FPS else None


class PacketTimes:
    """Takes note of the packets of one stream and decodes its first frame.

    Args:
        stream: Whose decoder is not in use.
        has_pts: Whether the container stores when packets are presented.
    """

    def __init__(self, stream: VideoStream | AudioStream, has_pts: bool) -> None:
        self.first: VideoFrame | AudioFrame | None = None
        """The first frame that can be decoded, once it is there."""
        self._context = stream.codec_context
        if not self._context.is_open:
            self._context.thread_count = 1  # for one picture, threads cost more than they gain
        self._tick_s = Fraction(stream.time_base or 1)
        self._has_pts = has_pts
        self._back = -int(BACKWARD_JUMP_S / self._tick_s)
        self._ahead = int(MAX_JUMP_S / self._tick_s)
        self._reordering_ticks = int(_REORDERING_S / self._tick_s)
        self._stamps, self._durations = array("q"), array("q")  # in the order of presentation
        self._waiting: list[tuple[int, int, int, int]] = []  # packets come in the order of decoding
        self._count = self._decoded = self._place = 0

    def add(self, packet: Packet[Any]) -> None:
        """Take note of the next packet of the stream, and decode it if none could be so far."""
        if self.first is None:
            self._decode(packet)
        if packet.is_discard:
            return
        decoded = packet.dts
        stamp = packet.pts if self._has_pts else None
        stamp = decoded if stamp is None else stamp
        if decoded is not None:
            if self._count and not self._back < decoded - self._decoded <= self._ahead:
                self._take(0)  # a clock that started again: what came before was shown before
            self._decoded = decoded
        # A picture with a damaged stamp is shown when its neighbours are.
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
        """There are no more packets."""
        self._take(0)
        if self.first is None:
            self._decode(None)

    def extent(self, nominal_s: Fraction) -> Extent:
        """Where the packets are, of which each without a duration lasts so long."""
        opening = self.first.pts if self.first is not None and self._has_pts else None
        # What comes before the first frame that can be decoded is never seen.
        skipped = 0
        if opening is not None and opening in self._stamps[:_OPENING_PACKETS]:
            skipped = self._stamps.index(opening)
        nominal, steps = nominal_s / self._tick_s, Steps(self._tick_s)
        count = 0
        last: Ticks = 0
        end: Ticks = 0
        shortest: Ticks = 0
        longest: Ticks = 0
        for _, time, duration in keep_time(self._stamped(skipped, nominal), steps):
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
            left_out_s=steps.left_out * self._tick_s,
        )

    def _stamped(self, skipped: int, nominal: Fraction) -> Iterator[tuple[None, int | None, Ticks]]:
        for stamp, duration in zip(self._stamps[skipped:], self._durations[skipped:], strict=True):
            yield (
                None,
                None if stamp == _NO_STAMP else stamp,
                duration if 0 < duration <= self._ahead else nominal,
            )

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
