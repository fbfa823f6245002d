"""MediaPipe's three face nets in ONNX Runtime: find faces, read their landmarks, read their expression.

The files were converted from MediaPipe's face_landmarker.task (weights/face_nets.LICENCE.md). The steps before and
after each net are those of MediaPipe's FaceDetector and FaceLandmarker, so boxes and landmarks are the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Any, Final, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from hicmae_cli.bundled import find_bundled_file
from hicmae_cli.faces.align import CV2_SIDE_PX
from hicmae_cli.faces.face import Box
from hicmae_cli.onnx_runtime import open_session

_DETECTOR: Final = "face_detector.onnx"
_LANDMARKS: Final = "face_landmarks.onnx"
_BLENDSHAPES: Final = "face_blendshapes.onnx"
NET_SHA256: Final = {
    _DETECTOR: "24c6df9d330fda68dd89b3ec9905ed1847006f34415b70b88868c897f173abb7",
    _LANDMARKS: "4bb1759aee46d3a0371c29d67becd5f701cc3feef44e28be08240ae76ccc8d22",
    _BLENDSHAPES: "4e8a97996d518185428f7aaf42b09494f375300386f4d337acc739eae14b031e",
}
"""Files of the nets that ship with the package, with the hashes of their content."""
_BLENDSHAPE_NAMES: Final = """
_neutral browDownLeft browDownRight browInnerUp browOuterUpLeft browOuterUpRight cheekPuff cheekSquintLeft
cheekSquintRight eyeBlinkLeft eyeBlinkRight eyeLookDownLeft eyeLookDownRight eyeLookInLeft eyeLookInRight
eyeLookOutLeft eyeLookOutRight eyeLookUpLeft eyeLookUpRight eyeSquintLeft eyeSquintRight eyeWideLeft eyeWideRight
jawForward jawLeft jawOpen jawRight mouthClose mouthDimpleLeft mouthDimpleRight mouthFrownLeft mouthFrownRight
mouthFunnel mouthLeft mouthLowerDownLeft mouthLowerDownRight mouthPressLeft mouthPressRight mouthPucker mouthRight
mouthRollLower mouthRollUpper mouthShrugLower mouthShrugUpper mouthSmileLeft mouthSmileRight mouthStretchLeft
mouthStretchRight mouthUpperUpLeft mouthUpperUpRight noseSneerLeft noseSneerRight
"""
BLENDSHAPES: Final = tuple(_BLENDSHAPE_NAMES.split())
"""Names of the expression activations, in the net's order."""
_SEARCH_PX: Final = 128
_READ_PX: Final = 256
# In an upright picture; landmarks of the irises' centres.
_LEFT_IRIS: Final = 468
_RIGHT_IRIS: Final = 473
# Side of the region for the landmarks, relative to the found box.
_REGION_SCALE: Final = 1.5


class Found(NamedTuple):
    """A face that the search net found, in pixels of the picture with (0, 0) at its top left corner.

    Attributes:
        score: the net's confidence, 0 to 1.
        box: left, top, right, bottom: brows to chin.
        eyes: (2, 2) x, y of the eyes; first the left one in an upright picture.
    """

    score: float
    box: Box
    eyes: NDArray[np.float32]


class Region(NamedTuple):
    """A rotated rectangle in a picture, in pixels with (0, 0) at the picture's top left corner."""

    x: float
    y: float
    width_px: float
    height_px: float
    angle_rad: float


def find_faces(pictures: Sequence[NDArray[np.uint8]], min_score: float, max_overlap: float) -> list[list[Found]]:
    """Find the faces of each picture that fill at least an eighth of its longer side, best first.

    Args:
        pictures: each (H, W, 3) uint8, of any size.
        min_score: lowest score of a face, 0 to 1.
        max_overlap: boxes with a larger intersection over union belong to one face and are averaged.

    Raises:
        WeightsError: the net's file is missing or damaged.
    """
    net = _open_net(_DETECTOR)
    found: list[list[Found]] = []
    # One at a time: several leave the processor's cache, and each takes a third longer.
    for picture in pictures:
        height_px, width_px = picture.shape[:2]
        side = max(height_px, width_px)
        boxes, scores = net.run(["boxes", "scores"], {"pictures": _cut_out_whole(picture)[None]})
        corner = np.array([width_px - side, height_px - side], np.float32) / np.float32(2)
        found.append(_decode(boxes[0], scores[0], min_score, max_overlap, side, corner))
    return found


def build_region(found: Found) -> Region:
    """Build the region in which to read a face's landmarks, aligned with its eyes."""
    left, top, right, bottom = found.box
    (x0, y0), (x1, y1) = found.eyes
    width_px, height_px = (right - left) * _REGION_SCALE, (bottom - top) * _REGION_SCALE
    angle = float(np.arctan2(y1 - y0, x1 - x0))
    return Region((left + right) / 2, (top + bottom) / 2, width_px, height_px, angle)


