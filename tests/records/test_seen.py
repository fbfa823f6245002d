"""Whether a weight has learned from test clips, by people where they are listed and by folds where they are not."""

from __future__ import annotations

import pytest

from hicmae_cli.records import seen
from hicmae_cli.records.facts import Phase
from hicmae_cli.records.seen import ScoredClips, SeenData, find_overlap, note_seen


def describe(entry: SeenData, tested: ScoredClips, same: bool | None) -> tuple[bool, bool] | None:
    """(sure, refused) of the overlap, if there is one."""
    found = find_overlap(entry, tested, same)
    return (found.sure, found.refused) if found else None


def test_listed_people_decide() -> None:
    entry = note_seen("mine", "fine-tuning", [("anna", "1"), ("ben", "2"), ("", "3")], manifest_sha256="m")
    assert (entry.clips, len(entry.people), len(entry.unnamed), entry.listed) == (3, 2, 1, True)
    assert "anna" not in entry.model_dump_json()
    for clips, same, expected in (
        ([("anna", "9")], True, (True, True)),
        ([("", "3")], True, (True, True)),
        ([("", "1")], True, None),  # that clip had a speaker
        ([("cleo", "1"), ("", "9")], True, None),
        ([("anna", "9")], None, (False, False)),
        ([("anna", "9")], False, None),
    ):
        assert describe(entry, ScoredClips("yours", "1", clips), same) == expected, clips
    assert describe(entry, ScoredClips("yours", "1", [("anna", "9")], "m"), None) == (True, True)  # the same list
    learned = entry.model_copy(update={"phase": "pre-training"})
    assert describe(learned, ScoredClips("mine", "1", [("anna", "9")]), True) == (True, False)
    assert "without labels" in str(find_overlap(learned, ScoredClips("mine", "1", [("anna", "9")]), True))


def test_too_many_clips_without_a_speaker_are_not_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seen, "MOST_CLIPS", 2)
    entry = note_seen("mafw", "fine-tuning", [("", str(index)) for index in range(3)], fold="1")
    assert not entry.listed and not entry.unnamed and entry.clips == 3
    assert describe(entry, ScoredClips("mafw", "2", [("", "0")]), True) == (True, True)
    assert describe(entry, ScoredClips("mafw", "1", [("", "0")]), True) is None


@pytest.mark.parametrize(
    ("dataset", "phase", "fold", "tested", "same", "expected"),
    [
        ("crema-d", "fine-tuning", "1", "2", True, (True, True)),
        ("crema-d", "fine-tuning", "1", "1", True, None),
        ("crema-d", "fine-tuning", "", "1", True, (False, False)),  # imported: not recorded
        ("crema-d", "pre-training", "", "1", True, (True, False)),
        ("crema-d", "pre-training", "1", "1", True, None),
        ("mine", "fine-tuning", "1", "2", None, (False, False)),
        ("other", "fine-tuning", "1", "2", None, None),
        ("unknown", "fine-tuning", "", "1", None, (False, False)),
        ("unknown", "pre-training", "", "1", None, None),
        ("mine", "fine-tuning", "1", "", None, None),  # a test split, not a fold
        ("voxceleb2", "pre-training", "", "1", False, None),
    ],
)
def test_without_people_folds_decide(
    dataset: str, phase: Phase, fold: str, tested: str, same: bool | None, expected: tuple[bool, bool] | None
) -> None:
    entry = SeenData(dataset=dataset, phase=phase, fold=fold)
    assert describe(entry, ScoredClips("mine", tested, [("anna", "1")]), same) == expected
