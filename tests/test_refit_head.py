"""The script that fits the head of the default again."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from hicmae_cli.corpora.manifest import Sample
from tests.test_default_scripts import load_script


@pytest.fixture(scope="module")
def refitting() -> ModuleType:
    return load_script("refit_head")


def test_a_refitted_head_hears_rare_classes(refitting: ModuleType) -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], [190, 10])
    features = rng.normal(size=(200, 3)) + labels[:, None] * [1.0, 0.0, 0.0]
    recalls = {}
    for power in (0.0, 1.0):
        head = torch.nn.Linear(3, 2)
        torch.nn.init.zeros_(head.weight)
        refitting.fit_head(features, labels, refitting.weigh(labels, 1.0, power), head, hold=1e-4)
        said = head(torch.tensor(features, dtype=torch.float32)).argmax(dim=1).numpy()
        recalls[power] = np.mean(said[labels == 1] == 1)
    assert recalls[0.0] < 0.3 < 0.5 < recalls[1.0]


def test_a_held_head_keeps_its_weights(refitting: ModuleType) -> None:
    rng = np.random.default_rng(1)
    head = torch.nn.Linear(4, 3)
    before = head.weight.detach().clone()
    labels = rng.integers(3, size=60)
    refitting.fit_head(rng.normal(size=(60, 4)), labels, refitting.weigh(labels, 1.0, 1.0), head, hold=1e4)
    torch.testing.assert_close(head.weight, before, atol=1e-4, rtol=0)


def test_pairs_have_one_emotion_and_test_clips_are_left_out(refitting: ModuleType) -> None:
    def make(name: str, label: str, source: str, split: str = "train") -> Sample:
        return Sample(name, Path(f"{name}.png"), Path(f"{name}.flac"), label, split=split, extra={"source": source})

    faces = [make(f"face-{label}", label, "photos") for label in ("anger", "fear", "neutral")]
    samples = [
        *faces,
        make("tested", "anger", "photos", "test"),
        make("a", "anger", "emodb"),
        make("b", "fear", "varied"),
    ]
    parts = refitting.choose_parts(samples, clips=5, pairs=8, seed=0)
    photos, sounds, pairs = parts[:3]
    assert [sample.id for sample in photos.samples] == [sample.id for sample in faces]
    assert {sample.id for sample in sounds.samples} == {"a", "b"}
    assert [sample.label for sample in pairs.samples] == ["anger", "fear"] * 4
    assert {(sample.video, sample.audio) for sample in pairs.samples} == {
        (Path("face-anger.png"), Path("a.flac")),
        (Path("face-fear.png"), Path("b.flac")),
    }
