"""The two npm packages: fetched once, known by their hashes, and read by exact names."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from hicmae_cli.errors import SettingsError, WeightsError
from hicmae_cli.pulling.fetch import Limits
from hicmae_cli.web import packages
from hicmae_cli.web.packages import MEDIAPIPE, ONNX_RUNTIME, find_packages, unpack
from tests.pulling.host import Host, Served, serving
from tests.web.packages import describe, write_archive, write_fakes

QUICK = Limits(connect_s=2, silent_s=1, pause_s=0.01)
NAMES = ["onnxruntime-web-1.30.0.tgz", "mediapipe-tasks-vision-0.10.35.tgz"]


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    """A registry of this machine."""
    with serving() as host:
        monkeypatch.setattr(packages, "REGISTRY", host.url("/"))
        yield host


def test_they_are_fetched_once(tmp_path: Path, registry: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    fakes, seen = write_fakes(tmp_path), list[str]()
    for fake in fakes:
        address = fake.url.removeprefix(registry.url("/").rstrip("/"))
        registry.pages[address] = Served((tmp_path / fake.file_name).read_bytes(), cuts=[50])
    found = find_packages(wanted=fakes, on_package=seen.append, limits=QUICK)
    assert [path.name for path in found] == NAMES and seen == [fake.url for fake in fakes]
    assert seen[1].endswith("/@mediapipe/tasks-vision/-/tasks-vision-0.10.35.tgz")
    asked = len(registry.asked)
    monkeypatch.setenv("HICMAE_OFFLINE", "1")
    assert find_packages(wanted=fakes, limits=QUICK) == found
    assert len(registry.asked) == asked
    assert sorted(path.suffix for path in found[0].parent.iterdir()) == [".lock", ".lock", ".tgz", ".tgz"]


def test_another_file_is_refused_and_does_not_stay(tmp_path: Path, registry: Host) -> None:
    fakes = write_fakes(tmp_path)
    address = "/onnxruntime-web/-/onnxruntime-web-1.30.0.tgz"
    registry.pages[address] = Served(b"\x1f\x8b" + b"x" * 100)
    with pytest.raises(WeightsError, match=r"has the sha256 .*…, expected .*…: it is not what this version"):
        find_packages(wanted=fakes, limits=QUICK)
    registry.pages[address] = Served(b"<html>sign in</html>", type="text/html")
    with pytest.raises(WeightsError, match=r"cannot be fetched: .* If you have it, name its folder"):
        find_packages(wanted=fakes, limits=QUICK)
    assert not list(tmp_path.rglob("*.part*"))


def test_without_a_network_one_line_says_what_to_do() -> None:
    with pytest.raises(WeightsError) as refusal:
        find_packages(offline=True)
    assert str(refusal.value) == (
        "onnxruntime-web-1.30.0.tgz: is not on this machine, and the network is forbidden (offline); fetch "
        "https://registry.npmjs.org/onnxruntime-web/-/onnxruntime-web-1.30.0.tgz elsewhere, and name its folder with "
        "`packages`"
    )


def test_a_folder_of_archives_is_checked(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"packages='.*': has no onnxruntime-web-1\.30\.0\.tgz; fetch it from"):
        find_packages(tmp_path)
    fakes = write_fakes(tmp_path)
    assert [path.name for path in find_packages(tmp_path, wanted=fakes)] == NAMES
    with pytest.raises(WeightsError, match=r"onnxruntime-web-1\.30\.0\.tgz: has the sha256"):
        find_packages(tmp_path)


def test_only_the_named_files_come_out(tmp_path: Path) -> None:
    """A path that leaves the folder, and everything that the page does not need, is ignored."""
    files = {f"package/{member}": member.encode() for _, member in MEDIAPIPE.members}
    foreign = {
        "../outside": b"x",
        "/package/vision_bundle.mjs": b"x",
        "package/../../up": b"x",
        "package/more.js": b"x",
    }
    archive = write_archive(tmp_path / "a.tgz", {**foreign, **files})
    unpack(archive, describe(MEDIAPIPE, archive), tmp_path / "in" / "vendor")
    written = {
        path.relative_to(tmp_path / "in" / "vendor").as_posix(): path.read_text()
        for path in tmp_path.rglob("*")
        if path.is_file() and path != archive
    }
    assert written == dict(MEDIAPIPE.members)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE])
def test_what_is_no_file_is_refused(tmp_path: Path, kind: bytes) -> None:
    entry = tarfile.TarInfo("package/vision_bundle.mjs")
    entry.type, entry.linkname = kind, "/etc/passwd"
    archive = write_archive(tmp_path / "a.tgz", {}, entry)
    with pytest.raises(WeightsError, match=r"vision_bundle\.mjs is not a file of at most"):
        unpack(archive, MEDIAPIPE, tmp_path / "vendor")
    assert not (tmp_path / "vendor").exists()


def test_an_archive_that_lacks_a_file_or_is_none(tmp_path: Path) -> None:
    archive = write_archive(tmp_path / "a.tgz", {"package/dist/ort.wasm.min.mjs": b"x"})
    with pytest.raises(WeightsError, match=r"has no package/dist/ort-wasm-simd-threaded\.mjs, "):
        unpack(archive, ONNX_RUNTIME, tmp_path / "vendor")
    archive.write_bytes(b"no archive")
    with pytest.raises(WeightsError, match="is no archive of npm"):
        unpack(archive, ONNX_RUNTIME, tmp_path / "vendor")
