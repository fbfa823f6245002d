"""Find the faces of a frame and their landmarks."""

from __future__ import annotations

from types import TracebackType
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from hicmae_cli.faces.crops import Crop, crop_around, make_coarse_crops, make_fine_crops
from hicmae_cli.faces.face import Box, Face, box_iou
from hicmae_cli.faces.nets import build_region, find_faces, load_nets, read_blendshapes, read_landmarks
from hicmae_cli.media import Frame

# Interval of the full search for small faces.
_SWEEP_S: Final = 0.8
# The coarse crops may miss a face below this share of the shorter side.
_SMALL_FACE: Final = 0.15
# Side of the crop for the landmarks, relative to the detected box.
CLOSE_CROP_SCALE: Final = 2.5
SAME_FACE_IOU: Final = 0.3
_SEARCH_SCORE: Final = 0.5
# The detector must find the face again in the close crop. With 0.5 for each threshold, hands were read as faces; with
# these values, none of 28 such finds and all of 99 faces passed.
_READ_SCORE: Final = 0.6
_READ_PRESENCE: Final = 0.7
_READ_OVERLAP: Final = 0.5
# A second face may be partly in the crop.
_READ_RANKS: Final = 2


class FaceDetector(Protocol):
    """Finds faces, frame after frame of one video."""

    def detect(self, frame: Frame) -> list[Face]:
        """Find the faces of the frame, largest first."""

    def close(self) -> None:
        """Free the detector's memory. Further calls do nothing."""

    def __enter__(self) -> FaceDetector:
        """Return the detector."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the detector."""


class FaceFinder:
    """MediaPipe's face nets with a search that also finds small faces.

    The search net runs on the whole picture and on squares of it, then on a close crop of each face; if it finds the
    face again, the landmarks are read. MediaPipe's FaceLandmarker, which runs on the whole picture only, misses half
    of the faces that fill less than a tenth of the picture's width.

    Each frame's landmarks depend on that frame alone and are not smoothed, because alignment needs the exact points.
    Regions carried from frame to frame would lose faces at cuts and between frames 0.16 s apart. `TrackLinker` assigns
    the ids.

    Args:
        num_faces: largest number of faces to read; the largest faces come first.
        blendshapes: whether to read the 52 expression activations, too.

    Raises:
        ValueError: num_faces is less than 1.
        WeightsError: a net's file is missing or damaged.
    """

    def __init__(self, num_faces: int = 4, blendshapes: bool = False) -> None:
        if num_faces < 1:
            raise ValueError(f"expected num_faces of at least 1, got num_faces={num_faces}")
        self._num_faces = num_faces
        self._blendshapes = blendshapes
        self._small: list[Box] = []
        self._last_sweep_s: float | None = None
        self._last_rgb: NDArray[np.uint8] | None = None
        self._last_faces: list[Face] = []
        self._has_swept_last = False
        self._is_closed = False
        load_nets(blendshapes)

    def detect(self, frame: Frame) -> list[Face]:
        """Find the faces of the frame, largest first.

        Pass frames in order; a step back starts a new video. A frame with the same array as the frame before (a
        picture that stays on display) gets the same list without a search. If that search skipped small faces, the
        picture is searched again when the next search for small faces is due.

        Raises:
            ValueError: the finder is closed.
        """
        if self._is_closed:
            raise ValueError("expected an open detector, got a closed one")
        is_sweep = self._last_sweep_s is None or not 0 < frame.time_s - self._last_sweep_s < _SWEEP_S
        if frame.rgb is self._last_rgb and (self._has_swept_last or not is_sweep):
            return self._last_faces
        if is_sweep:
            self._last_sweep_s = frame.time_s
        self._has_swept_last = is_sweep
        self._last_faces = self._search(frame.rgb, is_sweep)
        self._last_rgb = frame.rgb
        small_px = _SMALL_FACE * min(frame.width_px, frame.height_px)
        self._small = [face.box_px for face in self._last_faces if face.size_px < small_px]
        return self._last_faces

    def close(self) -> None:
        """Free the last picture. The nets stay loaded for the next finder of this process."""
        self._last_rgb = None
        self._last_faces = []
        self._is_closed = True

    def __enter__(self) -> FaceFinder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _search(self, rgb: NDArray[np.uint8], is_sweep: bool) -> list[Face]:
        """Find the largest faces of a picture and read their landmarks."""
        height_px, width_px = rgb.shape[:2]
        crops = make_coarse_crops(width_px, height_px)
        if is_sweep:
            crops += make_fine_crops(width_px, height_px)
        crops += [crop_around(box, 4.0, width_px, height_px) for box in self._small]
        boxes = suppress_overlaps(_find(rgb, crops))
        faces: list[Face] = []
        while boxes and len(faces) < self._num_faces:
            count = self._num_faces - len(faces)
            for face in self._read(rgb, boxes[:count]):
                if all(box_iou(face.box_px, other.box_px) < SAME_FACE_IOU for other in faces):
                    faces.append(face)
            boxes = boxes[count:]
        return sorted(faces, key=lambda face: -face.size_px)

    def _read(self, rgb: NDArray[np.uint8], boxes: list[Box]) -> list[Face]:
        """Read the landmarks of the faces in some boxes; boxes with no face in the close crop are skipped."""
        height_px, width_px = rgb.shape[:2]
        crops = [crop_around(box, CLOSE_CROP_SCALE, width_px, height_px) for box in boxes]
        parts = [_cut_out(rgb, crop) for crop in crops]
        found = find_faces(parts, _READ_SCORE, _READ_OVERLAP)
        candidates = [
            sorted(some[:_READ_RANKS], key=lambda f: -box_iou(_move(f.box, crop), box))
            for some, crop, box in zip(found, crops, boxes, strict=True)
        ]
        read: dict[int, NDArray[np.float32]] = {}
        for rank in range(_READ_RANKS):
            left = [i for i, some in enumerate(candidates) if i not in read and len(some) > rank]
            if not left:
                break
            regions = [build_region(candidates[i][rank]) for i in left]
            landmarks, presence = read_landmarks([parts[i] for i in left], regions)
            for i, points, present in zip(left, landmarks, presence, strict=True):
                # The nets' origin is the corner of a pixel, ours is its centre.
                points_px = points + np.array([crops[i].left - 0.5, crops[i].top - 0.5], np.float32)
                if present > _READ_PRESENCE and box_iou(Face(points_px).box_px, boxes[i]) > 0.1:
                    read[i] = points_px
        order = sorted(read)
        if not self._blendshapes or not order:
            return [Face(read[i]) for i in order]
        shapes = read_blendshapes(np.stack([read[i] for i in order]))
        return [Face(read[i], some) for i, some in zip(order, shapes, strict=True)]


