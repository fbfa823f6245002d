from __future__ import annotations

import pytest

from hicmae_cli.corpora.catalogue import DATASETS
from hicmae_cli.corpora.published import read_published


def test_facts_by_fold() -> None:
    facts = read_published("CREMA-D")
    assert list(facts) == ["1", "2", "3", "4", "5"]
    assert (facts["1"].train, facts["1"].test) == (5974, 1463)
    assert facts["5"].test_sha256.startswith("dcd3dcca9458")
    assert facts["2"].scores == {"uar": 0.8327, "war": 0.832}
    assert read_published("IEMOCAP")["1"].test_sha256 == ""
    with pytest.raises(KeyError):
        read_published("nobody's")


@pytest.mark.parametrize("name", DATASETS)
def test_hashes_are_hashes_and_shares_are_shares(name: str) -> None:
    dataset = DATASETS[name]
    for facts in dataset.published.values():
        for sha256 in (facts.train_sha256, facts.test_sha256):
            assert not sha256 or len(bytes.fromhex(sha256)) == 32
        assert all(0 < score < 1 for score in facts.scores.values())
    assert all(0 < score < 1 for score in dataset.scores.values())
