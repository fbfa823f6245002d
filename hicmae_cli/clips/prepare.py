"""Raw video -> prepared clip: the face of every frame, aligned, with the sound of the same time."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hicmae_cli.clips.clip import FACE_SIZE_PX
from hicmae_cli.clips.prepared import write_prepared_clip
from hicmae_cli.errors import MediaError
from hicmae_cli.faces import FaceDetector, align_face
from hicmae_cli.media import probe, read_audio_blocks, read_frames


def prepare_clip(source: Path, target: Path, detector: FaceDetector) -> float:
    """Write the prepared form of a raw clip.

    The largest face of each frame is aligned; a frame without a face becomes black, so that frame i keeps its time.
    Frames and sound are streamed: an hour takes no more memory than a second. After an error no file is left.

    Args:
        source: a video of one person.
        target: the ``.mkv`` to write.
        detector: a face finder that has not seen another file.

    Returns:
        Share of the frames in which a face was found.

    Raises:
        MediaError: unreadable, no video, or no face in any frame.
    """
    info = probe(source)
    if not info.has_video or info.fps is None:
        raise MediaError(f"{source}: no video track to cut faces from")
    frames = found = 0

    def faces() -> Iterator[NDArray[np.uint8]]:
        nonlocal frames, found
        for frame in read_frames(source):
            seen = detector.detect(frame)
            frames += 1
            if seen:
                found += 1
                yield align_face(frame.rgb, max(seen, key=lambda face: face.size_px).landmarks_px)
            else:
                yield np.zeros((FACE_SIZE_PX, FACE_SIZE_PX, 3), np.uint8)

        if not found:  # known only now; the file that was being written goes
            raise MediaError(f"{source}: no face was found in any of its {frames} frames")

    sound = read_audio_blocks(source) if info.has_audio else None
    write_prepared_clip(target, faces(), Fraction(info.fps), sound)
    return found / frames
