"""What moved an answer: how much it falls when a stream, or a part of one, is covered.

Source: occlusion, Zeiler & Fergus 2014, section 4.2 (arXiv 1311.2901). A part is covered by its own mean, which takes
its detail away and leaves its colour or its loudness.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hicmae_cli.clips import Clip
from hicmae_cli.runtime.engine import Engine, score_batches
from hicmae_cli.runtime.explanation import Explanation, Grid

FACE_GRID: Final = (5, 5)
"""Parts of a face: rows from the top, columns from the left of the picture."""
VOICE_GRID: Final = (4, 8)
"""Parts of a log-mel: rows from the highest pitch, columns from the start of the window."""


def explain_clip(engine: Engine, clip: Clip, temperature: float = 1.0) -> Explanation:
    """Cover the streams of a clip and their parts one by one, and compare the answers.

    It takes about as long as predicting 60 windows.

    Args:
        engine: the model.
        clip: its input.
        temperature: of the weight, for this clip's streams.

    Raises:
        WeightsError: an output is not finite.
    """
    face, voice = clip.video, clip.audio
    faces = [] if face is None else [Clip(part, voice) for part in _cover_faces(face)]
    voices = [] if voice is None else [Clip(face, part) for part in _cover_sound(voice)]
    alone = [Clip(None, voice), Clip(face, None)] if face is not None and voice is not None else []
    clips = [clip, *alone, *faces, *voices]
    rows = score_batches(engine, clips, temperatures=[temperature] * len(clips))
    index = 0 if engine.info.kind == "regression" else int(rows[0].argmax())
    falls = (rows[0, index] - rows[1:, index]).tolist()
    parts = falls[len(alone) :]
    return Explanation(
        engine.info.labels[index],
        falls[0] if alone else None,
        falls[1] if alone else None,
        _to_grid(parts[: len(faces)], FACE_GRID),
        _to_grid(parts[len(faces) :], VOICE_GRID),
    )


def _cover_faces(faces: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
    """Yield the faces (T, H, W, 3) with one part covered in all frames, row by row."""
    for rows, columns in _list_parts(faces.shape[1:3], FACE_GRID):
        covered = faces.copy()
        part = covered[:, rows, columns]
        part[:] = part.mean(axis=(1, 2), keepdims=True).round().astype(np.uint8)
        yield covered


def _cover_sound(mel: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
    """Yield the log-mel (frames, bins) with one part covered, from the highest pitch down."""
    bins, frames = VOICE_GRID
    for part_of_bins, part_of_frames in _list_parts(mel.shape[::-1], (bins, frames)):
        covered = mel.copy()
        part = covered[part_of_frames, mel.shape[1] - part_of_bins.stop : mel.shape[1] - part_of_bins.start]
        part[:] = part.mean()
        yield covered


def _list_parts(size: tuple[int, ...], grid: tuple[int, int]) -> Iterator[tuple[slice, slice]]:
    """Yield the rows and columns of each part of a picture, row by row."""
    bounds = [[round(side * at / count) for at in range(count + 1)] for side, count in zip(size, grid, strict=True)]
    for top, bottom in zip(bounds[0], bounds[0][1:], strict=False):
        for left, right in zip(bounds[1], bounds[1][1:], strict=False):
            yield slice(top, bottom), slice(left, right)


def _to_grid(numbers: list[float], grid: tuple[int, int]) -> Grid | None:
    if not numbers:
        return None
    rows, columns = grid
    return tuple(tuple(numbers[row * columns : (row + 1) * columns]) for row in range(rows))
