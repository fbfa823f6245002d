"""``hicmae bench``: what it prints and returns, with quick measures in the place of the long ones."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

from hicmae_cli.bench import device, evaluation, prediction, pretraining, puppets, validation
from hicmae_cli.bench.measure import Measure
from hicmae_cli.bundled import DEFAULT_WEIGHT
from tests.cli.running import hicmae

SPEED = Measure("speed", 3.0, "x", 1.5, False, "of a test")
DRAWN = Measure("drawn", 2.5, "clips/s", 2, False, "of a test")
STEP = Measure("step", 0.7, "x", 0.6, False, "of a test")
ITEM = Measure("item", 5.0, "x", 3, False, "of a test")
SIZE = Measure("size", 1.0, "x", 2.0, True, "of a test")
TOO_LARGE = Measure("size", 3.0, "x", 2.0, True, "of a test")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setattr(prediction, "measure_help", lambda: [])
    monkeypatch.setattr(prediction, "measure_predict", lambda engine, clip: SPEED)
    monkeypatch.setattr(prediction, "measure_one_person", lambda engine: SPEED)
    monkeypatch.setattr(prediction, "measure_forward", lambda: SIZE)
    monkeypatch.setattr(evaluation, "measure_evaluation", lambda: SPEED)
    monkeypatch.setattr(evaluation, "measure_one_stream", lambda: SPEED)
    monkeypatch.setattr(evaluation, "measure_sound_weight", lambda: SPEED)
    monkeypatch.setattr(validation, "measure_validation", lambda: SPEED)
    monkeypatch.setattr(puppets, "measure_puppets", lambda: DRAWN)
    monkeypatch.setattr(pretraining, "measure_step", lambda: STEP)
    monkeypatch.setattr(pretraining, "measure_data", lambda: STEP)
    monkeypatch.setattr(pretraining, "measure_finetune", lambda: STEP)
    monkeypatch.setattr(pretraining, "measure_item", lambda: ITEM)
    return monkeypatch


def test_results_are_shown_and_written(quick: pytest.MonkeyPatch, tmp_path: Path) -> None:
    run = hicmae("bench", "--json", tmp_path / "bench.json")
    assert run.code == 0, run.err
    rows = [" ".join(line.strip("│ ").replace("│", " ").split()) for line in run.out.splitlines()]
    assert "speed 3.00 x ≥ 1.5 holds of a test" in rows
    assert "size 1.00 x ≤ 2 holds of a test" in rows
    document = json.loads((tmp_path / "bench.json").read_text())
    assert document["schema"] == "hicmae.bench/1"
    assert document["machine"]["cores"] >= 1
    assert document["measures"] == [
        measure.to_dict() for measure in (SPEED, SPEED, SIZE, *[SPEED] * 4, STEP, STEP, STEP, ITEM, DRAWN)
    ]


def test_a_missed_bound_fails_but_is_written(quick: pytest.MonkeyPatch, tmp_path: Path) -> None:
    quick.setattr(prediction, "measure_forward", lambda: TOO_LARGE)
    run = hicmae("bench", "--json", tmp_path / "bench.json")
    assert run.code == 1
    assert "missed" in run.out
    document = json.loads((tmp_path / "bench.json").read_text())
    assert [measure["holds"] for measure in document["measures"]] == [True, True, False, *[True] * 9]


@pytest.mark.parametrize("missing", ["timm", "torchaudio"])
def test_without_the_libraries_to_compare_with_the_rest_is_measured(quick: pytest.MonkeyPatch, missing: str) -> None:
    find = importlib.util.find_spec
    quick.setattr(importlib.util, "find_spec", lambda name: None if name == missing else find(name))
    quick.setattr(pretraining, "measure_item", lambda: pytest.fail("cannot be measured"))
    run = hicmae("bench")
    assert run.code == 0
    assert "skipped the comparison of a training item, which needs pip install '.[bench]'" in " ".join(run.err.split())
    assert run.out.count("step") == 3


def test_memory_is_measured_only_when_asked_for(quick: pytest.MonkeyPatch, sample: Path) -> None:
    asked: list[tuple[Path, str]] = []

    def measure(clip: Path, weights: str) -> Measure:
        asked.append((clip, weights))
        return SIZE

    quick.setattr(prediction, "measure_memory", measure)
    assert hicmae("bench").code == 0
    assert asked == []
    assert hicmae("bench", "--memory", "--clip", sample).code == 0
    assert asked == [(sample, DEFAULT_WEIGHT)]


def test_one_device_is_measured_alone(quick: pytest.MonkeyPatch, tmp_path: Path) -> None:
    rate = Measure("pretrain-nano", 812.5, "clips/s", None, False, "of a test")
    asked: list[tuple[object, ...]] = []

    def measure(name: str, *, variant: str, batch_size: int, mixed_precision: str) -> list[Measure]:
        asked.append((name, variant, batch_size, mixed_precision))
        return [rate]

    quick.setattr(device, "measure_device", measure)
    run = hicmae("bench", "--device", "cpu", "--variant", "nano", "--batch-size", 2, "--json", tmp_path / "bench.json")
    assert run.code == 0, run.err
    assert asked == [("cpu", "nano", 2, "bf16")]
    assert "812.50 clips/s" in run.out and "holds" not in run.out
    document = json.loads((tmp_path / "bench.json").read_text())
    assert document["machine"]["device"] == "cpu"
    assert document["measures"] == [rate.to_dict()]


def test_what_cannot_be_measured_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(prediction, "measure_help", lambda: [])
    run = hicmae("bench", "--weights", "no-such")
    assert (run.code, "no weight named 'no-such'" in run.last_line) == (1, True)
    (tmp_path / "text.mp4").write_text("not a video")
    run = hicmae("bench", "--clip", tmp_path / "text.mp4")
    assert (run.code, "text.mp4" in run.last_line) == (1, True)
    assert hicmae("bench", "--rounds", 3).code == 2


def test_the_help_really_imports_nothing_heavy() -> None:
    time, heavy = prediction.measure_help(rounds=1)
    assert (time.unit, heavy.value, heavy.holds) == ("x", 0, True)
    assert 0.01 < time.value < 60


def test_a_wrong_value_for_one_device_names_its_option() -> None:
    for option, given in (("--device", "abacus"), ("--variant", "huge"), ("--mixed-precision", "fp8")):
        run = hicmae(*("bench", "--device", "cpu"), option, given)
        assert (run.code, f"{option} {given}: " in run.last_line) == (2, True)


@pytest.mark.slow
def test_everything_is_really_measured(tmp_path: Path) -> None:
    run = hicmae("bench", "--json", tmp_path / "bench.json")
    measures = json.loads((tmp_path / "bench.json").read_text())["measures"]
    assert [measure["name"] for measure in measures] == [
        "hicmae --help / import typer, rich",
        "heavy imports of --help",
        "predict-nano / real time",
        "predict-nano, one person / real time",
        "onnx-forward-tiny / matrix product",
        "evaluation tiny / separate views, one core",
        "sound-only evaluation tiny / both encoders, one core",
        "sound-only weight tiny / both encoders, one core",
        "validation, batched / clip by clip",
        "pretrain-step-tiny / matrix product",
        "pretrain data / step, one core",
        "plain eager fine-tuning step / ours",
        "plain training item / ours, one core",
        "puppets drawn on one core",
    ]
    assert all(measure["value"] > 0 for measure in measures if measure["unit"] != "packages")
    assert run.code == (0 if all(measure["holds"] for measure in measures) else 1)
