"""Packages that are missing, old, broken, or that crash when they are imported."""

from __future__ import annotations

import importlib.util
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from hicmae_cli.doctor import packages
from hicmae_cli.doctor.packages import check_extras, check_packages, list_extras, list_requirements
from hicmae_cli.toml import parse_toml


def check(*requirements: str) -> dict[str, tuple[str, str, str]]:
    found = packages._check_each("packages", [Requirement(text) for text in requirements])
    return {each.name: (each.status, each.found, each.advice) for each in found}


def test_versions_and_absence() -> None:
    found = check("filelock>=3", "filelock-that-nobody-made", "rich<2")
    assert found["filelock"] == ("ok", metadata.version("filelock"), "")
    assert found["filelock-that-nobody-made"][:2] == ("broken", "not installed")
    status, words, advice = found["rich"]
    assert status == "broken" and words.endswith("; hicmae needs <2") and advice == "run `pip install 'rich<2'`"


def test_a_missing_system_library_has_its_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cv2.py").write_text("raise ImportError('libGL.so.1: cannot open shared object file: No such file')")
    monkeypatch.syspath_prepend(tmp_path)
    status, words, advice = check("opencv-contrib-python")["opencv-contrib-python"]
    assert status == "broken"
    assert "cannot be imported: ImportError: libGL.so.1" in words
    assert "libgl1" in advice or "libGL.so.1" in advice or "libglvnd-glx" in advice


def test_an_import_that_crashes_is_a_line_and_the_rest_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cv2.py").write_text("import os; print('noise'); os.abort()")
    monkeypatch.syspath_prepend(tmp_path)
    found = check("opencv-contrib-python", "filelock")
    status, words, advice = found["opencv-contrib-python"]
    assert status == "broken" and "SIGABRT" in words and "--force-reinstall" in advice
    assert found["filelock"][0] == "ok"


def test_two_builds_of_one_package_are_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "list_requirements", lambda extra: [])
    monkeypatch.setattr(packages, "_find_version", lambda name: "1" if name.startswith("onnxruntime") else None)
    (found,) = check_packages()
    assert found.status == "note" and found.name.startswith("onnxruntime + onnxruntime-gpu")
    assert "pip uninstall -y onnxruntime onnxruntime-gpu" in found.advice


def test_a_checkout_that_is_not_installed_has_the_same_requirements(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> list[str]:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "requires", missing)
    base = {requirement.name for requirement in list_requirements("")}
    assert {"av", "numpy", "typer", "packaging"} <= base and "torch" not in base
    assert len({name for name in base if name.startswith("onnxruntime")}) == 1  # the one of this machine
    train = {requirement.name for requirement in list_requirements("train")}
    assert {"torch", "onnx"} <= train and not train & base
    assert {requirement.name for requirement in list_requirements("puppets")} == {"moderngl"}


def test_every_extra_of_the_project_file_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    project = parse_toml((Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8"))["project"]
    extras = [name for name in project["optional-dependencies"] if name != "dev"]
    assert {"heic", "serve", "umap"} < set(extras)
    assert sorted(list_extras()) == sorted(extras), "install the checkout again"
    monkeypatch.setattr(packages, "_find_version", lambda name: None)
    noted = {each.name for each in check_extras()}
    assert noted == {f"extra {extra}" for extra in extras}

    def missing(name: str) -> None:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "metadata", missing)
    assert list_extras() == extras


def test_the_module_of_every_package_is_known() -> None:
    not_for_tests = {"ray", "umap"}  # of which `make test` installs no packages
    for extra in ("", *list_extras()):
        for requirement in list_requirements(extra):
            if extra in not_for_tests and packages._find_version(requirement.name) is None:
                continue
            module = packages._MODULES.get(requirement.name, requirement.name.replace("-", "_"))
            assert importlib.util.find_spec(module) is not None, requirement.name


def test_another_build_of_onnx_runtime_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "_find_version", lambda name: {"onnxruntime-openvino": "1.24.1"}.get(name))
    status, words, _ = check("onnxruntime-gpu>=1.20")["onnxruntime-gpu"]
    assert (status, words) == ("ok", "1.24.1 of onnxruntime-openvino, which stands in for it")
    assert check("onnxruntime-gpu>=1.25")["onnxruntime-gpu"][0] == "broken"
