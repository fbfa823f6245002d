"""The public door: names that are imported when they are first used."""

from __future__ import annotations

import ast
import importlib
import inspect
from pathlib import Path

import pytest

import hicmae_cli as hicmae
from hicmae_cli.errors import MissingDependencyError
from tests.cli.running import fresh_python

NAMES = [
    "Prediction",
    "Predictor",
    "add_weight",
    "calibrate_weight",
    "compare",
    "embed",
    "embed_clips",
    "evaluate",
    "export_onnx",
    "finetune",
    "load_weight",
    "measure_cues",
    "merge",
    "predict",
    "prepare",
    "pretrain",
    "probe",
    "pull_weight",
    "read_manifest",
    "read_record",
    "rerun",
    "summarize",
]


def test_these_are_all_names() -> None:
    assert sorted(hicmae.__all__) == NAMES
    assert dir(hicmae) == sorted([*NAMES, "__version__"])
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        hicmae.nonsense  # noqa: B018


@pytest.mark.parametrize("name", NAMES)
def test_every_name_is_a_documented_object(name: str) -> None:
    module, _, attribute = hicmae._PLACES[name].partition(":")
    found = getattr(hicmae, name)
    assert found is getattr(importlib.import_module(f"hicmae_cli.{module}"), attribute)
    assert callable(found) and inspect.getdoc(found)


def test_type_checkers_see_what_is_imported() -> None:
    """The imports under TYPE_CHECKING are those of the table."""
    tree = ast.parse(Path(hicmae.__file__).read_text("utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    typed = {
        alias.asname or alias.name: f"{node.module}:{alias.name}"
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert typed == {name: f"hicmae_cli.{place}" for name, place in hicmae._PLACES.items()}


def test_the_import_is_light() -> None:
    heavy = ["numpy", "torch", "cv2", "av", "onnxruntime", "pydantic", "rich", "typer", "matplotlib", "pandas"]
    done = fresh_python(
        "import sys\nimport hicmae_cli as hicmae\ndir(hicmae)\n"
        f"found = [m for m in {heavy} if m in sys.modules]\nassert not found, found"
    )
    assert done.returncode == 0, done.stderr


def test_predicting_needs_no_torch() -> None:
    done = fresh_python(
        "import sys\nsys.modules['torch'] = None\nimport hicmae_cli as hicmae\n"
        "print(hicmae.predict({'samples': [0.1, -0.1] * 16000, 'sample_rate_hz': 16000}, sound='shared'))\n"
        "hicmae.Predictor(hicmae.load_weight('puppets-nano'))\n"
    )
    assert done.returncode == 0, done.stderr
    assert "arrays  2.0 s · audio" in done.stdout


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> object:
        raise ModuleNotFoundError("No module named 'torch'", name="torch")

    monkeypatch.setattr(hicmae, "import_module", missing)
    monkeypatch.delitem(vars(hicmae), "pretrain", raising=False)
    with pytest.raises(MissingDependencyError, match=r"pretrain needs torch: pip install '\.\[train\]'"):
        hicmae.pretrain  # noqa: B018
