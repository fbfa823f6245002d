"""Measure how much faster an evaluation is than a plain one; see ``measure.py`` for ratios.

Plain is to run four separate views of every clip, or both encoders if the model gets the sound alone.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import soundfile
from numpy.typing import NDArray
from PIL import Image

from hicmae_cli.bench.measure import Measure, alternate, run_alone
from hicmae_cli.bundled import find_sample_clip
from hicmae_cli.clips import Clip, read_prepared_clip, stack_clips
from hicmae_cli.clips.log_mel import compute_log_mel
from hicmae_cli.clips.prepared import list_face_files, read_face
from hicmae_cli.clips.views import View, select_evaluation_views
from hicmae_cli.corpora.manifest import Sample
from hicmae_cli.errors import HicmaeError
from hicmae_cli.evaluation.scoring import score_clips
from hicmae_cli.media import probe, read_audio, read_frames
from hicmae_cli.modalities import Modality
from hicmae_cli.model_input import SAMPLE_RATE_HZ
from hicmae_cli.models.config import VARIANTS
from hicmae_cli.runtime.engine import Engine, score_batches, softmax
from hicmae_cli.weights.info import WeightInfo

if TYPE_CHECKING:
    from hicmae_cli.runtime.torch_engine import TorchEngine

CLIP_LENGTHS = (7, 20, 40, 61, 105)
"""Frames of the clips: from less than one view to several."""
_PICTURE_PX = 256
# With the paper's 4, more of these clips would have two equal views.
_SAMPLING_RATE = 2
# The authors take two crops of each picture; those of a square picture are equal.
_CROPS = 2


def measure_evaluation() -> Measure:
    """Measure the time of four separate views of every clip over that of ``score_clips``, with torch on one core.

    Raises:
        HicmaeError: the probabilities of the two differ.
    """
    ours_s, separate_s, distinct, views = _run("time_evaluation()")
    detail = (
        f"one core, {len(CLIP_LENGTHS)} clips of {', '.join(map(str, CLIP_LENGTHS))} pictures with sound, every "
        f"{_SAMPLING_RATE}nd: {separate_s:.2f} s for {views:.0f} separate views, {ours_s:.2f} s for the {distinct:.0f} "
        "different ones; torch, from files to probabilities, processor time, sums of medians of 3"
    )
    return Measure("evaluation tiny / separate views, one core", separate_s / ours_s, "x", 2.2, False, detail)


def measure_one_stream() -> Measure:
    """Measure the time of a sound-only evaluation that runs both encoders over that of ``score_clips``.

    Raises:
        HicmaeError: the probabilities of the two differ.
    """
    ours_s, both_s = _run("time_one_stream()")
    detail = (
        f"one core, {len(CLIP_LENGTHS)} clips of {', '.join(map(str, CLIP_LENGTHS))} pictures with sound: "
        f"{both_s:.2f} s if the faces are read and replaced with zeros, for which the video encoder runs; "
        f"{ours_s:.2f} s without; torch, from files to probabilities, processor time, sums of medians of 3"
    )
    return Measure("sound-only evaluation tiny / both encoders, one core", both_s / ours_s, "x", 2.5, False, detail)


def measure_sound_weight() -> Measure:
    """Measure how much faster the evaluation of a weight that was trained on sound alone is than with both encoders."""
    ours_s, both_s = _run("time_one_stream(modality='audio')")
    detail = (
        f"one core, {len(CLIP_LENGTHS)} clips of {', '.join(map(str, CLIP_LENGTHS))} pictures with sound, a weight "
        f"trained on sound: {both_s:.2f} s if both encoders run and all tokens are fused, as in the first versions; "
        f"{ours_s:.2f} s now; torch, from files to probabilities, processor time, sums of medians of 3"
    )
    return Measure("sound-only weight tiny / both encoders, one core", both_s / ours_s, "x", 5.0, False, detail)


def _run(call: str) -> list[float]:
    """Call a function of this module in a process of its own -> the numbers that it returns."""
    numbers: list[float] = run_alone(__name__, call)[0]
    return numbers


def time_evaluation(variant: str = "tiny", rounds: int = 3) -> list[float]:
    """Time ``score_clips`` and separate views over clips in the authors' layout, on the first core of this process.

    It is the processor's time, which equals the clock's if nothing else runs on the core.

    Returns:
        Both times (s), and the number of views that each of them runs.

    Raises:
        HicmaeError: the probabilities of the two differ.
    """
    _stay_on_one_core()
    engine = _make_random_engine(variant)
    with tempfile.TemporaryDirectory() as folder:
        samples = write_clips(Path(folder))
        found = np.array([sample.outputs for sample in score_clips(samples, engine)["av"].samples])
        if np.abs(found - score_separate_views(samples, engine)).max() > 1e-4:
            raise HicmaeError("the probabilities of the evaluation and of separate views differ")
        ours_s = separate_s = 0.0
        # Clip by clip, so that other load slows down both sides.
        for sample in samples:
            ours, separate = (partial(run, [sample], engine) for run in (score_clips, score_separate_views))
            times = alternate(ours, separate, rounds, time.process_time)
            ours_s, separate_s = ours_s + times[0], separate_s + times[1]
        seen = [len({*_list_views(sample)}) for sample in samples]
    return [ours_s, separate_s, float(sum(seen)), float(2 * _CROPS * len(samples))]


def time_one_stream(variant: str = "tiny", rounds: int = 3, *, modality: Modality = "av") -> list[float]:
    """Time the sound-only evaluation by ``score_clips`` and by ``score_sound_with_zeros``; see ``time_evaluation``.

    Args:
        variant: size of the model.
        rounds: number of times that each is timed.
        modality: that the weight was trained on. A weight of one stream fuses one token of the other.

    Returns:
        Both times (s).

    Raises:
        HicmaeError: the probabilities of the two differ, for a weight of both streams.
    """
    _stay_on_one_core()
    engine = _make_random_engine(variant, modality)
    ours_s = both_s = 0.0
    with tempfile.TemporaryDirectory() as folder:
        for sample in write_clips(Path(folder)):
            ours = partial(score_clips, [sample], engine, modalities=("audio",))
            both = partial(score_sound_with_zeros, sample, engine)
            if modality == "av" and np.abs(ours()["audio"].samples[0].outputs - both()).max() > 1e-5:
                raise HicmaeError("the probabilities differ with and without the video encoder")
            times = alternate(ours, both, rounds, time.process_time)
            ours_s, both_s = ours_s + times[0], both_s + times[1]
    return [ours_s, both_s]


def score_sound_with_zeros(sample: Sample, engine: TorchEngine) -> NDArray[np.float64]:
    """Compute the probabilities of a clip (C,) from its sound, by a model that runs on both streams.

    The faces are read but replaced with zeros, and each different view is run once.
    """
    import torch

    clips = read_prepared_clip(sample.video, sample.audio).read_evaluation_clips(_SAMPLING_RATE)
    rows = {}
    for clip in clips:
        if id(clip) not in rows:
            inputs = map(torch.from_numpy, stack_clips([replace(clip, video=None)]))
            with torch.inference_mode():
                rows[id(clip)] = softmax(engine.model.eval()(*inputs).numpy())[0]
    return np.asarray(np.mean([rows[id(clip)] for clip in clips], axis=0))


def _stay_on_one_core() -> None:
    if sys.platform == "linux":
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def score_separate_views(samples: Sequence[Sample], engine: Engine) -> NDArray[np.float64]:
    """Compute the probabilities of each clip (n, C) the long way: each view reads its own files and is run alone."""
    rows = []
    for sample in samples:
        scores = []
        for segment in range(2):
            for _ in range(_CROPS):
                view = _list_views(sample)[segment]
                assert sample.video is not None and sample.audio is not None
                files = list_face_files(sample.video)
                faces = np.stack([read_face(files[index]) for index in view.frames])
                sound = compute_log_mel(view.cut_audio(read_audio(sample.audio)))
                scores.append(score_batches(engine, [Clip(faces, sound)])[0])
        rows.append(np.mean(scores, axis=0))
    return np.stack(rows)


def _list_views(sample: Sample) -> Sequence[View]:
    assert sample.video is not None and sample.audio is not None
    frames = len(list_face_files(sample.video))
    return select_evaluation_views(frames, soundfile.info(sample.audio).frames, _SAMPLING_RATE)


def write_clips(folder: Path) -> list[Sample]:
    """Cut clips in the authors' layout, a folder of pictures and a wav each, from the start of the sample clip."""
    source = find_sample_clip()
    frames = [frame.rgb for frame in read_frames(source)]
    info = probe(source)
    assert info.fps is not None
    sound = read_audio(source)
    samples = []
    for length in CLIP_LENGTHS:
        pictures, wav = folder / f"clip_{length}", folder / f"clip_{length}.wav"
        pictures.mkdir()
        for index in range(length):
            rgb = frames[index % len(frames)]
            side = min(rgb.shape[:2])
            face = Image.fromarray(rgb[:side, :side]).resize((_PICTURE_PX, _PICTURE_PX))
            face.save(pictures / f"{index:05d}.jpg", quality=90)
        num_samples = round(length / float(info.fps) * SAMPLE_RATE_HZ)
        soundfile.write(wav, np.resize(sound, num_samples), SAMPLE_RATE_HZ)
        samples.append(Sample(pictures.name, pictures, wav, "a"))
    return samples


def _make_random_engine(variant: str, modality: Modality = "av") -> TorchEngine:
    """Make a model with random parameters, run by torch."""
    from hicmae_cli.models.build import build_classifier
    from hicmae_cli.runtime.torch_engine import TorchEngine

    dims = VARIANTS[variant]
    info = WeightInfo(
        variant=variant,
        dims=dims.to_dict(),
        labels=("a", "b", "c"),
        dataset="none",
        sampling_rate=_SAMPLING_RATE,
        front_end="none",
        licence="MIT",
        source="random numbers for a benchmark",
        modality=modality,
        withheld="zeros" if modality == "av" else "mean token",
    )
    return TorchEngine(build_classifier(info.architecture), info, "cpu")
