"""Make the timeline of a track from its windows, exact to the millisecond.

A moment belongs to all windows that cover it, and its numbers are the mean of theirs. They change only where a window
starts or ends, so the stretches between these moments are the whole answer: nothing is sampled.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise

import numpy as np
from numpy.typing import NDArray

from hicmae_cli.runtime.results import VOICE_TRACK, FileResult, Track
from hicmae_cli.runtime.settings import PredictSettings
from hicmae_cli.runtime.speech import in_ms
from hicmae_cli.tasks import Kind, join_labels, pick_labels
from hicmae_cli.timeline.names import name_tracks, track_name
from hicmae_cli.timeline.spans import join_spans
from hicmae_cli.timeline.timeline import Episode, Gap, Timeline, Turn


def make_timelines(file: FileResult, settings: PredictSettings | None = None) -> tuple[Timeline, ...]:
    """Make the timeline of each track of a file, with names of which no two are equal; see `make_timeline`."""
    if not file.tracks:
        return ()
    settings = settings or PredictSettings()
    part_ms = _part_ms(file, settings)
    return tuple(
        replace(_make_timeline(file, track, settings, part_ms), name=name)
        for track, name in zip(file.tracks, name_tracks(file), strict=True)
    )


def make_timeline(
    file: FileResult,
    track: Track,
    settings: PredictSettings | None = None,
    *,
    smooth_s: float | None = None,
    abstain: float | None = None,
) -> Timeline:
    """Make the timeline of a track.

    Args:
        file: the track's file, which has a length and the other tracks.
        track: the person, or the sound.
        settings: of the prediction: the part of the file, the streams, the smoothing and the smallest probability.
        smooth_s: width in seconds of a centred mean over the windows, in place of ``settings.smooth_s``. It does not
            reach over a gap. 0 changes nothing.
        abstain: smallest probability of a label, in place of ``settings.abstain``: a moment at which no label
            reaches it has none.

    Raises:
        SettingsError: ``smooth_s`` or ``abstain`` out of range.
    """
    settings = (settings or PredictSettings()).retime(smooth_s, abstain)
    return _make_timeline(file, track, settings, _part_ms(file, settings))


def _make_timeline(file: FileResult, track: Track, settings: PredictSettings, part_ms: tuple[int, int]) -> Timeline:
    """Make the timeline of a track; ``part_ms`` is that of the file."""
    names, task = track.table.names, track.table.task
    spans_ms = _spans_ms([track])
    order = np.lexsort((spans_ms[:, 0], spans_ms.sum(axis=1)))  # by the middle, then by the start
    spans_ms = spans_ms[order]
    numbers = _smooth(track.table.outputs[order], spans_ms, settings.smooth_s)
    start_ms, end_ms = part_ms
    others_ms = _spans_ms(other for other in file.tracks if track.id == VOICE_TRACK and other.id != VOICE_TRACK)
    edges_ms = np.unique(np.concatenate([spans_ms.ravel(), others_ms.ravel(), [start_ms, end_ms]]))
    means = _average(numbers, spans_ms, edges_ms)
    by_face = ~np.isnan(_average(np.zeros((len(others_ms), 1)), others_ms, edges_ms)[:, 0])
    reasons = [_find_gap_reason(track, settings, by_face=bool(visible)) for visible in by_face]
    return Timeline(
        name=track_name(track),
        names=names,
        task=task,
        start_s=start_ms / 1000,
        end_s=end_ms / 1000,
        times_s=spans_ms.sum(axis=1) / 2000,
        numbers=numbers,
        edges_s=edges_ms / 1000,
        means=means,
        episodes=tuple(_find_episodes(means, edges_ms, names, task, settings.abstain)),
        gaps=tuple(_find_gaps(means, edges_ms, reasons)),
        turns=_find_turns(file, track),
    )


def _spans_ms(tracks: Iterable[Track]) -> NDArray[np.int64]:
    """Return start and end of each window of some tracks (W, 2)."""
    times_s = (time_s for track in tracks for time_s in track.table.spans_s.ravel().tolist())
    return np.array([in_ms(time_s) for time_s in times_s], np.int64).reshape(-1, 2)


def _part_ms(file: FileResult, settings: PredictSettings) -> tuple[int, int]:
    """Return start and end of the part of the file that was asked for; it holds all windows."""
    spans_ms = _spans_ms(file.tracks)
    end_s = min(math.inf if settings.end_s is None else settings.end_s, file.duration_s or 0.0)
    return min(in_ms(settings.start_s), int(spans_ms.min())), max(in_ms(end_s), int(spans_ms.max()))


def _smooth(numbers: NDArray[np.float64], spans_ms: NDArray[np.int64], smooth_s: float) -> NDArray[np.float64]:
    """Average each window (W, C) with those whose centres are at most half of ``smooth_s`` away, but not over a gap."""
    if smooth_s == 0:
        return numbers
    starts, ends = spans_ms.T
    begins = np.flatnonzero(starts[1:] > np.maximum.accumulate(ends)[:-1]) + 1  # of stretches without a gap
    bounds = [0, *begins.tolist(), len(numbers)]
    smoothed = np.empty_like(numbers)
    for first, last in pairwise(bounds):
        centres = spans_ms[first:last].sum(axis=1)  # in half milliseconds
        lows = first + np.searchsorted(centres, centres - in_ms(smooth_s), "left")
        highs = first + np.searchsorted(centres, centres + in_ms(smooth_s), "right")
        for at, low, high in zip(range(first, last), lows, highs, strict=True):
            smoothed[at] = numbers[low:high].mean(axis=0)
    return smoothed


def _average(
    numbers: NDArray[np.float64], spans_ms: NDArray[np.int64], edges_ms: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Average the windows (W, C) that cover each stretch -> (G, C); NaN for none."""
    totals = np.zeros((len(edges_ms) - 1, numbers.shape[1]))
    counts = np.zeros((len(edges_ms) - 1, 1))
    for row, (first, last) in zip(numbers, np.searchsorted(edges_ms, spans_ms), strict=True):
        totals[first:last] += row
        counts[first:last] += 1
    with np.errstate(invalid="ignore"):
        means: NDArray[np.float64] = totals / counts
    return means


