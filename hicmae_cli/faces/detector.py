"""Find the faces of a frame and their landmarks."""

from __future__ import annotations

import os
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from types import TracebackType
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from hicmae_cli.bundled import bundled_file
from hicmae_cli.errors import MissingDependencyError
from hicmae_cli.faces.face import Face, box_iou
from hicmae_cli.faces.views import View, around, coarse_views, fine_views
from hicmae_cli.media import Frame

Box = tuple[float, float, float, float]

_MODEL_FILE: Final = "face_landmarker.task"
_MODEL_SHA256: Final = "64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff"
_SWEEP_S: Final = 0.8  # how often to look everywhere for small faces
_SMALL_FACE: Final = 0.15  # of the shorter side: below this the coarse views may miss a face
_READ_TIMES: Final = 2.5  # side of the view for the landmarks, in detected boxes
_SAME_FACE_IOU: Final = 0.3


class FaceDetector(Protocol):
    """Whatever finds faces, frame after frame of one video."""

    def detect(self, frame: Frame) -> list[Face]:
        """The faces of the frame, largest first."""

    def close(self) -> None:
        """Free what the detector holds. More than once does no harm."""

    def __enter__(self) -> FaceDetector:
        """Give itself."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""


class MediaPipeDetector:
    """MediaPipe's FaceLandmarker behind a search that also finds faces that are small in the picture.

    First MediaPipe's face detector (from the same model file) looks at the whole picture and at squares of
    it; then the landmarker reads a close view of each face found, and has to find the face there again.
    On its own the landmarker misses half of the faces that fill less than a tenth of the picture's width.

    Both run in IMAGE mode: each frame's landmarks depend on that frame alone, unsmoothed, as alignment wants
    them. VIDEO mode carries regions from frame to frame, which frames 0.16 s apart and cuts lead astray, and
    gains nothing: it was neither faster nor more complete (docs/assets/speech_sample.mp4, two faces, 53 of 55
    frames complete; this search: 55 of 55). Ids are the linker's task.

    Args:
        num_faces: How many faces to read at most; the largest are taken.
        blendshapes: Whether to read the 52 expression activations, too.
    """

    def __init__(self, num_faces: int = 4, blendshapes: bool = False) -> None:
        if num_faces < 1:
            raise ValueError(f"expected num_faces of at least 1, got {num_faces}")
        self._num_faces = num_faces
        self._blendshapes = blendshapes
        self._small: list[Box] = []
        self._last_sweep_s: float | None = None
        self._has_searched = self._has_read = False
        model = bundled_file(_MODEL_FILE, _MODEL_SHA256)
        with zipfile.ZipFile(model) as parts:
            search_model = parts.read("face_detector.tflite")
        with _quiet():
            mediapipe, base_options, vision = _mediapipe()
            self._mediapipe = mediapipe
            self._search = vision.FaceDetector.create_from_options(
                vision.FaceDetectorOptions(
                    base_options=base_options(model_asset_buffer=search_model), min_detection_confidence=0.5
                )
            )
            self._reader = vision.FaceLandmarker.create_from_options(
                vision.FaceLandmarkerOptions(
                    base_options=base_options(model_asset_buffer=model.read_bytes()),
                    num_faces=2,  # a neighbour may look into the view
                    # At 0.5 each, it read a face from a hand; at these, from none of 28 such finds, and from
                    # all of 99 faces.
                    min_face_detection_confidence=0.6,
                    min_face_presence_confidence=0.7,
                    output_face_blendshapes=blendshapes,
                )
            )
            # The first call starts threads that log once more.
            blank = self._image(np.zeros((64, 64, 3), np.uint8))
            self._search.detect(blank)
            self._reader.detect(blank)

    def detect(self, frame: Frame) -> list[Face]:
        """The faces of the frame, largest first. Frames are to come in order; a step back is a new video."""
        if self._reader is None:
            raise ValueError("expected an open detector, got a closed one")
        height_px, width_px = frame.rgb.shape[:2]
        views = coarse_views(width_px, height_px)
        if self._last_sweep_s is None or not 0 < frame.time_s - self._last_sweep_s < _SWEEP_S:
            self._last_sweep_s = frame.time_s
            views += fine_views(width_px, height_px)
        views += [around(box, 4.0, width_px, height_px) for box in self._small]
        with nullcontext() if self._has_searched else _quiet():  # it logs once where its memory lies
            boxes = _distinct([found for view in views for found in self._find(frame.rgb, view)])
        self._has_searched = True
        faces: list[Face] = []
        for box in boxes:
            face = self._read(frame.rgb, around(box, _READ_TIMES, width_px, height_px), box)
            if face is not None and all(box_iou(face.box_px, f.box_px) < _SAME_FACE_IOU for f in faces):
                faces.append(face)
            if len(faces) == self._num_faces:
                break
        faces.sort(key=lambda face: -face.size_px)
        small_px = _SMALL_FACE * min(width_px, height_px)
        self._small = [face.box_px for face in faces if face.size_px < small_px]
        return faces

    def close(self) -> None:
        """Free the models. Without it MediaPipe's destructor raises at interpreter exit."""
        with _quiet():
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

    def _image(self, rgb: NDArray[np.uint8]) -> Any:
        return self._mediapipe.Image(
            image_format=self._mediapipe.ImageFormat.SRGB, data=np.ascontiguousarray(rgb)
        )

    def _find(self, rgb: NDArray[np.uint8], view: View) -> Iterator[tuple[float, Box]]:
        """Score and box, in the picture's pixels, of each face that lies whole in a view."""
        height_px, width_px = rgb.shape[:2]
        shown = self._search.detect(self._image(rgb[view.top : view.bottom, view.left : view.right]))
        for found in shown.detections:
            box = found.bounding_box
            left, top = view.left + box.origin_x, view.top + box.origin_y
            right, bottom = left + box.width, top + box.height
            cut = (
                (left <= view.left > 0)
                or (top <= view.top > 0)
                or (right >= view.right and view.right < width_px)
                or (bottom >= view.bottom and view.bottom < height_px)
            )
            if not cut:
                yield float(found.categories[0].score), (left, top, right, bottom)

    def _read(self, rgb: NDArray[np.uint8], view: View, box: Box) -> Face | None:
        """The landmarks of the face in a box, seen in a view of it; None if it is no face after all."""
        with nullcontext() if self._has_read else _quiet():  # the first face makes it log, too
            read = self._reader.detect(self._image(rgb[view.top : view.bottom, view.left : view.right]))
        self._has_read = self._has_read or bool(read.face_landmarks)
        scale = np.array([view.width_px, view.height_px], np.float32)
        offset = np.array([view.left - 0.5, view.top - 0.5], np.float32)
        best: Face | None = None
        best_iou = 0.1
        for index, points in enumerate(read.face_landmarks):
            relative = np.array([(p.x, p.y) for p in points], np.float32)
            shapes = None
            if self._blendshapes:
                shapes = {c.category_name: float(c.score) for c in read.face_blendshapes[index]}
            face = Face(relative * scale + offset, shapes)
            iou = box_iou(face.box_px, box)
            if iou > best_iou:
                best, best_iou = face, iou
        return best


def _distinct(found: list[tuple[float, Box]]) -> list[Box]:
    """One box per face, largest first: of boxes that overlap, the one with the best score."""
    kept: list[Box] = []
    for _, box in sorted(found, reverse=True):
        if all(box_iou(box, other) < _SAME_FACE_IOU for other in kept):
            kept.append(box)
    return sorted(kept, key=lambda box: box[0] - box[2])


def _mediapipe() -> tuple[Any, Any, Any]:
    """The package, its BaseOptions and its vision tasks; imported late, since it takes a second."""
    os.environ.setdefault("GLOG_minloglevel", "3")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        import mediapipe
        from mediapipe.tasks.python import BaseOptions, vision
    except (ImportError, OSError) as error:
        raise MissingDependencyError(
            f"mediapipe cannot be loaded ({error}); on Debian or Ubuntu: apt install libegl1 libgles2 libgl1"
        ) from error
    return mediapipe, BaseOptions, vision


@contextmanager
def _quiet() -> Iterator[None]:
    """Send what MediaPipe's C++ writes to the standard error nowhere; no variable or flag silences it all."""
    try:
        sys.stderr.flush()
        saved = os.dup(2)
    except (OSError, ValueError, AttributeError):  # no standard error at all
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(nowhere)
