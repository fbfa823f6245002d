"""What a report shows of the media file itself, where it is still there: faces of each person, and the sound."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hicmae_cli.clips.log_mel import MIN_SAMPLES, SHIFT_SAMPLES, compute_log_mel
from hicmae_cli.errors import MediaError
from hicmae_cli.faces.crops import crop_around
from hicmae_cli.media import iterate_frames_at, read_audio_blocks
from hicmae_cli.model_input import LOG_MEL_BINS, SAMPLE_RATE_HZ, WINDOW_S
from hicmae_cli.report.html.markup import Scale
from hicmae_cli.report.original import explain_loss, find_original
from hicmae_cli.runtime.outputs import FaceBox
from hicmae_cli.runtime.results import FileResult, Track

THUMBNAILS: Final = 6
"""Faces of one person."""
MOST_THUMBNAILS: Final = 64
"""Faces of a page."""
_SIDE_PX: Final = 112
_AROUND: Final = 1.7  # times the box, which reaches from brow to chin
_JPEG_QUALITY: Final = 82
_BINS: Final = 900
_SPECTRUM_S: Final = 0.04
_SPECTRUM_HEIGHT_PX: Final = 64
_SPECTRUM_GREY: Final = 128
_SPECTRUM_OPACITY: Final = 90  # of 255, so that the colours over it stay those of the legend
_ONE_READ_S: Final = 10.0  # between two faces; over a longer time, a seek is faster than decoding


@dataclass(frozen=True, eq=False)
class Pictures:
    """What the media file gave.

    Attributes:
        faces: some of each track, by its id, as ``data:`` addresses in order of time.
        envelope: largest absolute samples (B,) in equal stretches of the page's time, 0 to 1; None without sound.
        spectrum: the spectrogram of the sound over the page's time, high pitch at the top, as a ``data:`` address;
            empty if it was not asked for, or without sound.
        missing: why there is none of it; empty if the file was read.
    """

    faces: Mapping[int, Sequence[str]]
    envelope: NDArray[np.float64] | None
    spectrum: str = ""
    missing: str = ""


def read_pictures(file: FileResult, scale: Scale, *, spectrum: bool = False) -> Pictures:
    """Read faces and sound from the file; nothing if it is gone, changed, or not readable any more.

    Args:
        file: the result.
        scale: of the page.
        spectrum: draw the spectrogram, too.
    """
    if lost := explain_loss(file):
        return Pictures({}, None, missing=f"{lost}, so there are no faces and no picture of the sound")
    file = replace(file, path=find_original(file))
    envelope = _measure_sound(file, scale)
    return Pictures(
        _cut_faces(file), envelope, _draw_spectrum(file, scale) if spectrum and envelope is not None else ""
    )


def _measure_sound(file: FileResult, scale: Scale) -> NDArray[np.float64] | None:
    """Return the loudness over the page's time (B,); None without sound. Memory does not grow with the length."""
    peaks = np.zeros(_BINS)
    heard = False
    try:
        for place, block in _iterate_blocks(file, scale, 0.01, _BINS):
            heard = True
            if place >= 0:
                peaks[place] = max(peaks[place], float(np.abs(block).max(initial=0.0)))
    except MediaError:
        return peaks if heard else None
    return peaks if heard else None


