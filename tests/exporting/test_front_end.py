"""A file with the front end inside says what the predictor says."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper, parser

from hicmae_cli.clips import Clip, compute_log_mel, stack_clips
from hicmae_cli.errors import WeightsError
from hicmae_cli.exporting.export import export_onnx
from hicmae_cli.exporting.front_end import attach_front_end
from hicmae_cli.onnx_runtime import import_onnxruntime
from hicmae_cli.runtime import predictor, reading
from hicmae_cli.runtime.engine import Engine, softmax
from hicmae_cli.runtime.onnx_engine import OnnxEngine
from hicmae_cli.runtime.opening import open_engine
from hicmae_cli.runtime.predictor import Predictor
from hicmae_cli.runtime.reading import WindowInput
from hicmae_cli.weights.info import METADATA_KEY, WeightInfo
from hicmae_cli.weights.reading import find_parameters
from tests.docs.pages import blocks
from tests.weights.toys import DIMS, info_of

INFO = info_of(DIMS, 3)
STREAMS = {"video": ["batch", 3, 16, 160, 160], "audio": ["batch", 1, 256, 128]}


def open_file(path: Path) -> Any:
    """As any other program opens it."""
    return import_onnxruntime().InferenceSession(str(path), providers=["CPUExecutionProvider"])


def raw(faces: NDArray[Any], sound: NDArray[Any], use: Sequence[tuple[bool, bool]] | None = None) -> dict[str, Any]:
    switches = np.array(use or [(True, True)] * len(faces))
    return {"faces": faces, "sound": sound, "use_faces": switches[:, 0], "use_sound": switches[:, 1]}


def write_front_end(path: Path, info: WeightInfo = INFO) -> Path:
    """A file whose network only cuts three numbers out of its input: everything else is the front end."""
    stream = "audio" if info.modality == "audio" else "video"
    graph = helper.make_graph(
        list(parser.parse_graph(f"g () => () {{ flat = Flatten({stream}) logits = Slice(flat, a, b, ax) }}").node),
        "network",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in STREAMS.items()],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 3])],
        [numpy_helper.from_array(np.array([at]), name) for name, at in (("a", 5000), ("b", 5003), ("ax", 1))],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    attach_front_end(proto, info)
    for name, shape in STREAMS.items():
        if info.modality in ("av", name):
            proto.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
    helper.set_model_props(proto, {METADATA_KEY: info.to_json()})
    onnx.save(proto, path)
    onnx.checker.check_model(str(path), full_check=True)
    return path


@pytest.fixture(scope="module")
def steps(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return open_file(write_front_end(tmp_path_factory.mktemp("steps") / "steps.onnx"))


def tone(samples: int, offset: float = 0.0) -> NDArray[np.float32]:
    """A rising tone and a little noise, twice: loud, and 60 dB below."""
    times = np.arange(samples) / 16000
    sound = 0.5 * np.sin(2 * np.pi * (200 + 900 * times) * times)
    sound += 1e-3 * np.random.default_rng(0).standard_normal(samples)
    return np.stack([sound + offset, sound / 1000]).astype(np.float32)


@pytest.mark.parametrize("samples", [400, 560, 8000, 40960, 41199, 60000])
def test_faces_and_sound_reach_the_network_as_in_hicmae(steps: Any, samples: int) -> None:
    rng = np.random.default_rng(samples)
    faces = rng.integers(0, 256, (2, 16, 160, 160, 3), np.uint8)
    sound = tone(samples)
    video, audio = steps.run(["video", "audio"], raw(faces, sound))
    expected = stack_clips([Clip(*each) for each in zip(faces, map(compute_log_mel, sound), strict=True)])
    np.testing.assert_allclose(video, expected[0], atol=1e-5)
    np.testing.assert_allclose(audio, expected[1], atol=2e-3)


@pytest.mark.parametrize("sound", [np.zeros(40960), np.full(40960, 0.9), tone(40960, offset=0.4)[0]])
def test_silence_and_a_constant_offset(steps: Any, sound: NDArray[Any]) -> None:
    sound = sound.astype(np.float32)
    (audio,) = steps.run(["audio"], raw(np.zeros((1, 16, 160, 160, 3), np.uint8), sound[None]))
    np.testing.assert_allclose(audio[0, 0], compute_log_mel(sound), atol=2e-3)


def test_a_withheld_stream_is_zeros_whatever_it_contains(steps: Any) -> None:
    faces = np.full((3, 16, 160, 160, 3), 200, np.uint8)
    sound = np.full((3, 400), np.nan, np.float32)
    sound[0] = tone(400)[0]
    video, audio = steps.run(["video", "audio"], raw(faces, sound, [(False, True), (True, False), (False, False)]))
    assert [bool(each.any()) for each in video] == [False, True, False]
    assert [bool(each.any()) for each in audio] == [True, False, False]


def test_each_combination_of_streams_has_its_temperature(tmp_path: Path) -> None:
    info = INFO.model_copy(update={"temperature": 2.0, "one_stream_temperatures": {"audio": 0.5}})
    steps = open_file(write_front_end(tmp_path / "w.onnx", info))
    faces = np.random.default_rng(0).integers(0, 256, (3, 16, 160, 160, 3), np.uint8)
    use = [(True, True), (False, True), (True, False)]
    logits, got = steps.run(["logits", "probabilities"], raw(faces, np.zeros((3, 400), np.float32), use))
    np.testing.assert_allclose(got, softmax(logits / np.array([[2.0], [0.5], [1.0]])), atol=1e-6)


@pytest.mark.parametrize("task", ["multilabel", "regression"])
@pytest.mark.parametrize("modality", ["av", "video", "audio"])
def test_other_tasks_and_single_streams(tmp_path: Path, task: str, modality: str) -> None:
    """A weight of one stream ignores both switches: it has nothing else to go by."""
    info = INFO.model_copy(update={"task": task, "modality": modality})
    steps = open_file(write_front_end(tmp_path / "w.onnx", info))
    assert [node.name for node in steps.get_inputs()] == ["faces", "sound", "use_faces", "use_sound"]
    faces = np.random.default_rng(0).integers(0, 256, (1, 16, 160, 160, 3), np.uint8)
    use = [(modality == "av", modality == "av")]
    answer = "values" if task == "regression" else "probabilities"
    logits, got = steps.run(["logits", answer], raw(faces, tone(8000)[:1], use))
    assert np.abs(logits).max() > 0.01
    np.testing.assert_allclose(got, 1 / (1 + np.exp(-logits)) if task == "multilabel" else logits, atol=1e-6)


def test_it_is_told_apart_from_a_file_for_hicmae(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"was exported for other programs: .*use the weight that it was made of"):
        OnnxEngine(write_front_end(tmp_path / "w.onnx"), "cpu")


def test_data_outside_its_folder_are_refused(tmp_path: Path) -> None:
    """Its constants are large enough to be kept in another file, which another file may claim to be."""
    (tmp_path / "secret").write_bytes(bytes(2**20))
    (tmp_path / "in").mkdir()
    path = write_front_end(tmp_path / "in" / "w.onnx")
    proto = onnx.load(path)
    (kernels,) = (each for each in proto.graph.initializer if each.name == "spectrum_kernels")
    kernels.ClearField("raw_data")
    kernels.data_location = TensorProto.EXTERNAL
    for key, value in (("location", "../secret"), ("offset", "0"), ("length", str(512 * 400 * 4))):
        kernels.external_data.add(key=key, value=value)
    path.write_bytes(proto.SerializeToString())
    with pytest.raises(WeightsError, match=r"w\.onnx: ONNX Runtime cannot load it") as caught:
        OnnxEngine(path, "cpu")
    assert "\n" not in str(caught.value)


def test_the_program_of_the_docs_needs_no_hicmae(tmp_path: Path) -> None:
    (program,) = blocks("docs/export.md", "python")
    assert "hicmae_cli" not in program and len(program.splitlines()) == 10
    path = write_front_end(tmp_path / "anywhere.onnx", INFO.model_copy(update={"temperature": 2.0}))
    faces = np.random.default_rng(0).integers(0, 256, (16, 160, 160, 3), np.uint8)
    np.save(tmp_path / "faces.npy", faces)
    np.save(tmp_path / "sound.npy", tone(40960)[0])
    # Isolated: neither the working folder nor PYTHONPATH can bring in hicmae.
    command = [sys.executable, "-I", "-c", program]
    done = subprocess.run(command, cwd=tmp_path, env=os.environ, check=True, capture_output=True, text=True)
    (expected,) = open_file(path).run(["probabilities"], raw(faces[None], tone(40960)[:1]))
    assert ast.literal_eval(done.stdout) == pytest.approx(dict(zip(INFO.labels, expected[0].tolist(), strict=True)))


@pytest.fixture(scope="module")
def nano(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundled weight with the front end inside."""
    target = tmp_path_factory.mktemp("nano") / "nano.onnx"
    report = export_onnx(find_parameters("hicmae-nano", "export"), target, store="float16", with_front_end=True)
    assert report.limited == "a probability"
    assert report.max_probability_difference is not None and report.max_probability_difference <= report.limit == 2e-3
    return target


