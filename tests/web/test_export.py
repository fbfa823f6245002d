"""The folder of the browser page: complete, whole or not there, and never in the place of something else."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hicmae_cli.errors import SettingsError, WeightsError
from hicmae_cli.exporting import export as exporting
from hicmae_cli.web import export
from hicmae_cli.web.export import POLICY, export_web
from hicmae_cli.web.packages import find_packages
from tests.web.packages import write_fakes


@pytest.fixture
def archives(tmp_path: Path, toy: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Archives with a word in place of each file; the model's export is a copy."""
    folder = tmp_path / "archives"
    fakes = write_fakes(folder)
    monkeypatch.setattr(export, "PACKAGES", fakes)
    monkeypatch.setattr(export, "find_packages", lambda *a, **k: find_packages(*a, **k, wanted=fakes))

    def export_onnx(source: Path, target: Path, **options: Any) -> SimpleNamespace:
        assert options == {"store": "float16", "with_front_end": True}
        shutil.copy(toy.with_suffix(".onnx"), target)
        return SimpleNamespace(max_probability_difference=1e-4)

    monkeypatch.setattr(exporting, "export_onnx", export_onnx)
    return folder


def test_the_folder_has_everything_that_the_page_names(tmp_path: Path, toy: Path, archives: Path) -> None:
    done = export_web(tmp_path / "page", str(toy), packages=archives)
    page = tmp_path / "page"
    files = {path.relative_to(page).as_posix() for path in page.rglob("*") if path.is_file()}
    assert done.path == page and done.size_bytes == sum((page / name).stat().st_size for name in files)
    html = (page / "index.html").read_text()
    assert f'content="{POLICY}"'.replace("'", "&#x27;") in html
    named = set(re.findall(r'(?:href|src)="([^"#:]+)"', html))
    for script in (page / "app").glob("*.js"):
        text = script.read_text()
        named |= {f"app/{name}" for name in re.findall(r'from "\./([^"]+)"', text)}
        named |= {path for path in re.findall(r'(?:at|startWorker|addModule)\("([^"]+)"\)', text) if path[-1] != "/"}
    assert len(named) > 20 and named <= files
    assert {name for name in files if name.startswith("vendor")} <= named | {
        "vendor/onnxruntime-web/ort-wasm-simd-threaded.mjs",
        "vendor/onnxruntime-web/ort-wasm-simd-threaded.wasm",
    }
    about = json.loads((page / "model" / "about.json").read_text())
    assert about["weight"]["name"] == "toy" and about["step_s"] == 0.16 and len(about["template"]["points_160"]) == 68
    licences = (page / "licences" / "README.txt").read_text()
    for name in re.findall(r"\(`([^`]+)`\)", licences):
        assert (page / "licences" / name).is_file()


def test_nothing_in_the_page_names_another_machine(tmp_path: Path, toy: Path, archives: Path) -> None:
    page = export_web(tmp_path / "page", str(toy), packages=archives).path
    own = [page / "index.html", page / "style.css", *(page / "app").glob("*.js")]
    found = {address for path in own for address in re.findall(r"https?://[^\s\"'`)]+", path.read_text())}
    assert found <= {"http://www.w3.org/2000/svg"}


def test_a_page_is_replaced_and_nothing_else(tmp_path: Path, toy: Path, archives: Path) -> None:
    page = tmp_path / "page"
    page.mkdir()
    export_web(page, str(toy), packages=archives)
    (page / "app" / "old.js").write_text("from an older version")
    export_web(page, str(toy), packages=archives)
    assert not (page / "app" / "old.js").exists() and (page / "index.html").is_file()
    (page / "CNAME").write_text("mine")
    with pytest.raises(SettingsError, match="holds files that hicmae did not write, such as CNAME; choose a new"):
        export_web(page, str(toy), packages=archives)
    assert (page / "CNAME").read_text() == "mine" and (page / "index.html").is_file()
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("mine")
    with pytest.raises(
        SettingsError, match=r"holds files that hicmae did not write, such as thesis\.txt; choose a new"
    ):
        export_web(mine, str(toy), packages=archives)
    with pytest.raises(SettingsError, match="is not a folder"):
        export_web(mine / "thesis.txt", str(toy), packages=archives)
    assert (mine / "thesis.txt").read_text() == "mine"


def test_the_current_folder_is_refused_first(
    tmp_path: Path, toy: Path, archives: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its shell would be left in a folder that is gone."""
    (tmp_path / "page").mkdir()
    monkeypatch.chdir(tmp_path / "page")
    for folder in (".", tmp_path / "page", "../page"):
        with pytest.raises(SettingsError, match="cannot be replaced while it is in use; choose a folder in it"):
            export_web(folder, str(toy), packages=archives)
    assert list(Path().iterdir()) == []
    assert export_web("site", str(toy), packages=archives).path.is_dir()


def test_a_page_survives_a_replacement_that_fails(
    tmp_path: Path, toy: Path, archives: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page, rename = export_web(tmp_path / "page", str(toy), packages=archives).path, Path.rename

    def fail(self: Path, target: Path) -> Path:
        if target == page and not self.name.endswith(".old"):
            raise PermissionError(13, "no", str(self))
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(PermissionError):
        export_web(page, str(toy), packages=archives)
    assert (page / "index.html").is_file()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["archives", "page"]


def test_what_fails_leaves_nothing(tmp_path: Path, toy: Path, archives: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise WeightsError("it differs too much")

    monkeypatch.setattr(exporting, "export_onnx", fail)
    with pytest.raises(WeightsError, match="it differs too much"):
        export_web(tmp_path / "page", str(toy), packages=archives)
    assert [path.name for path in tmp_path.iterdir()] == ["archives"]


def test_a_name_is_text(tmp_path: Path, toy: Path, archives: Path) -> None:
    source = Path(shutil.copy(toy, tmp_path / "<script>alert(1)<!--.safetensors"))
    page = export_web(tmp_path / "page", str(source), packages=archives).path
    html = (page / "index.html").read_text()
    assert "<title>&lt;script&gt;alert(1)&lt;!-- · predicted emotion in your browser</title>" in html
