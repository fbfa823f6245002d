"""Write the browser page: the model, the face nets, two runtimes and the page's own scripts, in one folder."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Final

from hicmae_cli.bundled import DEFAULT_WEIGHT, find_bundled_file
from hicmae_cli.errors import SettingsError, one_line
from hicmae_cli.faces.nets import NET_SHA256
from hicmae_cli.files import compute_sha256, write_text_atomically
from hicmae_cli.pulling.fetch import OnBytes
from hicmae_cli.report.html.page import read_asset, write_colours
from hicmae_cli.report.palette import label_colours
from hicmae_cli.speaking.voice import VOICE_NET, VOICE_NET_SHA256
from hicmae_cli.web.about import ABOUT_SCHEMA, describe_page
from hicmae_cli.web.packages import MEDIAPIPE, ONNX_RUNTIME, PACKAGES, find_packages, unpack
from hicmae_cli.weights.info import WeightInfo
from hicmae_cli.weights.reading import find_parameters, read_info
from hicmae_cli.weights.suffixes import WEIGHT_SUFFIXES

TASK: Final = "face_landmarker.task"
TASK_SHA256: Final = "64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff"
_DETECTOR: Final = "face_detector.tflite"
_LANDMARKS: Final = "face_landmarks.onnx"
_ROOM: Final = "hicmae_cli.web"
_ABOUT: Final = Path("model", "about.json")
_PARTS: Final = ("index.html", "style.css", "app", "model", "vendor", "licences")
"""All that the folder has: what else is in it is somebody else's."""
POLICY: Final = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self' blob:; connect-src 'self'; "
    "style-src 'self'; img-src 'self' blob: data:; media-src 'self' blob: mediastream:; base-uri 'none'; "
    "form-action 'none'"
)
"""What the page may do: run its own files and ask its own server; nothing else. Its worker inherits this policy."""


@dataclass(frozen=True)
class WebExport:
    """A browser page that was written.

    Attributes:
        path: its folder.
        weight: name of its weight.
        size_bytes: of all files.
        max_probability_difference: largest difference of the model's graph from hicmae's own path, on seeded clips;
            None for a regression.
    """

    path: Path
    weight: str
    size_bytes: int
    max_probability_difference: float | None


def export_web(
    folder: str | Path,
    weights: str = DEFAULT_WEIGHT,
    *,
    packages: str | Path | None = None,
    offline: bool | None = None,
    on_package: Callable[[str], None] = lambda _: None,
    on_bytes: OnBytes = lambda *_: None,
) -> WebExport:
    """Write a page with which a browser predicts videos and cameras on its own; it sends nothing anywhere.

    The folder needs a web server, of any kind, because browsers load no WebAssembly from the disk. The two runtimes
    (ONNX Runtime Web, MediaPipe Tasks Vision) are fetched from the npm registry once and known by their hashes.

    Args:
        folder: where the page goes. It appears whole or not at all; a page that hicmae wrote there before is replaced,
            unless there are other files beside it.
        weights: a name, a file, or the folder of a training run.
        packages: folder with the archives of the two packages; by default they are fetched to ``HICMAE_HOME``.
        offline: fetch nothing; by default as ``HICMAE_OFFLINE`` says.
        on_package: called with the address of each package before it is fetched.
        on_bytes: called with the bytes that are there, and all of them.

    Raises:
        SettingsError: the folder holds files that hicmae did not write or cannot be replaced, or a package is not in
            its folder.
        WeightsError: the weight cannot be read or exported, or a package cannot be fetched or has another hash.
    """
    target = Path(folder)
    _refuse_foreign(target)
    if Path.cwd().is_relative_to(target.resolve()) or os.path.ismount(target):
        inside = target / "page"
        raise SettingsError(f"{target}: cannot be replaced while it is in use; choose a folder in it, such as {inside}")
    source = find_parameters(weights, "export")
    info = read_info(str(source))
    # Not the path: others will see the page.
    name = Path(weights).stem if weights.endswith(WEIGHT_SUFFIXES) else Path(weights).absolute().name
    describe_page(name, info, "")  # a weight that predicts nothing is refused before anything is fetched
    archives = find_packages(packages, offline=offline, on_package=on_package, on_bytes=on_bytes)
    target.parent.mkdir(parents=True, exist_ok=True)
    ready = target.parent / f".hicmae-{secrets.token_hex(8)}"
    try:
        for archive, package in zip(archives, PACKAGES, strict=True):
            unpack(archive, package, ready / "vendor")
        difference = _write_model(ready / "model", source, info, name)
        _write_page(ready, name, info)
        _write_licences(ready / "licences", name, info)
        size = sum(path.stat().st_size for path in ready.rglob("*") if path.is_file())
        _replace(target, ready)
    finally:
        shutil.rmtree(ready, ignore_errors=True)
    return WebExport(target, name, size, difference)


