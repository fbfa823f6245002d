from __future__ import annotations

import hashlib
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import platformdirs
import pytest

from hicmae_cli.clips import Clip, stack_clips
from hicmae_cli.errors import MissingDependencyError, SettingsError, WeightsError
from hicmae_cli.runtime import engines, opening
from hicmae_cli.runtime.engine import Engine, score_batches
from hicmae_cli.runtime.engines import ENGINE_NAMES
from hicmae_cli.runtime.opening import describe_weight, open_engine, open_predictor
from hicmae_cli.runtime.settings import PredictSettings
from hicmae_cli.runtime.torch_engine import TorchEngine
from hicmae_cli.weights import catalogue
from hicmae_cli.weights.catalogue import locate_stored
from hicmae_cli.weights.checkpoint import load_classifier
from hicmae_cli.weights.export import write_onnx
from hicmae_cli.weights.suffixes import WEIGHT_SUFFIXES
from tests.runtime.stubs import ToyEngine, noise
from tests.weights.test_onnx_parameters import change_storage
from tests.weights.toys import save_regression, save_toy

pytestmark = pytest.mark.integration


@pytest.fixture
def alone(toy: Path, tmp_path: Path) -> Path:
    """A .safetensors file without an .onnx file beside it."""
    return Path(shutil.copy(toy, tmp_path / "alone.safetensors"))


@pytest.fixture
def without_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    hide_torch(monkeypatch)


