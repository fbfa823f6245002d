from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from hicmae_cli.cli import datasets
from hicmae_cli.cli.datasets import dataset_manifest, manifest_name
from hicmae_cli.corpora.manifest import read_manifest
from hicmae_cli.errors import ManifestError, SettingsError


def test_unknown_names_list_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="--dataset mars: known are puppets; or give a --manifest"):
        dataset_manifest("mars", tmp_path)


def test_a_corpus_that_is_there_is_taken_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_text("mine")
    assert dataset_manifest("puppets", tmp_path) == tmp_path / "manifest.csv"
    assert [path.name for path in tmp_path.iterdir()] == ["manifest.csv"]


def test_half_a_corpus_is_drawn_to_its_end(puppets: Path, tmp_path: Path) -> None:
    half = tmp_path / "half"
    shutil.copytree(puppets, half)
    (half / "manifest.csv").unlink()
    cut = sorted((half / "prepared").iterdir())[0]
    before = cut.read_bytes()
    cut.unlink()
    manifest = dataset_manifest("puppets", half)
    assert manifest.read_bytes() == (puppets / "manifest.csv").read_bytes()
    assert cut.read_bytes() == before


@pytest.mark.parametrize("content", ["", "[1]", '{"sizes": 3}', '{"sizes": {"train": "many"}, "seed": 0}'])
def test_a_folder_of_something_else_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "corpus.json").write_text(content)
    with pytest.raises(ManifestError, match="is not ours; choose another folder"):
        dataset_manifest("puppets", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["corpus.json"]


def test_puppets_that_are_not_there_are_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets, "PUPPET_SIZES", {"train": 1, "validation": 1, "test": 0})
    manifest = dataset_manifest("puppets", tmp_path / "new")
    assert manifest == tmp_path / "new" / "manifest.csv"
    samples = read_manifest(manifest)
    assert [sample.split for sample in samples] == ["train", "validation"]
    assert all(sample.video is not None and sample.video.is_file() for sample in samples)


def test_puppets_stay_puppets_by_any_name(puppets: Path, tmp_path: Path) -> None:
    assert manifest_name(puppets / "manifest.csv") == "puppets"
    assert manifest_name(tmp_path / "interviews.csv") == "interviews"
