"""A probe of puppets recovers the layer in which the label was planted."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import torch
from torch import Tensor

import hicmae_cli as hicmae
from hicmae_cli.clips import read_prepared_clip, stack_clips
from hicmae_cli.corpora.manifest import read_manifest
from hicmae_cli.models.config import ModelDims
from hicmae_cli.models.encoders import Encoder
from hicmae_cli.puppets.corpus import make_corpus
from tests.weights.toys import save_toy

DIMS = ModelDims(width=32, heads=2, depth=4, fusion_depth=1)
PLANTED = 3


def name_faces(faces: Tensor) -> str:
    """Name a view by its normalised faces (3, 16, 160, 160)."""
    return hashlib.sha256(faces.cpu().contiguous().numpy().tobytes()).hexdigest()


@pytest.mark.slow
def test_a_planted_layer_is_recovered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = make_corpus(tmp_path / "puppets", {"train": 60, "validation": 12, "test": 36}, seed=3)
    samples = read_manifest(manifest)
    names = sorted({sample.label for sample in samples})
    labels: dict[str, int] = {}
    for sample in samples:
        for view in read_prepared_clip(sample.video, sample.audio).read_evaluation_clips(4):
            labels[name_faces(torch.from_numpy(stack_clips([view])[0][0]))] = names.index(sample.label)
    codes = torch.randn(len(names), DIMS.width, generator=torch.Generator().manual_seed(0))
    forward = Encoder.forward

    def plant(self: Encoder, x: Tensor, keep: Tensor | None = None) -> list[Tensor]:
        outputs = forward(self, x, keep)
        if x.ndim == 5:  # pictures
            outputs[PLANTED - 1] = outputs[PLANTED - 1] + codes[[labels[name_faces(clip)] for clip in x]][:, None]
        return outputs

    monkeypatch.setattr(Encoder, "forward", plant)
    # An untrained model, so that the other layers hold little.
    weight = save_toy(tmp_path / "toy.safetensors", dims=DIMS)
    table = hicmae.embed_clips(weights=weight, manifest=manifest, layers=["each"], device="cpu")
    result = hicmae.probe(table, layers=[f"{stream}_{layer}" for stream in ("video", "audio") for layer in range(1, 5)])
    assert result.best.layer == f"video_{PLANTED}"
    assert result.best.metrics["uar"] > 0.95
    assert max(layer.metrics["uar"] for layer in result.layers if layer is not result.best) < 0.8
