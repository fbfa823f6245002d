"""MediaPipe's own runtime as a face finder, for comparison with the default one. It needs the extra ``mediapipe``."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hicmae_cli.errors import MissingDependencyError
from hicmae_cli.faces.crops import Crop, crop_around, make_coarse_crops, make_fine_crops
from hicmae_cli.faces.detector import CLOSE_CROP_SCALE, SAME_FACE_IOU, suppress_overlaps, touches_inner_edge
from hicmae_cli.faces.face import Box, Face, box_iou
from hicmae_cli.media import Frame


class MediaPipeDetector:
    """MediaPipe's FaceDetector on crops of a picture, then its FaceLandmarker on a close crop of each face.

    It finds the same faces as `FaceFinder`, more slowly. **MediaPipe reports every use to Google**, which cannot be
    disabled, so no command of hicmae uses this class. If no data may leave the machine, run it without network access.

    Args:
        model: MediaPipe's ``face_landmarker.task``.
        num_faces: largest number of faces to read; the largest faces come first.
        blendshapes: whether to read the 52 expression activations, too.

    Raises:
        MissingDependencyError: the package mediapipe, or a system library that it needs, cannot be loaded.
    """

    def __init__(self, model: Path, num_faces: int = 4, blendshapes: bool = False) -> None:
        os.environ.setdefault("GLOG_minloglevel", "3")
        try:
            import mediapipe
            from mediapipe.tasks.python import BaseOptions, vision
        except (ImportError, OSError) as error:
            raise MissingDependencyError(
                f"mediapipe cannot be loaded ({error}); run pip install '.[mediapipe]', and on Debian or Ubuntu "
                "apt install libegl1 libgles2 libgl1"
            ) from error
        self._mediapipe: Any = mediapipe
        self._num_faces, self._blendshapes = num_faces, blendshapes
        with zipfile.ZipFile(model) as parts:
            search_model = parts.read("face_detector.tflite")
        self._search = vision.FaceDetector.create_from_options(
            vision.FaceDetectorOptions(
                base_options=BaseOptions(model_asset_buffer=search_model), min_detection_confidence=0.5
            )
        )
        self._reader = vision.FaceLandmarker.create_from_options(
            vision.FaceLandmarkerOptions(
                base_options=BaseOptions(model_asset_buffer=model.read_bytes()),
                num_faces=2,
                min_face_detection_confidence=0.6,
                min_face_presence_confidence=0.7,
                output_face_blendshapes=blendshapes,
            )
        )

    def detect(self, frame: Frame) -> list[Face]:
        """Find the faces of the frame, largest first."""
        crops = make_coarse_crops(frame.width_px, frame.height_px) + make_fine_crops(frame.width_px, frame.height_px)
        faces: list[Face] = []
        for box in suppress_overlaps([found for crop in crops for found in self._find(frame.rgb, crop)]):
            face = self._read(frame.rgb, crop_around(box, CLOSE_CROP_SCALE, frame.width_px, frame.height_px), box)
            if face is not None and all(box_iou(face.box_px, other.box_px) < SAME_FACE_IOU for other in faces):
                faces.append(face)
            if len(faces) == self._num_faces:
                break
        return sorted(faces, key=lambda face: -face.size_px)

    def close(self) -> None:
        """Free the models. Without this call, MediaPipe's destructor raises at interpreter exit."""
        for task in (self._search, self._reader):
            if task is not None:
                task.close()
        self._search = self._reader = None

    def __enter__(self) -> MediaPipeDetector:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _cut_out(self, rgb: NDArray[np.uint8], crop: Crop) -> Any:
        part = np.ascontiguousarray(rgb[crop.top : crop.bottom, crop.left : crop.right])
        return self._mediapipe.Image(image_format=self._mediapipe.ImageFormat.SRGB, data=part)

    def _find(self, rgb: NDArray[np.uint8], crop: Crop) -> list[tuple[float, Box]]:
        """Find the faces that are completely inside a crop -> score and box, in the picture's pixels."""
        found: list[tuple[float, Box]] = []
        for one in self._search.detect(self._cut_out(rgb, crop)).detections:
            left, top = crop.left + one.bounding_box.origin_x, crop.top + one.bounding_box.origin_y
            box = (left, top, left + one.bounding_box.width, top + one.bounding_box.height)
            if not touches_inner_edge(box, crop, rgb.shape[1], rgb.shape[0]):
                found.append((float(one.categories[0].score), box))
        return found

    def _read(self, rgb: NDArray[np.uint8], crop: Crop, box: Box) -> Face | None:
        """Read the landmarks of the face in a box from a crop around it; None if there is no face."""
        read = self._reader.detect(self._cut_out(rgb, crop))
        faces = []
        for index, points in enumerate(read.face_landmarks):
            landmarks = np.array([(p.x, p.y) for p in points]) * (crop.width_px, crop.height_px)
            landmarks_px = (landmarks + np.array([crop.left - 0.5, crop.top - 0.5])).astype(np.float32)
            shapes = None
            if self._blendshapes:
                shapes = {c.category_name: float(c.score) for c in read.face_blendshapes[index]}
            faces.append(Face(landmarks_px, shapes))
        best = max(faces, key=lambda face: box_iou(face.box_px, box), default=None)
        return best if best is not None and box_iou(best.box_px, box) > 0.1 else None
