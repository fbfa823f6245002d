"""The steps around the network as an ONNX graph: normalised faces, log-mel and calibrated probabilities.

Letters: B clips, N samples, C outputs.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper, parser

from hicmae_cli.clips.log_mel import (
    LOG_MEL_FLOOR,
    LOG_MEL_MEAN,
    LOG_MEL_STD,
    SHIFT_SAMPLES,
    compute_mel_filters,
    compute_spectrum_kernels,
)
from hicmae_cli.model_input import (
    CLIP_FRAMES,
    FACE_SIZE_PX,
    IMAGENET_MEAN,
    IMAGENET_STD,
    LOG_MEL_BINS,
    LOG_MEL_FRAMES,
    RAW_INPUTS,
)
from hicmae_cli.weights.info import WeightInfo

# ONNX's own text format. The types 1 and 7 are float32 and int64.
_FACES: Final = """
    pixels = Cast<to = 1>(faces)
    planes = Transpose<perm = [0, 4, 1, 2, 3]>(pixels)
    scaled_planes = Mul(planes, face_scale)
    normal_planes = Add(scaled_planes, face_offset)
"""
# The discrete Fourier transform is a convolution, because fewer runtimes have STFT. The mean of the whole sound is
# removed first: the kernels remove that of each frame, but of a large one they would leave a rounding error.
_SOUND: Final = f"""
    sound_mean = ReduceMean<keepdims = 1>(sound, axis_1)
    centred_sound = Sub(sound, sound_mean)
    one_channel = Unsqueeze(centred_sound, axis_1)
    waves = Conv<strides = [{SHIFT_SAMPLES}]>(one_channel, spectrum_kernels)
    powers = Mul(waves, waves)
    power_frames = Transpose<perm = [0, 2, 1]>(powers)
    energies = MatMul(power_frames, mel_filters)
    audible = Max(energies, mel_floor)
    mels = Log(audible)
    padded_mels = Pad(mels, mel_pads)
    cut_mels = Slice(padded_mels, first_mel, last_mel, axis_1)
    shaped_mels = Reshape(cut_mels, mel_shape)
    centred_mels = Sub(shaped_mels, mel_mean)
    normal_mels = Mul(centred_mels, mel_scale)
"""
_BOTH: Final = f"""{_FACES}{_SOUND}
    has_faces = Unsqueeze(use_faces, axes_1234)
    video = Where(has_faces, normal_planes, nothing)
    has_sound = Unsqueeze(use_sound, axes_123)
    audio = Where(has_sound, normal_mels, nothing)
"""
_BEFORE: Final = {
    "av": _BOTH,
    "video": f"{_FACES} video = Identity(normal_planes)",
    "audio": f"{_SOUND} audio = Identity(normal_mels)",
}
_CALIBRATED: Final = """
    faces_used = Cast<to = 7>(use_faces)
    sound_used = Cast<to = 7>(use_sound)
    sound_twice = Add(sound_used, sound_used)
    streams_used = Add(faces_used, sound_twice)
    clip_temperatures = Gather(temperatures, streams_used)
    temperature_column = Unsqueeze(clip_temperatures, axis_1)
    calibrated = Div(logits, temperature_column)
    probabilities = Softmax<axis = -1>(calibrated)
"""
_AFTER: Final = {
    "classification": _CALIBRATED,
    "multilabel": "probabilities = Sigmoid(logits)",
    "regression": "values = Identity(logits)",
}


def attach_front_end(proto: ModelProto, info: WeightInfo) -> None:
    """Change a graph so that it takes raw faces and sound, and also gives probabilities.

    Its inputs are ``faces`` (B, 16, 160, 160, 3) uint8 RGB, ``sound`` (B, N) float32 at 16 kHz in -1..1, ``use_faces``
    (B,) and ``use_sound`` (B,) bool. N is 40960, or less at the end of a recording, but at least 400. A stream that is
    not used is withheld: its numbers have no effect. The graph of a weight of one stream ignores the inputs of the
    other one, and both switches.

    Its outputs are ``logits`` (B, C), and ``probabilities`` (B, C), or ``values`` (B, C) of a regression.

    Args:
        proto: the network: ``video`` and ``audio`` -> ``logits``.
        info: its metadata.
    """
    graph, nodes = proto.graph, list(proto.graph.node)
    before, after = _parse(_BEFORE[info.modality]), _parse(_AFTER[info.kind])
    used = {name for node in (*before, *after) for name in node.input}
    constants = _list_constants(info).items()
    graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in constants if name in used)
    del graph.node[:]
    graph.node.extend([*before, *nodes, *after])
    del graph.input[:]
    faces = ["batch", CLIP_FRAMES, FACE_SIZE_PX, FACE_SIZE_PX, 3]
    shapes = (faces, ["batch", "samples"], ["batch"], ["batch"])
    types = (TensorProto.UINT8, TensorProto.FLOAT, TensorProto.BOOL, TensorProto.BOOL)
    graph.input.extend(map(helper.make_tensor_value_info, RAW_INPUTS, types, shapes))
    answer = after[-1].output[0]
    graph.output.insert(0, helper.make_tensor_value_info(answer, TensorProto.FLOAT, ["batch", len(info.labels)]))


def _parse(steps: str) -> list[NodeProto]:
    """Read nodes from text."""
    return list(parser.parse_graph(f"steps () => () {{ {steps} }}").node)


def _list_constants(info: WeightInfo) -> dict[str, NDArray[Any]]:
    """List the constants of all steps by name."""
    mean, std = (np.array(value, np.float32).reshape(3, 1, 1, 1) for value in (IMAGENET_MEAN, IMAGENET_STD))
    filters = compute_mel_filters()
    return {
        "face_scale": 1 / (255 * std),
        "face_offset": -mean / std,
        "spectrum_kernels": compute_spectrum_kernels()[:, None],
        # The real and the imaginary part of a frequency have the same filters, which add their powers.
        "mel_filters": np.concatenate((filters, filters)),
        "mel_floor": np.array(LOG_MEL_FLOOR, np.float32),
        "mel_pads": np.array([0, 0, 0, 0, LOG_MEL_FRAMES, 0]),
        "first_mel": np.array([0]),
        "last_mel": np.array([LOG_MEL_FRAMES]),
        "mel_shape": np.array([-1, 1, LOG_MEL_FRAMES, LOG_MEL_BINS]),
        "mel_mean": np.array(LOG_MEL_MEAN, np.float32),
        "mel_scale": np.array(1 / (2 * LOG_MEL_STD), np.float32),
        "nothing": np.array(0, np.float32),
        "temperatures": np.array(list(_list_temperatures(info)), np.float32),
        "axis_1": np.array([1]),
        "axes_123": np.array([1, 2, 3]),
        "axes_1234": np.array([1, 2, 3, 4]),
    }


def _list_temperatures(info: WeightInfo) -> Iterable[float]:
    """List the temperatures of clips without a stream, with faces, with sound and with both."""
    for streams in ("", "video", "audio", "av"):
        yield info.find_temperature(info.modality if info.modality != "av" else streams) or 1.0
