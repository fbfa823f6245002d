"""Prepare one clip from a raw video: the aligned face of every frame, with the sound of the same time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hicmae_cli.clips.prepared import write_prepared_clip
from hicmae_cli.errors import MediaError
from hicmae_cli.faces import FaceDetector, TrackLinker
from hicmae_cli.faces.align import WARP_PX, fit_alignment, warp_face
from hicmae_cli.media import Frame, MediaInfo, iterate_frames_at, probe, read_frames
from hicmae_cli.model_input import FACE_SIZE_PX
from hicmae_cli.preparing.measuring import (
    ClipFacts,
    Meter,
    OnProgress,
    Source,
    UnusableError,
    differ_much,
    ignore_progress,
)
from hicmae_cli.preparing.people import KeepPeople, PeopleLog
from hicmae_cli.preparing.places import PlaceGuide

VERSION: Final = 3
"""Version of prepared clips; raise it whenever the same video would give another clip."""

# Times in annotations are rounded, and the last frame lasts for up to this long.
_BEYOND_END_S: Final = 0.5


def prepare_clip(
    source: Source | Path, target: Path, detector: FaceDetector, on_progress: OnProgress = ignore_progress
) -> ClipFacts:
    """Write the prepared form of a raw clip: the faces of one person. The same files give the same bytes.

    It links the faces to people and aligns those of the person who is seen in most frames, of two such people the one
    with the larger face. Where the source says at which places a person is, it takes the face there instead and links
    nothing. Every other frame becomes black, so that frame i keeps its time. It streams frames and sound, so that an
    hour needs no more memory than a second. After an error it leaves no file.

    If sound is needed, audio and video must not differ by more than half a second and a fifth of the longer one:
    otherwise they do not belong together, or one of them is cut short. The same limit holds for a video that is shorter
    than its header promises.

    Args:
        source: what to read; a path is a whole video.
        target: the ``.mkv`` to write.
        detector: a face finder that was not used for another file.
        on_progress: called with the number of frames read so far: after each frame, and repeatedly while packets or
            sound are read. Where the video is read again, the number starts again.

    Raises:
        UnusableError: missing, no video, no face in any frame, or, if sound is needed, no sound, different lengths, or
            shorter than 0.16 s.
        MediaError: unreadable, or the file cannot be written.
    """
    return prepare_people(source, lambda _: target, detector, on_progress, keep_people="one")[0]


def prepare_people(
    source: Source | Path,
    name_target: Callable[[int], Path],
    detector: FaceDetector,
    on_progress: OnProgress = ignore_progress,
    *,
    keep_people: KeepPeople = "all",
) -> tuple[ClipFacts, ...]:
    """Write a clip for each person in a video, as `prepare_clip` does for one.

    Args:
        source: what to read.
        name_target: person -> the ``.mkv`` to write; 1 is the person who is seen most.
        detector: a face finder that was not used for another file.
        on_progress: see `prepare_clip`.
        keep_people: ``one`` writes the first clip only; there is only one where the source says at which places the
            person is.

    Returns:
        The measurements of each clip.

    Raises:
        UnusableError: see `prepare_clip`.
        MediaError: unreadable, or a file cannot be written.
    """
    source = source if isinstance(source, Source) else Source(source)
    info = _check_source(source, on_progress)
    assert info.fps is not None
    fps = Fraction(info.fps)

    def write(person: int | None) -> ClipFacts:
        """Write the clip of a person of the log; without one, of the person who comes first, and fill the log."""
        meter = Meter(source, fps, on_progress)
        frames = _iter_frames(source, info, meter.report)
        if person is None:
            faces = _follow_first(meter, frames, fps, detector, log)
        else:
            faces = _cut_again(meter, frames, log, person)
        sound = meter.sound() if source.sound is not None or info.has_audio else None
        write_prepared_clip(name_target(len(done) + 1), faces, fps, sound)
        return meter.measure(whole=True)

    if source.places:
        meter = Meter(source, fps, on_progress)
        faces = _follow_places(meter, _iter_frames(source, info, meter.report), detector)
        write_prepared_clip(name_target(1), faces, fps, meter.sound() if info.has_audio else None)
        return (meter.measure(whole=True),)
    done: list[ClipFacts] = []
    with PeopleLog() as log:
        with suppress(_OtherPersonError):
            done.append(write(None))
        people = log.rank_people(fps)
        while len(done) < (1 if keep_people == "one" else len(people)):
            done.append(write(people[len(done)]))
        switches = log.count_switches(people)
    return tuple(replace(facts, people_seen=len(people), identity_switches=switches) for facts in done)


class _OtherPersonError(Exception):
    """Someone else than the person who came first is seen most."""


def examine_clip(source: Source, detector: FaceDetector, on_progress: OnProgress = ignore_progress) -> ClipFacts:
    """Check whether a raw clip can be prepared, without writing it: read its frames up to the first face.

    Args:
        source: what to read.
        detector: a face finder that was not used for another file.
        on_progress: see `prepare_clip`.

    Raises:
        UnusableError: as `prepare_clip` would raise, except for faults in frames after the first face.
        MediaError: unreadable.
    """
    info = _check_source(source, on_progress)
    assert info.fps is not None
    measured = Meter(source, info.fps, on_progress)
    for frame in _iter_frames(source, info, measured.report):
        faces = detector.detect(frame)
        measured.count_frame(bool(faces))
        if faces:
            break
    else:
        measured.refuse_faceless()
    length_s = info.video_duration_s if source.end_s is None else source.end_s - source.start_s
    measured.end_faces(round(length_s * info.fps))
    if source.sound is not None or info.has_audio:
        for _ in measured.sound():
            pass
    return measured.measure(whole=False)


def _follow_first(
    meter: Meter, frames: Iterator[Frame], fps: Fraction, detector: FaceDetector, log: PeopleLog
) -> Iterator[NDArray[np.uint8]]:
    """Yield the faces of the person who comes first, black frames without it, and log all people.

    Raises:
        UnusableError: at the end, if there are no faces.
        _OtherPersonError: at the end, if another person is seen most.
    """
    linker = TrackLinker()
    for frame in frames:
        places = log.add(linker.update(frame, detector.detect(frame)))
        yield _cut_face(meter, frame, None if log.first is None else places.get(log.first))
    people = log.rank_people(fps)
    if not people:
        meter.refuse_faceless()
    if people[0] != log.first:
        raise _OtherPersonError
    meter.end_faces(meter.frames)


def _follow_places(meter: Meter, frames: Iterator[Frame], detector: FaceDetector) -> Iterator[NDArray[np.uint8]]:
    """Yield the faces at the known places of a person, black frames where none is found there.

    Raises:
        UnusableError: at the end, if there are no faces.
    """
    guide = PlaceGuide(meter.source.places)
    found = False
    for frame in frames:
        face = guide.choose(frame, meter.source.start_s + frame.time_s, detector.detect(frame))
        found = found or face is not None
        yield _cut_face(meter, frame, None if face is None else fit_alignment(face.landmarks_px, WARP_PX))
    if not found:
        meter.refuse_faceless()
    meter.end_faces(meter.frames)


def _cut_again(meter: Meter, frames: Iterator[Frame], log: PeopleLog, person: int) -> Iterator[NDArray[np.uint8]]:
    """Yield the faces of a person, black frames without it, from frames that are in the log."""
    for frame, place in zip(frames, log.iterate_places(person), strict=True):
        yield _cut_face(meter, frame, place)
    meter.end_faces(meter.frames)


def _cut_face(meter: Meter, frame: Frame, place: NDArray[np.float64] | None) -> NDArray[np.uint8]:
    """Cut out the face at a place of a frame; black without a place."""
    meter.count_frame(place is not None)
    if place is None:
        return np.zeros((FACE_SIZE_PX, FACE_SIZE_PX, 3), np.uint8)
    return warp_face(frame.rgb, place)


def _check_source(source: Source, on_progress: OnProgress) -> MediaInfo:
    """Check that the files exist and belong together, and return the video's properties."""
    for path in (source.video, source.sound):
        if path is not None and not path.exists():
            raise UnusableError("missing", f"{path}: no such file; check the path")
    info = _probe_once(source.video, on_progress)
    if not info.has_video:
        raise MediaError(f"{source.video}: no video track to crop faces from")
    if info.fps is None:
        raise MediaError(
            f"{source.video}: its timestamps claim an impossible frame rate; re-encode it at a constant rate"
        )
    if source.needs_sound and source.sound is None:
        if not info.has_audio:
            raise UnusableError("no sound", f"{source.video}: has no sound that can be decoded")
        if differ_much(info.missing_s, info.duration_s + info.missing_s):
            raise UnusableError(
                "lengths",
                f"{source.video}: is cut short: its header promises {info.duration_s + info.missing_s:.2f} s, the file "
                f"holds {info.duration_s:.2f} s",
            )
    if source.end_s is not None and source.end_s > info.video_duration_s + _BEYOND_END_S:
        raise UnusableError(
            "lengths",
            f"{source.video}: the clip ends at {source.end_s:.2f} s, the video at {info.video_duration_s:.2f} s",
        )
    return info


