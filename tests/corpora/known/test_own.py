from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from hicmae_cli.corpora.catalogue import dataset_root
from hicmae_cli.corpora.known.own import FOLDER, MANIFEST
from hicmae_cli.corpora.manifest import read_manifest
from hicmae_cli.errors import ManifestError
from hicmae_cli.preparing.jobs import make_jobs
from hicmae_cli.preparing.journal import Journal
from hicmae_cli.preparing.sources import find_sources
from tests.corpora.fake_media import put_video
from tests.corpora.fakes import make_fake

HEAD = "id,video,audio,label,fold,split,speaker\n"


def test_every_fold_has_its_share_of_every_label(tmp_path: Path) -> None:
    make_fake("folder", tmp_path, media=False)
    assert FOLDER.deal is not None
    items = FOLDER.deal(FOLDER.items(tmp_path))
    assert Counter((item.fold, item.label) for item in items) == {
        (fold, label): 2 for fold in FOLDER.folds for label in ("happiness", "sadness", "bored stiff")
    }
    assert FOLDER.labels == ()  # the folders decide
    assert {item.label for item in items} == {"bored stiff", "happiness", "sadness"}


def test_a_new_clip_changes_no_name(tmp_path: Path) -> None:
    make_fake("folder", tmp_path, media=False)
    before = [item.id for item in FOLDER.items(tmp_path)]
    put_video(tmp_path / "happy" / "new.mp4", media=False)
    assert [item.id for item in FOLDER.items(tmp_path)] == sorted([*before, "happy/new.mp4"])


def test_folders_that_are_no_corpus(tmp_path: Path) -> None:
    put_video(tmp_path / "a.mp4", media=False)
    with pytest.raises(
        ManifestError,
        match=r"no videos in sub-folders; expected <label>/<video> .*; skipped videos outside the .*: a.mp4$",
    ):
        FOLDER.items(tmp_path)
    put_video(tmp_path / "happy" / "a.mp4", media=False)
    with pytest.raises(
        ManifestError,
        match=r"only one label, happiness; expected one sub-folder for each label; skipped .* outside .*: a.mp4$",
    ):
        FOLDER.items(tmp_path)
    put_video(tmp_path / "2" / "a.mp4", media=False)
    with pytest.raises(ManifestError, match=r"2: a number is ambiguous as a label.*name the folder after its emotion"):
        FOLDER.items(tmp_path)


def test_a_name_that_no_manifest_can_hold_costs_its_own_clip(tmp_path: Path) -> None:
    make_fake("folder", tmp_path, media=False)
    for name in ("a\nb.mp4", "~c.mp4", "d\udcff.mp4"):
        put_video(tmp_path / "happy" / name, media=False)
    items = FOLDER.items(tmp_path)
    journal = Journal(tmp_path / "journal.jsonl")
    jobs = make_jobs(find_sources(FOLDER, items, None), tmp_path / "clips", journal)
    named = {id_: entry.cause for id_, entry in journal.entries.items() if entry.fault == "name"}
    assert len(named) == 3
    assert len(jobs) == len(items) - 3
    assert all(cause.isprintable() for cause in named.values())