def _draw_spectrum(file: FileResult, scale: Scale) -> str:
    """Return the log-mel over the page's time as a picture whose opacity is the energy, for any background."""
    bins = max(1, min(_BINS, int((scale.end_s - scale.start_s) / _SPECTRUM_S)))
    totals, counts = np.zeros((bins, LOG_MEL_BINS)), np.zeros((bins, 1))
    with suppress(MediaError):
        for place, block in _iterate_blocks(file, scale, _SPECTRUM_S, bins):
            if place >= 0 and len(block) >= MIN_SAMPLES:
                frames = compute_log_mel(block)[: 1 + (len(block) - MIN_SAMPLES) // SHIFT_SAMPLES]
                totals[place] += frames.sum(axis=0)
                counts[place] += len(frames)
    if not counts.any():
        return ""
    with np.errstate(invalid="ignore"):
        mels = totals / counts
    low, high = np.nanpercentile(mels, (5, 99.5))
    energy = np.nan_to_num((mels - low) / max(high - low, 1e-6)).clip(0, 1).T[::-1]
    rgba = np.full((*energy.shape, 4), _SPECTRUM_GREY, np.uint8)
    rgba[:, :, 3] = (energy * _SPECTRUM_OPACITY).astype(np.uint8)
    picture = Image.fromarray(rgba, "RGBA").resize((bins, _SPECTRUM_HEIGHT_PX), Image.Resampling.BOX)
    return _to_address(picture, "PNG")


def _iterate_blocks(
    file: FileResult, scale: Scale, least_s: float, bins: int
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Yield the sound up to the end of the page's time in blocks, each with its bin; -1 before the page's time.

    Args:
        file: the result.
        scale: of the page.
        least_s: shortest block. The longest is as long as a spectrogram, however long the file claims to be.
        bins: equal stretches of the page's time.
    """
    length_s = max(scale.end_s - scale.start_s, 1e-3)
    block_s = min(max(least_s, length_s / bins), WINDOW_S)
    for at, block in enumerate(read_audio_blocks(file.path, block_s)):
        # Blocks have whole samples, so their number in the file gives their time, and that the bin.
        time_s = at * round(block_s * SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ
        place = math.floor((time_s - scale.start_s + block_s / 2) / length_s * bins)
        if place >= bins:
            return
        yield max(place, -1), block


def _cut_faces(file: FileResult) -> dict[int, list[str]]:
    """Cut some faces of each track, by its id, out of the video."""
    each = max(1, min(THUMBNAILS, MOST_THUMBNAILS // max(1, len(file.tracks))))
    wanted = sorted(
        ((box, track.id) for track in file.tracks for box in _choose_boxes(track, each)),
        key=lambda pair: pair[0].time_s,
    )[:MOST_THUMBNAILS]
    cut: dict[int, list[str]] = {track.id: [] for track in file.tracks}
    try:
        for (box, number), rgb in zip(wanted, _read_times(file, [box.time_s for box, _ in wanted]), strict=False):
            cut[number].append(_encode(_crop(rgb, box, file)))
    except MediaError:
        pass  # The faces so far are right; without the others the page is still complete.
    return cut


def _choose_boxes(track: Track, count: int) -> list[FaceBox]:
    """Choose the largest face in each of ``count`` equal parts of a track."""
    by_time = {box.time_s: box for window in track.windows for box in window.boxes if _is_sound(box)}
    if not by_time:
        return []
    first_s, last_s = min(by_time), max(by_time)
    best: dict[int, FaceBox] = {}
    for time_s, box in by_time.items():
        part = min(count - 1, int((time_s - first_s) / max(last_s - first_s, 1e-9) * count))
        if part not in best or box.size_px > best[part].size_px:
            best[part] = box
    return sorted(best.values(), key=lambda box: box.time_s)


def _is_sound(box: FaceBox) -> bool:
    numbers = (box.time_s, box.x_px, box.y_px, box.width_px, box.height_px)
    return all(map(math.isfinite, numbers)) and box.time_s >= 0 and box.width_px > 0 and box.height_px > 0


def _read_times(file: FileResult, times_s: Sequence[float]) -> Iterator[NDArray[np.uint8]]:
    """Yield the picture at each time; a seek leads to times that are far from the ones before."""
    if not times_s:
        return
    bounds = [0, *(at for at, (a, b) in enumerate(pairwise(times_s), 1) if b - a > _ONE_READ_S), len(times_s)]
    for first, last in pairwise(bounds):
        yield from iterate_frames_at(file.path, times_s[first:last])


def _crop(rgb: NDArray[np.uint8], box: FaceBox, file: FileResult) -> Image.Image:
    height_px, width_px = rgb.shape[:2]
    scale = width_px / (file.width_px or width_px)
    left, top = box.x_px * scale, box.y_px * scale
    crop = crop_around(
        (left, top, left + box.width_px * scale, top + box.height_px * scale), _AROUND, width_px, height_px
    )
    return Image.fromarray(rgb[crop.top : crop.bottom, crop.left : crop.right])


def _encode(picture: Image.Image) -> str:
    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    small = picture.crop((left, top, left + side, top + side)).resize((_SIDE_PX, _SIDE_PX), Image.Resampling.LANCZOS)
    return _to_address(small, "JPEG")


def _to_address(picture: Image.Image, kind: str) -> str:
    """Return a picture as a ``data:`` address; ``kind`` is JPEG or PNG."""
    out = io.BytesIO()
    picture.save(out, kind, quality=_JPEG_QUALITY, optimize=True)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(out.getvalue()).decode('ascii')}"
