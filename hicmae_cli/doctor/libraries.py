"""System libraries: which one a failed import lacks, and the command that installs it."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence
from typing import Final

# Package of each library, by its name up to `.so` or `.dylib`: apt (Debian, Ubuntu), dnf (Fedora, RHEL), brew (macOS).
# Empty: macOS has it, or has no such library.
_PACKAGES: Final[dict[str, tuple[str, str, str]]] = {
    "libEGL": ("libegl1", "libglvnd-egl", ""),
    "libGL": ("libgl1", "libglvnd-glx", ""),
    "libGLESv2": ("libgles2", "libglvnd-gles", ""),
    "libSM": ("libsm6", "libSM", ""),
    "libX11": ("libx11-6", "libX11", ""),
    "libXext": ("libxext6", "libXext", ""),
    "libXrender": ("libxrender1", "libXrender", ""),
    "libasound": ("libasound2", "alsa-lib", ""),
    "libglib-2.0": ("libglib2.0-0", "glib2", "glib"),
    "libgobject-2.0": ("libglib2.0-0", "glib2", "glib"),
    "libgomp": ("libgomp1", "libgomp", "libomp"),
    "libgthread-2.0": ("libglib2.0-0", "glib2", "glib"),
    "libportaudio": ("libportaudio2", "portaudio", "portaudio"),
    "libsndfile": ("libsndfile1", "libsndfile", "libsndfile"),
    "libstdc++": ("libstdc++6", "libstdc++", ""),
    "libxcb": ("libxcb1", "libxcb", ""),
    "libz": ("zlib1g", "zlib", "zlib"),
}
_MANAGERS: Final = (("apt", "apt-get", 0), ("dnf", "dnf", 1), ("brew", "brew", 2))
"""Name in the command, program to look for, column of the table."""
# Of NVIDIA, with the GPU's driver or the CUDA toolkit.
_CUDA: Final = ("libcuda", "libcudart", "libcublas", "libcudnn", "libcufft", "libcurand", "libnvinfer", "libnvrtc")

_LIBRARY: Final = re.compile(r"(lib[\w+.-]*?)\.(?:so[.\d]*|[\d.]*dylib)")
_IS_MISSING: Final = re.compile(
    r"cannot open shared object file|Error loading shared library|Library not loaded|image not found", re.IGNORECASE
)


def find_missing_libraries(error: str) -> tuple[str, ...]:
    """Return the system libraries that a loader's message says are missing, as the message names them.

    Args:
        error: for example ``libGL.so.1: cannot open shared object file: No such file or directory``.
    """
    found: dict[str, None] = {}
    for line in error.splitlines():
        if _IS_MISSING.search(line):
            # The last one before the words: an earlier one is the library that wanted it.
            missing = _IS_MISSING.search(line)
            assert missing is not None
            before, after = line[: missing.start()], line[missing.end() :]
            names = [match[0] for match in _LIBRARY.finditer(before)][-1:]
            names = names or [match[0] for match in _LIBRARY.finditer(after)][:1]
            found.update(dict.fromkeys(names))
    return tuple(found)


def advise_on_import(error: str, also_missing: Sequence[str] = ()) -> str:
    """Return what to do about an import that failed; empty if only the message itself helps.

    Args:
        error: the message of the error.
        also_missing: further libraries that the same package lacks.
    """
    libraries = tuple(dict.fromkeys((*find_missing_libraries(error), *also_missing)))
    if libraries:
        return advise_installing(libraries)
    if "PortAudio library not found" in error:
        return advise_installing(("libportaudio.so.2",))
    if "DLL load failed" in error:
        return "install the Microsoft Visual C++ Redistributable (x64), and start again"
    if "GLIBC" in error and "not found" in error:
        return "this system is older than the package: use a newer one, or install an older version of the package"
    return ""


def advise_installing(libraries: Sequence[str]) -> str:
    """Return the command that installs some libraries on this system.

    Args:
        libraries: for example ``("libGL.so.1",)``.
    """
    if any(name.startswith(_CUDA) for name in libraries):
        return f"install the CUDA Toolkit and cuDNN that contain {', '.join(libraries)}"
    manager = next(((name, column) for name, program, column in _MANAGERS if shutil.which(program)), None)
    rows = [_PACKAGES.get(_stem(library)) for library in libraries]
    if manager is None or any(row is None or not row[manager[1]] for row in rows):
        known = sorted({row[0] for row in rows if row is not None})
        return f"install the packages that contain {', '.join(libraries)}" + (
            f" (on Debian: {' '.join(known)})" if known else ""
        )
    name, column = manager
    packages = " ".join(sorted({row[column] for row in rows if row is not None}))
    needs_sudo = name != "brew" and hasattr(os, "geteuid") and os.geteuid() != 0
    return f"run `{'sudo ' if needs_sudo else ''}{name} install {packages}`"


def _stem(library: str) -> str:
    match = _LIBRARY.search(library)
    return match[1] if match else library