def _refuse_foreign(target: Path) -> None:
    """Check that nothing of somebody else would be lost.

    Raises:
        SettingsError: it would.
    """
    if target.is_symlink() or (target.exists() and not target.is_dir()):
        raise SettingsError(f"{target}: is not a folder; choose another name")
    names = sorted(path.name for path in target.iterdir()) if target.is_dir() else []
    foreign = [name for name in names if name not in _PARTS]
    if foreign or (names and not _is_page(target)):
        such = f", such as {one_line(foreign[0])}" if foreign else ""
        raise SettingsError(f"{target}: holds files that hicmae did not write{such}; choose a new folder")


def _is_page(folder: Path) -> bool:
    try:
        about = json.loads((folder / _ABOUT).read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(about, dict) and about.get("schema") == ABOUT_SCHEMA


def _replace(target: Path, ready: Path) -> None:
    """Put the finished folder in its place.

    Raises:
        SettingsError: meanwhile, somebody else wrote to the folder.
        OSError: the folder cannot be moved; it is as it was.
    """
    _refuse_foreign(target)
    if not target.exists():
        ready.rename(target)
        return
    old = ready.with_name(f"{ready.name}.old")
    target.rename(old)
    try:
        ready.rename(target)
    except OSError:
        old.rename(target)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _write_model(folder: Path, source: Path, info: WeightInfo, name: str) -> float | None:
    """Write the model's graph and the nets around it -> the largest difference of a probability."""
    # It imports torch.
    from hicmae_cli.exporting.export import export_onnx

    folder.mkdir(parents=True)
    report = export_onnx(source, folder / "model.onnx", store="float16", with_front_end=True)
    write_text_atomically(folder / _ABOUT.name, json.dumps(describe_page(name, info, compute_sha256(source))))
    nets = {TASK: TASK_SHA256, VOICE_NET: VOICE_NET_SHA256, _LANDMARKS: NET_SHA256[_LANDMARKS]}
    for file, sha256 in nets.items():
        shutil.copyfile(find_bundled_file(file, sha256), folder / file)
    # MediaPipe's detector task takes the net by itself.
    with zipfile.ZipFile(folder / TASK) as parts:
        (folder / _DETECTOR).write_bytes(parts.read(_DETECTOR))
    return report.max_probability_difference


def _write_page(folder: Path, name: str, info: WeightInfo) -> None:
    """Write the page, its style and its scripts."""
    assets = files(_ROOM).joinpath("page")
    for asset in assets.iterdir():
        if asset.name.endswith(".js"):
            write_text_atomically(folder / "app" / asset.name, asset.read_text("utf-8"))
    template = Template(assets.joinpath("index.html").read_text("utf-8"))
    write_text_atomically(folder / "index.html", template.substitute(policy=escape(POLICY), name=escape(name)))
    # The colours and letters are those of the report.
    style = read_asset("style.css") + assets.joinpath("page.css").read_text("utf-8")
    style += write_colours(label_colours(info.labels))
    write_text_atomically(folder / "style.css", style)


def _write_licences(folder: Path, name: str, info: WeightInfo) -> None:
    """Write the licences of everything in the folder, and a list of what has which."""
    texts = files(_ROOM).joinpath("licences")
    for text in texts.iterdir():
        write_text_atomically(folder / text.name, text.read_text("utf-8"))
    for note in ("face_nets.LICENCE.md", "voice_activity.LICENCE.md"):
        write_text_atomically(folder / note, find_bundled_file(note).read_text("utf-8"))
    rows = [
        ("model/model.onnx", f"the weight {name}: {info.licence}", ""),
        (f"model/{TASK}, {_DETECTOR}, {_LANDMARKS}", "Apache-2.0, Google LLC", "face_nets.LICENCE.md"),
        (f"model/{VOICE_NET}", "MIT", "voice_activity.LICENCE.md"),
        ("vendor/onnxruntime-web", f"MIT, Microsoft, version {ONNX_RUNTIME.version}", "onnxruntime-web.txt"),
        ("vendor/tasks-vision", f"Apache-2.0, Google LLC, version {MEDIAPIPE.version}", "Apache-2.0.txt"),
        ("index.html, style.css, app", "MIT, hicmae", ""),
    ]
    lines = [f"- `{place}`: {licence}{f' (`{file}`)' if file else ''}" for place, licence, file in rows]
    notices = f"https://github.com/microsoft/onnxruntime/blob/v{ONNX_RUNTIME.version}/ThirdPartyNotices.txt"
    head = "# Licences of the files in this folder"
    foot = f"ONNX Runtime contains software of others: {notices}"
    write_text_atomically(folder / "README.txt", "\n\n".join([head, "\n".join(lines), foot]) + "\n")
