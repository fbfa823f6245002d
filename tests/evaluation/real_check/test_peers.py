from __future__ import annotations

from pathlib import Path

import pytest

from hicmae_cli.errors import ManifestError, SettingsError
from hicmae_cli.evaluation.real_check.peers import read_peer
from tests.evaluation.real_check.toys import write_rows


def test_a_peer_is_read_with_our_names_of_labels(tmp_path: Path) -> None:
    file = write_rows(tmp_path / "p.csv", ["file", "happy", "Sad"], [["a.jpg", 0.25, 0.75], ["b.jpg", 1, 0]])
    peer = read_peer(f"mine={file}")
    assert (peer.name, peer.labels) == ("mine", ("happiness", "sadness"))
    rows = peer.find_rows(["b.jpg", "a.jpg"])
    assert rows is not None and rows.tolist() == [[1, 0], [0.25, 0.75]]
    assert peer.find_rows(["x.jpg"]) is None
    with pytest.raises(ManifestError, match=r"has 1 of 2 files, the first that it lacks is x\.jpg"):
        peer.find_rows(["a.jpg", "x.jpg"])


def test_faults_are_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"expected NAME=FILE\.csv"):
        read_peer("mine.csv")
    for rows in ([["a.jpg", "much"]], [["a.jpg"]], [["a.jpg", "nan"]]):
        file = write_rows(tmp_path / "p.csv", ["file", "happy"], rows)
        with pytest.raises(ManifestError, match="one per label"):
            read_peer(f"mine={file}")
    with pytest.raises(ManifestError, match="one per label"):
        read_peer(f"mine={tmp_path / 'missing.csv'}")
    (tmp_path / "blank.csv").write_text("\n")
    with pytest.raises(ManifestError, match="one per label"):
        read_peer(f"mine={tmp_path / 'blank.csv'}")
