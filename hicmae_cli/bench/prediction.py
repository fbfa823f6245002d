"""Measure speed and memory of prediction, of one forward pass, and of starting the command."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from hicmae_cli.bench.measure import Measure, alternate
from hicmae_cli.bundled import find_sample_clip
from hicmae_cli.errors import HicmaeError
from hicmae_cli.media import probe, read_audio, read_frames, write_video
from hicmae_cli.model_input import CLIP_FRAMES, FACE_SIZE_PX, LOG_MEL_BINS, LOG_MEL_FRAMES, SAMPLE_RATE_HZ
from hicmae_cli.models.config import (
    AUDIO_TOKENS,
    MLP_RATIO,
    PATCH_PX,
    TUBELET_FRAMES,
    VARIANTS,
    VIDEO_TOKENS,
    ModelDims,
)
from hicmae_cli.runtime.engine import Engine
from hicmae_cli.runtime.predictor import Predictor
from hicmae_cli.runtime.timings import Timings
from hicmae_cli.weights.info import WeightInfo

_FPS = 25
_HEAVY = ("torch", "cv2", "onnxruntime")


def multiply_adds(dims: ModelDims, video: int = VIDEO_TOKENS, audio: int = AUDIO_TOKENS) -> int:
    """Count the multiply-adds of one clip in the classifier: linear layers and attention products.

    Args:
        dims: sizes of the model.
        video: video tokens that the step keeps.
        audio: audio tokens that the step keeps.
    """
    width = dims.width
    # Query, key, value and projection; in and out of the MLP.
    per_token = (4 + 2 * MLP_RATIO) * width * width
    blocks = sum(n * per_token + 2 * n * n * width for n in (video, audio))
    # Cross-attention in both directions.
    cross = 2 * (video + audio) * 2 * width * width + 2 * 2 * video * audio * width
    patches = video * 3 * TUBELET_FRAMES * PATCH_PX**2 * width + audio * PATCH_PX**2 * width
    return dims.depth * blocks + dims.fusion_depth * (blocks + cross) + patches


def make_info(variant: str) -> WeightInfo:
    """Make the metadata of a model of random numbers."""
    return WeightInfo(
        variant=variant,
        dims=VARIANTS[variant].to_dict(),
        labels=("a", "b"),
        dataset="none",
        sampling_rate=4,
        front_end="none",
        licence="MIT",
        source="random numbers for a benchmark",
    )


def measure_forward(rounds: int = 15) -> Measure:
    """Measure a forward pass of tiny over one matrix product with as many multiply-adds, both in ONNX Runtime.

    The product is a graph of one node. A product in NumPy or torch would compare libraries: torch takes twice as long
    on processors with AVX-512 that are not made by Intel, and NumPy depends on the environment. Both run in one thread
    and are measured in processor time: threads wait for each other many times in a forward pass but once in a product,
    so other load on the machine would distort the ratio.

    Raises:
        MissingDependencyError: torch, which makes the (random) tiny model, is missing.
    """
    from hicmae_cli.models.build import build_classifier
    from hicmae_cli.runtime.onnx_engine import OnnxEngine
    from hicmae_cli.weights.checkpoint import save_classifier
    from hicmae_cli.weights.export import write_onnx

    dims = VARIANTS["tiny"]
    info = make_info("tiny")
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "tiny.safetensors"
        save_classifier(source, build_classifier(info.architecture), info)
        write_onnx(source, source.with_suffix(".onnx"))
        engine = OnnxEngine(source.with_suffix(".onnx"), "cpu", threads=1)
    rng = np.random.default_rng(0)
    video = rng.standard_normal((1, 3, CLIP_FRAMES, FACE_SIZE_PX, FACE_SIZE_PX), np.float32)
    audio = rng.standard_normal((1, 1, LOG_MEL_FRAMES, LOG_MEL_BINS), np.float32)
    macs = multiply_adds(dims)
    side = round(macs ** (1 / 3))
    forward, product = alternate(
        lambda: engine.logits(video, audio), _make_onnx_product(side, rng), rounds, time.process_time
    )
    detail = (
        f"forward {forward * 1e3:.0f} ms; {side} x {side} float32 product in ONNX Runtime {product * 1e3:.0f} ms "
        f"({macs / 1e9:.1f} G multiply-adds each); one thread, processor time, medians of {rounds}"
    )
    return Measure("onnx-forward-tiny / matrix product", forward / product, "x", 1.2, True, detail)


def _make_onnx_product(side: int, rng: np.random.Generator) -> Callable[[], object]:
    """Make a function that multiplies two square float32 matrices in ONNX Runtime, in one thread."""
    import onnx
    from onnx import helper

    from hicmae_cli.onnx_runtime import import_onnxruntime

    left, right, product = (
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [side, side])
        for name in ("left", "right", "product")
    )
    node = helper.make_node("MatMul", ["left", "right"], ["product"])
    model = helper.make_model(
        helper.make_graph([node], "product", [left, right], [product]),
        opset_imports=[helper.make_opsetid("", 18)],
        ir_version=8,
    )
    ort = import_onnxruntime()
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    inputs = {name: rng.standard_normal((side, side), np.float32) for name in ("left", "right")}
    return lambda: session.run(None, inputs)


def measure_predict(engine: Engine, clip: Path, rounds: int = 3) -> Measure:
    """Measure the seconds of video that are predicted per second, with the models loaded and who speaks found out."""
    return _measure_speed(engine, clip, f"predict-{engine.info.variant} / real time", 3.0, rounds)


def measure_one_person(engine: Engine, duration_s: float = 20.0, rounds: int = 3) -> Measure:
    """Measure the same for one person in 720p at 25 frames/s: the person on the right of the sample clip, enlarged."""
    with tempfile.TemporaryDirectory() as folder:
        video = Path(folder) / "one.mp4"
        _write_one_person(video, duration_s)
        return _measure_speed(engine, video, f"predict-{engine.info.variant}, one person / real time", 5.0, rounds)


def _measure_speed(engine: Engine, clip: Path, name: str, bound: float, rounds: int) -> Measure:
    predictor = Predictor(engine, timings=True)
    info = probe(clip)
    times, parts = [], []
    for _ in range(rounds):
        started = time.perf_counter()
        result = predictor.predict(clip)
        times.append(time.perf_counter() - started)
        if result.failed or result.timings is None:
            raise HicmaeError(f"{clip}: {result.message}")
        parts.append(result.timings)
    median, together = statistics.median(times), Timings.sum(parts)
    shares = ", ".join(f"{stage} {seconds / together.total_s:.0%}" for stage, seconds in together.stages.items())
    detail = (
        f"{info.duration_s:.1f} s of {info.width_px} x {info.height_px} px, {len(result.tracks)} tracks, in "
        f"{median:.2f} s; median of {rounds}; {shares}, rest {together.rest_share:.0%}"
    )
    return Measure(name, info.duration_s / median, "x", bound, False, detail)


def _write_one_person(target: Path, duration_s: float) -> None:
    """Write 720p video at 25 frames/s that shows the right half of the sample clip, over and over, with its sound."""
    clip = find_sample_clip()
    info = probe(clip)
    assert info.fps is not None
    height_px, width_px = 720, 1280
    pictures = []
    for frame in read_frames(clip):
        half = frame.rgb[:, frame.rgb.shape[1] // 2 :]
        side_px = height_px * half.shape[1] // half.shape[0]
        picture = np.full((height_px, width_px, 3), 90, np.uint8)
        left_px = (width_px - side_px) // 2
        picture[:, left_px : left_px + side_px] = cv2.resize(half, (side_px, height_px))
        pictures.append(picture)
    shown = (pictures[int(index / _FPS * float(info.fps)) % len(pictures)] for index in range(round(duration_s * _FPS)))
    sound = np.resize(read_audio(clip), round(duration_s * SAMPLE_RATE_HZ))
    write_video(target, shown, Fraction(_FPS), sound, video_codec="libx264", audio_codec="aac")


def measure_help(rounds: int = 15) -> list[Measure]:
    """Measure ``hicmae --help`` over the import of typer and rich, in fresh processes; and count its heavy imports."""
    help_code = "from hicmae_cli.cli import main; main(['--help'])"

    def run(code: str) -> None:
        subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)  # noqa: S603 (our own)

    help_s, bare_s = alternate(lambda: run(help_code), lambda: run("import typer, rich"), rounds)
    code = f"import sys, hicmae_cli.cli; print([m for m in {_HEAVY!r} if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)  # noqa: S603
    heavy = json.loads(found.stdout.replace("'", '"'))
    detail = f"{help_s:.2f} s and {bare_s:.2f} s in fresh processes; medians of {rounds}"
    names = ", ".join(heavy) or "none of " + ", ".join(_HEAVY)
    return [
        Measure("hicmae --help / import typer, rich", help_s / bare_s, "x", 1.8, True, detail),
        Measure("heavy imports of --help", len(heavy), "packages", 0, True, names),
    ]


def measure_memory(clip: Path, weights: str) -> Measure:
    """Measure by how much the peak memory for 10 minutes of video exceeds that for 1 minute, in fresh processes."""
    with tempfile.TemporaryDirectory() as folder:
        peaks = []
        for minutes in (1, 10):
            video = Path(folder) / f"{minutes}.mp4"
            repeat_clip(clip, video, 60.0 * minutes)
            peaks.append(_measure_peak_mb(video, weights))
    detail = f"1 minute {peaks[0]:.0f} MB, 10 minutes {peaks[1]:.0f} MB, peak resident"
    return Measure("memory of 10 min - 1 min", peaks[1] - peaks[0], "MB", 50, True, detail)


def repeat_clip(clip: Path, target: Path, duration_s: float) -> None:
    """Write a long video by repeating a short one."""
    frames = [frame.rgb for frame in read_frames(clip)]
    info = probe(clip)
    assert info.fps is not None
    total = round(duration_s * float(info.fps))
    sound = np.resize(read_audio(clip), round(duration_s * SAMPLE_RATE_HZ)) if info.has_audio else None

    def repeat_frames() -> Iterator[NDArray[np.uint8]]:
        for index in range(total):
            yield frames[index % len(frames)]

    write_video(target, repeat_frames(), info.fps, sound, video_codec="libx264", audio_codec="aac")


def _measure_peak_mb(video: Path, weights: str) -> float:
    """Measure the peak resident memory of a process that predicts a file."""
    code = (
        "import sys; from hicmae_cli.cli import main; from hicmae_cli.memory import peak_resident_mb\n"
        "try: main(['predict', sys.argv[1], '--weights', sys.argv[2], '--json', '--quiet', '--jobs', '0'])\n"
        "except SystemExit as end: sys.stderr.write('code %s peak %f' % (end.code, peak_resident_mb()))"
    )
    done = subprocess.run(  # noqa: S603 (our own interpreter)
        [sys.executable, "-c", code, str(video), weights], check=True, capture_output=True, text=True
    )
    words = done.stderr.split()
    if words[-4:-2] not in (["code", "0"], ["code", "None"]):
        raise HicmaeError(f"predicting {video.name} failed: {done.stderr.strip()}")
    return float(words[-1])
