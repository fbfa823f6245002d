"""An evaluation warns of test people that the weight, or a weight before it, has learned from."""

from __future__ import annotations

import pytest

from hicmae_cli.evaluation.learned import describe_leak, find_trained_clips, warn_of_learned
from hicmae_cli.evaluation.results import SampleResult
from hicmae_cli.records.seen import note_seen
from hicmae_cli.runtime.ensemble import _join
from hicmae_cli.weights.info import WeightInfo
from hicmae_cli.weights.published import list_published
from tests.weights.toys import DIMS, info_of

INFO = info_of(DIMS, 2)


def test_every_training_behind_a_weight_counts() -> None:
    before = note_seen("crema-d", "pre-training", [("anna", "1"), ("ben", "2")])
    own = note_seen("crema-d", "fine-tuning", [("ben", "2")], fold="1")
    info: WeightInfo = INFO.model_copy(update={"seen": (before, own), "fold": "1"})

    def warnings(speaker: str, fold: str) -> list[str]:
        return warn_of_learned(info, "crema-d-4", fold, [SampleResult("x", "anger", "anger", (), (), speaker)])

    assert warnings("cleo", "1") == []
    (line,) = warnings("anna", "1")
    assert line == (
        "the weight has learned from people or clips that are tested, without labels: its pre-training on crema-d "
        "included 1 test speaker; the score may be optimistic"
    )
    assert len(warnings("ben", "1")) == 2  # fine-tuned on him, too
    assert len(warnings("ben", "2")) == 1  # the protocol already names another fold
    assert warn_of_learned(INFO, "crema-d", "1", []) == []


@pytest.mark.parametrize(
    ("trained", "fold", "warned"), [("1", "2", True), ("1", "1", False), ("1", "", False), ("", "2", False)]
)
def test_a_weight_of_another_fold_is_warned_of(trained: str, fold: str, warned: bool) -> None:
    assert (describe_leak(INFO.model_copy(update={"fold": trained}), fold) is not None) is warned


PEOPLE = [("1019", "1019_DFA_ANG_XX"), ("", "x")]


def catalogued(name: str) -> WeightInfo:
    """Metadata as `hicmae weights pull` writes them for a weight of the catalogue: no list of people."""
    entry = list_published()[name]
    return INFO.model_copy(update={"dataset": entry.dataset, "fold": entry.fold})


@pytest.mark.parametrize("dataset", ["crema-d", "crema-d-4"])
def test_a_fold_of_the_authors_is_tested_on_its_own_clips_alone(dataset: str) -> None:
    info = catalogued("hicmae-crema-d-1")
    assert find_trained_clips(info, dataset, "1", PEOPLE) is None
    assert "fold 2 is tested, but the weight excluded fold 1" in (find_trained_clips(info, dataset, "2", PEOPLE) or "")
    assert find_trained_clips(info, "mafw", "2", PEOPLE) is None  # other clips, with folds of the same names
    assert find_trained_clips(info, "ravdess", "", PEOPLE, cross=True) is None


@pytest.mark.parametrize("stem", ["hicmae-crema-d", "hicmae-mafw"])
def test_all_folds_of_the_authors_together_have_seen_every_clip(stem: str) -> None:
    infos = [catalogued(name) for name in list_published() if name.startswith(f"{stem}-")]
    assert len(infos) == 5
    joined = _join(f"ensemble:{stem}", infos)
    dataset = infos[0].dataset
    for fold in ("", "1", "5"):
        assert "left out the folds 1, 2, 3, 4, 5, one each" in (find_trained_clips(joined, dataset, fold, []) or "")
        # If they are scored in spite of that, a warning stands beside the scores, with folds or without.
        (line,) = warn_of_learned(joined, dataset, fold, [])
        assert line.startswith("the weight was trained on clips that test it: its trainings on")
    assert find_trained_clips(joined, "ravdess", "", [], cross=True) is None
    assert find_trained_clips(joined, "my-clips", "", PEOPLE) is None


def test_a_start_that_was_trained_on_the_test_people_counts() -> None:
    before = note_seen("crema-d", "fine-tuning", PEOPLE, fold="1")
    own = note_seen("ravdess", "fine-tuning", [("actor-1", "1")])
    info: WeightInfo = INFO.model_copy(update={"seen": (before, own), "dataset": "ravdess"})
    found = find_trained_clips(info, "crema-d", "", PEOPLE, cross=True)
    assert found == "its fine-tuning on crema-d included 1 test speaker and 1 test clip"
    assert find_trained_clips(info, "crema-d", "", [("1001", "y")], cross=True) is None
    # A pre-training has no labels.
    info = INFO.model_copy(update={"seen": (before.model_copy(update={"phase": "pre-training"}), own)})
    assert find_trained_clips(info, "crema-d", "", PEOPLE, cross=True) is None


def test_a_list_of_ones_own_goes_by_the_folds() -> None:
    info = INFO.model_copy(update={"dataset": "mine", "fold": "a"})
    assert find_trained_clips(info, "list", "a", PEOPLE) is None
    assert "cross=True if it was trained on another corpus" in (find_trained_clips(info, "list", "b", PEOPLE) or "")
    assert find_trained_clips(info, "list", "b", PEOPLE, cross=True) is None
