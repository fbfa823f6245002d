from __future__ import annotations

from pathlib import Path

import pytest

from hicmae_cli.corpora.known.msp_improv import MSP_IMPROV
from hicmae_cli.errors import ManifestError
from tests.corpora.fakes import make_fake

TURN = "UTD-IMPROV-S08H-M06-R-MF02.avi"


def test_published_counts() -> None:
    facts = MSP_IMPROV.published
    assert sum(fold.test for fold in facts.values()) == 7787
    assert [sum(fold.test_counts[n] for fold in facts.values()) for n in range(4)] == [792, 2640, 3470, 885]


def test_the_label_is_the_listeners(tmp_path: Path) -> None:
    (tmp_path / "Evaluation.txt").write_text(f"{TURN}; S; A:1.0; V:1.0; D:1.0 ; N:1.0;\n")
    (item,) = MSP_IMPROV.items(tmp_path)
    assert (item.id, item.label, item.speaker, item.fold) == ("MSP-IMPROV-S08H-M06-R-MF02", "sadness", "M06", "6")


@pytest.mark.parametrize(("turn", "speaker"), [("F01-S-MF02", "M01"), ("F01-S-FM01", "F01"), ("M03-R-FM11", "F03")])
def test_who_speaks_is_the_first_letter_of_the_turn(turn: str, speaker: str, tmp_path: Path) -> None:
    (tmp_path / "Evalution.txt").write_text(f"UTD-IMPROV-S01A-{turn}.avi; A; A:1.0;\n")
    (item,) = MSP_IMPROV.items(tmp_path)
    assert (item.speaker, item.fold) == (speaker, speaker[-1])


def test_pictures_and_sound_may_lie_apart(tmp_path: Path) -> None:
    (item,) = make_fake("msp-improv", tmp_path, folds=1, labels=1, media=False)
    for file, kind in ((item.video, "Video"), (item.audio, "Audio")):
        assert file is not None
        target = tmp_path / kind / file.relative_to(tmp_path)
        target.parent.mkdir(parents=True)
        file.rename(target)
    (moved,) = MSP_IMPROV.items(tmp_path)
    assert moved.video.is_file()
    assert moved.audio is not None and moved.audio.is_file()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (f"{TURN}; Q; A:1.0;", "line 2: unknown label 'Q'; expected A, H, N, S, O, X"),
        (f"{TURN}", "line 2: expected `UTD-IMPROV-<turn>.avi; <label>; …`"),
        ("UTD-IMPROV-S08H-M07-R-MF02.avi; S;", "line 2: expected `UTD-IMPROV-"),
        ("UTD-IMPROV-../../M06.avi; S;", "line 2: expected `UTD-IMPROV-"),
        (f"{TURN}; S;\n{TURN}; H;", "line 3: MSP-IMPROV-S08H-M06-R-MF02 occurs twice"),
    ],
)
def test_malformed_lists(line: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "Evalution.txt"
    path.write_text(f"WORKER00000001; Sad; Sad; A:1.0;\n{line}\n")
    with pytest.raises(ManifestError) as caught:
        MSP_IMPROV.items(tmp_path)
    assert str(caught.value).startswith(f"{path}, {said}")


def test_a_file_of_something_else(tmp_path: Path) -> None:
    (tmp_path / "Evalution.txt").write_text("hello\n")
    with pytest.raises(ManifestError, match=r"Evalution\.txt: contains no turns"):
        MSP_IMPROV.items(tmp_path)
