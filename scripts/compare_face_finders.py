"""Compare our face finder with MediaPipe's own runtime on the sample clip: time per frame, and landmarks.

    python scripts/compare_face_finders.py

Needs the extra `mediapipe`, which reports its use to Google: run it without network access if that matters.
"""

from __future__ import annotations

import statistics
import time
from pathlib import Path

import numpy as np

from hicmae_cli.bundled import find_sample_clip
from hicmae_cli.faces import Face, FaceDetector, FaceFinder
from hicmae_cli.faces.mediapipe_detector import MediaPipeDetector
from hicmae_cli.media import Frame, read_frames

MODEL = Path(__file__).parent.parent / "weights" / "face_landmarker.task"


def time_detection(detector: FaceDetector, frame: Frame) -> tuple[float, list[Face]]:
    started = time.process_time()
    faces = detector.detect(frame)
    return time.process_time() - started, faces


def main() -> None:
    frames = list(read_frames(find_sample_clip()))
    ours_s, theirs_s, differences, same = [], [], [], 0
    with FaceFinder() as ours, MediaPipeDetector(MODEL) as theirs:
        for index, frame in enumerate(frames):
            # Each frame is a video of its own, so that both search the whole picture.
            mine, my_faces = time_detection(ours, Frame(-float(index), frame.rgb))
            other, their_faces = time_detection(theirs, frame)
            ours_s.append(mine)
            theirs_s.append(other)
            same += len(my_faces) == len(their_faces)
            for a, b in zip(my_faces, their_faces, strict=False):
                differences.append(float(np.abs(a.landmarks_px - b.landmarks_px).max()) / a.size_px)
    ours_ms, theirs_ms = (1e3 * statistics.median(times) for times in (ours_s, theirs_s))
    print(f"{len(frames)} frames, the same number of faces in {same}; medians of processor time:")
    print(f"ours {ours_ms:.1f} ms per frame, MediaPipe {theirs_ms:.1f} ms")
    print(f"landmarks of {len(differences)} faces differ by at most {max(differences):.3%} of the face's size")


if __name__ == "__main__":
    main()
