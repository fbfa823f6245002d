"""Which frames and samples of a prepared clip become one input: the paper's test views, and random training views.

Source: HiCMAE, section 4.1 (two temporal segments at test time). The authors' second spatial crop of square
faces equals the first, so a clip has two views, which are equal when it is short.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hicmae_cli.model_input import CLIP_FRAMES, WINDOW_SAMPLES

TEST_SEGMENTS = 2
_SHORTEST_CUT_SAMPLES = 1024


@dataclass(frozen=True)
class View:
    """One choice of frames and sound from a prepared clip.

    Attributes:
        frames: 16 frame indices, rising; the last one is repeated if the clip is short.
        audio_start: first sample of the cut.
        audio_end: one past its last sample.
    """

    frames: tuple[int, ...]
    audio_start: int
    audio_end: int

    def cut_audio(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Cut the view's part out of a clip's sound (n,); return the whole sound if the part is tiny and n is small.

        Raises:
            ValueError: the part has at most 1024 samples of a sound longer than a view: frames and sound do not match.
        """
        cut = samples[self.audio_start : self.audio_end]
        if len(cut) > _SHORTEST_CUT_SAMPLES:
            return cut
        if len(samples) < WINDOW_SAMPLES:
            return samples
        raise ValueError(
            f"views: frames {self.frames[0]} to {self.frames[-1]} cover {len(cut)} of {len(samples)} samples, "
            f"expected more than {_SHORTEST_CUT_SAMPLES}; check that sound and frames are from the same clip"
        )


def select_evaluation_views(num_frames: int, num_samples: int, sampling_rate: int) -> list[View]:
    """Select the paper's two test views of a clip: its first and its last 16 sampled frames.

    Args:
        num_frames: frames of the prepared clip.
        num_samples: samples of its sound at 16 kHz; 0 without sound.
        sampling_rate: s: every s-th frame is sampled.

    Raises:
        ValueError: there are no frames, or the sampling rate is below 1.
    """
    if num_frames < 1 or sampling_rate < 1:
        raise ValueError(f"views: expected frames and a sampling rate >= 1, got {num_frames}, {sampling_rate}")
    sampled = list(range(0, num_frames, sampling_rate))
    sampled += [sampled[-1]] * (CLIP_FRAMES - len(sampled))
    spare = len(sampled) - CLIP_FRAMES
    views = []
    for segment in range(TEST_SEGMENTS):
        start = int(segment * spare / (TEST_SEGMENTS - 1))
        frames = tuple(sampled[start : start + CLIP_FRAMES])
        end_frame = min(frames[-1] + sampling_rate, num_frames - 1)
        views.append(View(frames, *_match_audio(frames[0], end_frame, num_frames, num_samples)))
    return views


def draw_training_view(num_frames: int, num_samples: int, sampling_rate: int, rng: np.random.Generator) -> View:
    """Draw a random window of 16 * sampling_rate frames and sample it 16 times evenly (HiCMAE, section 4.1)."""
    span = CLIP_FRAMES * sampling_rate
    if num_frames <= span:
        start, end = 0, num_frames
        picked = np.linspace(start, end, max(1, num_frames // sampling_rate)).astype(int)
    else:
        start = int(rng.integers(0, num_frames - span))
        end = start + span
        picked = np.linspace(start, end, CLIP_FRAMES).astype(int)
    frames = [int(frame) for frame in np.clip(picked, start, end - 1)]
    frames += [end - 1] * (CLIP_FRAMES - len(frames))
    return View(tuple(frames), *_match_audio(start, min(end, num_frames - 1), num_frames, num_samples))


def _match_audio(first_frame: int, end_frame: int, num_frames: int, num_samples: int) -> tuple[int, int]:
    """Map two frames to samples by their relative positions in the clip -> (start, end)."""
    last = max(1, num_frames - 1)
    return int(first_frame / last * num_samples), int(end_frame / last * num_samples)
