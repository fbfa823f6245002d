"""The checks of a dataset find every fault; `test_catalogue.py` shows that hicmae's own datasets have none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from hicmae_cli.corpora.catalogue import DATASETS
from hicmae_cli.corpora.dataset import Dataset, Item, SplitFacts
from hicmae_cli.corpora.facts import check_dataset

RAVDESS, MER2023, EMODB, WEREWOLF, BLEMORE = (
    DATASETS[name] for name in ("ravdess", "mer2023", "emodb", "werewolf-xl", "blemore")
)


@pytest.mark.parametrize(
    ("dataset", "changes", "said"),
    [
        (RAVDESS, {"name": "Ravdess"}, "name='Ravdess': expected lower-case"),
        (RAVDESS, {"folder": "../ravdess"}, "folder='../ravdess'"),
        (RAVDESS, {"folds": ("all", "2"), "published": {}}, "folds: 'all' names a folder"),
        (RAVDESS, {"folds": ("1", "1"), "published": {}}, "folds: a name occurs twice"),
        (RAVDESS, {"sampling_rate": 0}, "sampling_rate=0: expected at least 1"),
        (RAVDESS, {"sampling_rate": 3}, "sampling_rate=3: its recipe has 4"),
        (RAVDESS, {"sampling": "time"}, "sampling='time': its recipe has 'frames'"),
        (MER2023, {"labels": ("anger", "anger")}, "labels: a name occurs twice"),
        (MER2023, {"labels": ("angry",), "published": {}, "codes": {}}, "labels: got 'angry', expected 'anger'"),
        (MER2023, {"codes": {"a": "joy"}}, "codes: joy is not in labels; codes: there is none for anger, happiness, "),
        (RAVDESS, {"metric": "ccc"}, "metric, reported: ccc is not a metric of classification"),
        (BLEMORE, {"labels": ("a+b",), "codes": {}}, r"labels: 'a+b' has a +, which joins the labels of a clip"),
        (BLEMORE, {"metric": "uar"}, "metric, reported: uar is not a metric of multilabel"),
        (WEREWOLF, {"metric": "uar"}, "metric, reported: uar is not a metric of regression"),
        (RAVDESS, {"reported": (), "scores": {}}, "reported: expected at least one metric"),
        (RAVDESS, {"scores": {"macro_f1": 0.5}}, "scores: macro_f1 is not in reported"),
        (MER2023, {"published": {"1": SplitFacts(1, 1)}}, "published: 1 is not in folds"),
        (MER2023, {"published": {"": SplitFacts(9, 1, train_counts=(9,))}}, "published: train_counts of fold ''"),
        (RAVDESS, {"published": {"1": SplitFacts(1, 1)}}, "published: expected all folds, in their order, or none"),
        (
            RAVDESS,
            {"published": {fold: SplitFacts(10, 3) for fold in RAVDESS.folds}},
            "published: train and test of every fold must add up to all 18 test clips",
        ),
        (RAVDESS, {"recipe": "mars"}, "no recipe named mars"),
        (RAVDESS, {"recipe": "gone.toml"}, "gone.toml: cannot read the recipe"),
        (RAVDESS, {"recipe": "pretrain-puppets-nano"}, "this is a pre-training recipe"),
        (RAVDESS, {"sound_only": True}, "sound_only: its recipe has modality='av', expected 'audio'"),
        (RAVDESS, {"pictures_only": True}, "pictures_only: its recipe has modality='av', expected 'video'"),
        (RAVDESS, {"pretrain_recipe": "crema-d"}, "this is a fine-tuning recipe"),
    ],
)
def test_a_fault_is_named(dataset: Dataset, changes: dict[str, object], said: str) -> None:
    check_dataset(dataset)
    with pytest.raises(ValueError, match=r"^[\w-]+: ") as caught:
        check_dataset(replace(dataset, **changes))  # type: ignore[arg-type]
    assert said in str(caught.value)


def items() -> list[Item]:
    return [Item(f"{speaker}a01Wa", "anger", speaker, Path("a.wav"), fold=speaker) for speaker in EMODB.folds]


def split_items() -> list[Item]:
    return [Item(split, "anger", "", Path("a.avi"), split=split) for split in ("test", "train", "validation")]


@pytest.mark.parametrize(
    ("dataset", "listed", "said"),
    [
        (EMODB, items()[::-1], "items: expected unique ids, sorted"),
        (EMODB, [*items(), items()[-1]], "items: expected unique ids, sorted"),
        (EMODB, [replace(items()[0], id="../a"), *items()[1:]], "items: the id '../a' cannot be a file name"),
        (EMODB, [*items()[:-1], replace(items()[-1], label="joy")], "items: the label 'joy' is not in labels"),
        (EMODB, items()[1:], "items: expected the folds 03, 08"),
        (EMODB, [*items()[:-1], replace(items()[-1], split="test")], "items: expected the folds 03, 08"),
        (MER2023, split_items()[1:], "items: expected the splits train and test, and no fold"),
        (MER2023, [*split_items(), replace(split_items()[0], id="x", split="val")], "items: unknown split 'val'"),
    ],
)
def test_a_fault_of_the_items_is_named(dataset: Dataset, listed: list[Item], said: str) -> None:
    check_dataset(EMODB, items())
    check_dataset(MER2023, split_items())
    with pytest.raises(ValueError, match=r"^[\w-]+: items: ") as caught:
        check_dataset(dataset, listed)
    assert said in str(caught.value)
