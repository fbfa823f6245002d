from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hicmae_cli.runtime.results import SCHEMA, FileResult, Prediction, Scores, Track, Window
from hicmae_cli.runtime.settings import PredictSettings
from tests.runtime.stubs import LABELS, TOY_MODEL, track, window

shares = st.lists(st.floats(0.001, 1), min_size=3, max_size=3).map(lambda v: np.array(v) / np.sum(v))


@given(shares)
def test_scores_name_a_row_and_its_largest(row: np.ndarray) -> None:
    scores = Scores.of(LABELS, row)
    assert list(scores.probabilities) == list(LABELS)
    assert list(scores.probabilities.values()) == pytest.approx(row)
    assert scores.probabilities[scores.label] == row.max()


@pytest.mark.parametrize("row", [[0.5, 0.4, 0.0], [0.5, 0.5, 0.5], [0, 0, 0], [float("nan"), 0.5, 0.5]])
def test_scores_that_are_no_distribution_are_refused(row: list[float]) -> None:
    with pytest.raises(ValueError, match="expected 1"):
        Scores.of(LABELS, np.array(row))


def test_a_row_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="zip"):
        Scores.of(LABELS, np.array([0.5, 0.5]))


@given(st.lists(shares, min_size=1, max_size=5))
def test_the_mean_is_label_by_label(rows: list[np.ndarray]) -> None:
    mean = Scores.mean([Scores.of(LABELS, row) for row in rows])
    assert list(mean.probabilities) == list(LABELS)
    assert list(mean.probabilities.values()) == pytest.approx(np.mean(rows, axis=0))


@pytest.mark.parametrize(
    ("modalities", "expected"),
    [
        (["video", "av", "av"], "av"),
        (["video", "video", "av"], "video"),
        (["audio", "audio", "video"], "audio"),
        (["audio", "av"], "av"),  # a tie goes to the one that uses more
        (["audio", "video"], "video"),
    ],
)
def test_a_track_is_called_by_what_most_of_its_windows_were_judged_by(modalities: list[str], expected: str) -> None:
    assert track(1, *(window(modality=modality) for modality in modalities)).modality == expected


def test_a_track_without_windows_is_refused() -> None:
    with pytest.raises(ValueError, match="track 3: expected at least one window"):
        Track(3, (), 1.0)


def test_the_main_track_is_the_most_seen_then_the_largest() -> None:
    often_small, often_large = track(1, coverage=0.901, size_px=40), track(2, coverage=0.899, size_px=80)
    seldom_huge, voice = track(3, coverage=0.5, size_px=200), track(0, coverage=0.0)
    for order in ([often_small, often_large, seldom_huge, voice], [voice, seldom_huge, often_large, often_small]):
        assert FileResult(Path("a.mp4"), "ok", tracks=tuple(order)).main_track is often_large
    assert FileResult(Path("a.mp4"), "ok", tracks=(seldom_huge, voice)).main_track is seldom_huge


def test_a_file_without_tracks_has_failed_and_says_nothing() -> None:
    file = FileResult(Path("a.mp4"), "error", "broken")
    assert file.failed and file.main_track is None
    document = file.to_dict()
    assert (document["summary"], document["modality"], document["tracks"]) == (None, None, [])


def test_the_document_is_plain_json_and_says_the_same() -> None:
    people = (track(0, coverage=0.0, modality="audio"), track(1, window(0.0, 2.56), window(1.28, 3.84), coverage=0.95))
    good = FileResult(Path("dir") / "a.mp4", "ok", "", 3.84, 25.0, people)
    bad = FileResult(Path("b.mp4"), "error", "b.mp4: broken")
    prediction = Prediction(TOY_MODEL, PredictSettings(), (good, bad))
    assert prediction.failures == (bad,)
    document = prediction.to_dict()
    assert json.loads(json.dumps(document, allow_nan=False)) == document  # no tuples, no numpy
    assert document["schema"] == SCHEMA
    assert document["weights"]["labels"] == list(LABELS)
    first, second = document["files"]
    assert second["message"] == "b.mp4: broken"
    assert first["path"] == str(Path("dir") / "a.mp4")
    assert first["modality"] == "av"
    assert first["summary"]["probabilities"] == people[1].scores.probabilities
    assert (first["tracks"][1]["start_s"], first["tracks"][1]["end_s"]) == (0.0, 3.84)
    assert [w["label"] for w in first["tracks"][1]["windows"]] == [people[1].scores.label] * 2


def test_times_are_rounded_to_milliseconds_and_probabilities_are_not() -> None:
    row = np.array([1 / 3, 1 / 3, 1 / 3])
    document = Window(1 / 3, 2 / 3, Scores.of(LABELS, row), 1 / 3, "av").to_dict()
    assert (document["start_s"], document["end_s"], document["face_coverage"]) == (0.333, 0.667, 0.3333)
    assert document["probabilities"]["anger"] == 1 / 3