def hide_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the engines find no torch."""

    def missing(names: tuple[str, ...]) -> list[str]:
        return [name for name in names if name == "torch"]

    for module in (engines, opening):
        monkeypatch.setattr(module, "missing_packages", missing)


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
    with pytest.raises(SettingsError, match=f"engine='abacus': expected one of {', '.join(ENGINE_NAMES)}"):
        open_engine(str(toy), "abacus")
    for weights in ("no-such-weight", "no-such-file.onnx", "no-such-file.safetensors"):
        with pytest.raises(WeightsError, match=weights):
            open_engine(weights)


def test_torch_needs_a_file_with_the_parameters(toy: Path, tmp_path: Path) -> None:
    shutil.copy(toy.with_suffix(".onnx"), tmp_path / "alone.onnx")
    change_storage(tmp_path / "alone.onnx", None)
    with pytest.raises(
        WeightsError, match=r"alone\.onnx: does not hold the parameters by name: .*use its \.safetensors"
    ):
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
        MissingDependencyError, match="pip install '\\.\\[train\\]' in the checkout of hicmae, or use engine='onnx'"
    ):
        open_engine(str(toy), "torch")


def test_a_weight_without_onnx_is_exported_once_and_kept_by_its_content(
    alone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = open_engine(str(alone), "onnx", "cpu")
    (kept,) = platformdirs.user_cache_path("hicmae", appauthor=False).rglob("*.*")
    assert kept.stem == hashlib.sha256(alone.read_bytes()).hexdigest()
    np.testing.assert_allclose(logits(opened), logits(open_engine(str(alone), "torch", "cpu")), atol=1e-4)

    hide_torch(monkeypatch)  # so that nothing can be exported again
    renamed = alone.with_name("renamed.safetensors")
    shutil.copy(alone, renamed)
    np.testing.assert_array_equal(logits(open_engine(str(renamed), "onnx", "cpu")), logits(opened))
    save_toy(alone, seed=1)  # trained again: the export of the one before is not its
    with pytest.raises(MissingDependencyError, match=r"has no \.onnx file"):
        open_engine(str(alone), "onnx", "cpu")


@pytest.mark.parametrize("suffix", [".safetensors", ".onnx"])
def test_a_regression_gives_its_values_on_both_engines(tmp_path: Path, suffix: str) -> None:
    source = save_regression(tmp_path / "valence.safetensors")
    if suffix == ".onnx":
        write_onnx(source, source.with_suffix(suffix))
    opened = open_engine(str(source.with_suffix(suffix)))
    assert opened.info.task == "regression"
    np.testing.assert_allclose(logits(opened), logits(TorchEngine(*load_classifier(source), "cpu")), atol=1e-4)
    clips = [Clip(None, np.full((256, 128), level, np.float32)) for level in (0.0, 1.0)]
    np.testing.assert_array_equal(score_batches(opened, clips), opened.logits(*stack_clips(clips)).astype(np.float64))


def test_another_task_is_refused(toy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = open_engine(str(toy))
    engine.info = engine.info.model_copy(update={"task": "pretraining"})
    kind = replace(engines.ENGINES["torch"], open=lambda *_: engine)
    monkeypatch.setitem(engines.ENGINES, "torch", kind)
    with pytest.raises(WeightsError, match="is a pretraining model; expected one of classification, multilabel, reg"):
        open_engine(str(toy))


def test_the_folder_of_a_run_stands_for_its_best_weight(toy: Path, tmp_path: Path) -> None:
    shutil.copy(toy, tmp_path / "last.safetensors")
    assert open_engine(str(tmp_path)).name == "torch"
    save_toy(tmp_path / "best.safetensors", seed=1)
    best = logits(open_engine(str(tmp_path / "best.safetensors"), device="cpu"))
    np.testing.assert_array_equal(logits(open_engine(str(tmp_path), device="cpu")), best)
    (tmp_path / "run" / "fold-1").mkdir(parents=True)
    shutil.copy(toy, tmp_path / "run" / "fold-1" / "best.safetensors")
    with pytest.raises(WeightsError, match=r"run: has one weight per fold; choose one, e\.g\. .*fold-1"):
        open_engine(str(tmp_path / "run"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(WeightsError, match=r"empty: the folder has no weight; expected best\.safetensors"):
        open_engine(str(tmp_path / "empty"))


@pytest.mark.slow
def test_the_record_has_the_file_that_was_opened(toy: Path, alone: Path) -> None:
    for weights, engine, file in (
        (toy, "torch", toy),
        (toy, "onnx", toy.with_suffix(".onnx")),
        (alone, "onnx", alone),  # exported to the cache: the file that the user knows
    ):
        record = describe_weight(str(weights), open_engine(str(weights), engine, "cpu"))
        assert (record.name, record.engine, record.device) == (str(weights), engine, "cpu")
        assert record.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()


def test_an_engine_is_one_row(toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A third engine, whose files only it reads, is chosen by name and by its files."""
    monkeypatch.setattr(catalogue, "WEIGHT_SUFFIXES", (*WEIGHT_SUFFIXES, ".toy"))
    kind = engines.EngineKind("toy", ".toy", lambda path, device, threads: ToyEngine())
    monkeypatch.setitem(engines.ENGINES, "toy", kind)
    monkeypatch.setattr(opening, "ENGINE_NAMES", ("auto", *engines.ENGINES))
    (tmp_path / "a.toy").touch()
    assert isinstance(open_engine(str(tmp_path / "a.toy")), ToyEngine)
    shutil.copy(toy, tmp_path / "a.safetensors")
    assert isinstance(open_engine(str(tmp_path / "a.safetensors"), "toy"), ToyEngine)
    assert open_engine(str(tmp_path / "a.safetensors")).name == "torch"
    with pytest.raises(SettingsError, match=r"expected one of auto, .*, toy"):
        open_engine(str(toy), "abacus")


@pytest.mark.parametrize(
    ("engine", "features", "expected"), [("auto", True, "torch"), ("auto", False, "onnx"), ("torch", False, "torch")]
)
def test_features_are_read_by_torch(engine: str, features: bool, expected: str) -> None:
    predictor = open_predictor("puppets-nano", PredictSettings(features=features), engine)
    assert (predictor.engine.name, predictor.settings.features) == (expected, features)


def test_an_engine_without_features_says_so() -> None:
    with pytest.raises(SettingsError, match="features: the onnx engine has none"):
        open_predictor("puppets-nano", PredictSettings(features=True), "onnx")
