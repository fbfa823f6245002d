"""How much faster an evaluation is than four separate views of every clip (``benchmark.py`` says why ratios)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray
from PIL import Image

from hicmae_cli.bench.measure import Measure, alternate
from hicmae_cli.bundled import find_sample_clip
from hicmae_cli.clips import Clip
from hicmae_cli.clips.log_mel import compute_log_mel
from hicmae_cli.clips.prepared import list_face_files, read_face
from hicmae_cli.clips.views import View, select_evaluation_views
from hicmae_cli.corpora.manifest import Sample
from hicmae_cli.errors import HicmaeError
from hicmae_cli.evaluation.evaluate import evaluate
from hicmae_cli.media import probe, read_audio, read_frames
from hicmae_cli.model_input import SAMPLE_RATE_HZ
from hicmae_cli.models.config import VARIANTS
from hicmae_cli.runtime.engine import Engine, probabilities
from hicmae_cli.weights.info import WeightInfo

CLIP_LENGTHS = (7, 20, 40, 61, 105)
"""Frames of the clips, from less than a view to several."""
_PICTURE_PX = 256
_SAMPLING_RATE = 2  # of 4, the paper's, more of these clips have two equal views
_CROPS = 2  # the authors' two crops of a square picture are one


def measure_evaluation() -> Measure:
    """Time of four separate views of every clip over that of ``evaluate``, both with torch on one and the same core.

    Raises:
        HicmaeError: the two do not come to the same probabilities.
    """
    code = "from hicmae_cli.bench.evaluation import evaluation_times_s\nprint(evaluation_times_s())"
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    done = subprocess.run(  # noqa: S603 (our own interpreter)
        [sys.executable, "-c", code], check=False, capture_output=True, text=True, env=environment
    )
    if done.returncode:
        raise HicmaeError(f"the measure of evaluation failed: {done.stderr.strip().splitlines()[-1]}")
    ours_s, separate_s, distinct, views = json.loads(done.stdout.splitlines()[-1])
    detail = (
        f"one core, {len(CLIP_LENGTHS)} clips of {', '.join(map(str, CLIP_LENGTHS))} pictures with sound, every "
        f"{_SAMPLING_RATE}nd: {separate_s:.2f} s for {views:.0f} separate views, {ours_s:.2f} s for the {distinct:.0f} "
        "that differ; torch, from files to probabilities, processor time, sums of medians of 3"
    )
    return Measure("evaluation tiny / separate views, one core", separate_s / ours_s, "x", 2.2, False, detail)


def evaluation_times_s(variant: str = "tiny", rounds: int = 3) -> list[float]:
    """Seconds of ``evaluate`` and of separate views over clips in the authors' layout, on the first core we may use.

    Of the processor's time, which on a core of one's own is that of the clock.

    Returns:
        Both times (s), and how many views each of them runs.

    Raises:
        HicmaeError: the two do not come to the same probabilities.
    """
    if sys.platform == "linux":
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    engine = _random_engine(variant)
    with tempfile.TemporaryDirectory() as folder:
        samples = write_clips(Path(folder))
        found = np.array([sample.outputs for sample in evaluate(samples, engine)["av"].samples])
        if np.abs(found - separate_views(samples, engine)).max() > 1e-4:
            raise HicmaeError("evaluate and separate views differ in their probabilities")
        ours_s = separate_s = 0.0
        for sample in samples:  # clip by clip, so that what disturbs the one disturbs the other
            ours, separate = (partial(run, [sample], engine) for run in (evaluate, separate_views))
            times = alternate(ours, separate, rounds, time.process_time)
            ours_s, separate_s = ours_s + times[0], separate_s + times[1]
        seen = [len({*_views(sample)}) for sample in samples]
    return [ours_s, separate_s, float(sum(seen)), float(2 * _CROPS * len(samples))]


def separate_views(samples: Sequence[Sample], engine: Engine) -> NDArray[np.float64]:
    """Probabilities of each clip (n, C), the long way: every view reads its own files and is run alone."""
    rows = []
    for sample in samples:
        scores = []
        for segment in range(2):
            for _ in range(_CROPS):
                view = _views(sample)[segment]
                assert sample.video is not None and sample.audio is not None
                files = list_face_files(sample.video)
                faces = np.stack([read_face(files[index]) for index in view.frames])
                sound = compute_log_mel(view.cut_audio(read_audio(sample.audio)))
                scores.append(probabilities(engine, [Clip(faces, sound)])[0])
        rows.append(np.mean(scores, axis=0))
    return np.stack(rows)


def _views(sample: Sample) -> Sequence[View]:
    assert sample.video is not None and sample.audio is not None
    frames = len(list_face_files(sample.video))
    return select_evaluation_views(frames, soundfile.info(sample.audio).frames, _SAMPLING_RATE)


def write_clips(folder: Path) -> list[Sample]:
    """Clips in the authors' layout, a folder of pictures and a wav each, cut from the start of the sample clip."""
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
        samples_there = round(length / float(info.fps) * SAMPLE_RATE_HZ)
        soundfile.write(wav, np.resize(sound, samples_there), SAMPLE_RATE_HZ)
        samples.append(Sample(pictures.name, pictures, wav, "a"))
    return samples


def _random_engine(variant: str) -> Engine:
    """A model of random numbers, run by torch."""
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
    )
    return TorchEngine(build_classifier(info.architecture), info, "cpu")
