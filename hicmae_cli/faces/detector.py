"""Find the faces of a frame and their landmarks."""

from __future__ import annotations

from types import TracebackType
from typing import Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from hicmae_cli.faces.crops import Crop, crop_around, make_coarse_crops, make_fine_crops
from hicmae_cli.faces.face import Box, Face, box_iou
from hicmae_cli.faces.nets import build_region, find_faces, load_nets, read_blendshapes, read_landmarks
from hicmae_cli.faces.shots import is_shot_change, make_thumbnail
from hicmae_cli.media import Frame

# Interval of the search of the whole picture while the faces of the last picture are found again near their places.
_SEARCH_S: Final = 0.48
# How long every picture is searched after a face was lost: as long as `linker` counts its place.
_SEEK_S: Final = 1.32
# Interval of the search for small faces where the picture has changed, except around known faces, and of the full one.
_SWEEP_S: Final = 0.8
_FULL_SWEEP_S: Final = 3.2
# Grey levels of a cell of the thumbnail. Half a cell of skin instead of a wall changes it by more.
_CHANGE: Final = 6.0
# Side of the crop for the landmarks, relative to the detected box.
CLOSE_CROP_SCALE: Final = 2.5
# Around the last place of a face that was lost; the coarse crops may miss it if it is small.
_LOST_CROP_SCALE: Final = 4.0
SAME_FACE_IOU: Final = 0.3
# A face that moved may overlap its last place a little only.
_FOLLOWED_IOU: Final = 0.1
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


class _Read(NamedTuple):
    """A face that was read, and the box in which the search net found it: the next picture is cut out around it."""

    face: Face
    box: Box


