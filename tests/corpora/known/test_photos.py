from __future__ import annotations

from pathlib import Path

import pytest

from hicmae_cli.corpora.catalogue import dataset_root
from hicmae_cli.corpora.known.photos import PHOTOS
from hicmae_cli.errors import ManifestError


def put(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def test_folders_are_labels(tmp_path: Path) -> None:
    put(tmp_path, "angry/a.JPG", "angry/deep/b.png", "sad/a.webp", "sad/film.mp4", "loose.jpg", "prepared/x/a.jpg")
    items = PHOTOS.items(tmp_path)
    assert [(item.id, item.label, item.speaker) for item in items] == [
        ("angry/a.JPG", "anger", ""),
        ("angry/deep/b.png", "anger", ""),
        ("sad/a.webp", "sadness", ""),
    ]
    (warning,) = PHOTOS.ignored(tmp_path)
    assert warning == "skipped pictures outside the label folders (move them into one to use them): loose.jpg"
    put(tmp_path, "7/a.jpg")
    with pytest.raises(ManifestError, match="7: a number is ambiguous as a label"):
        PHOTOS.items(tmp_path)


def test_a_list_names_people_and_keeps_its_columns(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text(
        "file,label,group,source,split,audio\nx/2.jpg,HAP,b,film,test,no\nx/1.jpg,contempt,a,press,train,\n"
    )
    assert dataset_root(PHOTOS, path) == path
    first, second = PHOTOS.items(path)
    assert (first.id, first.label, first.speaker, first.split) == ("x/1.jpg", "contempt", "a", "train")
    # A column with the name of one of the manifest's own would replace it.
    assert (second.video, second.label, dict(second.extra)) == (
        tmp_path / "x" / "2.jpg",
        "happiness",
        {"source": "film"},
    )
    assert PHOTOS.deal is not None and PHOTOS.deal([first, second]) == [first, second]
    assert PHOTOS.ignored(tmp_path) == []


def test_people_are_dealt_to_folds_where_the_list_names_none(tmp_path: Path) -> None:
    rows = [f"{n}.jpg,{'happy' if n % 3 else 'sad'},p{n % 8}" for n in range(40)]
    (tmp_path / "manifest.csv").write_text("\n".join(["file,label,person", *rows]))
    assert PHOTOS.deal is not None
    dealt = PHOTOS.deal(PHOTOS.items(tmp_path))
    assert {item.fold for item in dealt} == set("12345")
    assert len({(item.speaker, item.fold) for item in dealt}) == 8


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("file,name\na.jpg,happy", "line 1: the header lacks label"),
        ("file,label", "lists no pictures"),
        ("file,label\na.jpg,happy\na.jpg,sad", "line 3: the id 'a.jpg' occurs twice"),
        ("file,label\n../a.jpg,happy", "line 2: '../a.jpg' leads out of"),
        ("file,label\na.jpg,3", "line 2: expected the name of an emotion as the label, got '3'"),
        ("file,label\na.jpg,", "line 2: expected the name of an emotion as the label, got ''"),
        ("file,label,split\na.jpg,happy,tset", "line 2: 'a.jpg' has the split 'tset'; expected train"),
        ("file,label,id\na.jpg,happy,../a", r"line 2: the id '\.\./a' cannot be a file name"),
    ],
)
def test_malformed_lists(rows: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_text(rows)
    with pytest.raises(ManifestError, match=said):
        PHOTOS.items(tmp_path)


def test_an_empty_folder_says_what_is_expected(tmp_path: Path) -> None:
    put(tmp_path, "a.jpg")
    with pytest.raises(
        ManifestError, match=r"no pictures; expected <label>/<picture> .* manifest\.csv; skipped .*a\.jpg"
    ):
        PHOTOS.items(tmp_path)