@dataclass(frozen=True)
class _Stretch:
    """A stretch with its label."""

    start_ms: int
    end_ms: int
    labels: tuple[str, ...]
    probability: float


def _find_episodes(
    means: NDArray[np.float64], edges_ms: NDArray[np.int64], names: tuple[str, ...], task: Kind, abstain: float
) -> Iterator[Episode]:
    """Yield the episodes: neighbouring stretches with the same labels."""
    if task == "regression":
        return
    edges = edges_ms.tolist()
    stretches = [
        _Stretch(start_ms, end_ms, *_decide(names, row, task, abstain)) if not math.isnan(row[0]) else None
        for (start_ms, end_ms), row in zip(pairwise(edges), means.tolist(), strict=True)
    ]
    for _, group in groupby(stretches, key=lambda stretch: stretch and stretch.labels):
        found = [stretch for stretch in group if stretch is not None]
        if not found:
            continue
        lengths_ms = [stretch.end_ms - stretch.start_ms for stretch in found]
        total = math.fsum(s.probability * length for s, length in zip(found, lengths_ms, strict=True))
        peak = max(found, key=lambda stretch: stretch.probability)
        yield Episode(
            start_s=found[0].start_ms / 1000,
            end_s=found[-1].end_ms / 1000,
            label=join_labels(peak.labels) if peak.labels else None,
            probability=total / sum(lengths_ms),
            peak=peak.probability,
            peak_s=round((peak.start_ms + peak.end_ms) / 2000, 3),
            labels=peak.labels,
        )


def _decide(names: tuple[str, ...], row: Sequence[float], task: Kind, abstain: float) -> tuple[tuple[str, ...], float]:
    """Return the labels of a moment, none below ``abstain``, and the probability that counts for them."""
    by_name = dict(zip(names, row, strict=True))
    top = max(by_name, key=by_name.__getitem__)
    picked = pick_labels(names, row) if task == "multilabel" else {top}
    labels = tuple(name for name in names if name in picked and by_name[name] >= abstain)
    return labels, min(by_name[name] for name in labels or (top,))


def _find_gaps(means: NDArray[np.float64], edges_ms: NDArray[np.int64], reasons: Sequence[str]) -> Iterator[Gap]:
    """Yield the gaps: neighbouring stretches without a window for the same reason."""
    missing = [reason if math.isnan(number) else None for reason, number in zip(reasons, means[:, 0], strict=True)]
    for start_ms, end_ms, reason in join_spans(edges_ms.tolist(), missing):
        yield Gap(start_ms / 1000, end_ms / 1000, reason)


def _find_turns(file: FileResult, track: Track) -> tuple[Turn, ...] | None:
    """Return when a person speaks.

    A document from before speech was found in the sound itself has windows only: a person spoke at each moment that
    at least half of the tested windows over it say so, also in a pause.
    """
    if file.speech is not None and track.id != VOICE_TRACK:
        return tuple(Turn(each.start_s, each.end_s) for each in file.speech if each.speaker == track.id)
    answers = track.table.speakers
    tested = [at for at, answer in enumerate(answers) if answer is not None]
    if not tested:
        return None
    spans_ms = _spans_ms([track])[tested]
    votes = np.array([[float(answers[at] == "yes")] for at in tested])
    edges_ms = np.unique(spans_ms)
    speaks = (_average(votes, spans_ms, edges_ms)[:, 0] >= 0.5).tolist()
    spans = join_spans(edges_ms.tolist(), (yes or None for yes in speaks))
    return tuple(Turn(start_ms / 1000, end_ms / 1000) for start_ms, end_ms, _ in spans)


def _find_gap_reason(track: Track, settings: PredictSettings, *, by_face: bool) -> str:
    """Return why a track has no window at a moment.

    Args:
        track: the track.
        settings: of the prediction.
        by_face: whether another track has a window there that shows a face.
    """
    by_speaker = settings.sound == "speaker"
    if track.id == VOICE_TRACK:
        return "a face is visible" if by_face else "no voice" if by_speaker else "no sound"
    others = [
        *(["a larger face in view"] if settings.faces == "largest" else []),
        *(["no voice of this person" if by_speaker else "no sound"] if settings.modality == "av" else []),
    ]
    return ", or ".join(["no face", *others])
