"""What a fine-tuning is to learn: from a list of clips, and from what is known of the dataset that they are of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from hicmae_cli.corpora.dataset import Dataset
from hicmae_cli.corpora.manifest import ALL_FOLDS, Sample, read_manifest
from hicmae_cli.corpora.splits import folds_of
from hicmae_cli.corpora.values import parse_values
from hicmae_cli.errors import ManifestError
from hicmae_cli.weights.info import FRAME_FOLDERS, OUR_FRONT_END

Kind = Literal["classification", "regression"]


@dataclass(frozen=True)
class Task:
    """What is to be learned, and what the weight will say about it.

    Attributes:
        labels: canonical names of the classes or targets, in the order of the outputs.
        dataset: name written into the weight.
        licence: what the weight may be used under.
        front_end: how the faces of the clips were cut.
        source: what makes the weight, for its metadata.
        kind: what the outputs are.
        metric: that chooses the epoch; by default UAR, or the CCC of a regression.
        merge_by: how many fields of an id name what is tested as one; see ``corpora.dataset.Dataset``.
    """

    labels: tuple[str, ...]
    dataset: str
    licence: str
    front_end: str
    source: str
    kind: Kind = "classification"
    metric: str = ""
    merge_by: int = 0

    @property
    def is_regression(self) -> bool:
        """Whether numbers are learned, and not classes."""
        return self.kind == "regression"

    @property
    def chosen_by(self) -> str:
        """The metric that chooses the epoch."""
        return self.metric or ("ccc" if self.is_regression else "uar")


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
    """What the clips of a manifest teach, and those clips.

    Args:
        manifest: the file.
        dataset: what is known of it; it answers for what is not given.
        name: of the dataset, for the weight.
        source: what makes the weight.
        labels: in the order of the outputs; by default the dataset's, or all that there are, by the alphabet. Of a
            dataset that has labels, another order of these.
        kind: what the outputs are.
        licence: of the weight.

    Raises:
        ManifestError: the manifest cannot be read; a regression whose targets, or which itself, nobody has named;
            labels that are not the dataset's.
    """
    kind = kind or (dataset.task if dataset else "classification")
    order = tuple(labels) or (dataset.labels if dataset else ())
    if kind == "regression" and not order:
        raise ManifestError(f"{manifest}: a regression needs the names of its targets, in their order (--labels a,b)")
    # What numbers in the list stand for is the dataset's to say, in whatever order the model is to answer.
    own = dataset.labels if dataset else ()
    if own and sorted(order) != sorted(own):
        raise ManifestError(f"--labels: expected an order of {', '.join(own)}; got {', '.join(order)}")
    if own and kind == "regression" and order != own:
        raise ManifestError(f"--labels: values stand in the order {', '.join(own)}; leave the option out")
    codes = dataset.codes if dataset else None
    samples = read_manifest(manifest, own or order or None, codes=codes, strict=True, regression=kind == "regression")
    if kind == "classification" and not order and all(parse_values(sample.label) for sample in samples):
        raise ManifestError(
            f"{manifest}: all labels are numbers, e.g. {samples[0].label!r}; a regression needs --task regression and "
            "the names of its targets (--labels a,b)"
        )
    ours = all(sample.video is None or sample.video.suffix == ".mkv" for sample in samples)
    task = Task(
        labels=order or tuple(sorted({sample.label for sample in samples})),
        dataset=name,
        licence=licence or (dataset.licence if dataset else "unknown"),
        front_end=OUR_FRONT_END if ours else FRAME_FOLDERS,
        source=source,
        kind=kind,
        metric=dataset.metric if dataset and dataset.task == kind else "",
        merge_by=dataset.merge_by if dataset else 0,
    )
    return task, samples


def rounds_of(samples: Sequence[Sample], fold: str | None, manifest: Path) -> list[str | None]:
    """The folds that are trained and tested one by one; just None where there are no folds.

    Args:
        samples: all clips of the manifest.
        fold: one of the folds, ``all``, or None, which is all that there are.
        manifest: the file, for messages.

    Raises:
        ManifestError: a fold was asked for, and there are none.
    """
    folds = folds_of(samples)
    if fold is not None and not folds:
        raise ManifestError(f"{manifest}: has no folds: its column fold is empty; leave --fold out")
    if fold in (None, ALL_FOLDS):
        return [*folds] or [None]
    return [fold]
