from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hicmae_cli.errors import WeightsError
from hicmae_cli.weights.facts import HeldOutScore
from hicmae_cli.weights.info import METADATA_KEY, WeightInfo
from tests.weights.toys import DIMS, info_of

PATH = Path("w.safetensors")


def fields(**changes: Any) -> dict[str, Any]:
    good = {
        "variant": "nano",
        "dims": {"width": 128, "heads": 2, "depth": 6, "fusion_depth": 2},
        "labels": ["ANG", "happy", "neutral"],
        "dataset": "puppets",
        "sampling_rate": 1,
        "front_end": "hicmae.align/1",
        "licence": "MIT",
        "source": "a test",
    }
    return {**good, **changes}


def test_round_trip_with_canonical_labels() -> None:
    info = WeightInfo(**fields())
    assert info.labels == ("anger", "happiness", "neutral")
    assert WeightInfo.from_metadata({METADATA_KEY: info.to_json()}, PATH) == info
    assert json.loads(info.to_json())["format"] == "hicmae.weight/1"


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"labels": ["anger", "ANG"]}, "labels"),
        ({"labels": []}, "labels"),
        ({"labels": ["anger+fear"], "task": "multilabel"}, "which joins the labels of a set"),
        ({"variant": "tiny"}, "variant"),
        ({"dims": {"width": 128}}, "dims"),
        ({"sampling_rate": 0}, "sampling_rate"),
        ({"surprise": 1}, "surprise"),
        ({"format": "other/1"}, "format"),
        ({"temperature": 1e-310}, "temperature"),
        ({"temperature": float("inf")}, "temperature"),
        ({"one_stream_temperatures": {"audio": 0}}, "one_stream_temperatures"),
    ],
)
def test_malformed_metadata_names_the_field(changes: dict[str, Any], named: str) -> None:
    text = json.dumps(fields(**changes))
    with pytest.raises(WeightsError, match=named):
        WeightInfo.from_metadata({METADATA_KEY: text}, PATH)


@pytest.mark.parametrize("metadata", [None, {}, {METADATA_KEY: "not json"}])
def test_foreign_files_are_refused(metadata: dict[str, str] | None) -> None:
    with pytest.raises(WeightsError, match=r"w\.safetensors"):
        WeightInfo.from_metadata(metadata, PATH)


def test_how_the_epoch_was_chosen_is_kept_and_older_files_say_nothing() -> None:
    assert "selection" not in WeightInfo(**fields()).to_json()
    info = WeightInfo(**fields(selection="test-best"))
    assert WeightInfo.from_metadata({METADATA_KEY: info.to_json()}, PATH).selection == "test-best"
    with pytest.raises(WeightsError, match="selection"):
        WeightInfo.from_metadata({METADATA_KEY: json.dumps(fields(selection="luck"))}, PATH)


@pytest.mark.parametrize(
    "label", ["", " ", "\x1b[31mred", "a\x1b]0;title\x07", "a\nb", "a\u202eb", "a\u2028b", "\x9b31m", "a" * 65]
)
def test_labels_are_short_and_printable(label: str) -> None:
    with pytest.raises(
        WeightsError, match=r"w\.safetensors: .*labels: .*expected distinct, short and printable"
    ) as said:
        WeightInfo.from_metadata({METADATA_KEY: json.dumps(fields(labels=["anger", label]))}, PATH)
    assert str(said.value).isprintable()


def test_labels_of_any_language_are_taken() -> None:
    assert WeightInfo(**fields(labels=["愤怒", "Ärger", "peur bleue"])).labels == ("愤怒", "ärger", "peur bleue")


def test_the_number_of_labels_is_bounded() -> None:
    assert len(WeightInfo(**fields(labels=[f"class {i}" for i in range(1000)])).labels) == 1000
    with pytest.raises(ValueError, match="at most 1000 labels, got 1001"):
        WeightInfo(**fields(labels=[f"class {i}" for i in range(1001)]))


def test_names_of_fields_in_a_message_cannot_steer_a_terminal() -> None:
    with pytest.raises(WeightsError) as said:
        WeightInfo.from_metadata({METADATA_KEY: json.dumps(fields() | {"\x1b[31m\nerror: gone": 1})}, PATH)
    assert str(said.value).isprintable()
    assert "\\x1b[31m" in str(said.value)


def test_how_clips_were_sampled_is_kept_and_older_files_counted_frames() -> None:
    older = WeightInfo(**fields(sampling_rate=4))
    assert (older.sampling, older.frame_stride, older.step_s) == ("frames", 4, 0.16)
    assert not {"sampling", "frame_step_s"} & older.to_dict().keys()
    timed = WeightInfo(**fields(sampling="time"))
    assert (timed.frame_stride, timed.step_s) == (None, 0.16)
    counted = WeightInfo(**fields(frame_step_s=0.1335))
    assert counted.step_s == 0.1335
    for info in (timed, counted):
        assert WeightInfo.from_metadata({METADATA_KEY: info.to_json()}, PATH) == info


@pytest.mark.parametrize("changes", [{"sampling": "often"}, {"frame_step_s": 0}, {"frame_step_s": 60.0}])
def test_a_sampling_that_cannot_be_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(WeightsError, match=next(iter(changes))):
        WeightInfo.from_metadata({METADATA_KEY: json.dumps(fields(**changes))}, PATH)


def test_a_temperature_belongs_to_the_streams_that_it_was_fitted_on() -> None:
    info = info_of(DIMS, 3).model_copy(update={"temperature": 2.0, "one_stream_temperatures": {"video": 3.0}})
    assert [info.find_temperature(streams) for streams in ("av", "video", "audio")] == [2.0, 3.0, None]
    heard = info.model_copy(update={"modality": "audio", "one_stream_temperatures": {}})
    assert [heard.find_temperature(streams) for streams in ("av", "audio")] == [None, 2.0]
    assert info.model_copy(update={"task": "regression"}).find_temperature("av") is None


def test_facts_about_a_weight_are_optional_and_survive_the_file() -> None:
    assert not {"trained_on", "held_out", "cannot_judge", "intended_use"} & info_of(DIMS, 3).to_dict().keys()
    score = HeldOutScore(what="smiles", metric="accuracy", value=0.9, chance=0.5, n=40)
    info = info_of(DIMS, 3).model_copy(update={"held_out": (score,), "cannot_judge": "anybody"})
    assert WeightInfo.model_validate_json(info.to_json()) == info
    assert str(score) == "smiles: accuracy 0.90 (chance 0.50, 40 clips)"
    with pytest.raises(ValueError, match="less than or equal to 1"):
        HeldOutScore(what="smiles", metric="accuracy", value=90, n=40)
