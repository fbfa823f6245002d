from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from hicmae_cli.errors import SettingsError
from hicmae_cli.models.classifier import Classifier
from hicmae_cli.runtime.torch_engine import TorchEngine, choose_device
from hicmae_cli.weights.checkpoint import load_classifier
from tests.runtime.stubs import noise
from tests.weights.toys import DIMS, info_of


@pytest.mark.parametrize(
    ("cuda", "mps", "expected"),
    [(True, True, "cuda"), (True, False, "cuda"), (False, True, "mps"), (False, False, "cpu")],
)
def test_auto_takes_the_fastest_there_is(monkeypatch: pytest.MonkeyPatch, cuda: bool, mps: bool, expected: str) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert choose_device("auto") == torch.device(expected)


def test_the_cpu_can_be_asked_for(toy: Path) -> None:
    assert TorchEngine(*load_classifier(toy), "cpu").device == "cpu"


# Unknown to torch, known but never there, and one on which numbers go in and do not come out.
@pytest.mark.parametrize("device", ["abacus", "", "cuda:99", "hpu", "vulkan", "meta"])
def test_devices_that_cannot_be_had_are_refused(toy: Path, device: str) -> None:
    with pytest.raises(SettingsError, match=f"device={device!r}: torch cannot use it here; try auto or cpu"):
        TorchEngine(*load_classifier(toy), device)


def test_it_gives_the_models_logits(toy: Path) -> None:
    model, info = load_classifier(toy)
    video, audio = noise(2)
    with torch.inference_mode():
        expected = model(torch.from_numpy(video), torch.from_numpy(audio)).numpy()
    engine = TorchEngine(model, info, "cpu")
    logits = engine.logits(video, audio)
    assert (engine.name, engine.info) == ("torch", info)
    assert logits.dtype == np.float32
    np.testing.assert_array_equal(logits, expected)


def test_a_model_in_training_is_judged_without_chance() -> None:
    torch.manual_seed(0)
    model = Classifier(DIMS, 3, drop_path=0.5).train()
    torch.nn.init.normal_(model.head.weight)
    inputs = noise(4)
    first, second = (model(*map(torch.from_numpy, inputs)) for _ in range(2))
    assert not torch.equal(first, second)  # or the rest would prove nothing
    engine = TorchEngine(model, info_of(DIMS, 3), "cpu")
    judged = engine.logits(*inputs)
    model.train()  # as the next epoch does
    np.testing.assert_array_equal(engine.logits(*inputs), judged)


def test_logits_carry_no_gradients_and_leave_the_model_as_it_was(toy: Path) -> None:
    model, info = load_classifier(toy)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    TorchEngine(model, info, "cpu").logits(*noise(1))
    assert all(parameter.grad is None for parameter in model.parameters())
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


def count_encoded(model: Classifier) -> dict[str, int]:
    """Clips that each encoder runs on."""
    counts = {"video": 0, "audio": 0}

    def count(name: str) -> Callable[..., None]:
        return lambda _, inputs: counts.update({name: counts[name] + len(inputs[0])})

    model.video_encoder.register_forward_pre_hook(count("video"))
    model.audio_encoder.register_forward_pre_hook(count("audio"))
    return counts


def test_a_missing_stream_costs_nothing_and_changes_nothing(toy: Path) -> None:
    model, info = load_classifier(toy)
    video, audio = noise(5)
    video[[1, 3]] = 0
    audio[[2, 3]] = 0  # clip 3 has neither
    with torch.inference_mode():
        expected = model(torch.from_numpy(video), torch.from_numpy(audio)).numpy()
    counts = count_encoded(model)
    np.testing.assert_allclose(TorchEngine(model, info, "cpu").logits(video, audio), expected, atol=1e-5)
    assert counts == {"video": 3, "audio": 4}


@pytest.mark.parametrize("modality", ["video", "audio"])
def test_a_weight_of_one_stream_ignores_the_other(toy: Path, modality: str) -> None:
    model, info = load_classifier(toy)
    video, audio = noise(2)
    silent, dark = np.zeros_like(audio), np.zeros_like(video)
    alone = (video, silent) if modality == "video" else (dark, audio)
    with torch.inference_mode():
        expected = model(*map(torch.from_numpy, alone)).numpy()
    counts = count_encoded(model)
    engine = TorchEngine(model, info.model_copy(update={"modality": modality}), "cpu")
    np.testing.assert_allclose(engine.logits(video, audio), expected, atol=1e-5)
    assert counts == {"video": 0, "audio": 0} | {modality: 2}


def test_its_features_are_what_the_head_sees(toy: Path) -> None:
    model, info = load_classifier(toy)
    engine = TorchEngine(model, info, "cpu")
    video, audio = noise(4)
    video[1], audio[2] = 0, 0  # a clip without faces, and one without sound
    features = engine.features(video, audio)
    assert features.shape == (4, 4 * info.model_dims.width)
    with torch.inference_mode():
        logits = model.head(torch.from_numpy(features)).numpy()
    np.testing.assert_allclose(logits, engine.logits(video, audio), atol=1e-5)
