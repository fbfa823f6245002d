"""The two npm packages that the browser page runs on: fetched once, known by their hashes, and read by exact names."""

from __future__ import annotations

import shutil
import tarfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from filelock import FileLock

from hicmae_cli.errors import SettingsError, WeightsError, first_line
from hicmae_cli.files import compute_sha256, write_atomically
from hicmae_cli.pulling.fetch import DEFAULT_LIMITS, Limits, OnBytes, SourceError, fetch, forget, make_session
from hicmae_cli.pulling.pull import is_offline
from hicmae_cli.weights.catalogue import locate_store
from hicmae_cli.weights.sources import parse_source

REGISTRY: Final = "https://registry.npmjs.org/"
_MAX_MEMBER_BYTES: Final = 50_000_000
# npm puts every file of a package below this folder.
_TOP: Final = "package"


@dataclass(frozen=True)
class Package:
    """An npm package of one version.

    Attributes:
        name: as in the registry.
        version: of the package.
        sha256: hash of its archive, in hexadecimal.
        size_bytes: size of its archive.
        members: the files that the page needs, by where they go in the folder ``vendor``.
    """

    name: str
    version: str
    sha256: str
    size_bytes: int
    members: tuple[tuple[str, str], ...]

    @property
    def file_name(self) -> str:
        """Name of the archive, as ``npm pack`` writes it."""
        return f"{self.name.removeprefix('@').replace('/', '-')}-{self.version}.tgz"

    @property
    def url(self) -> str:
        """Where the registry has the archive."""
        return f"{REGISTRY}{self.name}/-/{self.name.rpartition('/')[2]}-{self.version}.tgz"


ONNX_RUNTIME: Final = Package(
    name="onnxruntime-web",
    version="1.30.0",
    sha256="d2228df7e4616bc3348bf504ee888f3bec43789a273f0a63f3e68d203ce3bf71",
    size_bytes=33_106_585,
    members=tuple(
        (f"onnxruntime-web/{name}", f"dist/{name}")
        for name in ("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm")
    ),
)
# Version 1 reports every use to Google; this is the last one that does not.
MEDIAPIPE: Final = Package(
    name="@mediapipe/tasks-vision",
    version="0.10.35",
    sha256="84597a25e13d123b5f4cbe768bb72e97a2c28c7a465f0ace287d8cbe5246bff0",
    size_bytes=10_231_005,
    members=tuple(
        (f"tasks-vision/{name}", name)
        for name in (
            "vision_bundle.mjs",
            "wasm/vision_wasm_module_internal.js",
            "wasm/vision_wasm_module_internal.wasm",
        )
    ),
)
PACKAGES: Final = (ONNX_RUNTIME, MEDIAPIPE)


def find_packages(
    folder: str | Path | None = None,
    *,
    offline: bool | None = None,
    wanted: Sequence[Package] = PACKAGES,
    on_package: Callable[[str], None] = lambda _: None,
    on_bytes: OnBytes = lambda *_: None,
    limits: Limits = DEFAULT_LIMITS,
) -> list[Path]:
    """Find the archives of the packages, and fetch those that are not on this machine.

    Args:
        folder: has the archives; by default ``packages`` in ``HICMAE_HOME``, to which they are fetched.
        offline: fetch nothing; by default as ``HICMAE_OFFLINE`` says.
        wanted: which packages.
        on_package: called with the address of each archive before it is fetched.
        on_bytes: called with the bytes that are there, and all of them.
        limits: of the download.

    Returns:
        The archives, in the order wanted; each has the right hash.

    Raises:
        SettingsError: an archive is not in the given folder.
        WeightsError: an archive has another hash, or cannot be fetched.
    """
    if folder is not None:
        return [_check(Path(folder), package) for package in wanted]
    store = locate_store().parent / "packages"
    found = []
    for package in wanted:
        path = store / package.file_name
        if not path.is_file() or compute_sha256(path) != package.sha256:
            if is_offline(offline):
                raise WeightsError(
                    f"{package.file_name}: is not on this machine, and the network is forbidden (offline); fetch "
                    f"{package.url} elsewhere, and name its folder with `packages`"
                )
            on_package(package.url)
            _fetch(package, path, on_bytes, limits)
        found.append(path)
    return found


def _check(folder: Path, package: Package) -> Path:
    path = folder / package.file_name
    if not path.is_file():
        raise SettingsError(f"packages={str(folder)!r}: has no {package.file_name}; fetch it from {package.url}")
    if (found := compute_sha256(path)) != package.sha256:
        raise WeightsError(f"{path}: has the sha256 {found[:12]}…, expected {package.sha256[:12]}…; fetch it again")
    return path


def _fetch(package: Package, path: Path, on_bytes: OnBytes, limits: Limits) -> None:
    """Fetch an archive; other processes that fetch the same one wait."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    with FileLock(path.with_suffix(".lock")):
        if path.is_file() and compute_sha256(path) == package.sha256:
            return
        try:
            most = replace(limits, max_bytes=package.size_bytes)
            fetch(parse_source(package.url), part, make_session(), on_bytes, most)
        except SourceError as error:
            raise WeightsError(
                f"{package.file_name}: cannot be fetched: {first_line(error)}. If you have it, name its folder with "
                "`packages`"
            ) from error
        if (found := compute_sha256(part)) != package.sha256:
            forget(part)
            raise WeightsError(
                f"{package.url}: has the sha256 {found[:12]}…, expected {package.sha256[:12]}…: it is not what "
                "this version of hicmae knows"
            )
        part.replace(path)
        forget(part)


def unpack(archive: Path, package: Package, folder: Path) -> None:
    """Write the files that the page needs; everything else in the archive is ignored.

    Args:
        archive: of the package; its hash was checked.
        package: which one.
        folder: ``vendor`` in the folder of the page.

    Raises:
        WeightsError: a file is missing, or is no plain file of a sensible size.
    """
    wanted = {f"{_TOP}/{member}": place for place, member in package.members}
    try:
        with tarfile.open(archive, "r:gz") as tar:
            for entry in tar:
                place = wanted.get(entry.name)
                if place is None:
                    continue
                stream = tar.extractfile(entry) if entry.isfile() and entry.size <= _MAX_MEMBER_BYTES else None
                if stream is None:
                    raise WeightsError(f"{archive}: {entry.name} is not a file of at most {_MAX_MEMBER_BYTES} bytes")
                with write_atomically(folder / place) as temporary, temporary.open("wb") as written:
                    shutil.copyfileobj(stream, written)
                del wanted[entry.name]
    except (tarfile.TarError, EOFError) as error:
        raise WeightsError(f"{archive}: is no archive of npm: {first_line(error)}") from error
    if wanted:
        raise WeightsError(f"{archive}: has no {', '.join(wanted)}")
