from __future__ import annotations

from pathlib import Path

import pytest

from hicmae_cli.corpora.known.crema_d import CREMA_D, CREMA_D_4, assign_fold, parse_item
from hicmae_cli.errors import ManifestError
from tests.corpora.published import assert_published

SENTENCES = ("DFA", "IEO", "IOM", "ITH", "ITS", "IWL", "IWW", "MTI", "TAI", "TIE", "TSI", "WSI")
EMOTIONS = ("ANG", "DIS", "FEA", "HAP", "NEU", "SAD")
# Never recorded: three sentences in all emotions, two in neutral. Not documented; the published hashes leave no other.
MISSING = {f"{clip}_{emotion}_XX" for clip in ("1008_WSI", "1009_MTI", "1019_ITH") for emotion in EMOTIONS} | {
    "1002_TIE_NEU_XX",
    "1076_ITS_NEU_XX",
}


def names() -> list[str]:
    """The names of all 7,442 clips: 91 actors, twelve sentences; only one sentence has three intensities."""
    grid = [
        f"{actor}_{sentence}_{emotion}_{intensity}"
        for actor in range(1001, 1092)
        for sentence in SENTENCES
        for emotion in EMOTIONS
        for intensity in (("LO", "MD", "HI") if sentence == "IEO" and emotion != "NEU" else ("XX",))
    ]
    return [name for name in grid if name not in MISSING]


def test_the_published_splits_follow_from_the_names() -> None:
    assert len(names()) == 7442
    items = [parse_item(name, Path(name), None) for name in names() if name not in CREMA_D.excluded]
    assert len(items) == 7437
    assert_published(CREMA_D, items)
    four = [item for item in items if item.label in CREMA_D_4.labels]
    assert len(four) == 4896
    assert_published(CREMA_D_4, four)


def test_actors_are_whole() -> None:
    assert [assign_fold(actor) for actor in (1001, 1018, 1019, 1036, 1037, 1072, 1073, 1090, 1091)] == list("112234555")


def test_videos_of_another_kind_and_shadows(tmp_path: Path) -> None:
    (tmp_path / "video").mkdir()
    for name in ("1001_DFA_ANG_XX.mp4", "._1001_DFA_ANG_XX.mp4", "readme.txt"):
        (tmp_path / "video" / name).touch()
    (item,) = CREMA_D.items(tmp_path)
    assert item.video == tmp_path / "video" / "1001_DFA_ANG_XX.mp4"
    assert item.audio == tmp_path / "AudioWAV" / "1001_DFA_ANG_XX.wav"


@pytest.mark.parametrize(
    "name",
    [
        "holiday",
        "1001_DFA_JOY_XX",
        "1000_DFA_ANG_XX",
        "1092_DFA_ANG_XX",
        "1001_DFA_ANG",
        "1001_DFA_ANG_X",
        "\u0661\u0660\u0660\u0661_DFA_ANG_XX",
    ],
)
def test_other_names_are_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "VideoFlash").mkdir()
    (tmp_path / "VideoFlash" / f"{name}.flv").touch()
    with pytest.raises(ManifestError, match=rf"VideoFlash/{name}\.flv: expected a name .* move it out"):
        CREMA_D.items(tmp_path)


def test_the_table_of_actors_becomes_columns(tmp_path: Path) -> None:
    (tmp_path / "VideoFlash").mkdir()
    for actor in (1001, 1002):
        (tmp_path / "VideoFlash" / f"{actor}_DFA_ANG_XX.flv").touch()
    assert "sex" not in CREMA_D.items(tmp_path)[0].extra
    table = tmp_path / "VideoDemographics.csv"
    table.write_text("ActorID,Age,Sex,Race,Ethnicity\n1001,51,Male,Caucasian,Not Hispanic\n")
    known, unknown = (item.extra for item in CREMA_D.items(tmp_path))
    assert (known["sex"], known["age"], known["race"], known["ethnicity"]) == (
        "male",
        "51",
        "caucasian",
        "not hispanic",
    )
    assert (unknown["sex"], unknown["intensity"]) == ("", "XX")
    assert CREMA_D.actors(tmp_path)["age"] == {"1001": "51"}
    table.write_text("Actor,Gender\n1001,Male\n")
    with pytest.raises(ManifestError, match=r"VideoDemographics.csv, line 1: the header lacks ActorID, Age"):
        CREMA_D.items(tmp_path)
