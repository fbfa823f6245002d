from __future__ import annotations

from pathlib import Path

import pytest

from hicmae_cli.corpora.known.blemore import BLEMORE
from hicmae_cli.errors import ManifestError

HEADER = "filename,video_id,gender,mix,emotion_1,emotion_2,emotion_1_salience,emotion_2_salience,fold"


def test_a_clip_has_a_set_of_the_six_emotions() -> None:
    assert BLEMORE.task == "multilabel"
    assert BLEMORE.labels == ("anger", "disgust", "fear", "happiness", "sadness", "neutral")
    # The challenge's ACC_presence.
    assert BLEMORE.metric == "exact_match"


@pytest.mark.parametrize(
    ("emotions", "label", "salience"),
    [
        ("0,neu,,,", "neutral", "100"),
        ("1,ang,hap,30.0,70.0", "anger+happiness", "30/70"),
        ("1,hap,ang,30,70", "anger+happiness", "70/30"),
        ("1,sad,disg,50.0,50.0", "disgust+sadness", "50/50"),
    ],
)
def test_a_blend_has_one_label_in_any_order(emotions: str, label: str, salience: str, tmp_path: Path) -> None:
    (tmp_path / "train_metadata.csv").write_text(f"{HEADER}\nA411_x_ver1,A411,f,{emotions},3.0\n")
    (item,) = BLEMORE.items(tmp_path)
    assert (item.label, item.extra["salience"], item.fold) == (label, salience, "3")
    assert item.video == tmp_path / "A411_x_ver1.mov"
    (tmp_path / "train" / "A411").mkdir(parents=True)
    (tmp_path / "train" / "A411" / "A411_x_ver1.MP4").touch()
    (item,) = BLEMORE.items(tmp_path)
    assert item.video == tmp_path / "train" / "A411" / "A411_x_ver1.MP4"


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("a,A1,f,0,joy,,,,0", "unknown emotions 'joy'; expected one of ang, disg"),
        ("a,A1,f,1,ang,neu,50,50,0", "unknown emotions 'ang+neu'"),
        ("a,A1,f,1,ang,ang,50,50,0", "unknown emotions 'ang'"),
        ("a,A1,f,2,ang,,,,0", "unknown emotions 'ang'"),
        ("a,A1,f,0,ang,,,,5", "unknown fold '5'; expected 0, 1, 2, 3, 4"),
        ("x/a,A1,f,0,ang,,,,0", "expected the name of a clip, got 'x/a'"),
        ("a,A1,f,0,ang,,,,0\na,A1,f,0,ang,,,,0", "a occurs twice"),
    ],
)
def test_malformed_lists(row: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "train_metadata.csv").write_text(f"{HEADER}\n{row}\n")
    with pytest.raises(ManifestError) as caught:
        BLEMORE.items(tmp_path)
    assert said in str(caught.value)
