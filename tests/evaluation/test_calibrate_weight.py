from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from hicmae_cli.bundled import find_bundled_dir
from hicmae_cli.errors import SettingsError, WeightsError
from hicmae_cli.evaluation import calibrate_weight as module
from hicmae_cli.evaluation.calibrate_weight import calibrate_weight
from hicmae_cli.weights.checkpoint import read_state
from hicmae_cli.weights.reading import read_info
from tests.evaluation.test_calibration import scored, sharpened


def stand_in(monkeypatch: pytest.MonkeyPatch, **planted: float) -> list[dict[str, Any]]:
    """Scores of clips for which a model's probabilities are too sure by a known temperature, by streams."""
    asked: list[dict[str, Any]] = []

    def evaluate(**given: Any) -> SimpleNamespace:
        asked.append(given)
        results = {name: scored(*sharpened(value, 500)) for name, value in planted.items()}
        return SimpleNamespace(results=results, warnings=["made up"])

    monkeypatch.setattr(module, "evaluate", evaluate)
    return asked


@pytest.mark.parametrize("suffix", [".safetensors", ".onnx"])
def test_the_planted_temperatures_are_in_the_file_and_its_tensors_stay(
    toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    asked = stand_in(monkeypatch, av=2.0, audio=3.0)
    target = tmp_path / f"calibrated{suffix}"
    report = calibrate_weight(toy.with_suffix(suffix), target, manifest="held-out.csv")
    assert (asked[0]["split"], asked[0]["modality"], asked[0]["manifest"]) == ("validation", "each", "held-out.csv")
    assert report.path == target and report.warnings == ("made up",)
    info = read_info(str(target))
    assert info == report.info and info.temperature == pytest.approx(2.0, rel=0.2)
    assert info.one_stream_temperatures == {"audio": pytest.approx(3.0, rel=0.2)}
    found = report.streams["audio"]
    assert found.clips == 500 and found.ece_after is not None and found.ece_after < found.ece_before
    assert read_info(str(toy)).temperature is None
    before, after = read_state(toy.with_suffix(suffix))[1], read_state(target)[1]
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_temperatures_of_streams_that_were_not_scored_stay(
    toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weight = tmp_path / "w.safetensors"
    stand_in(monkeypatch, av=2.0, audio=3.0)
    first = calibrate_weight(toy, weight, manifest="both.csv").info
    asked = stand_in(monkeypatch, video=4.0)
    second = calibrate_weight(weight, manifest="photos.csv", modality="video").info
    assert asked[0]["modality"] == "video"
    assert second.temperature == first.temperature is not None
    assert second.one_stream_temperatures == {**first.one_stream_temperatures, "video": pytest.approx(4.0, rel=0.2)}


def test_the_other_format_of_the_weight_is_named(toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weight = Path(shutil.copy(toy, tmp_path / "best.safetensors"))
    shutil.copy(toy.with_suffix(".onnx"), tmp_path / "best.onnx")
    stand_in(monkeypatch, av=2.0)
    report = calibrate_weight(weight, manifest="held-out.csv")
    assert any("best.onnx: was not changed" in warning for warning in report.warnings)


def test_what_cannot_be_calibrated_says_why(toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(WeightsError, match="bundled files are never changed: give `output`"):
        calibrate_weight("puppets-nano", manifest="a.csv")
    monkeypatch.chdir(find_bundled_dir().parent)
    with pytest.raises(WeightsError, match="bundled files are never changed: give `output`"):
        calibrate_weight(f"{find_bundled_dir().name}/puppets-nano.onnx", manifest="a.csv")
    with pytest.raises(SettingsError, match=r"output='x\.onnx': expected a name that ends in \.safetensors"):
        calibrate_weight(toy, "x.onnx", manifest="a.csv")
    rows, _ = sharpened(2.0, 50)
    sheet = SimpleNamespace(results={"av": scored(rows, rows.argmax(axis=1))}, warnings=[])
    monkeypatch.setattr(module, "evaluate", lambda **_: sheet)
    with pytest.raises(WeightsError, match="do not determine a temperature"):
        calibrate_weight(toy, tmp_path / "w.safetensors", manifest="a.csv")
    assert not (tmp_path / "w.safetensors").exists()
