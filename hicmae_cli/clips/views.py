"""Which frames and samples of a prepared clip become one input: two test views, and random training views.

Frames are counted, as the paper does, or chosen by time. Source of the former: HiCMAE, section 4.1 (two temporal
segments at test time). The authors' second spatial crop of square faces equals the first, so a clip has two views,
which are equal when it is short. By time, a view shows a frame every 0.16 s, as prediction does, with the sound of the
same 2.56 s. It takes the nearest frame: prediction shows the one on display, which at 12 frames/s is up to 83 ms old.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hicmae_cli.media.frames import TIME_TOLERANCE_S
from hicmae_cli.model_input import CLIP_FRAMES, FRAME_STEP_S, SAMPLE_RATE_HZ, WINDOW_S, WINDOW_SAMPLES

TEST_SEGMENTS = 2
_SHORTEST_CUT_SAMPLES = 1024


@dataclass(frozen=True)
class View:
    """One choice of frames and sound from a prepared clip.

    Attributes:
        frames: 16 frame indices, rising; the last one is repeated if the clip is short.
        audio_start: first sample of the cut.
        audio_end: one past its last sample.
        is_timed: whether frames and sound were chosen by time. The sound of such a view may be short, or empty.
    """

    frames: tuple[int, ...]
    audio_start: int
    audio_end: int
    is_timed: bool = False

    def cut_audio(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Cut the view's part out of a clip's sound (n,).

        If frames were counted, the part is tiny and n is small, return the whole sound.

        Raises:
            ValueError: frames were counted, and the part has at most 1024 samples of a sound longer than a view: frames
                and sound do not match.
        """
        cut = samples[self.audio_start : self.audio_end]
        if self.is_timed or len(cut) > _SHORTEST_CUT_SAMPLES:
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


def select_timed_views(times_s: NDArray[np.float64], length_s: float, num_samples: int) -> list[View]:
    """Select two test views by time: the first and the last 2.56 s of a clip, 16 steps of 0.16 s each.

    Args:
        times_s: (n,) seconds at which each frame appears, rising from 0.
        length_s: when the clip ends.
        num_samples: samples of the sound at 16 kHz; 0 without sound.

    Raises:
        ValueError: there are no frames.
    """
    if not len(times_s):
        raise ValueError("views: expected frames, got none")
    return [_view_from(start_s, times_s, length_s, num_samples) for start_s in (0.0, _latest_start_s(length_s))]


def draw_timed_view(times_s: NDArray[np.float64], length_s: float, num_samples: int, rng: np.random.Generator) -> View:
    """Draw a random window of 2.56 s, with the frame nearest to each step of 0.16 s; see `select_timed_views`."""
    latest_s = _latest_start_s(length_s)
    start_s = float(rng.uniform(0, latest_s)) if latest_s else 0.0
    return _view_from(start_s, times_s, length_s, num_samples)


def _latest_start_s(length_s: float) -> float:
    return max(0.0, length_s - WINDOW_S)


def _view_from(start_s: float, times_s: NDArray[np.float64], length_s: float, num_samples: int) -> View:
    """Return the window from a time on; a clip that ends before repeats its last step."""
    steps_s = start_s + FRAME_STEP_S * np.arange(CLIP_FRAMES)
    within = max(1, int(np.count_nonzero(steps_s + TIME_TOLERANCE_S < length_s)))
    shown_s = steps_s[np.minimum(np.arange(CLIP_FRAMES), within - 1)]
    shown = np.searchsorted((times_s[:-1] + times_s[1:]) / 2, shown_s)
    first = min(round(start_s * SAMPLE_RATE_HZ), num_samples)
    return View(tuple(int(frame) for frame in shown), first, min(first + WINDOW_SAMPLES, num_samples), is_timed=True)


def _match_audio(first_frame: int, end_frame: int, num_frames: int, num_samples: int) -> tuple[int, int]:
    """Map two frames to samples by their relative positions in the clip -> (start, end)."""
    last = max(1, num_frames - 1)
    return int(first_frame / last * num_samples), int(end_frame / last * num_samples)
