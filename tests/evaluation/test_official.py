"""Lists of clips against the published ones."""

from __future__ import annotations

from pathlib import Path

from hicmae_cli.corpora.known.crema_d import CREMA_D, CREMA_D_4
from hicmae_cli.corpora.known.crema_d import parse_item as crema_d_item
from hicmae_cli.corpora.known.ravdess import RAVDESS
from hicmae_cli.corpora.known.ravdess import parse_item as ravdess_item
from hicmae_cli.evaluation.official import Official, compare_with_published, join_folds
from tests.corpora.known.test_crema_d import names as crema_d_names
from tests.corpora.known.test_ravdess import names as ravdess_names

CREMA_D_CLIPS = [
    (item.id, item.label, item.fold)
    for item in (crema_d_item(name, Path(), None) for name in crema_d_names() if name not in CREMA_D.excluded)
]
RAVDESS_CLIPS = [(item.id, item.label, item.fold) for item in (ravdess_item(n, Path(), None) for n in ravdess_names())]


def test_the_published_folds_are_official() -> None:
    for dataset, clips in ((CREMA_D, CREMA_D_CLIPS), (CREMA_D_4, CREMA_D_CLIPS), (RAVDESS, RAVDESS_CLIPS)):
        folds = {
            fold: compare_with_published(
                dataset, fold, [(id_, label) for id_, label, own in clips if own == fold and label in dataset.labels]
            )
            for fold in dataset.folds
        }
        assert {found.value for found in folds.values()} == {True}
        assert join_folds(dataset, folds).value is True


def test_folds_by_other_actors_are_not() -> None:
    """Folds "1" to "3" with other actors than the official ones, as large as these."""
    actors = ("02", "05", "09", "13")
    clips = [(id_, label) for id_, label, _ in RAVDESS_CLIPS if id_.endswith(actors)]
    assert len(clips) == RAVDESS.published["1"].test
    found = compare_with_published(RAVDESS, "1", clips)
    assert found == Official(False, "ids and labels of fold 1 are not those of the published list")
    official = {fold: Official(True, "") for fold in RAVDESS.folds}
    assert join_folds(RAVDESS, {**official, "1": found}) == found
    assert join_folds(RAVDESS, {**official, "1": Official(None, "unknown")}) == Official(None, "unknown")
    del official["6"]
    assert join_folds(RAVDESS, official).reason == "the scores lack the published fold 6"


def test_a_fold_that_is_not_published() -> None:
    assert compare_with_published(RAVDESS, "7", []) == Official(False, "RAVDESS has no published fold 7")
    assert compare_with_published(RAVDESS, "", []).value is False
