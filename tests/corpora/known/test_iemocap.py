from __future__ import annotations

from pathlib import Path

import pytest

from hicmae_cli.corpora.known.iemocap import IEMOCAP
from hicmae_cli.errors import ManifestError
from tests.corpora.fakes import make_fake

HEAD = "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n\n"


def annotate(root: Path, text: str, session: str = "Session2", name: str = "Ses02M_script01_1") -> Path:
    path = root / session / "dialog" / "EmoEvaluation" / f"{name}.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(HEAD + text)
    return path


def test_published_counts() -> None:
    assert sum(facts.test for facts in IEMOCAP.published.values()) == 5531


def test_who_wears_the_markers_sits_on_the_left(tmp_path: Path) -> None:
    annotate(
        tmp_path,
        "[0.5000 - 2.25]\tSes02M_script01_1_M000\texc\t[2.5, 2.5, 2.5]\nC-E2:\tExcited;\t()\n\n"
        "[3.0000 - 4.0000]\tSes02M_script01_1_F000\tsad\t[2.5, 2.5, 2.5]\n"
        "[4.0000 - 5.0000]\tSes02M_script01_1_FXX1\tneu\t[2.5, 2.5, 2.5]\n",
    )
    she, aside, he = IEMOCAP.items(tmp_path)
    assert he.part is not None and she.part is not None
    assert (he.label, he.speaker, he.fold, he.part.columns) == ("happiness", "Ses02M", "2", (0.0, 0.5))
    assert (he.part.start_s, he.part.end_s) == (0.5, 2.25)
    assert (she.label, she.speaker, she.part.columns) == ("sadness", "Ses02F", (0.5, 1.0))
    assert aside.id == "Ses02M_script01_1_FXX1"
    dialog = tmp_path / "Session2" / "dialog" / "avi" / "DivX" / "Ses02M_script01_1.avi"
    assert he.video == she.video == dialog


def test_every_utterance_of_a_fake_is_within_its_dialogue(tmp_path: Path) -> None:
    for item in make_fake("iemocap", tmp_path, media=False):
        assert item.part is not None
        assert 0 <= item.part.start_s < item.part.end_s <= 2


GOOD = "[0.5 - 2.25]\tSes02M_script01_1_M000\tang\t[2.5, 2.5, 2.5]"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (GOOD.replace("ang", "joy"), "line 3: unknown label 'joy'; expected ang, hap, exc, neu, sad, dis"),
        (GOOD.replace("\tang", ""), "line 3: expected `[<start> - <end>] <utterance> <label>"),
        (GOOD.replace("2.25", "x"), "line 3: expected `[<start>"),
        (GOOD.replace("2.25", "0.5"), "line 3: expected the end after the start, got '0.5' to '0.5'"),
        (GOOD.replace("0.5 ", "9 "), "line 3: expected the end after the start, got '9' to '2.25'"),
        (GOOD.replace("2.25", "9" * 400), "line 3: expected the end after the start, got '0.5' to '999"),
        (
            GOOD.replace("Ses02M_script01_1_", "Ses02M_impro07_"),
            "line 3: expected an utterance of this dialogue, got 'Ses02M_impro07_M000'",
        ),
        (
            GOOD.replace("_M000", "_/../../M000"),
            "line 3: expected an utterance of this dialogue, got 'Ses02M_script01_1_/../../M000'",
        ),
        (f"{GOOD}\n\n{GOOD}", "line 5: Ses02M_script01_1_M000 occurs twice"),
    ],
)
def test_malformed_lines(line: str, said: str, tmp_path: Path) -> None:
    path = annotate(tmp_path, line + "\n")
    with pytest.raises(ManifestError) as caught:
        IEMOCAP.items(tmp_path)
    assert str(caught.value).startswith(f"{path}, {said}")


@pytest.mark.parametrize(
    ("session", "name"), [("Session1", "Ses02M_impro01"), ("Session2", "notes"), ("Session2", "Ses06F_impro01")]
)
def test_a_dialogue_in_the_wrong_place(session: str, name: str, tmp_path: Path) -> None:
    path = annotate(tmp_path, "", session, name)
    with pytest.raises(ManifestError, match=r"expected a name Ses0<session><F\|M>") as caught:
        IEMOCAP.items(tmp_path)
    assert str(path) in str(caught.value)
