from __future__ import annotations

from pathlib import Path

import pytest

from hicmae_cli.corpora.known.werewolf_xl import WEREWOLF_XL, assign_fold
from hicmae_cli.errors import ManifestError

HEAD = "VideoName,arousal,valence,dominance\n"


def test_published_counts() -> None:
    assert sum(facts.test for facts in WEREWOLF_XL.published.values()) == 14457


def test_games_are_whole() -> None:
    assert [assign_fold(game) for game in (1, 6, 7, 12, 13, 18, 19, 24, 25, 30)] == list("1122334455")


@pytest.mark.parametrize(
    "header",
    [
        "VideoName,arousal,valence,dominance",
        "VideoName,Arousal_average,Pleasure_average,Dominance_average",
        "VideoName,Mean_A_1_2,Mean_P_1_2_3_4,Mean_D_1_2_4",
    ],
)
def test_targets_are_written_as_python_does(header: str, tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text(f"{header}\n07_01_12,1,-0.250,.5\n")
    (item,) = WEREWOLF_XL.items(tmp_path)
    assert (item.id, item.label, item.speaker, item.fold) == ("07_01_12", "1.0 -0.25 0.5", "07_01", "2")


def test_what_lies_beside_a_video_is_not_taken_for_it(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text(f"{HEAD}07_01_12,1,1,1\n")
    folder = tmp_path / "Speaker_Video" / "07"
    folder.mkdir(parents=True)
    for suffix in (".mp4", ".srt", ".txt", ".wav"):
        (folder / f"07_01_12{suffix}").touch()
    assert WEREWOLF_XL.items(tmp_path)[0].video == folder / "07_01_12.mp4"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (HEAD + "07_01_12,1,high,1\n", "line 2: valence is 'high', expected a number"),
        (HEAD + "07_01_12,nan,1,1\n", "line 2: arousal is 'nan', expected a number"),
        (HEAD + "07_01_12,1,1,inf\n", "line 2: dominance is 'inf', expected a number"),
        (HEAD + "07_01_12,1,1\n", "line 2: expected 4 columns, got 3"),
        (HEAD + "31_01_12,1,1,1\n", "line 2: expected a clip <game 01-30>_<player 01-09>_<number>, got '31_01_12'"),
        (
            HEAD + "../07_01_12,1,1,1\n",
            "line 2: expected a clip <game 01-30>_<player 01-09>_<number>, got '../07_01_12'",
        ),
        (HEAD + "07_01_12,1,1,1\n07_01_12,1,1,1\n", "line 3: 07_01_12 occurs twice"),
        ("VideoName,arousal,dominance\n07_01_12,1,1\n", "line 1: expected one column of valence, got none"),
        (
            "VideoName,Mean_A_1,Mean_A_2,valence,dominance\n07_01_12,1,1,1,1\n",
            "line 1: expected one column of arousal, got Mean_A_1, Mean_A_2",
        ),
        ("name,arousal,valence,dominance\n", "line 1: the header lacks VideoName"),
    ],
)
def test_malformed_tables(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text(text)
    with pytest.raises(ManifestError) as caught:
        WEREWOLF_XL.items(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path / 'labels.csv'}, {said}")


def test_a_table_of_nothing(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text(HEAD)
    with pytest.raises(ManifestError, match=r"labels\.csv: lists no clips"):
        WEREWOLF_XL.items(tmp_path)
