"""Check, before anything is computed, that the clips of a study fit what it trains, measures and compares."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from hicmae_cli.corpora.catalogue import find_dataset
from hicmae_cli.corpora.dataset import Dataset
from hicmae_cli.corpora.manifest import Sample, read_manifest
from hicmae_cli.corpora.splits import Split, split_by_column, split_by_fold
from hicmae_cli.corpora.values import parse_values
from hicmae_cli.errors import ManifestError, SettingsError
from hicmae_cli.metric_names import MAIN_METRIC, METRICS, TITLES
from hicmae_cli.recipes.settings import FinetuneSettings
from hicmae_cli.report.files import to_json
from hicmae_cli.studies.data import StudyData
from hicmae_cli.studies.measures import MEASURES, RECALL
from hicmae_cli.studies.measuring import read_labels
from hicmae_cli.studies.plan import Plan, list_finetuning
from hicmae_cli.studies.report import RESULT, make_document
from hicmae_cli.studies.result import Findings
from hicmae_cli.studies.study import Study
from hicmae_cli.training.finetuning.draws import keep_sources
from hicmae_cli.training.finetuning.parts import check_people, check_splits, keep_usable, split_samples
from hicmae_cli.training.finetuning.task import Task, choose_kind

_WORDS: Final = ("title", "question", "limits")


def check_task(study: Study, dataset: Dataset | None) -> None:
    """Check that a study compares and measures what its corpus teaches; without a known dataset, these are classes.

    Raises:
        SettingsError: metrics or measures of another task, or the recall of a class that the dataset does not have.
    """
    kind = choose_kind(None, dataset)
    name = dataset.name if dataset is not None else "the list of clips"
    every = {metric for metrics in METRICS.values() for metric in metrics}
    others = [metric for metric in study.metrics if metric in every - set(METRICS[kind])]
    if kind != "classification":
        others += [metric for metric in study.metrics if metric.startswith(RECALL)]
    if others:
        words = ", ".join(TITLES.get(metric, metric) for metric in others)
        raise SettingsError(
            f"the study {study.name} compares {words}, but {name} is a dataset for {kind}; copy the study and give it "
            f"the metrics of this task, such as {MAIN_METRIC[kind]}"
        )
    if kind != "classification" and (unfit := [each for each in study.measures if MEASURES[each].classifies]):
        raise SettingsError(
            f"the study {study.name} measures {', '.join(unfit)}, which needs classes, but {name} is a dataset for "
            f"{kind}; copy the study without the table `measures.{unfit[0]}`"
        )
    if dataset is not None and dataset.labels:
        _check_recalls(study, dataset.labels, name)


def _check_recalls(study: Study, labels: Sequence[str], name: str) -> None:
    asked = [metric.removeprefix(RECALL) for metric in study.metrics if metric.startswith(RECALL)]
    if unknown := [label for label in asked if label not in labels]:
        raise SettingsError(
            f"study {study.name}: metrics: {name} has no {unknown[0]!r}; expected {RECALL}with one of "
            f"{', '.join(labels)}"
        )


def check_clips(study: Study, budget: str, data: StudyData) -> None:
    """Check the labels, streams and people of the clips, as fine-tuning and the measures will.

    Raises:
        ManifestError: labels that are missing or do not fit, people in several parts, or no test clip that a measure
            can use.
        SettingsError: the recall of a class without test clips.
    """
    if paired := [name for name in study.measures if MEASURES[name].pairs]:
        test = _split(read_manifest(data.manifest, labelled=False), data).test
        if not any(sample.video is not None and sample.audio is not None for sample in test):
            raise ManifestError(f"{data.manifest}: no test clip has video and sound; {paired[0]} needs both")
    if study.finetune is None and not any(MEASURES[name].classifies for name in study.measures):
        return
    task, samples = _read_labels(data)
    tested = {label for sample in _split(samples, data).test for label in _list_labels(sample)}
    _check_recalls(study, [label for label in task.labels if label in tested], "the test part")
    checked = set()
    for settings in list_finetuning(study, budget):
        facts = _describe_split(settings)
        if facts not in checked:
            checked.add(facts)
            _check_parts(task, samples, settings, data)


def _read_labels(data: StudyData) -> tuple[Task, list[Sample]]:
    """Read the labels of the clips; a list without known labels must have classes."""
    known = find_dataset(data.dataset) if data.dataset is not None else None
    if choose_kind(None, known) == "classification" and not (known and known.labels):
        raw = read_manifest(data.manifest, labelled=False)
        empty = next((sample.id for sample in raw if not sample.label.strip()), None)
        if empty is not None:
            raise ManifestError(f"{data.manifest}: clip {empty} has no label; the study needs one for every clip")
        if all(parse_values(sample.label) for sample in raw):
            raise ManifestError(
                f"{data.manifest}: all labels are numbers, e.g. {raw[0].label!r}; a study needs names of classes, or a "
                "known `dataset`"
            )
    task, samples = read_labels(data)
    if task.kind == "classification" and len({sample.label for sample in samples}) < 2:
        raise ManifestError(f"{data.manifest}: all clips are labelled {samples[0].label}; a study needs two classes")
    return task, samples


def _split(samples: Sequence[Sample], data: StudyData) -> Split[Sample]:
    return split_by_fold(samples, data.fold) if data.fold else split_by_column(samples)


def _list_labels(sample: Sample) -> frozenset[str]:
    return frozenset() if isinstance(sample.target, tuple) else sample.labels


def _describe_split(settings: FinetuneSettings) -> str:
    """Describe what decides which clips a recipe trains on and tests."""
    keys = {"modality", "selection", "validation_share", "split_seed", "label_share", "source_shares"}
    return settings.model_dump_json(include=keys)


def _check_parts(task: Task, samples: Sequence[Sample], settings: FinetuneSettings, data: StudyData) -> None:
    """Split the clips as fine-tuning does, and check each part as it does."""
    usable, _ = keep_usable(samples, task, settings.modality)
    parts = split_samples(
        usable,
        data.fold or None,
        selection=settings.selection,
        validation_share=settings.validation_share,
        seed=settings.split_seed,
        label_share=settings.label_share,
    )
    parts = replace(parts, train=keep_sources(parts.train, settings.source_shares))
    if not parts.test:
        raise ManifestError(f"{data.manifest}: no test clip can be used with modality={settings.modality!r}")
    if not task.may_share_people:
        tested = parts.test if settings.selection != "test-best" else ()
        check_people((*parts.train, *parts.validation), tested, "test")
    check_splits(parts.train, parts.validation, task, settings.selection)


def check_folder(plan: Plan) -> None:
    """Check that the folder of the reports does not hold the report of another study; words and seeds may differ.

    Raises:
        SettingsError: it is of another study or budget, or of other clips.
    """
    path = plan.folder / RESULT
    if not path.exists():
        return
    try:
        there = _describe_study(json.loads(path.read_text("utf-8")))
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        raise SettingsError(f"`output`: {path} is no report of a study; choose another `output`") from None
    own = _describe_study(json.loads(to_json(make_document(plan, Findings((), ()), ""))))
    for part, facts in own.items():
        # Clips that are not drawn yet have no hash; an older version may lack keys.
        if part == "other clips" and plan.data.lacks_puppets:
            continue
        if any(facts[key] != value for key, value in there[part].items() if key in facts):
            raise SettingsError(
                f"`output`: {plan.folder} has a report of {part}, which would be replaced; choose another "
                "`output`, or remove that folder"
            )


def _describe_study(document: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Describe what a report is about: its study, its budget and its clips."""
    return {
        "another study": {key: value for key, value in document["study"].items() if key not in _WORDS},
        "another budget": {key: value for key, value in document["budget"].items() if key != "seeds"},
        "other clips": {key: document["data"][key] for key in ("hash", "fold", "other_hash")},
    }
