"""Read the decisions of a system: from a document of an evaluation, or from the folder of a fine-tuning run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hicmae_cli.errors import ManifestError, one_line
from hicmae_cli.evaluation.documents import read_document
from hicmae_cli.evaluation.results import Evaluation, SampleResult
from hicmae_cli.weights.run_folder import find_runs, list_numbered

RESULT = "result.json"


@dataclass(frozen=True)
class SystemRun:
    """The decisions of one training run, over all its folds.

    Attributes:
        labels: classes or targets, in the order of ``SampleResult.outputs``.
        samples: the decisions; the views may be missing.
        regression: whether the decisions are values.
        modality: the streams that the model got.
        optimistic: whether an epoch was chosen on the test clips.
    """

    labels: tuple[str, ...]
    samples: tuple[SampleResult, ...]
    regression: bool = False
    modality: str = ""
    optimistic: bool = False

    @classmethod
    def from_evaluation(cls, result: Evaluation) -> SystemRun:
        """Take the decisions of an evaluation; of one over folds, pass ``pooled``.

        Raises:
            ManifestError: sets of labels.
        """
        _refuse_sets(result.info.task, "the evaluation")
        return cls(result.labels, result.samples, result.is_regression, result.modality)


@dataclass(frozen=True)
class System:
    """A system to compare: one way to train, with one run or a run for each of several seeds or repetitions.

    Attributes:
        name: the name in tables and sentences.
        runs: ``seed 0``, ``repeat 1`` or ``seed 0, repeat 1`` -> decisions; empty for a single run.
        source: the path that it was read from; empty if it was not read from a file.

    Raises:
        ManifestError: there are no runs, or the runs differ in their labels.
    """

    name: str
    runs: Mapping[str, SystemRun]
    source: str = ""

    def __post_init__(self) -> None:
        if not self.runs:
            raise ManifestError(f"{self.name}: has no scores to compare")
        first = next(iter(self.runs.values()))
        for name, run in self.runs.items():
            if run.regression != first.regression or sorted(run.labels) != sorted(first.labels):
                raise ManifestError(f"{self.name}: the labels of {name} differ from those of the first run")

    @property
    def first(self) -> SystemRun:
        """The first run."""
        return next(iter(self.runs.values()))


def read_system(path: str | Path, *, modality: str | None = None, name: str = "") -> System:
    """Read the decisions of a system.

    Args:
        path: a document ``hicmae.evaluate/1``, or the folder of a fine-tuning run, with or without folds and seeds.
        modality: the streams to take from documents with several; by default the main ones.
        name: the system's name; by default the path.

    Raises:
        ManifestError: there are no scores, or a file is not such a document.
    """
    path = Path(path)
    found = {run: _read_run(files, modality) for run, files in _find_runs(path).items()}
    return System(name or str(path), found, str(path))


def read_streams(path: str | Path) -> list[System]:
    """Read the decisions of a weight by stream, each as a system of its own with the stream as its name.

    Raises:
        ManifestError: there are no scores, or those of fewer than two streams.
    """
    path = Path(path)
    streams = list_streams(read_document(next(iter(_find_runs(path).values()))[0]))
    if len(streams) < 2:
        raise ManifestError(
            one_line(
                f"{path}: has the decisions of {', '.join(streams)} only; evaluate the weight with modality='each' to "
                "compare its streams"
            )
        )
    return [read_system(path, modality=stream, name=stream) for stream in streams]


def _find_runs(path: Path) -> dict[str, list[Path]]:
    """Find the documents of each run of a system."""
    if not path.is_dir():
        return {"": [path]}
    return {name: _find_documents(folder) for name, folder in find_runs(path).items()}


def _find_documents(folder: Path) -> list[Path]:
    """Find the scores of one run: those of all folds together, or else those of each fold."""
    if (whole := folder / RESULT).is_file():
        return [whole]
    folds = [path for fold in list_numbered(folder, "fold") if (path := fold / RESULT).is_file()]
    if not folds:
        raise ManifestError(
            one_line(
                f"{folder}: has no {RESULT}; expected the folder of a finished `hicmae finetune`, or a file that "
                "`hicmae evaluate --json FILE` wrote"
            )
        )
    return folds


def _read_run(paths: Sequence[Path], modality: str | None) -> SystemRun:
    """Read the documents of one run and pool their decisions."""
    parts = [_read_document(path, modality) for path in paths]
    first = parts[0]
    for path, part in zip(paths, parts, strict=True):
        if part.labels != first.labels or part.regression != first.regression:
            raise ManifestError(f"{path}: its labels, or their order, differ from those of {paths[0]}")
    samples = tuple(sample for part in parts for sample in part.samples)
    return SystemRun(
        first.labels, samples, first.regression, first.modality, optimistic=any(part.optimistic for part in parts)
    )


def list_streams(document: Mapping[str, Any]) -> list[str]:
    """List the streams that a document has decisions for, the main one first."""
    others = document.get("by_modality", {})
    with_decisions = [name for name, found in others.items() if found.get("samples")]
    return list(dict.fromkeys([document.get("modality", ""), *with_decisions]))


def _read_document(path: Path, modality: str | None) -> SystemRun:
    document = read_document(path)
    _refuse_sets(document.get("task", ""), str(path))
    try:
        entries = _choose_stream(document, modality, path)
        regression = document.get("task") == "regression"
        return SystemRun(
            labels=tuple(document["labels"]),
            samples=tuple(_read_samples(entries, document, regression=regression)),
            regression=regression,
            modality=modality or document.get("modality", ""),
            optimistic=bool(document.get("selection", {}).get("optimistic")),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ManifestError(one_line(f"{path}: is not a document of scores: {error!r}")) from error


def _refuse_sets(task: str, name: str) -> None:
    if task == "multilabel":
        raise ManifestError(
            one_line(f"{name}: has sets of labels (multilabel); the tests of `compare` are for classes and values")
        )


def _choose_stream(document: Mapping[str, Any], modality: str | None, path: Path) -> Sequence[Mapping[str, Any]]:
    """Choose the decisions of some streams."""
    main: Sequence[Mapping[str, Any]] = document["samples"]
    if modality is None or modality == document.get("modality"):
        return main
    others: Mapping[str, Any] = document.get("by_modality", {})
    if samples := others.get(modality, {}).get("samples"):
        chosen: Sequence[Mapping[str, Any]] = samples
        return chosen
    raise ManifestError(
        f"{path}: has no decisions for modality={modality!r}, only for {', '.join(list_streams(document))}; evaluate "
        "the weight with these streams"
    )


def _read_samples(
    entries: Sequence[Mapping[str, Any]], document: Mapping[str, Any], *, regression: bool
) -> Iterator[SampleResult]:
    labels = set(document["labels"])
    fold = document.get("fold", "")
    # The document of a single fold need not repeat its name in every sample.
    common = "" if fold == "all" else fold
    for entry in entries:
        target, prediction = entry["label"], entry["prediction"]
        if regression:
            target, prediction = (tuple(float(value) for value in row) for row in (target, prediction))
            if not len(target) == len(prediction) == len(document["labels"]):
                raise ValueError(f"clip {entry['id']}: expected {len(document['labels'])} values")
        elif not {target, prediction} <= labels:
            raise ValueError(f"clip {entry['id']}: {target} or {prediction} is not among the labels")
        outputs = prediction if regression else tuple(entry.get("probabilities", ()))
        yield SampleResult(
            entry["id"],
            target,
            prediction,
            outputs,
            views=(),
            speaker=entry.get("speaker", ""),
            fold=entry.get("fold", "") or common,
        )
