"""Prepared clips to embeddings."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

import hicmae_cli as hicmae
from hicmae_cli.clips import read_prepared_clip
from hicmae_cli.corpora.manifest import HEADER, Sample
from hicmae_cli.embedding.extractor import open_extractor
from hicmae_cli.errors import HicmaeError, SettingsError
from tests.evaluation.toys import write_grey
from tests.weights.toys import save_toy


def write_manifest(folder: Path, samples: list[Sample]) -> Path:
    with (folder / "clips.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER)
        for sample in samples:
            writer.writerow(
                (sample.id, sample.video, sample.audio, sample.target, sample.fold, sample.split, sample.speaker)
            )
    return folder / "clips.csv"


def test_every_clip_becomes_a_row(tmp_path: Path) -> None:
    clips = [
        write_grey(tmp_path, "dark", *range(0, 100), target="HAP", fold="1", speaker="ann"),
        write_grey(tmp_path, "bright", 250, target="", fold="2", speaker="bob"),
        write_grey(tmp_path, "broken", 1, fold="2"),
    ]
    next((tmp_path / "broken").iterdir()).write_text("not a picture")
    weight = str(save_toy(tmp_path / "toy.safetensors"))
    counts: list[int] = []
    table = hicmae.embed_clips(
        weights=weight,
        manifest=write_manifest(tmp_path, clips),
        layers=("fused", "audio_1"),
        device="cpu",
        on_start=counts.append,
        on_clip=lambda: counts.append(1),
    )
    assert counts == [3, 1, 1, 1]
    assert table.columns["id"].tolist() == ["dark", "bright"]
    assert table.columns["label"].tolist() == ["happiness", ""]
    assert table.columns["fold"].tolist() == ["1", "2"]
    assert table.columns["speaker"].tolist() == ["ann", "bob"]
    assert list(table.failures) == ["broken"]
    assert table.about["weights"]["labels"] == ["class 0", "class 1", "class 2"]
    # The mean over the two views that the paper tests on.
    extractor = open_extractor(weight, "cpu")
    views = read_prepared_clip(clips[0].video, clips[0].audio).read_evaluation_clips(4)
    assert views[0] is not views[1]
    for layer in ("fused", "audio_1"):
        each = [extractor.embed([view], (layer,))[layer][0] for view in views]
        np.testing.assert_allclose(table[layer][0], np.mean(each, axis=0), atol=1e-5)


def test_streams_can_be_withheld(tmp_path: Path) -> None:
    clips = write_manifest(tmp_path, [write_grey(tmp_path, "clip", *range(0, 200, 10))])
    weight = save_toy(tmp_path / "toy.safetensors")
    both, sound = (
        hicmae.embed_clips(
            weights=weight, manifest=clips, layers=("video_1", "audio_1"), modality=modality, device="cpu"
        )
        for modality in (None, "audio")
    )
    np.testing.assert_allclose(both["audio_1"], sound["audio_1"], atol=1e-5)
    assert np.abs(both["video_1"] - sound["video_1"]).max() > 1e-3
    assert sound.columns["modality"].tolist() == ["audio"]
    with pytest.raises(SettingsError, match="modality='face'"):
        hicmae.embed_clips(weights=weight, manifest=clips, modality="face")


def test_clips_that_cannot_be_read_at_all_are_an_error(tmp_path: Path) -> None:
    clip = write_grey(tmp_path, "clip", 1)
    next((tmp_path / "clip").iterdir()).write_text("not a picture")
    with pytest.raises(HicmaeError, match="none of its 1 clips can be read"):
        hicmae.embed_clips(
            weights=save_toy(tmp_path / "toy.safetensors"), manifest=write_manifest(tmp_path, [clip]), device="cpu"
        )