def suppress_overlaps(found: list[tuple[float, Box]]) -> list[Box]:
    """Keep the box with the best score among boxes that overlap -> boxes, largest first.

    Args:
        found: score and box of each find.
    """
    kept: list[Box] = []
    for _, box in sorted(found, reverse=True):
        if all(box_iou(box, other) < SAME_FACE_IOU for other in kept):
            kept.append(box)
    return sorted(kept, key=lambda box: box[0] - box[2])


def _find(rgb: NDArray[np.uint8], crops: list[Crop]) -> list[tuple[float, Box]]:
    """Find the faces that are completely inside a crop -> score and box, in the picture's pixels."""
    found = find_faces([_cut_out(rgb, crop) for crop in crops], _SEARCH_SCORE, SAME_FACE_IOU)
    return [
        (face.score, box)
        for crop, some in zip(crops, found, strict=True)
        for face in some
        if not touches_inner_edge(box := _round_box(face.box, crop), crop, rgb.shape[1], rgb.shape[0])
    ]


def touches_inner_edge(box: Box, crop: Crop, width_px: int, height_px: int) -> bool:
    """Whether a box touches an edge of its crop that is not an edge of the picture."""
    left, top, right, bottom = box
    return (
        (left <= crop.left > 0)
        or (top <= crop.top > 0)
        or (right >= crop.right and crop.right < width_px)
        or (bottom >= crop.bottom and crop.bottom < height_px)
    )


def _cut_out(rgb: NDArray[np.uint8], crop: Crop) -> NDArray[np.uint8]:
    return rgb[crop.top : crop.bottom, crop.left : crop.right]


def _move(box: Box, crop: Crop) -> Box:
    """Convert a box from a crop's pixels to the picture's."""
    return box[0] + crop.left, box[1] + crop.top, box[2] + crop.left, box[3] + crop.top


def _round_box(box: Box, crop: Crop) -> Box:
    """Convert a box from a crop to whole pixels of the picture, with its corner inside the crop, as MediaPipe does."""
    left = min(max(int(box[0]), 0), crop.width_px)
    top = min(max(int(box[1]), 0), crop.height_px)
    width_px = min(max(int(box[2] - box[0]), 0), crop.width_px)
    height_px = min(max(int(box[3] - box[1]), 0), crop.height_px)
    return _move((left, top, left + width_px, top + height_px), crop)
