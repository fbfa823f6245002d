from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import numpy as np
import platformdirs
import pytest
import torch

from hicmae_cli.errors import MissingDependencyError, SettingsError, WeightsError
from hicmae_cli.models.classifier import Classifier
from hicmae_cli.runtime import opening
from hicmae_cli.runtime.engine import Engine
from hicmae_cli.runtime.opening import open_engine
from hicmae_cli.runtime.torch_engine import TorchEngine
from hicmae_cli.weights.catalogue import locate_stored
from hicmae_cli.weights.checkpoint import load_classifier, save_classifier
from hicmae_cli.weights.export import export_onnx
from tests.runtime.stubs import noise
from tests.weights.toys import DIMS, info_of, save_toy


@pytest.fixture
def alone(toy: Path, tmp_path: Path) -> Path:
    """A .safetensors file without an .onnx file beside it."""
    return Path(shutil.copy(toy, tmp_path / "alone.safetensors"))


@pytest.fixture
def without_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "_has_torch", lambda: False)


def logits(engine: Engine) -> np.ndarray:
    return engine.logits(*noise(2))


def test_auto_takes_the_format_of_a_given_file(toy: Path) -> None:
    assert open_engine(str(toy)).name == "torch"
    assert open_engine(str(toy.with_suffix(".onnx"))).name == "onnx"


def test_auto_takes_onnx_for_a_name_that_has_it(toy: Path) -> None:
    assert open_engine("puppets-nano").name == "onnx"
    locate_stored("mine", "").parent.mkdir(parents=True)
    shutil.copy(toy, locate_stored("mine", ".safetensors"))
    assert open_engine("mine").name == "torch"
    shutil.copy(toy.with_suffix(".onnx"), locate_stored("mine", ".onnx"))
    assert open_engine("mine").name == "onnx"


@pytest.mark.parametrize("given", [".safetensors", ".onnx"])
def test_the_neighbour_of_a_file_stands_in_for_the_other_format(toy: Path, given: str) -> None:
    weights = str(toy.with_suffix(given))
    engines = [open_engine(weights, name, "cpu") for name in ("onnx", "torch")]
    assert [engine.name for engine in engines] == ["onnx", "torch"]
    np.testing.assert_allclose(logits(engines[0]), logits(engines[1]), atol=1e-4)


def test_unknown_engines_and_weights_are_named(toy: Path) -> None:
    with pytest.raises(SettingsError, match="--engine abacus: expected one of auto, onnx, torch"):
        open_engine(str(toy), "abacus")
    for weights in ("no-such-weight", "no-such-file.onnx", "no-such-file.safetensors"):
        with pytest.raises(WeightsError, match=weights):
            open_engine(weights)


def test_torch_needs_a_safetensors_file(toy: Path, tmp_path: Path) -> None:
    shutil.copy(toy.with_suffix(".onnx"), tmp_path / "alone.onnx")
    with pytest.raises(WeightsError, match=r"alone\.onnx: there is no \.safetensors file"):
        open_engine(str(tmp_path / "alone.onnx"), "torch")


def test_without_torch_auto_falls_back_on_the_onnx_file(toy: Path, without_torch: None) -> None:
    assert open_engine(str(toy)).name == "onnx"


@pytest.mark.parametrize("engine", ["auto", "torch", "onnx"])
def test_without_torch_and_without_an_onnx_file_it_says_what_to_do(
    alone: Path, without_torch: None, engine: str
) -> None:
    with pytest.raises(MissingDependencyError, match=r"alone\.safetensors: .*\.\[train\]"):
        open_engine(str(alone), engine)


def test_without_torch_the_torch_engine_is_refused(toy: Path, without_torch: None) -> None:
    with pytest.raises(
        MissingDependencyError, match="pip install '\\.\\[train\\]' in the checkout of hicmae, or use --engine onnx"
    ):
        open_engine(str(toy), "torch")


def test_a_weight_without_onnx_is_exported_once_and_kept_by_its_content(
    alone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = open_engine(str(alone), "onnx", "cpu")
    (kept,) = platformdirs.user_cache_path("hicmae", appauthor=False).rglob("*.*")
    assert kept.stem == hashlib.sha256(alone.read_bytes()).hexdigest()
    np.testing.assert_allclose(logits(opened), logits(open_engine(str(alone), "torch", "cpu")), atol=1e-4)

    monkeypatch.setattr(opening, "_has_torch", lambda: False)  # so that nothing can be exported again
    renamed = alone.with_name("renamed.safetensors")
    shutil.copy(alone, renamed)
    np.testing.assert_array_equal(logits(open_engine(str(renamed), "onnx", "cpu")), logits(opened))
    save_toy(alone, seed=1)  # trained again: the export of the one before is not its
    with pytest.raises(MissingDependencyError, match=r"has no \.onnx file"):
        open_engine(str(alone), "onnx", "cpu")


@pytest.mark.parametrize("suffix", [".safetensors", ".onnx"])
def test_a_regression_model_is_not_dressed_up_as_probabilities(tmp_path: Path, suffix: str) -> None:
    torch.manual_seed(0)
    source = tmp_path / "valence.safetensors"
    save_classifier(source, Classifier(DIMS, 2), info_of(DIMS, 2).model_copy(update={"task": "regression"}))
    if suffix == ".onnx":
        export_onnx(source, source.with_suffix(suffix))
    with pytest.raises(WeightsError, match="is a regression model; only classification is predicted yet"):
        open_engine(str(source.with_suffix(suffix)))
    opened = open_engine(str(source.with_suffix(suffix)), tasks=("classification", "regression"))
    assert opened.info.task == "regression"
    np.testing.assert_allclose(logits(opened), logits(TorchEngine(*load_classifier(source), "cpu")), atol=1e-4)
