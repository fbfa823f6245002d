"""What MediaPipe itself reads in pictures, to compare the face finder with.

    python -m tests.faces.mediapipe_reference PICTURES.npz OUTPUT.npz

reads every (H, W, 3) array of PICTURES and writes, under the same name, the landmarks (faces, 478, 2) and
blendshapes (faces, 52). MediaPipe reports every use to Google, so it runs in a process of its own, without network.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hicmae_cli.bundled import find_bundled_file
from hicmae_cli.faces.face import Face
from hicmae_cli.faces.mediapipe_detector import MediaPipeDetector
from hicmae_cli.media import Frame

MODEL = find_bundled_file("face_landmarker.task")
NOWHERE = "http://127.0.0.1:9"


def read_pictures(pictures: Mapping[str, NDArray[np.uint8]]) -> dict[str, list[Face]]:
    """What MediaPipe finds in each picture, without network."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "in.npz", Path(folder) / "out.npz"
        np.savez(source, **dict(pictures))  # type: ignore[arg-type]
        proxies = dict.fromkeys(("https_proxy", "http_proxy", "all_proxy"), NOWHERE)
        command = [sys.executable, "-m", "tests.faces.mediapipe_reference", str(source), str(target)]
        done = subprocess.run(
            command,
            env={**os.environ, **proxies},
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr[-2000:]
        return load(target)


def load(path: Path) -> dict[str, list[Face]]:
    """What `main` has written."""
    with np.load(path) as arrays:
        names = arrays["names"].tolist()
        return {
            key: [
                Face(landmarks, dict(zip(names, map(float, shapes), strict=True)))
                for landmarks, shapes in zip(arrays[key], arrays[f"{key}/blendshapes"], strict=True)
            ]
            for key in arrays.files
            if key != "names" and not key.endswith("/blendshapes")
        }


def main(source: Path, target: Path) -> None:
    """Read the pictures of one file and write what was found to another."""
    found: dict[str, Any] = {}
    with np.load(source) as pictures, MediaPipeDetector(MODEL, num_faces=100, blendshapes=True) as detector:
        for name in pictures.files:
            faces = detector.detect(Frame(0.0, pictures[name]))
            found[name] = np.array([face.landmarks_px for face in faces], np.float32).reshape(-1, 478, 2)
            shapes = [list(face.blendshapes.values()) for face in faces if face.blendshapes]
            found[f"{name}/blendshapes"] = np.array(shapes, np.float32).reshape(-1, 52)
            for face in faces:
                found["names"] = np.array(list(face.blendshapes or ()))
    np.savez_compressed(target, **found)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