_probes: Final[dict[tuple[Path, int, int], MediaInfo]] = {}
_MOST_PROBES: Final = 8


def _probe_once(path: Path, on_progress: OnProgress) -> MediaInfo:
    """Probe a file, or return what an earlier probe of the unchanged file found.

    Clips of one long recording follow each other, and `probe` reads the whole file.
    """
    status = path.stat()
    key = path, status.st_size, status.st_mtime_ns
    if key not in _probes:
        info = probe(path, on_packet=lambda: on_progress(0))
        while len(_probes) >= _MOST_PROBES:
            del _probes[next(iter(_probes))]
        _probes[key] = info
    return _probes[key]


def _iter_frames(source: Source, info: MediaInfo, on_packet: Callable[[], None]) -> Iterator[Frame]:
    """Yield the pictures to search; those of a part come at the video's mean rate, by a seek if possible."""
    if not source.is_part:
        frames = read_frames(source.video)
    else:
        assert source.end_s is not None and info.fps is not None
        count = max(1, round((source.end_s - source.start_s) * info.fps))
        times_s = [float(index / info.fps) for index in range(count)]
        pictures = iterate_frames_at(source.video, [source.start_s + time_s for time_s in times_s], on_packet)
        frames = (Frame(time_s, rgb) for time_s, rgb in zip(times_s, pictures, strict=True))
    left, right = source.columns
    for frame in frames:
        if (left, right) == (0, 1):
            yield frame
        else:
            columns = slice(int(left * frame.width_px), max(1, round(right * frame.width_px)))
            yield Frame(frame.time_s, np.ascontiguousarray(frame.rgb[:, columns]))