class FaceFinder:
    """MediaPipe's face nets with a search that also finds small faces.

    The search net runs on the whole picture and on squares of it, then on a close crop of each face; if it finds the
    face again, the landmarks are read. MediaPipe's FaceLandmarker, which runs on the whole picture only, misses half
    of the faces that fill less than a tenth of the picture's width.

    A face that was in the last picture is looked for in a close crop around its place there. The whole picture is
    searched only every `_SEARCH_S`, after a cut, while there is no face, and for a while after one was lost, so that
    a newcomer is found up to 0.32 s late at 6.25 pictures a second.

    Landmarks are not smoothed, because alignment needs the exact points. They are read in a region that follows from
    the face's own picture, never from the last one. `TrackLinker` assigns the ids.

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
        self._last_search_s: float | None = None
        self._last_sweep_s: float | None = None
        self._last_full_sweep_s: float | None = None
        self._swept: NDArray[np.float32] | None = None
        self._lost: list[tuple[float, Box]] = []
        self._thumbnail: NDArray[np.float32] | None = None
        self._last_rgb: NDArray[np.uint8] | None = None
        self._last_faces: list[Face] = []
        self._last_boxes: list[Box] = []
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
        is_sweep = _is_due(self._last_sweep_s, frame.time_s, _SWEEP_S)
        if frame.rgb is self._last_rgb and (self._has_swept_last or not is_sweep):
            return self._last_faces
        if self._last_search_s is not None and frame.time_s < self._last_search_s:
            self._last_search_s, self._last_full_sweep_s, self._thumbnail, self._lost = None, None, None, []
        thumbnail = make_thumbnail(frame.rgb)
        is_same_shot = self._thumbnail is not None and not is_shot_change(self._thumbnail, thumbnail)
        reads = self._follow(frame, self._last_boxes if is_same_shot else [])
        if is_sweep or not reads or self._lost or _is_due(self._last_search_s, frame.time_s, _SEARCH_S):
            self._last_search_s = frame.time_s
            fine = self._choose_fine_crops(frame, thumbnail, reads) if is_sweep else []
            reads = self._search(frame.rgb, reads, fine)
        self._has_swept_last = is_sweep
        self._thumbnail, self._last_rgb = thumbnail, frame.rgb
        self._last_faces, self._last_boxes = [read.face for read in reads], [read.box for read in reads]
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

    def _follow(self, frame: Frame, boxes: list[Box]) -> list[_Read]:
        """Find faces of the last picture again, each near its place, and note which are lost and when."""
        reads = self._keep_largest(self._read(frame.rgb, boxes), [])
        lost = [box for box in boxes if all(box_iou(box, read.face.box_px) < _FOLLOWED_IOU for read in reads)]
        self._lost = [(time_s, box) for time_s, box in self._lost if frame.time_s - time_s < _SEEK_S]
        self._lost = [*self._lost, *((frame.time_s, box) for box in lost)][-self._num_faces :]
        return reads

    def _choose_fine_crops(self, frame: Frame, thumbnail: NDArray[np.float32], known: list[_Read]) -> list[Crop]:
        """Choose the squares in which to look for small faces: those that have changed since the last time.

        What changes around a known face is that person, as a rule: a small face there waits for the full search.
        """
        crops, before = make_fine_crops(frame.width_px, frame.height_px), self._swept
        self._last_sweep_s, self._swept = frame.time_s, thumbnail
        if before is None or _is_due(self._last_full_sweep_s, frame.time_s, _FULL_SWEEP_S):
            self._last_full_sweep_s = frame.time_s
            return crops
        rows, columns = np.nonzero(np.abs(thumbnail - before) > _CHANGE)
        y, x = ((at + 0.5) / count for at, count in zip((rows, columns), thumbnail.shape, strict=True))
        y, x = y * frame.height_px, x * frame.width_px
        for left, top, right, bottom in (
            crop_around(read.box, CLOSE_CROP_SCALE, frame.width_px, frame.height_px) for read in known
        ):
            is_new = (x < left) | (right <= x) | (y < top) | (bottom <= y)
            y, x = y[is_new], x[is_new]
        return [c for c in crops if ((c.left <= x) & (x < c.right) & (c.top <= y) & (y < c.bottom)).any()]

    def _search(self, rgb: NDArray[np.uint8], followed: list[_Read], fine: list[Crop]) -> list[_Read]:
        """Find the largest faces of a picture and read the landmarks of those that are not followed already.

        Args:
            rgb: the picture.
            followed: its faces that were read already.
            fine: squares in which to look for small faces, too.
        """
        height_px, width_px = rgb.shape[:2]
        crops = [*make_coarse_crops(width_px, height_px), *fine]
        crops += [crop_around(box, _LOST_CROP_SCALE, width_px, height_px) for _, box in self._lost]
        reads = followed
        boxes = [
            box
            for box in suppress_overlaps(_find(rgb, crops))
            if all(box_iou(read.box, box) < SAME_FACE_IOU for read in followed)
        ]
        # A box is worth reading while there is room, or if it is wider than that of the smallest face.
        while boxes and (len(reads) < self._num_faces or _width_px(boxes[0]) > _width_px(reads[-1].box)):
            count = max(1, self._num_faces - len(reads))
            reads = self._keep_largest(self._read(rgb, boxes[:count]), reads)
            boxes = boxes[count:]
        return reads

    def _keep_largest(self, new: list[_Read], reads: list[_Read]) -> list[_Read]:
        """Add faces that are not in the list already, and keep the largest, largest first."""
        reads = list(reads)
        for each in new:
            if all(box_iou(each.face.box_px, other.face.box_px) < SAME_FACE_IOU for other in reads):
                reads.append(each)
        return sorted(reads, key=lambda read: -read.face.size_px)[: self._num_faces]

    def _read(self, rgb: NDArray[np.uint8], boxes: list[Box]) -> list[_Read]:
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
        moved: dict[int, Box] = {}
        for rank in range(_READ_RANKS):
            left = [i for i, some in enumerate(candidates) if i not in read and len(some) > rank]
            if not left:
                break
            regions = [build_region(candidates[i][rank]) for i in left]
            landmarks, presence = read_landmarks([parts[i] for i in left], regions)
            for i, points, present in zip(left, landmarks, presence, strict=True):
                # The nets' origin is the corner of a pixel, ours is its centre.
                points_px = points + np.array([crops[i].left - 0.5, crops[i].top - 0.5], np.float32)
                if present > _READ_PRESENCE and box_iou(Face(points_px).box_px, boxes[i]) > _FOLLOWED_IOU:
                    read[i], moved[i] = points_px, _move(candidates[i][rank].box, crops[i])
        order = sorted(read)
        if not self._blendshapes or not order:
            return [_Read(Face(read[i]), moved[i]) for i in order]
        shapes = read_blendshapes(np.stack([read[i] for i in order]))
        return [_Read(Face(read[i], some), moved[i]) for i, some in zip(order, shapes, strict=True)]


def _is_due(last_s: float | None, time_s: float, interval_s: float) -> bool:
    """Whether something is due again; a step back in time starts a new video."""
    return last_s is None or not 0 < time_s - last_s < interval_s


def _width_px(box: Box) -> float:
    return box[2] - box[0]


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
