from __future__ import annotations

from pathlib import Path

import pytest

from hicmae_cli.corpora.known.mer2023 import MER2023
from hicmae_cli.errors import ManifestError
from tests.corpora.fakes import make_fake


def test_published_counts() -> None:
    facts = MER2023.published[""]
    assert (facts.train, facts.test) == (3373, 411)


def test_videos_may_be_mp4(tmp_path: Path) -> None:
    items = make_fake("mer2023", tmp_path, labels=1, media=False)
    items[0].video.rename(items[0].video.with_suffix(".mp4"))
    assert [item.video.suffix for item in MER2023.items(tmp_path)] == [".mp4", *[".avi"] * (len(items) - 1)]


def test_the_archives_as_they_unpack(tmp_path: Path) -> None:
    items = make_fake("mer2023", tmp_path, media=False)
    for name, archive in (
        ("train", "mer2023train"),
        ("train-label.csv", "mer2023train"),
        ("test1", "mer2023test1&2"),
        ("test1-label.csv", "test-labels"),
    ):
        (tmp_path / archive).mkdir(exist_ok=True)
        (tmp_path / name).rename(tmp_path / archive / name)
    unpacked = MER2023.items(tmp_path)
    assert [item.id for item in unpacked] == [item.id for item in items]
    assert all(item.video.is_file() for item in unpacked)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name,discrete,valence\na,bored,1\n", "line 2: unknown label 'bored'; expected neutral, angry, happy"),
        ("name,discrete,valence\na,sad\n", "line 2: expected 3 columns, got 2"),
        ("name,discrete,valence\n../a,sad,1\n", "line 2: '../a' leads out of the dataset's folder"),
        ("name,discrete,valence\nx/a,sad,1\n", "line 2: expected the name of a clip, got 'x/a'"),
        ("name,discrete,valence\na,sad,1\na,sad,1\n", "line 3: a occurs twice"),
        ("name,valence\na,1\n", "line 1: the header lacks discrete"),
    ],
)
def test_malformed_lists(text: str, said: str, tmp_path: Path) -> None:
    make_fake("mer2023", tmp_path, labels=1, media=False)
    path = tmp_path / "test1-label.csv"
    path.write_text(text)
    with pytest.raises(ManifestError) as caught:
        MER2023.items(tmp_path)
    assert str(caught.value).startswith(f"{path}, {said}")


def test_a_missing_list_is_named(tmp_path: Path) -> None:
    make_fake("mer2023", tmp_path, media=False)
    (tmp_path / "train-label.csv").unlink()
    with pytest.raises(ManifestError, match=r"train-label\.csv: cannot be read \(No such file"):
        MER2023.items(tmp_path)
