from __future__ import annotations

from pathlib import Path

import pytest

from hicmae_cli.corpora.known.emodb import EMODB
from hicmae_cli.errors import ManifestError


def test_the_documented_name(tmp_path: Path) -> None:
    """The example of the database's own page: speaker 03 says text a01 with the emotion "Freude"."""
    (tmp_path / "wav").mkdir()
    for name in ("03a01Fa.wav", "._03a01Fa.wav", "notes.txt", "16b10N.wav"):
        (tmp_path / "wav" / name).touch()
    happy, plain = EMODB.items(tmp_path)
    assert (happy.id, happy.label, happy.speaker, happy.fold) == ("03a01Fa", "happiness", "03", "03")
    assert (dict(happy.extra), happy.audio) == ({"text": "a01", "version": "a"}, None)
    assert (plain.label, plain.extra["version"]) == ("neutral", "")


@pytest.mark.parametrize("name", ["04a01Fa", "03a01Xa", "03c01Fa", "03a1Fa", "3a01Fa", "03a01FA", "03a01Fab", "voice"])
def test_other_names_are_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "wav").mkdir()
    (tmp_path / "wav" / f"{name}.wav").touch()
    with pytest.raises(ManifestError, match=rf"wav/{name}\.wav: expected a name .* move it out"):
        EMODB.items(tmp_path)


def test_copies_may_be_flac_in_the_root(tmp_path: Path) -> None:
    for name in ("03a01Fa.flac", "16b10Nb.wav", "manifest.csv"):
        (tmp_path / name).touch()
    assert [(item.id, item.fold) for item in EMODB.items(tmp_path)] == [("03a01Fa", "03"), ("16b10Nb", "16")]
    (tmp_path / "voice.flac").touch()
    with pytest.raises(ManifestError, match=r"voice\.flac: expected a name"):
        EMODB.items(tmp_path)