def build_region_around(landmarks_px: NDArray[np.float32]) -> Region:
    """Build the region in which to read a known face's landmarks again.

    Args:
        landmarks_px: (478, 2) points as in `Face`, of the same picture or of one shortly before or after.
    """
    (left, top), (right, bottom) = landmarks_px.min(axis=0), landmarks_px.max(axis=0)
    dx, dy = landmarks_px[_RIGHT_IRIS] - landmarks_px[_LEFT_IRIS]
    side_px = float(max(right - left, bottom - top)) * _REGION_SCALE
    # From a pixel's centre to its corner.
    x, y = float(left + right) / 2 + 0.5, float(top + bottom) / 2 + 0.5
    return Region(x, y, side_px, side_px, float(np.arctan2(dy, dx)))


def read_landmarks(
    pictures: Sequence[NDArray[np.uint8]], regions: Sequence[Region]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Read the landmarks of the face in each region, and whether there is one.

    Args:
        pictures: N pictures, each (H, W, 3) uint8, of any size.
        regions: the region of the face in each picture.

    Returns:
        (N, 478, 2) x, y in pixels of the picture with (0, 0) at its top left corner, and (N,) the probability
        that the region shows a face.

    Raises:
        WeightsError: the net's file is missing or damaged.
    """
    net = _open_net(_LANDMARKS)
    landmarks = np.empty((len(regions), 478, 2), np.float32)
    presence = np.empty(len(regions), np.float32)
    # One at a time, as in `find_faces`.
    for index, (picture, region) in enumerate(zip(pictures, regions, strict=True)):
        points, logits = net.run(["landmarks", "presence"], {"pictures": _cut_out_region(picture, region)[None]})
        matrix = _to_picture(region)
        landmarks[index] = points[0, :, :2] @ matrix[:, :2].T + matrix[:, 2]
        presence[index] = _sigmoid(logits)[0]
    return landmarks, presence


def read_blendshapes(landmarks: NDArray[np.float32]) -> list[dict[str, float]]:
    """Read the 52 expression activations, 0 to 1 by name, from (N, 478, 2) landmarks in pixels with any origin.

    Raises:
        WeightsError: the net's file is missing or damaged.
    """
    if not len(landmarks):
        return []
    net = _open_net(_BLENDSHAPES)
    (activations,) = net.run(["blendshapes"], {"landmarks": landmarks.astype(np.float32, copy=False)})
    return [dict(zip(BLENDSHAPES, map(float, row), strict=True)) for row in activations]


def load_nets(blendshapes: bool = False) -> None:
    """Load the nets now rather than at their first call, so that a missing file is reported at once.

    Args:
        blendshapes: whether to load the net of the expressions, too.

    Raises:
        WeightsError: a net's file is missing or damaged.
    """
    for name in (_DETECTOR, _LANDMARKS, *([_BLENDSHAPES] if blendshapes else ())):
        _open_net(name)


@cache
def _open_net(name: str) -> Any:
    """Load a net once per process; it may run in several threads at once.

    Call the session's own ``run``: these files are known and a run takes milliseconds, so Ctrl-C works. The thread of
    `onnx_runtime.run_session` would add half a millisecond to each run.
    """
    # The nets take 0.5 and 2 ms. Threads that wait so briefly spin: on two busy cores, two threads took three times as
    # long as one. Folding widens the half-precision weights once, not in every run.
    return open_session(find_bundled_file(name, NET_SHA256[name]), threads=1, fold_constants=True)


def _cut_out_whole(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Fit a whole picture into the middle of a black square (_SEARCH_PX, _SEARCH_PX, 3)."""
    picture, _ = _subsample_for_cv2(picture)
    pixels, parts = _map_whole_picture(picture.shape[0], picture.shape[1])
    cut = cv2.remap(picture, pixels, parts, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    return np.asarray(cut, np.uint8)


def _cut_out_region(picture: NDArray[np.uint8], region: Region) -> NDArray[np.uint8]:
    """Cut out a region as an upright square (_READ_PX, _READ_PX, 3); the picture's edge is extended."""
    picture, step = _subsample_for_cv2(picture)
    matrix = (_to_picture(region) / step).astype(np.float32)
    i = np.arange(_READ_PX, dtype=np.float32)
    x, y = (row[0] * i + (row[1] * i[:, None] + row[2]) for row in matrix)
    # In 32nds of a pixel, as below.
    pixels, parts = cv2.convertMaps(x, y, cv2.CV_16SC2)
    cut = cv2.remap(picture, pixels, parts, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(cut, np.uint8)


def _subsample_for_cv2(picture: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], int]:
    """Take every n-th pixel so that cv2 can warp the picture -> the picture, and n."""
    step = -(-max(picture.shape[:2]) // CV2_SIDE_PX)
    return np.ascontiguousarray(picture[::step, ::step]), step


def _to_picture(region: Region) -> NDArray[np.float64]:
    """Compute the (2, 3) affine matrix from a region's cut-out, _READ_PX high and wide, to the picture."""
    cos, sin = np.cos(region.angle_rad), np.sin(region.angle_rad)
    linear = np.array([[cos, -sin], [sin, cos]]) * (np.array([region.width_px, region.height_px]) / _READ_PX)
    return np.column_stack([linear, np.array([region.x, region.y]) - linear.sum(axis=1) * _READ_PX / 2])


@lru_cache(maxsize=64)
def _map_whole_picture(height_px: int, width_px: int) -> tuple[NDArray[np.int16], NDArray[np.uint16]]:
    """Map each pixel of a square around a whole picture to its source position.

    This is warpPerspective of OpenCV 4, with which MediaPipe fills the nets' inputs: it rounds to 32nds of a pixel.
    OpenCV 5 does not, which moves landmarks by up to 0.2 pixels. Many positions are halfway between two 32nds and
    depend on the rounding errors of the perspective matrix, so the matrix has to be computed in the same way.

    Returns:
        The pixel, (_SEARCH_PX, _SEARCH_PX, 2), and 32nds of it, (_SEARCH_PX, _SEARCH_PX), in `cv2.remap`'s format.
    """
    size, side = _SEARCH_PX, max(height_px, width_px)
    corners = cv2.boxPoints(((width_px / 2, height_px / 2), (side, side), 0.0))
    target = np.array([[0, size], [0, 0], [size, 0], [size, size]], np.float32)
    m = cv2.invert(cv2.getPerspectiveTransform(corners, target))[1]
    i = np.arange(size, dtype=np.float64)
    # OpenCV computes positions in blocks of 64 pixels.
    block, within = i // 64 * 64, i % 64
    x, y, depth = ((row[0] * block + (row[1] * i)[:, None] + row[2]) + row[0] * within for row in m)
    x, y = (np.rint(at * (32 / depth)).astype(np.int32) for at in (x, y))
    return np.stack([x >> 5, y >> 5], axis=-1).astype(np.int16), ((y & 31) * 32 + (x & 31)).astype(np.uint16)


def _sigmoid(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(1 / (1 + np.exp(-np.clip(logits, -100, 100).astype(np.float64))), np.float32)


@cache
def _build_anchors() -> NDArray[np.float32]:
    """Compute the anchors' centres (896, 2), 0 to 1: two per cell of 16 x 16, six per cell of 8 x 8."""
    grids = []
    for cells, repeats in ((16, 2), (8, 6)):
        y, x = np.mgrid[:cells, :cells]
        grids.append(np.repeat(np.stack([x, y], -1).reshape(-1, 2), repeats, axis=0) / cells + 0.5 / cells)
    return np.concatenate(grids).astype(np.float32)


def _decode(
    values: NDArray[np.float32],
    logits: NDArray[np.float32],
    min_score: float,
    max_overlap: float,
    side_px: float,
    corner: NDArray[np.float32],
) -> list[Found]:
    """Decode the net's output for one square picture.

    Args:
        values: (896, 16) x, y, width, height and six points x, y, relative to the anchor, of 128 pixels each.
        logits: (896,) scores.
        min_score: as in `find_faces`.
        max_overlap: as in `find_faces`.
        side_px: side of the square in the picture's pixels.
        corner: (2,) x, y of the square's top left corner there.
    """
    likely = np.flatnonzero(logits >= np.log(min_score / (1 - min_score)))
    if not len(likely):
        return []
    likely = likely[np.argsort(-logits[likely], kind="stable")]
    scores, values, anchors = (
        _sigmoid(logits[likely]),
        values[likely] / np.float32(_SEARCH_PX),
        _build_anchors()[likely],
    )
    centre, size = values[:, :2] + anchors, values[:, 2:4]
    # Left, top, right, bottom and the eyes of each face in one row, to average them together.
    rows = np.concatenate(
        [centre - size / 2, centre + size / 2, values[:, 4:6] + anchors, values[:, 6:8] + anchors], axis=1
    )
    left = np.flatnonzero((size >= 0).all(axis=1))
    found: list[Found] = []
    while len(left):
        is_same = _compute_overlaps(rows[left, :4]) > max_overlap
        if not is_same.any():
            # A box without area does not even overlap itself.
            break
        weights = scores[left[is_same]]
        mean = (weights @ rows[left[is_same]] / weights.sum()).reshape(4, 2) * side_px + corner
        box = (float(mean[0, 0]), float(mean[0, 1]), float(mean[1, 0]), float(mean[1, 1]))
        found.append(Found(float(scores[left[0]]), box, mean[2:].astype(np.float32)))
        left = left[~is_same]
    return found


def _compute_overlaps(boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Compute the intersection over union of the first of (N, 4) boxes with each of them."""
    sides = np.minimum(boxes[:, 2:], boxes[0, 2:]) - np.maximum(boxes[:, :2], boxes[0, :2])
    common = sides.clip(min=0).prod(axis=1)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    covered = areas + areas[0] - common
    return np.asarray(np.divide(common, covered, out=np.zeros_like(common), where=covered > 0), np.float32)
