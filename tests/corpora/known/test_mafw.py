from __future__ import annotations

from pathlib import Path

import pytest

from hicmae_cli.corpora.known.mafw import MAFW, MAFW_43
from hicmae_cli.errors import ManifestError
from tests.corpora.fakes import make_fake

ORDER = MAFW.labels


def test_the_compounds_are_32_of_the_eleven() -> None:
    compounds = MAFW_43.labels[11:]
    assert MAFW_43.labels[:11] == MAFW.labels
    assert len(MAFW_43.labels) == 43
    for compound in compounds:
        places = [ORDER.index(part) for part in compound.split("_")]
        assert places == sorted(places)
        assert len(places) in (2, 3)
    assert list(compounds) == sorted(
        compounds, key=lambda name: (name.count("_"), [ORDER.index(part) for part in name.split("_")])
    )


def test_published_counts() -> None:
    assert sum(facts.test for facts in MAFW.published.values()) == 9156 == 9172 - len(MAFW.excluded)
    assert MAFW.published["1"].scores == {"uar": 0.3602, "war": 0.476}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("00001.mp4", "line 1: expected `<clip>.mp4 <label>`, got '00001.mp4'"),
        ("00001.mp4 anger fear", "line 1: expected `<clip>.mp4 <label>`"),
        ("00001.mp4 joy", "line 1: unknown label 'joy'; expected anger, disgust"),
        ("00001.mp4 anger_disgust", "line 1: unknown label 'anger_disgust'"),
        ("../../x.mp4 anger", "line 1: '../../x.mp4' leads out of the dataset's folder"),
        ("/etc/00001.mp4 anger", "line 1: '/etc/00001.mp4' leads out"),
        ("1.mp4 anger", "line 1: expected a clip <5 digits>.mp4, got '1.mp4'"),
        ("00001.mp4 anger\n00001.mp4 fear", "line 2: 00001 is also in the test list of fold 3"),
        ("00025.mp4 anger", "line 1: 00025 is also in the test list of fold 1"),
        ("\udcff.mp4 anger", "line 1: is not UTF-8 text"),
    ],
)
def test_malformed_lists(line: str, said: str, tmp_path: Path) -> None:
    make_fake("mafw", tmp_path, labels=1, media=False)
    path = tmp_path / "Train & Test Set" / "single" / "no_caption" / "set_3" / "test.txt"
    path.write_bytes(line.encode("utf-8", "surrogateescape") + b"\n")
    with pytest.raises(ManifestError) as caught:
        MAFW.items(tmp_path)
    assert str(caught.value).startswith(f"{path}, {said}")
