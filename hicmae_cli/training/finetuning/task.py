"""What a model learns from a list of clips, given what is known of their dataset."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hicmae_cli.clips.prepared import PICTURE_SUFFIXES
from hicmae_cli.corpora.dataset import Dataset
from hicmae_cli.corpora.manifest import ALL_FOLDS, Sample, read_manifest
from hicmae_cli.corpora.splits import list_folds
from hicmae_cli.corpora.values import parse_values
from hicmae_cli.errors import ManifestError, SettingsError
from hicmae_cli.labels import canonical_label, is_label
from hicmae_cli.metric_names import MAIN_METRIC
from hicmae_cli.records.facts import DataFacts, RunFacts
from hicmae_cli.records.seen import SeenData
from hicmae_cli.tasks import JOINT, KINDS, Kind
from hicmae_cli.weights.info import FRAME_FOLDERS, OUR_FRONT_END


@dataclass(frozen=True)
class Task:
    """What a model learns, and what its weight says about it.

    Attributes:
        labels: canonical names of the classes or targets, in the order of the outputs.
        dataset: name written into the weight.
        licence: of the weight.
        front_end: how the faces of the clips were cut.
        source: the command or script that makes the weight, for its metadata.
        kind: what the outputs are.
        metric: that chooses the epoch; by default that of ``MAIN_METRIC``.
        merge_by: how many fields of an id name the clips to decide as one; see ``corpora.dataset.Dataset``.
        shares_people: why the published split has the same people in several parts; empty if that is a fault.
        protocol: ``loso`` or ``kfold:N`` if the run drew its own folds; empty if the list decides.
        manifest: the list of clips; None if it is not known.
        data: hashes of the clips; None if they were not computed.
        run: what the weight records about its run.
        seen: the trainings behind the weight.
    """

    labels: tuple[str, ...]
    dataset: str
    licence: str
    front_end: str
    source: str
    kind: Kind = "classification"
    metric: str = ""
    merge_by: int = 0
    shares_people: str = ""
    protocol: str = ""
    manifest: Path | None = None
    data: DataFacts | None = None
    run: RunFacts | None = None
    seen: tuple[SeenData, ...] = ()

    @property
    def may_share_people(self) -> bool:
        """Whether the same people may be in several parts; folds that the run drew never share people."""
        return bool(self.shares_people) and not self.protocol

    @property
    def is_regression(self) -> bool:
        """Whether the model predicts numbers and not labels."""
        return self.kind == "regression"

    @property
    def chosen_by(self) -> str:
        """The metric that chooses the epoch."""
        return self.metric or MAIN_METRIC[self.kind]


def choose_kind(task: str | None, dataset: Dataset | None) -> Kind:
    """Return what to learn: the given task, or by default the dataset's, or else a classification.

    Raises:
        SettingsError: no such task, or not that of a dataset with fixed labels.
    """
    if task is None:
        return next((kind for kind in KINDS if dataset and dataset.task == kind), "classification")
    found = next((kind for kind in KINDS if kind == task), None)
    if found is None:
        raise SettingsError(f"task={task!r}: expected one of {', '.join(KINDS)}")
    if dataset is not None and dataset.labels and found != dataset.task:
        raise SettingsError(f"task={task!r}: {dataset.name} is a dataset for {dataset.task}")
    return found


def choose_labels(labels: Sequence[str], dataset: Dataset | None, kind: Kind) -> tuple[str, ...]:
    """Return the names of the outputs in order: the given ones, or else the dataset's; none if the clips decide.

    Raises:
        SettingsError: names that are not distinct and printable, or none for a regression.
        ManifestError: names that are not the dataset's: for classes some or all of them, for sets of labels all, and
            for a regression all in its order.
    """
    names = tuple(canonical_label(name) for name in labels)
    given = f"labels={','.join(labels)!r}"
    if not all(map(is_label, names)) or len(set(names)) < len(names):
        raise SettingsError(f"{given}: expected distinct, printable names")
    if kind == "multilabel" and any(JOINT in name for name in names):
        raise SettingsError(f"{given}: expected names without {JOINT}, which joins the labels of a clip")
    own = dataset.labels if dataset else ()
    if kind == "regression" and not names and not own:
        raise SettingsError("a regression needs `labels`: the names of its targets, in the order of the manifest")
    if names and own and (set(names) - set(own) or (kind != "classification" and len(names) < len(own))):
        some = "some or all of " if kind == "classification" else ""
        raise ManifestError(f"{given}: expected {some}{', '.join(own)}, in any order")
    if names and own and kind == "regression" and names != own:
        raise ManifestError(f"{given}: the values are in the order {', '.join(own)}; use it, or no `labels`")
    return names or own


def read_task(
    manifest: Path,
    dataset: Dataset | None,
    *,
    name: str,
    source: str,
    labels: Sequence[str] = (),
    kind: Kind | None = None,
    licence: str = "",
) -> tuple[Task, list[Sample]]:
    """Return what the clips of a manifest teach, and those clips.

    Args:
        manifest: the file.
        dataset: what is known of it; it gives what is not given here.
        name: of the dataset, for the weight.
        source: the command or script that makes the weight.
        labels: in the order of the outputs; by default the dataset's, or all that there are, in alphabetical order.
            The clips of other classes are still among those returned, see ``parts.keep_usable``.
        kind: what the outputs are.
        licence: of the weight.

    Raises:
        ManifestError: the manifest cannot be read, its labels are numbers without a regression, or names as for
            ``choose_labels``.
        SettingsError: as ``choose_labels``.
    """
    kind = kind or choose_kind(None, dataset)
    order = choose_labels(labels, dataset, kind)
    # Numbers in the manifest are indices into the dataset's own order, whatever the order of the outputs.
    own = dataset.labels if dataset else ()
    codes = dataset.codes if dataset else None
    # Clips of classes that are not among given labels are skipped later.
    strict = not labels or kind != "classification"
    samples = read_manifest(manifest, own or order or None, codes=codes, strict=strict, task=kind)
    if kind == "classification" and not order and all(parse_values(sample.label) for sample in samples):
        raise ManifestError(
            f"{manifest}: all labels are numbers, e.g. {samples[0].label!r}; a regression needs "
            "task='regression' and `labels`, the names of its targets"
        )
    suffixes = {sample.video.suffix.lower() for sample in samples if sample.video is not None}
    ours = suffixes <= {".mkv", *PICTURE_SUFFIXES}
    task = Task(
        labels=order or tuple(sorted({label for sample in samples for label in sample.labels})),
        dataset=name,
        licence=licence or (dataset.licence if dataset else "unknown"),
        front_end=OUR_FRONT_END if ours else FRAME_FOLDERS,
        source=source,
        kind=kind,
        metric=dataset.metric if dataset and dataset.task == kind else "",
        merge_by=dataset.merge_by if dataset else 0,
        shares_people=dataset.shares_people if dataset else "",
    )
    return task, samples


def folds_to_run(samples: Sequence[Sample], fold: str | None, manifest: Path) -> list[str | None]:
    """Return the folds to train and test one by one; just None for a manifest without folds.

    Args:
        samples: all clips of the manifest.
        fold: one of the folds, ``all``, or None, which means all that there are.
        manifest: the file, for messages.

    Raises:
        ManifestError: a fold is given, but there are none.
    """
    folds = list_folds(samples)
    if fold is not None and not folds:
        raise ManifestError(f"{manifest}: has no folds, because its column fold is empty; give no `fold`")
    if fold in (None, ALL_FOLDS):
        return [*folds] or [None]
    return [fold]
