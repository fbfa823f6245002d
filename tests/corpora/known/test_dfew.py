from __future__ import annotations

from pathlib import Path

import pytest

from hicmae_cli.corpora.known.dfew import DFEW
from hicmae_cli.errors import ManifestError
from tests.corpora.fake_media import put_video
from tests.corpora.fakes import make_fake


def test_published_counts() -> None:
    assert sum(facts.test for facts in DFEW.published.values()) == 11697


def test_videos_lie_flat_or_in_parts_with_or_without_zeros(tmp_path: Path) -> None:
    items = make_fake("dfew", tmp_path, folds=1, labels=3, media=False)
    places = {"00008": "8.mp4", "00009": "part_3/00009.mp4"}
    for item in items:
        item.video.unlink()
        if item.id in places:
            put_video(tmp_path / "Clip" / "original" / places[item.id], media=False)
    found = {
        item.id: item.video.relative_to(tmp_path / "Clip" / "original").as_posix() for item in DFEW.items(tmp_path)
    }
    assert found == {**places, "00010": "10.mp4"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("video_name,label\n1,8\n", "line 2: unknown label '8'; expected 1 to 7"),
        ("video_name,label\n1,0\n", "line 2: unknown label '0'"),
        ("video_name,label\n1,happy\n", "line 2: unknown label 'happy'"),
        ("video_name,label\n../1,1\n", "line 2: expected the number of a clip, got '../1'"),
        ("video_name,label\n123456,1\n", "line 2: expected the number of a clip, got '123456'"),
        ("video_name,label\n1\n", "line 2: expected 2 columns, got 1"),
        ("video_name,label\n\n1,1\n00001,2\n", "line 4: 00001 is also in the test list of fold 3"),
        ("name,label\n1,1\n", "line 1: the header lacks video_name"),
        ("", "is empty; expected a header with video_name, label"),
    ],
)
def test_malformed_lists(text: str, said: str, tmp_path: Path) -> None:
    make_fake("dfew", tmp_path, labels=1, media=False)
    path = tmp_path / "EmoLabel_DataSplit" / "test(single-labeled)" / "set_3.csv"
    path.write_text(text)
    with pytest.raises(ManifestError) as caught:
        DFEW.items(tmp_path)
    assert str(caught.value).startswith(str(path))
    assert said in str(caught.value)
