"""From clips to embeddings to probes, by command."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from hicmae_cli.embedding import probe
from hicmae_cli.embedding.table import read_embeddings
from tests.cli.running import hicmae
from tests.embedding.toys import make_table
from tests.weights.toys import save_toy


def test_clips_become_a_table(puppets: Path, tmp_path: Path) -> None:
    weight = save_toy(tmp_path / "toy.safetensors")
    command = ("embed", "--manifest", puppets / "manifest.csv", "-w", weight, "--layers", "fused,video_1")
    run = hicmae(*command, "--device", "cpu", "-o", tmp_path / "clips.npz")
    assert run.code == 0, run.err
    assert run.out.endswith("clips.npz: 8 embeddings; fused (128 values), video_1 (32 values)\n")
    table = read_embeddings(tmp_path / "clips.npz")
    assert set(table.columns["split"].tolist()) == {"train", "validation", "test"}
    assert "" not in table.columns["label"].tolist()


def test_wrong_calls_are_told_before_the_work(tmp_path: Path) -> None:
    assert hicmae("embed", "a.mp4", "-o", tmp_path / "table.csv").code == 2
    both = hicmae("embed", "a.mp4", "--dataset", "puppets", "-o", tmp_path / "table.npz")
    assert both.code == 2 and "give one of them" in both.err
    wrong = hicmae("embed", "a.mp4", "--layers", "video_99", "-o", tmp_path / "table.npz")
    assert wrong.code == 2 and "--layers video_99: expected each" in wrong.err
    absent = hicmae("probe", tmp_path / "table.npz")
    assert absent.code == 1 and "no such file" in absent.err
    assert not list(tmp_path.iterdir())


def test_a_probe_prints_and_writes_its_scores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "STRENGTHS", (1.0,))
    make_table(60, {"fused": 4, "video_1": 4}, people=6, folds=2).save(tmp_path / "layers.npz")
    run = hicmae("probe", tmp_path / "layers.npz", "--json", tmp_path / "probe.json")
    assert run.code == 0, run.err
    assert "UAR" in run.out and "video_1" in run.out
    assert "Tested on 60 clips of 6 people; chance is" in run.err
    document = json.loads((tmp_path / "probe.json").read_text())
    assert document["people"] == 6 and "only 6 speakers" in document["warnings"][0] and "only 6 speakers" in run.err
    assert list(document["layers"]) == ["fused", "video_1"]
    assert np.sum(document["layers"]["fused"]["confusion"]) == 60
    only = hicmae("probe", tmp_path / "layers.npz", "--layers", "video_1", "--json", "-")
    assert list(json.loads(only.out)["layers"]) == ["video_1"]
