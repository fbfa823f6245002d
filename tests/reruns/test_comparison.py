"""What counts as a difference between a run and its repeat."""

from __future__ import annotations

from pathlib import Path

from hicmae_cli.records.facts import Commit, DataFacts, RunFacts, RunRecord
from hicmae_cli.reruns.comparison import RerunResult, compare_records, list_data_changes, list_surroundings

FACTS = RunFacts(phase="fine-tuning", versions={"torch": "2.9"}, commit=Commit(commit="c0ffee", modified=False))
RECORD = RunRecord(run=FACTS, tensors_sha256="t", scores={"uar": 0.5, "war": 0.25})


def test_weights_and_scores_must_be_equal() -> None:
    one, two = Path("one"), Path("two")
    same = compare_records((one, RECORD), (two, RECORD))
    assert same.equal and str(same) == "two: the same weights, to the last bit, the same scores"
    other = RECORD.model_copy(update={"tensors_sha256": "u", "scores": {"uar": 0.75, "war": 0.25}})
    changed = compare_records((one, RECORD), (two, other))
    assert not changed.equal and str(changed) == "two: other weights, other scores: uar 0.5 -> 0.75"
    unknown = RECORD.model_copy(update={"tensors_sha256": ""})
    assert not compare_records((one, unknown), (two, unknown)).equal  # nothing is known, so nothing is equal
    assert RerunResult((same, same)).equal and not RerunResult((same, changed)).equal
    assert not RerunResult((same,), finished=False).equal
    assert RerunResult((changed,)).to_dict()["runs"][0]["scores"] == {"uar": [0.5, 0.75]}


def test_differences_around_a_run_are_named() -> None:
    now = FACTS.model_copy(update={"versions": {"torch": "2.10", "numpy": "2"}, "commit": None, "processes": 2})
    assert list_surroundings(FACTS, FACTS) == []
    assert list_surroundings(FACTS, now) == [
        "torch: 2.9 -> 2.10",
        "numpy: none -> 2",
        "commit of hicmae: c0ffee -> none",
        "processes: 1 -> 2",
    ]


def test_changed_data_are_named() -> None:
    old = DataFacts(manifest="a.csv", manifest_sha256="m", clips=2, files_sha256="f")
    assert list_data_changes(old, old) == []
    new = DataFacts(manifest="b.csv", manifest_sha256="n", clips=3, files_sha256="g")
    assert list_data_changes(old, new) == [
        "the list b.csv is another one",
        "2 clips -> 3",
        "files of the clips have changed",
    ]
    assert list_data_changes(None, new) == ["the record has no hashes of the data"]
