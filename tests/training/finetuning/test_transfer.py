"""What a model loads from the weight it starts from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from hicmae_cli.errors import WeightsError
from hicmae_cli.models.classifier import Classifier
from hicmae_cli.models.config import DecoderDims, ModelDims
from hicmae_cli.models.pretraining import PretrainingModel
from hicmae_cli.training.finetuning.transfer import load_compatible
from hicmae_cli.weights.checkpoint import save_classifier, save_pretrained
from hicmae_cli.weights.info import PretrainingFacts, WeightInfo

DIMS = ModelDims(width=32, heads=1, depth=2, fusion_depth=1)
LABELS = ("happiness", "sadness")
HEAD = {"head.weight", "head.bias"}


def info(**more: object) -> WeightInfo:
    facts = {
        "variant": "custom",
        "dims": DIMS.to_dict(),
        "labels": LABELS,
        "dataset": "toys",
        "sampling_rate": 1,
        "front_end": "none",
        "licence": "MIT",
        "source": "a test",
    }
    return WeightInfo.model_validate({**facts, **more})


@pytest.fixture
def pretrained(tmp_path: Path) -> tuple[Path, PretrainingModel]:
    model = PretrainingModel(DIMS, DecoderDims(16, 1, (0, 1)))
    facts = PretrainingFacts(decoder_width=16, decoder_heads=1, skip_layers=(0, 1))
    path = tmp_path / "pretrained.safetensors"
    save_pretrained(path, model, info(labels=(), task="pretraining", pretraining=facts))
    return path, model


def test_a_pretrained_weight_gives_its_encoders_and_the_rest_is_named(
    pretrained: tuple[Path, PretrainingModel],
) -> None:
    path, source = pretrained
    model = Classifier(DIMS, 2)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    transfer = load_compatible(model, path, LABELS)
    theirs, ours = source.state_dict(), model.state_dict()
    assert set(transfer.taken) | set(transfer.fresh) == set(ours)
    assert set(transfer.taken) | set(transfer.unused) == set(theirs)
    assert all(torch.equal(ours[name], theirs[name]) for name in transfer.taken)
    assert all(torch.equal(ours[name], before[name]) for name in transfer.fresh)
    fresh = {"video_layer_weights", "audio_layer_weights", "feature_norm.weight", "feature_norm.bias", *HEAD}
    assert set(transfer.fresh) == fresh
    assert {name.split(".")[0] for name in transfer.unused} == {"video_decoder", "audio_decoder"}


@pytest.mark.parametrize(("labels", "fresh"), [(LABELS, set()), (("anger", "fear"), HEAD)])
def test_a_classifier_gives_its_head_only_for_the_same_labels(
    tmp_path: Path, labels: tuple[str, str], fresh: set[str]
) -> None:
    path = tmp_path / "classifier.safetensors"
    save_classifier(path, Classifier(DIMS, 2), info())
    transfer = load_compatible(Classifier(DIMS, 2), path, labels)
    assert set(transfer.fresh) == fresh


def test_fusion_layers_that_a_weight_lacks_start_from_scratch(tmp_path: Path) -> None:
    path, alone = tmp_path / "encoders.safetensors", replace(DIMS, fusion_depth=0)
    source = Classifier(alone, 2)
    save_classifier(path, source, info(dims=alone.to_dict()))
    model = Classifier(DIMS, 2)
    transfer = load_compatible(model, path, LABELS)
    assert transfer.fresh and all("fusion_encoder" in name and "_blocks.0." in name for name in transfer.fresh)
    assert str(transfer).endswith(f"start from scratch: fusion_encoder ({len(transfer.fresh)} tensors)")
    theirs, ours = source.state_dict(), model.state_dict()
    assert set(transfer.taken) == set(theirs) and all(torch.equal(ours[name], theirs[name]) for name in theirs)
    # And back: what the model has no layers for is not used.
    save_classifier(path, model, info())
    transfer = load_compatible(Classifier(alone, 2), path, LABELS)
    assert not transfer.fresh and all("_blocks.0." in name for name in transfer.unused)


def test_a_lost_tensor_is_refused(tmp_path: Path) -> None:
    path, model = tmp_path / "lost.safetensors", Classifier(DIMS, 2)
    save_classifier(path, model, info(dims=replace(DIMS, fusion_depth=2).to_dict()))
    with pytest.raises(WeightsError):
        load_compatible(Classifier(replace(DIMS, fusion_depth=2), 2), path, LABELS)


def test_layer_weights_that_were_not_trained_are_not_loaded(tmp_path: Path) -> None:
    path, source = tmp_path / "last.safetensors", Classifier(DIMS, 2, layer_fusion=False)
    save_classifier(path, source, info(layer_fusion=False))
    model = Classifier(DIMS, 2)
    transfer = load_compatible(model, path, LABELS)
    assert set(transfer.fresh) == {"video_layer_weights", "audio_layer_weights"}


def test_saturated_layer_weights_of_older_files_are_not_loaded(tmp_path: Path) -> None:
    path, source = tmp_path / "last.safetensors", Classifier(DIMS, 2)
    with torch.no_grad():
        for weights in (source.video_layer_weights, source.audio_layer_weights):
            weights.copy_(torch.tensor([0.0, 1000.0]))  # as earlier versions turned the fusion off
    save_classifier(path, source, info())
    model = Classifier(DIMS, 2)
    transfer = load_compatible(model, path, LABELS)
    assert set(transfer.fresh) == {"video_layer_weights", "audio_layer_weights"}
    assert model.video_layer_weights.tolist() == [0.5, 0.5]


def test_another_size_is_refused(pretrained: tuple[Path, PretrainingModel]) -> None:
    with pytest.raises(WeightsError, match=r"pretrained\.safetensors: has the variant custom"):
        load_compatible(Classifier(ModelDims(64, 1, 2, 1), 2), pretrained[0], LABELS)