def test_the_authors_lines_of_raw_videos(tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("happy\nangry\n")
    (tmp_path / "manifest.csv").write_text("x/a.mp4 x/a.wav 1\ny/a.mp4 y/a.wav 0\n")
    first, second = MANIFEST.items(tmp_path)
    assert (first.id, first.label, first.video) == ("x/a.mp4", "anger", tmp_path / "x" / "a.mp4")
    assert (second.id, second.label, second.audio) == ("y/a.mp4", "happiness", tmp_path / "y" / "a.wav")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (HEAD + "1,a.mp4,,happy,,,\n2,../b.mp4,,happy,,,\n", "line 3: "),
        (HEAD + "1,/etc/a.mp4,,happy,,,\n", "line 2: '/etc/a.mp4' is outside the folder"),
        (HEAD + "1,a.mp4,../../a.wav,happy,,,\n", "leads out of the "),
        (HEAD + "a\tb,a.mp4,,happy,,,\n", r"line 2: the id 'a\tb' cannot be a file name"),
        (HEAD + "../1,a.mp4,,happy,,,\n", "line 2: the id '../1' cannot be a file name"),
        (HEAD + "1,,a.mp4,happy,,,\n", "line 2: 'a.mp4' is no sound file by its suffix; put a video into the column"),
        (HEAD + "1,a.mp4,,glad,,,\n", "line 2: unknown label 'glad'; expected happiness, sadness"),
        (HEAD + "1,a.mp4,,happy,,tset,\n", "line 2: '1' has the split 'tset'; expected train, validation or"),
        (HEAD + "1,a.mp4,,2,,,\n", "number 2, but there are 2 labels"),
        (HEAD + "1,a.mp4\n", "line 2: expected 7 fields"),
        (HEAD + "1,a.mp4,,happy,,,\n1,b.mp4,,happy,,,\n", "every clip needs its own"),
        (HEAD + "1,a.mp4,,happy,,,\n\udcff,b.mp4,,happy,,,\n", "line 3: is not UTF-8 text"),
        ("x/a.mp4 happy\n", "line 1: expected `<frame folder> <wav> <label>`"),
        ("../a.mp4 a.wav happy\n", "line 1: "),
    ],
)
def test_malformed_manifests(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("happy\nsad\n")
    path = tmp_path / "manifest.csv"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(ManifestError) as caught:
        MANIFEST.items(tmp_path)
    assert str(caught.value).startswith(str(path))
    assert said in str(caught.value)


def test_the_file_itself_may_be_named(tmp_path: Path) -> None:
    make_fake("manifest", tmp_path, media=False)
    file = (tmp_path / "manifest.csv").rename(tmp_path / "mine.csv")
    assert dataset_root(MANIFEST, file) == file
    assert len(MANIFEST.items(file)) == 9
    with pytest.raises(ManifestError, match=r"manifest\.csv: cannot be read"):
        MANIFEST.items(tmp_path)


@pytest.mark.parametrize("lines", [HEAD + "{0}", "{1}"])
def test_numbers_without_names_are_targets_of_a_regression(lines: str, tmp_path: Path) -> None:
    texts = ("3", "0.5", "-2", "10")
    rows = "".join(f"{n},{n}.mp4,,{text},,,\n" for n, text in enumerate(texts))
    authors = "".join(f"{n}.mp4 {n}.wav {text}\n" for n, text in enumerate(texts))
    path = tmp_path / "manifest.csv"
    path.write_text(lines.format(rows, authors))
    assert tuple(item.label for item in MANIFEST.items(tmp_path)) == texts
    values = [sample.target for sample in read_manifest(path, ["valence"], existing=False, task="regression")]
    assert values == [(3.0,), (0.5,), (-2.0,), (10.0,)]
    (tmp_path / "labels.txt").write_text("happy\nsad\n")
    with pytest.raises(ManifestError, match="the label is the number 3, but there are 2 labels"):
        MANIFEST.items(tmp_path)


def test_labels_are_needed(tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_text("id,video,audio\n1,a.mp4,\n")
    with pytest.raises(ManifestError, match="the header lacks label"):
        MANIFEST.items(tmp_path)


def test_sounds_and_pictures_are_clips_too(tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_text(HEAD + "1,,a.wav,happy,,,\n2,b.JPG,,sad,,,\n3,c.mp4,,sad,,,\n")
    items = MANIFEST.items(tmp_path)
    assert [(item.video.name, item.audio) for item in items] == [("a.wav", None), ("b.JPG", None), ("c.mp4", None)]
    sources = find_sources(MANIFEST, items, None)
    assert [type(source).__name__ for source in sources.values()] == ["SoundFile", "StillFile", "Source"]
    (tmp_path / "manifest.csv").write_text(HEAD + "1,b.jpg,a.wav,happy,,,\n")
    with pytest.raises(ManifestError, match="clip 1 has a picture and a sound; list them as two clips"):
        find_sources(MANIFEST, MANIFEST.items(tmp_path), None)