@pytest.mark.slow
def test_it_says_what_the_predictor_says_of_a_video(nano: Path, sample: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every window of the sample through hicmae's own front end, and its crops and samples through the file's."""
    sounds: dict[bytes, NDArray[np.float32]] = {}
    said: list[tuple[WindowInput, NDArray[np.float64]]] = []
    score = predictor._score_inputs

    def hear(samples: NDArray[np.float32]) -> NDArray[np.float32]:
        mel = compute_log_mel(samples)
        sounds[mel.tobytes()] = samples
        return mel

    def listen(engine: Engine, inputs: Sequence[WindowInput]) -> Any:
        found = score(engine, inputs)
        said.extend((each, np.array(list(found[each.track].probabilities.values()))) for each in inputs)
        return found

    monkeypatch.setattr(reading, "compute_log_mel", hear)
    monkeypatch.setattr(predictor, "_score_inputs", listen)
    assert Predictor(open_engine("hicmae-nano", device="cpu")).predict(sample).status == "ok"
    session, combinations = open_file(nano), set()
    for window, expected in said:
        faces = np.zeros((1, 16, 160, 160, 3), np.uint8) if window.clip.video is None else window.clip.video[None]
        sound = np.zeros(400, np.float32) if window.mel is None else sounds[window.mel.tobytes()]
        use = [(window.clip.video is not None, window.mel is not None)]
        combinations.add(use[0])
        (got,) = session.run(["probabilities"], raw(faces, sound[None], use))
        np.testing.assert_allclose(got[0], expected, atol=2e-3)
    assert len(said) > 10 and len(combinations) >= 2
