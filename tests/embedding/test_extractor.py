"""Embeddings against the authors' numbers, and their parts against each other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from hicmae_cli.embedding.extractor import Extractor, open_extractor
from hicmae_cli.errors import SettingsError, WeightsError
from hicmae_cli.models.build import build_pretraining_model
from hicmae_cli.models.classifier import Classifier, pool_layers
from hicmae_cli.models.config import Architecture, ModelDims
from hicmae_cli.weights.authors import infer_dims, to_our_names
from hicmae_cli.weights.checkpoint import load_state, save_pretrained
from hicmae_cli.weights.info import PretrainingFacts
from tests import reference
from tests.weights.toys import DIMS, info_of, save_toy


@pytest.mark.parametrize("size", ["toy", pytest.param("tiny", marks=pytest.mark.slow)])
def test_fused_embeddings_are_the_authors_features(size: str) -> None:
    facts = reference.read_json("manifest.json")["finetune"][size]
    ours = to_our_names({k: torch.from_numpy(v) for k, v in reference.state_dict(facts["state_dict"]).items()})
    dims = infer_dims({k: tuple(v.shape) for k, v in ours.items()}, facts["num_heads"])
    model = Classifier(dims, facts["num_classes"])
    load_state(model, ours, reference.FOLDER)
    shapes = {"video": (facts["batch"], 3, 16, 160, 160), "audio": (facts["batch"], 1, 256, 128)}
    video, audio = (reference.noise(name, shape) for name, shape in shapes.items())
    extractor = Extractor(model, info_of(dims, facts["num_classes"]), "cpu")
    found = extractor.embed_arrays(video, audio, extractor.layers)
    expected = np.load(reference.FOLDER / f"finetune_{size}.npz")
    np.testing.assert_allclose(found["fused"], expected["feature"], atol=1e-4)
    assert set(found) == set(extractor.layers)
    # The parts are those of the whole.
    parts = [torch.from_numpy(found[name]) for name in ("video", "audio", "video_fusion", "audio_fusion")]
    joined = model.feature_norm(torch.cat(parts, dim=-1)).detach().numpy()
    np.testing.assert_allclose(joined, found["fused"], atol=1e-5)
    for stream, weights in (("video", model.video_layer_weights), ("audio", model.audio_layer_weights)):
        means = torch.stack([torch.from_numpy(found[f"{stream}_{layer + 1}"]) for layer in range(dims.depth)], dim=1)
        np.testing.assert_allclose(pool_layers(means, weights).detach().numpy(), found[stream], atol=1e-5)


def test_a_pretrained_weight_gives_the_embeddings_of_its_encoders(tmp_path: Path) -> None:
    facts = PretrainingFacts(decoder_width=32, decoder_heads=2, skip_layers=(0,), skips=False)
    info = info_of(DIMS, 1).model_copy(update={"labels": (), "task": "pretraining", "pretraining": facts})
    torch.manual_seed(0)
    model = build_pretraining_model(Architecture(DIMS, decoder=facts.decoder_dims, skips=False))
    save_pretrained(tmp_path / "pretrained.safetensors", model, info)
    extractor = open_extractor(str(tmp_path / "pretrained.safetensors"), "cpu")
    video, audio = np.ones((1, 3, 16, 160, 160), np.float32), np.ones((1, 1, 256, 128), np.float32)
    found = extractor.embed_arrays(video, audio, ("fused", "video_2"))
    with torch.inference_mode():
        tokens = model.video_encoder.eval()(torch.from_numpy(video))[1]
    np.testing.assert_allclose(found["video_2"], tokens.mean(dim=1).numpy(), atol=1e-5)
    assert found["fused"].shape == (1, 4 * DIMS.width)
    assert abs(found["fused"].mean()) < 1e-5 and found["fused"].std() == pytest.approx(1, abs=1e-3)


def test_layers_are_chosen_by_name(tmp_path: Path) -> None:
    extractor = open_extractor(str(save_toy(tmp_path / "toy.safetensors")), "cpu")
    assert extractor.choose_layers(["each"]) == extractor.layers
    assert extractor.choose_layers(["video_2", "fused", "video_2"]) == ("video_2", "fused")
    assert extractor.layers[-1] == f"audio_{DIMS.depth}"
    for wrong in (["video_3"], [], ["each", "fused"]):
        with pytest.raises(SettingsError, match="expected each, or some of fused, video, audio"):
            extractor.choose_layers(wrong)


def test_a_damaged_weight_is_not_embedded_with() -> None:
    dims = ModelDims(width=32, heads=2, depth=1, fusion_depth=1)
    model = Classifier(dims, 2)
    torch.nn.init.constant_(model.video_encoder.patches.weight, float("nan"))
    video, audio = np.zeros((1, 3, 16, 160, 160), np.float32), np.zeros((1, 1, 256, 128), np.float32)
    with pytest.raises(WeightsError, match="not finite"):
        Extractor(model, info_of(dims, 2), "cpu").embed_arrays(video, audio, ("video",))
