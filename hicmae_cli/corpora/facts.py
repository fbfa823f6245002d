"""Check what a dataset says of itself, and the items that it lists."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from hicmae_cli.corpora.annotations import is_safe
from hicmae_cli.corpora.dataset import Dataset, Item
from hicmae_cli.corpora.manifest import FOLD_NAME
from hicmae_cli.errors import HicmaeError
from hicmae_cli.labels import canonical_label, is_label
from hicmae_cli.metric_names import METRICS
from hicmae_cli.recipes.recipe import load_settings
from hicmae_cli.recipes.settings import FinetuneSettings, PretrainSettings
from hicmae_cli.tasks import JOINT

_NAME: Final = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


def check_dataset(dataset: Dataset, items: Sequence[Item] | None = None) -> None:
    """Check that a dataset is complete and consistent. hicmae's own datasets and those of plug-ins must pass.

    Args:
        dataset: the dataset.
        items: what ``dataset.items`` lists for a copy with every fold, to check as well.

    Raises:
        ValueError: it is not; names all faults.
    """
    faults = [*_find_name_faults(dataset), *_find_label_faults(dataset), *_find_metric_faults(dataset)]
    faults += [*_find_published_faults(dataset), *_find_recipe_faults(dataset)]
    faults += _find_item_faults(dataset, items) if items is not None else ()
    if faults:
        raise ValueError(f"{dataset.name}: {'; '.join(faults)}")


def _find_name_faults(dataset: Dataset) -> Iterator[str]:
    if not _NAME.fullmatch(dataset.name):
        yield f"name={dataset.name!r}: expected lower-case letters, digits and single hyphens"
    if not is_safe(dataset.folder):
        yield f"folder={dataset.folder!r}: expected a relative path"
    for fold in dataset.folds:
        if not FOLD_NAME.fullmatch(fold):
            yield f"folds: {fold!r} names a folder of its run; use letters, digits, - and _"
    if len(set(dataset.folds)) < len(dataset.folds):
        yield "folds: a name occurs twice"
    if dataset.sampling_rate < 1:
        yield f"sampling_rate={dataset.sampling_rate}: expected at least 1"


def _find_label_faults(dataset: Dataset) -> Iterator[str]:
    if len(set(dataset.labels)) < len(dataset.labels):
        yield "labels: a name occurs twice"
    for label in dataset.labels:
        if not is_label(label):
            yield f"labels: {label[:100]!r} is not printable text of at most 64 characters"
        elif canonical_label(label) != label:
            yield f"labels: got {label!r}, expected {canonical_label(label)!r}"
        elif dataset.task == "multilabel" and JOINT in label:
            yield f"labels: {label!r} has a {JOINT}, which joins the labels of a clip"
    named = set(dataset.codes.values())
    if unknown := sorted(named - set(dataset.labels)):
        yield f"codes: {', '.join(unknown)} is not in labels"
    if dataset.task != "regression" and named and (absent := sorted(set(dataset.labels) - named)):
        yield f"codes: there is none for {', '.join(absent)}"


def _find_metric_faults(dataset: Dataset) -> Iterator[str]:
    known = () if dataset.task == "pretraining" else METRICS[dataset.task]
    used = (*([dataset.metric] if dataset.metric else []), *dataset.reported)
    if wrong := sorted({metric for metric in used if metric not in known}):
        yield f"metric, reported: {', '.join(wrong)} is not a metric of {dataset.task}"
    if dataset.is_labelled != bool(dataset.reported):
        yield "reported: expected at least one metric exactly if there are labels"
    reported = {metric.split("_")[0] for metric in dataset.reported}
    if unknown := sorted(score for score in dataset.scores if score.split("_")[0] not in reported):
        yield f"scores: {', '.join(unknown)} is not in reported"


def _find_published_faults(dataset: Dataset) -> Iterator[str]:
    if unknown := sorted(set(dataset.published) - {*dataset.folds, ""}):
        yield f"published: {', '.join(unknown)} is not in folds"
    for fold, facts in dataset.published.items():
        for part, count, counts in (
            ("train", facts.train, facts.train_counts),
            ("test", facts.test, facts.test_counts),
        ):
            if counts and (sum(counts) != count or len(counts) != len(dataset.labels)):
                yield f"published: {part}_counts of fold {fold!r} do not add up to {count} over all labels"
    if dataset.folds and dataset.published:
        if tuple(dataset.published) != dataset.folds:
            yield "published: expected all folds, in their order, or none"
        tested = sum(facts.test for facts in dataset.published.values())
        if {facts.train + facts.test for facts in dataset.published.values()} != {tested}:
            yield f"published: train and test of every fold must add up to all {tested} test clips"


def _find_recipe_faults(dataset: Dataset) -> Iterator[str]:
    try:
        if dataset.recipe:
            settings = load_settings(FinetuneSettings, dataset.recipe)
            if settings.sampling_rate != dataset.sampling_rate:
                yield f"sampling_rate={dataset.sampling_rate}: its recipe has {settings.sampling_rate}"
            if settings.sampling != dataset.sampling:
                yield f"sampling={dataset.sampling!r}: its recipe has {settings.sampling!r}"
            for field, modality in (("sound_only", "audio"), ("pictures_only", "video")):
                if getattr(dataset, field) and settings.modality != modality:
                    yield f"{field}: its recipe has modality={settings.modality!r}, expected {modality!r}"
        if dataset.pretrain_recipe:
            load_settings(PretrainSettings, dataset.pretrain_recipe)
    except HicmaeError as error:
        yield str(error)


def _find_item_faults(dataset: Dataset, items: Sequence[Item]) -> Iterator[str]:
    ids = [item.id for item in items]
    if ids != sorted(set(ids)):
        yield "items: expected unique ids, sorted"
    if unsafe := [id_ for id_ in ids if not is_safe(id_)]:
        yield f"items: the id {unsafe[0]!r} cannot be a file name"
    labels = {item.label for item in items}
    if dataset.task == "multilabel":
        labels = {label for joined in labels for label in joined.split(JOINT)}
    if (
        dataset.task in ("classification", "multilabel")
        and dataset.labels
        and (unknown := sorted(labels - set(dataset.labels)))
    ):
        yield f"items: the label {unknown[0]!r} is not in labels"
    if dataset.own:  # the user's own columns decide
        return
    folds, splits = {item.fold for item in items}, {item.split for item in items}
    if dataset.folds and (folds != set(dataset.folds) or splits != {""}):
        yield f"items: expected the folds {', '.join(dataset.folds)} and no split, got {sorted(folds | splits)}"
    if dataset.is_labelled and not dataset.folds and (folds != {""} or not {"train", "test"} <= splits):
        yield f"items: expected the splits train and test, and no fold, got {sorted(folds | splits)}"
    if unknown := sorted(splits - {"", "train", "validation", "test"}):
        yield f"items: unknown split {unknown[0]!r}"
