from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hicmae_cli.runtime.model_record import ModelRecord
from hicmae_cli.runtime.outputs import FaceBox, Scores, Window
from hicmae_cli.runtime.results import FileResult, Track
from tests.runtime.stubs import LABELS, TARGETS, TOY_MODEL, TOY_REGRESSION, track, valued, window

shares = st.lists(st.floats(0.001, 1), min_size=3, max_size=3).map(lambda v: np.array(v) / np.sum(v))


@given(shares)
def test_scores_name_a_row_and_its_largest(row: np.ndarray) -> None:
    scores = Scores.of(LABELS, row)
    assert list(scores.probabilities) == list(LABELS)
    assert list(scores.probabilities.values()) == pytest.approx(row)
    assert scores.label is not None and scores.probabilities[scores.label] == row.max()
    assert scores.values == {}


@pytest.mark.parametrize("row", [[0.5, 0.4, 0.0], [0.5, 0.5, 0.5], [0, 0, 0], [float("nan"), 0.5, 0.5]])
def test_scores_that_are_no_distribution_are_refused(row: list[float]) -> None:
    with pytest.raises(ValueError, match="expected 1"):
        Scores.of(LABELS, np.array(row))


def test_a_row_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="zip"):
        Scores.of(LABELS, np.array([0.5, 0.5]))


def mean_of(*scores: Scores) -> Scores:
    return Track(1, tuple(replace(window(), scores=each) for each in scores), 1.0).scores


@given(st.lists(shares, min_size=1, max_size=5))
def test_the_mean_is_label_by_label(rows: list[np.ndarray]) -> None:
    mean = mean_of(*(Scores.of(LABELS, row) for row in rows))
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


def test_times_are_rounded_to_milliseconds_and_probabilities_are_not() -> None:
    row = np.array([1 / 3, 1 / 3, 1 / 3])
    document = Window(1 / 3, 2 / 3, Scores.of(LABELS, row), 1 / 3, "av").to_dict()
    assert (document["start_s"], document["end_s"], document["face_coverage"]) == (0.333, 0.667, 0.3333)
    assert document["probabilities"]["anger"] == 1 / 3


values = st.lists(st.floats(-1e9, 1e9), min_size=2, max_size=2)


@given(st.lists(values, min_size=1, max_size=5))
def test_values_have_no_label_and_are_averaged_unclipped(rows: list[list[float]]) -> None:
    mean = mean_of(*(Scores.of(TARGETS, np.array(row), "regression") for row in rows))
    assert (mean.label, mean.probabilities) == (None, {})
    assert list(mean.values.values()) == pytest.approx(np.mean(rows, axis=0), rel=1e-9, abs=1e-3)


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_values_are_finite(number: float) -> None:
    with pytest.raises(ValueError, match="expected finite values"):
        Scores.of(TARGETS, np.array([0.0, number]), "regression")


def test_a_regression_has_values_in_place_of_label_and_probabilities() -> None:
    person = Track(1, (valued(0.5, -2.0), valued(1.5, 4.0)), 1.0)
    document = FileResult(Path("a.mp4"), "ok", tracks=(person,)).to_dict()
    assert document["summary"] == {"values": {"arousal": 1.0, "valence": 1.0}}
    for part in (document["tracks"][0], *document["tracks"][0]["windows"]):
        assert "values" in part and not part.keys() & {"label", "probabilities"}
    assert FileResult.from_dict(document).to_dict() == document


def likely(*row: float) -> Scores:
    return Scores.of(LABELS, np.array(row), "multilabel")


def test_a_set_has_independent_probabilities_and_a_joined_label() -> None:
    both = likely(0.75, 0.25, 0.875)
    assert (both.label, both.labels) == ("anger+neutral", ("anger", "neutral"))
    assert both.probabilities == {"anger": 0.75, "happiness": 0.25, "neutral": 0.875} and both.values == {}
    assert likely(0.1, 0.3, 0.2).label == "happiness"
    mean = mean_of(both, likely(0.0, 0.0, 0.5))
    assert mean.label == "neutral" and mean.probabilities["neutral"] == 0.6875
    for number in (1.01, -0.01, float("nan")):
        with pytest.raises(ValueError, match="between 0 and 1"):
            likely(0.5, number, 0.5)


def test_a_set_comes_back_from_its_json() -> None:
    person = Track(1, (Window(0.0, 2.0, likely(0.75, 0.25, 0.875), 1.0, "av"),), 1.0)
    document = json.loads(json.dumps(FileResult(Path("a.mp4"), "ok", tracks=(person,)).to_dict()))
    for part in (document["summary"], document["tracks"][0], document["tracks"][0]["windows"][0]):
        assert (part["label"], part["labels"]) == ("anger+neutral", ["anger", "neutral"])
        assert sum(part["probabilities"].values()) == 1.875
    assert FileResult.from_dict(document).to_dict() == document


def test_a_result_comes_back_from_its_json() -> None:
    people = (track(0, coverage=0.0, modality="audio"), track(1, window(0.0, 2.56), window(1.28, 3.84), coverage=0.95))
    for file in (
        FileResult(Path("dir") / "a.mp4", "ok", "", 3.84, 25.0, people, 7, "ab", 640, 480),
        FileResult(Path("b.mp4"), "error", "b.mp4: broken"),
    ):
        assert FileResult.from_dict(json.loads(json.dumps(file.to_dict()))).to_dict() == file.to_dict()
    old = FileResult(Path("a.mp4"), "ok", tracks=people).to_dict()
    for added in ("width_px", "height_px", "hicmae_version", "folder"):
        del old[added]
    for part in old["tracks"]:
        for each in part["windows"]:
            del each["boxes"]
    assert FileResult.from_dict(old).tracks[0].windows[0].boxes == ()  # written before there were boxes
    assert FileResult.from_dict(old).hicmae_version is None
    assert FileResult.from_dict(old).folder is None
    other = replace(FileResult.from_dict(old), hicmae_version="0.0.9", folder=Path("/there"))
    assert FileResult.from_dict(other.to_dict()) == other


def test_boxes_are_rows_of_time_and_pixels() -> None:
    document = window(0.0, 2.56).to_dict()
    assert document["boxes"] == [[0.16, 10.0, 20.0, 30.0, 40.0]]
    assert Window.from_dict(document).boxes == (FaceBox(0.16, 10.0, 20.0, 30.0, 40.0),)


@pytest.mark.parametrize("model", [TOY_MODEL, TOY_REGRESSION])
def test_the_record_of_a_weight_comes_back_from_its_json(model: ModelRecord) -> None:
    assert ModelRecord.from_dict(json.loads(json.dumps(model.to_dict()))) == model


@pytest.mark.parametrize("fields", [{}, {"name": "a"}, {**TOY_MODEL.to_dict(), "labels": 3}, None])
def test_other_fields_are_no_record_of_a_weight(fields: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"expected the record of a weight|labels"):
        ModelRecord.from_dict(fields)
