"""The scores of a check: what is measured of probabilities for photos, voices and pairs of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from hicmae_cli.evaluation.calibration import apply_temperature
from hicmae_cli.evaluation.metrics import confusion
from hicmae_cli.evaluation.real_check.folders import Face, Voice
from hicmae_cli.evaluation.real_check.measures import (
    AROUSAL,
    Measure,
    Table,
    choose_among,
    expect_arousal,
    measure_choice,
    measure_difference,
    measure_ece,
    measure_mean,
    measure_rank_correlation,
    number_labels,
)

TWO: Final = ("happiness", "neutral")
FOUR: Final = ("anger", "happiness", "neutral", "sadness")
_DOUBTFUL: Final = ("disgust", "fear")
_GROUPS: Final = ("all", "clear", "grey")


@dataclass(frozen=True)
class FaceScores:
    """Scores on some of the photos.

    Attributes:
        photos: which ones: ``all``, ``clear``, a source, or ``grey``.
        counts: number of photos of each of the four labels.
        two: accuracy of happiness or neutral, chosen among these two; None if one of them has no photo.
        four: UAR of anger, happiness, neutral and sadness, chosen among these four; None with fewer than two of them.
    """

    photos: str
    counts: Mapping[str, int]
    two: Measure | None
    four: Measure | None

    def to_dict(self) -> dict[str, Any]:
        """The entry in the JSON document."""
        return {
            "photos": self.photos,
            "counts": dict(self.counts),
            "happy_or_neutral": _to_dict(self.two),
            "uar_of_four": _to_dict(self.four),
        }


@dataclass(frozen=True)
class Confusion:
    """How often each label was chosen among all labels of a weight.

    Attributes:
        rows: the true labels; a weight may lack one.
        columns: the labels of the weight.
        counts: (rows, columns).
    """

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]

    def to_dict(self) -> dict[str, Any]:
        """The entry in the JSON document."""
        return {"rows": list(self.rows), "columns": list(self.columns), "counts": [list(row) for row in self.counts]}


@dataclass(frozen=True)
class Steadiness:
    """The scores of changed voices.

    Attributes:
        change: what was changed.
        uar: UAR of the changed voices.
        cost: by how much it is below that of the unchanged ones.
    """

    change: str
    uar: Measure
    cost: Measure

    def to_dict(self) -> dict[str, Any]:
        """The entry in the JSON document."""
        return {"change": self.change, "uar": self.uar.to_dict(), "cost": self.cost.to_dict()}


@dataclass(frozen=True)
class VoiceScores:
    """Scores on voices, without faces.

    Attributes:
        labels: labels of the weight that the voices have; the choice is among these.
        uar: UAR of these labels.
        speakers: UAR of each speaker.
        arousal: rank correlation of the expected arousal with that of the true labels.
        changes: the scores of changed voices.
        confusion: choices among all labels of the weight.
    """

    labels: tuple[str, ...]
    uar: Measure
    speakers: Mapping[str, Measure]
    arousal: Measure
    changes: tuple[Steadiness, ...]
    confusion: Confusion

    def to_dict(self) -> dict[str, Any]:
        """The entry in the JSON document."""
        return {
            "labels": list(self.labels),
            "uar": self.uar.to_dict(),
            "speakers": {name: measure.to_dict() for name, measure in self.speakers.items()},
            "arousal": {"correlation": self.arousal.to_dict(), "ratings": dict(AROUSAL)},
            "changes": [change.to_dict() for change in self.changes],
            "confusion": self.confusion.to_dict(),
        }


@dataclass(frozen=True)
class PairScores:
    """Scores on faces and voices of other people that have the same label.

    Attributes:
        labels: the labels that photos and voices have, of the four that photos can show; the choice is among these.
        draws: number of times that pairs were drawn.
        face: UAR of the faces alone.
        voice: UAR of the voices alone.
        both: UAR of both streams.
        gain: by how much both are above the better stream.
        gains: the same in each draw.
    """

    labels: tuple[str, ...]
    draws: int
    face: Measure
    voice: Measure
    both: Measure
    gain: Measure
    gains: tuple[float, ...]

    @property
    def better(self) -> str:
        """The better stream."""
        return "face" if self.face.value >= self.voice.value else "voice"

    def to_dict(self) -> dict[str, Any]:
        """The entry in the JSON document."""
        return {
            "labels": list(self.labels),
            "draws": self.draws,
            "face": self.face.to_dict(),
            "voice": self.voice.to_dict(),
            "both": self.both.to_dict(),
            "better": self.better,
            "gain": self.gain.to_dict(),
            "gains": list(self.gains),
        }


@dataclass(frozen=True)
class CalibrationScores:
    """The expected calibration error of one kind of files.

    Attributes:
        files: ``faces``, ``voices`` or ``pairs``.
        before: the error of the model's own probabilities.
        after: the error after the weight's temperature; None without one.
        temperature: that of the weight for these streams; None without one.
    """

    files: str
    before: Measure
    after: Measure | None
    temperature: float | None

    def to_dict(self) -> dict[str, Any]:
        """The entry in the JSON document."""
        return {
            "files": self.files,
            "before": self.before.to_dict(),
            "after": _to_dict(self.after),
            "temperature": self.temperature,
        }


def score_faces(
    faces: Sequence[Face], probabilities: Table, labels: Sequence[str], grey: Table | None = None
) -> tuple[FaceScores, ...]:
    """Score a judge on all photos, the clear ones, each source and grey versions.

    Photos of fewer than two of ``FOUR`` are no group.

    Args:
        faces: the photos.
        probabilities: (n, C).
        labels: the C labels; they include ``FOUR``.
        grey: the probabilities for grey versions; None if they were not judged.
    """
    everything = np.ones(len(faces), bool)
    groups = {"all": everything}
    if all(face.clear is not None for face in faces):
        groups["clear"] = np.array([bool(face.clear) for face in faces])
    for source in sorted({face.source for face in faces} - {""}):
        groups[f"source {source}" if source in _GROUPS else source] = np.array(
            [face.source == source for face in faces]
        )
    scores = [_score_group(name, faces, probabilities, labels, chosen) for name, chosen in groups.items()]
    if grey is not None:
        scores.append(_score_group("grey", faces, grey, labels, everything))
    return tuple(each for each in scores if each.four is not None)


def _score_group(
    name: str, faces: Sequence[Face], probabilities: Table, labels: Sequence[str], chosen: np.ndarray[Any, Any]
) -> FaceScores:
    group = [face for face, picked in zip(faces, chosen, strict=True) if picked]
    truth, people = [face.label for face in group], [face.person for face in group]
    counts = Counter(truth)
    two = measure_choice("war", truth, people, probabilities[chosen], labels, TWO)
    four = measure_choice("uar", truth, people, probabilities[chosen], labels, FOUR)
    return FaceScores(name, {label: counts[label] for label in FOUR}, two, four)


def count_choices(truth: Sequence[str], probabilities: Table, labels: Sequence[str]) -> Confusion:
    """Count the choices among all labels for each true label."""
    rows = tuple(sorted(set(truth)))
    names = (*labels, *(row for row in rows if row not in labels))
    table = confusion(number_labels(truth, names), probabilities.argmax(axis=1).astype(np.int64), len(names))
    return Confusion(rows, tuple(labels), tuple(tuple(table[names.index(row)][: len(labels)]) for row in rows))


def measure_shares(faces: Sequence[Face], probabilities: Table, labels: Sequence[str]) -> dict[str, Measure]:
    """Measure the mean probability of disgust and fear on photos that are labelled happiness or neutral."""
    rows = [row for row, face in enumerate(faces) if face.label in TWO]
    if not rows:
        return {}
    people = [faces[row].person for row in rows]
    return {
        label: measure_mean(probabilities[rows, list(labels).index(label)], people)
        for label in _DOUBTFUL
        if label in labels
    }


def find_voice_labels(voices: Sequence[Voice], labels: Sequence[str]) -> tuple[str, ...]:
    """Return the labels of a judge that voices have and that have a rated arousal, in alphabetical order."""
    return tuple(sorted({voice.label for voice in voices} & set(labels) & set(AROUSAL)))


def measure_voices(
    voices: Sequence[Voice], probabilities: Table, labels: Sequence[str], among: Sequence[str]
) -> Measure | None:
    """Measure the UAR of a judge on voices, chosen among some labels."""
    truth, people = [voice.label for voice in voices], [voice.person for voice in voices]
    return measure_choice("uar", truth, people, probabilities, labels, among)


def score_voices(
    voices: Sequence[Voice], probabilities: Table, labels: Sequence[str], changed: Mapping[str, Table]
) -> VoiceScores | None:
    """Score a weight on voices; None if they have fewer than two of its labels.

    Args:
        voices: the voices.
        probabilities: (n, C).
        labels: the C labels.
        changed: change -> probabilities for the changed voices.
    """
    among = find_voice_labels(voices, labels)
    rows = [row for row, voice in enumerate(voices) if voice.label in among]
    kept, shown = [voices[row] for row in rows], probabilities[rows]
    uar = measure_voices(kept, shown, labels, among) if rows else None
    if uar is None:
        return None
    truth, people = [voice.label for voice in kept], [voice.person for voice in kept]
    numbers, chosen = number_labels(truth, among), choose_among(shown, labels, among)
    changes = []
    for name, table in changed.items():
        found = measure_voices(kept, table[rows], labels, among)
        assert found is not None, "the same voices have the same labels"
        other = choose_among(table[rows], labels, among)
        changes.append(Steadiness(name, found, measure_difference(numbers, chosen, other, len(among), people)))
    speakers = {}
    for name in sorted(set(people)):
        own = [row for row, person in enumerate(people) if person == name]
        if (found := measure_voices([kept[row] for row in own], shown[own], labels, among)) is not None:
            speakers[name] = found
    rated = np.array([AROUSAL[label] for label in truth])
    arousal = measure_rank_correlation(expect_arousal(shown, labels), rated, people)
    return VoiceScores(among, uar, speakers, arousal, tuple(changes), count_choices(truth, shown, labels))


def score_pairs(
    truth: Sequence[str],
    people: Sequence[str],
    streams: Mapping[str, Table],
    labels: Sequence[str],
    draws: Sequence[int],
) -> PairScores:
    """Score pairs of a face and a voice.

    Args:
        truth: the label of each pair (n,).
        people: the person of the face of each pair (n,).
        streams: ``face``, ``voice`` and ``both`` -> probabilities (n, C).
        labels: the C labels.
        draws: the draw that each pair is of (n,).
    """
    among = tuple(sorted(set(truth)))
    numbers = number_labels(truth, among)
    chosen = {name: choose_among(table, labels, among) for name, table in streams.items()}
    found = {}
    for name, table in streams.items():
        measure = measure_choice("uar", truth, people, table, labels, among)
        assert measure is not None, "pairs have at least two labels"
        found[name] = measure
    better = "face" if found["face"].value >= found["voice"].value else "voice"
    gains = []
    for draw in sorted(set(draws)):
        rows = [row for row, number in enumerate(draws) if number == draw]
        own = [people[row] for row in rows]
        gain = measure_difference(numbers[rows], chosen["both"][rows], chosen[better][rows], len(among), own)
        gains.append(gain.value)
    total = measure_difference(numbers, chosen["both"], chosen[better], len(among), people)
    return PairScores(among, len(gains), found["face"], found["voice"], found["both"], total, tuple(gains))


def score_calibration(
    files: str,
    truth: Sequence[str],
    people: Sequence[str],
    probabilities: Table,
    labels: Sequence[str],
    temperature: float | None,
) -> CalibrationScores | None:
    """Measure the calibration on the files whose label the weight has; None if there are none."""
    rows = [row for row, label in enumerate(truth) if label in labels]
    if not rows:
        return None
    numbers = number_labels([truth[row] for row in rows], labels)
    own, shown = [people[row] for row in rows], probabilities[rows]
    after = None
    if temperature is not None:
        after = measure_ece(apply_temperature(shown, temperature), numbers, own)
    return CalibrationScores(files, measure_ece(shown, numbers, own), after, temperature)


def _to_dict(measure: Measure | None) -> dict[str, Any] | None:
    return None if measure is None else measure.to_dict()
