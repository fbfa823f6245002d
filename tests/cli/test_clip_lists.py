from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from hicmae_cli.cli import clip_lists
from hicmae_cli.cli.clip_lists import puppets_manifest
from hicmae_cli.corpora.manifest import read_manifest
from hicmae_cli.errors import ManifestError

pytestmark = pytest.mark.integration


def test_a_corpus_that_is_there_is_taken_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_text("mine")
    assert puppets_manifest(tmp_path) == tmp_path / "manifest.csv"
    assert [path.name for path in tmp_path.iterdir()] == ["manifest.csv"]


def test_half_a_corpus_is_drawn_to_its_end(puppets: Path, tmp_path: Path) -> None:
    half = tmp_path / "half"
    shutil.copytree(puppets, half)
    (half / "manifest.csv").unlink()
    cut = sorted((half / "prepared").iterdir())[0]
    before = cut.read_bytes()
    cut.unlink()
    manifest = puppets_manifest(half)
    assert manifest.read_bytes() == (puppets / "manifest.csv").read_bytes()
    assert cut.read_bytes() == before


@pytest.mark.parametrize("content", ["", "[1]", '{"sizes": 3}', '{"sizes": {"train": "many"}, "seed": 0}'])
def test_a_folder_of_something_else_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "corpus.json").write_text(content)
    with pytest.raises(ManifestError, match="was not written by hicmae; choose another folder"):
        puppets_manifest(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["corpus.json"]


def test_puppets_that_are_not_there_are_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clip_lists, "PUPPET_SIZES", {"train": 1, "validation": 1, "test": 0})
    manifest = puppets_manifest(tmp_path / "new")
    assert manifest == tmp_path / "new" / "manifest.csv"
    samples = read_manifest(manifest)
    assert [sample.split for sample in samples] == ["train", "validation"]
    assert all(sample.video is not None and sample.video.is_file() for sample in samples)
