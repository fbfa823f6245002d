"""From the loader's message to the command that installs the library."""

from __future__ import annotations

import os
import shutil

import pytest

from hicmae_cli.doctor.libraries import advise_installing, advise_on_import, find_missing_libraries

GLIBC = "ImportError: libGL.so.1: cannot open shared object file: No such file or directory"
MUSL = "Error loading shared library libglib-2.0.so.0: No such file or directory (needed by /x/libgio-2.0.so)"
MACOS = "dlopen(/x/cv2.abi3.so, 2): Library not loaded: @rpath/libsndfile.1.dylib\n  Referenced from: /x/liba.dylib"
ORT = "Failed to load library libonnxruntime_providers_cuda.so with error: libcublasLt.so.12: cannot open "
ORT += "shared object file: No such file or directory"


@pytest.mark.parametrize(
    ("message", "missing"),
    [
        (GLIBC, ("libGL.so.1",)),
        (MUSL, ("libglib-2.0.so.0",)),
        (MACOS, ("libsndfile.1.dylib",)),
        (ORT, ("libcublasLt.so.12",)),
        (f"{GLIBC}\n{GLIBC}\n{MUSL}", ("libGL.so.1", "libglib-2.0.so.0")),
        ("libGL.so.1: undefined symbol: x", ()),
        ("No module named 'cv2'", ()),
    ],
)
def test_the_missing_library_is_found(message: str, missing: tuple[str, ...]) -> None:
    assert find_missing_libraries(message) == missing


def use_manager(monkeypatch: pytest.MonkeyPatch, program: str, *, root: bool = False) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: f"/bin/{name}" if name == program else None)
    monkeypatch.setattr(os, "geteuid", lambda: 0 if root else 1000)


@pytest.mark.parametrize(
    ("program", "advice"),
    [
        ("apt-get", "run `sudo apt install libgl1 libglib2.0-0`"),
        ("dnf", "run `sudo dnf install glib2 libglvnd-glx`"),
        (
            "pacman",
            "install the packages that contain libGL.so.1, libgthread-2.0.so.0 (on Debian: libgl1 libglib2.0-0)",
        ),
    ],
)
def test_the_command_is_that_of_the_system(monkeypatch: pytest.MonkeyPatch, program: str, advice: str) -> None:
    use_manager(monkeypatch, program)
    assert advise_on_import(GLIBC, ["libGL.so.1", "libgthread-2.0.so.0"]) == advice


def test_the_command_fits_user_and_library(monkeypatch: pytest.MonkeyPatch) -> None:
    use_manager(monkeypatch, "apt-get", root=True)
    assert advise_installing(["libEGL.so.1"]) == "run `apt install libegl1`"
    assert advise_installing(["libfoo.so.3"]) == "install the packages that contain libfoo.so.3"
    assert "CUDA Toolkit and cuDNN that contain libcublasLt.so.12" in advise_installing(find_missing_libraries(ORT))
    use_manager(monkeypatch, "brew")
    assert advise_on_import(MACOS) == "run `brew install libsndfile`"


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ("DLL load failed while importing cv2: The specified module could not be found.", "Visual C++"),
        ("OSError: PortAudio library not found", "portaudio"),
        ("/lib/x86_64-linux-gnu/libc.so.6: version `GLIBC_2.34' not found", "older than the package"),
        ("cannot import name 'x'", ""),
    ],
)
def test_other_faults_of_loading_have_advice(message: str, words: str) -> None:
    advice = advise_on_import(message)
    assert words in advice and bool(words) == bool(advice)
