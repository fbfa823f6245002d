"""The corpus on disk: what is written, that a call that was cut off goes on, and that nothing is mixed."""

from __future__ import annotations

import csv
import hashlib
import json
from pathlib import Path

import pytest

from hicmae_cli.clips import read_prepared_clip
from hicmae_cli.corpora.manifest import read_manifest
from hicmae_cli.errors import HicmaeError
from hicmae_cli.labels import CREMA_D_LABELS
from hicmae_cli.media import probe
from hicmae_cli.puppets import corpus
from hicmae_cli.puppets.plan import plan_corpus
from hicmae_cli.puppets.world import COMIC, FILM

pytestmark = pytest.mark.integration

SIZES = {"train": 2, "test": 2}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("puppets") / "corpus"
    corpus.make_corpus(folder, SIZES, seed=3, workers=2)
    return folder


def hashes(folder: Path) -> dict[str, str]:
    """What can be seen of a corpus: name -> sha256."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_every_planned_clip_is_listed_drawn_and_prepared(made: Path) -> None:
    plans = plan_corpus(SIZES, seed=3)
    samples = read_manifest(made / "manifest.csv", CREMA_D_LABELS)
    assert [(s.id, s.label, s.split, s.speaker) for s in samples] == [
        (p.id, p.label, p.split, f"puppet-{p.person_seed}") for p in plans
    ]
    for row in csv.DictReader((made / "manifest.csv").open()):
        scene = probe(made / row["raw"])
        assert scene.has_video and scene.has_audio
        assert scene.duration_s == pytest.approx(2.56, abs=0.17)
    for sample in samples:
        clip = read_prepared_clip(sample.video, sample.audio)
        assert clip.num_frames == 16
        assert clip.num_samples == pytest.approx(2.56 * 16000, abs=160)


def test_one_process_writes_the_same_bytes_as_two(made: Path, tmp_path: Path) -> None:
    corpus.make_corpus(tmp_path / "again", SIZES, seed=3, workers=1)
    assert hashes(tmp_path / "again") == hashes(made)


def test_an_interrupted_call_goes_on_and_ends_the_same(made: Path) -> None:
    before = hashes(made)
    kept = made / "prepared" / "train-00000-0.mkv"
    stamp = kept.stat().st_mtime_ns
    (made / "prepared" / "train-00000-1.mkv").unlink()
    (made / "raw" / "train-00000-1.mkv").write_bytes(b"half")
    (made / "manifest.csv").unlink()
    done: list[int] = []
    corpus.make_corpus(made, SIZES, seed=3, workers=1, on_clip=lambda: done.append(1))
    assert hashes(made) == before
    assert kept.stat().st_mtime_ns == stamp
    assert len(done) == 4


def test_another_corpus_in_the_same_folder_is_refused(made: Path) -> None:
    before = hashes(made)
    for sizes, seed, world in ((SIZES, 4, FILM), ({"train": 3, "test": 2}, 3, FILM), (SIZES, 3, COMIC)):
        with pytest.raises(HicmaeError, match="another corpus"):
            corpus.make_corpus(made, sizes, seed=seed, world=world)
    assert hashes(made) == before


def test_a_corpus_says_its_world_unless_it_is_the_first_one(made: Path, tmp_path: Path) -> None:
    """Corpora that were drawn before there were worlds have no such note, and stay valid."""
    assert json.loads((made / "corpus.json").read_text()) == {"version": 1, "seed": 3, "sizes": SIZES}
    assert corpus.read_world(made) == FILM
    folder = tmp_path / "comic"
    samples = read_manifest(corpus.make_corpus(folder, {"test": 1}, seed=3, world=COMIC, workers=1))
    assert corpus.read_world(folder) == COMIC
    assert [sample.id for sample in samples] == ["test-00000-0"]
    people = {sample.speaker for sample in read_manifest(made / "manifest.csv")}
    assert people.isdisjoint(sample.speaker for sample in samples)
    with pytest.raises(HicmaeError, match="another corpus"):
        corpus.make_corpus(folder, {"test": 1}, seed=3)


@pytest.mark.parametrize("text", ["", "[]", '{"world": "moon"}', '{"world": ["film"]}'])
def test_a_note_without_a_known_world_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "corpus.json").write_text(text)
    with pytest.raises(HicmaeError, match="was not written by this version of hicmae"):
        corpus.read_world(tmp_path)


def test_a_folder_with_other_things_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(HicmaeError, match="not empty"):
        corpus.make_corpus(tmp_path, SIZES, seed=0)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_broken_note_of_what_a_folder_holds_is_refused(tmp_path: Path) -> None:
    (tmp_path / "corpus.json").write_text("{")
    with pytest.raises(HicmaeError, match=r"corpus\.json"):
        corpus.make_corpus(tmp_path, SIZES, seed=0)
