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
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hicmae_cli.faces.detector import distinct, is_cut
from hicmae_cli.faces.face import Box, Face, box_iou
from hicmae_cli.faces.views import View, around, coarse_views, fine_views

MODEL = Path(__file__).with_name("face_landmarker.task")
NOWHERE = "http://127.0.0.1:9"


class Reference:
    """MediaPipe's FaceDetector on the views of a picture, then its FaceLandmarker on a view of each face."""

    def __init__(self) -> None:
        from mediapipe import Image, ImageFormat
        from mediapipe.tasks.python import BaseOptions, vision

        def image(rgb: NDArray[np.uint8]) -> Any:
            return Image(image_format=ImageFormat.SRGB, data=np.ascontiguousarray(rgb))

        self._image = image
        with zipfile.ZipFile(MODEL) as parts:
            search_model = parts.read("face_detector.tflite")
        self.search = vision.FaceDetector.create_from_options(
            vision.FaceDetectorOptions(
                base_options=BaseOptions(model_asset_buffer=search_model), min_detection_confidence=0.5
            )
        )
        self.reader = vision.FaceLandmarker.create_from_options(
            vision.FaceLandmarkerOptions(
                base_options=BaseOptions(model_asset_buffer=MODEL.read_bytes()),
                num_faces=2,
                min_face_detection_confidence=0.6,
                min_face_presence_confidence=0.7,
                output_face_blendshapes=True,
            )
        )

    def close(self) -> None:
        """Without it MediaPipe's destructor raises at interpreter exit."""
        self.search.close()
        self.reader.close()

    def detect(self, rgb: NDArray[np.uint8]) -> list[Face]:
        """All faces, largest first, as `FaceFinder` finds them in a first frame."""
        height_px, width_px = rgb.shape[:2]
        views = coarse_views(width_px, height_px) + fine_views(width_px, height_px)
        faces: list[Face] = []
        for box in distinct([found for view in views for found in self._find(rgb, view)]):
            face = self._read(rgb, around(box, 2.5, width_px, height_px), box)
            if face is not None and all(box_iou(face.box_px, other.box_px) < 0.3 for other in faces):
                faces.append(face)
        return sorted(faces, key=lambda face: -face.size_px)

    def _find(self, rgb: NDArray[np.uint8], view: View) -> list[tuple[float, Box]]:
        shown = self.search.detect(self._image(rgb[view.top : view.bottom, view.left : view.right]))
        found: list[tuple[float, Box]] = []
        for one in shown.detections:
            left, top = view.left + one.bounding_box.origin_x, view.top + one.bounding_box.origin_y
            box = (left, top, left + one.bounding_box.width, top + one.bounding_box.height)
            if not is_cut(box, view, rgb.shape[1], rgb.shape[0]):
                found.append((float(one.categories[0].score), box))
        return found

    def _read(self, rgb: NDArray[np.uint8], view: View, box: Box) -> Face | None:
        read = self.reader.detect(self._image(rgb[view.top : view.bottom, view.left : view.right]))
        best: Face | None = None
        best_iou = 0.1
        for points, shapes in zip(read.face_landmarks, read.face_blendshapes, strict=True):
            landmarks = np.array([(p.x, p.y) for p in points]) * (view.width_px, view.height_px)
            landmarks_px = (landmarks + np.array([view.left - 0.5, view.top - 0.5])).astype(np.float32)
            face = Face(landmarks_px, {c.category_name: float(c.score) for c in shapes})
            iou = box_iou(face.box_px, box)
            if iou > best_iou:
                best, best_iou = face, iou
        return best


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
    reference = Reference()
    with np.load(source) as pictures:
        for name in pictures.files:
            faces = reference.detect(pictures[name])
            found[name] = np.array([face.landmarks_px for face in faces], np.float32).reshape(-1, 478, 2)
            shapes = [list(face.blendshapes.values()) for face in faces if face.blendshapes]
            found[f"{name}/blendshapes"] = np.array(shapes, np.float32).reshape(-1, 52)
            for face in faces:
                found["names"] = np.array(list(face.blendshapes or ()))
    reference.close()
    np.savez_compressed(target, **found)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
