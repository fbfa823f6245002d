"""Choose the clips of an evaluation and the weights that are tested on them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from hicmae_cli.corpora.catalogue import same_clips
from hicmae_cli.corpora.clip_list import find_clips
from hicmae_cli.corpora.dataset import Dataset
from hicmae_cli.corpora.fold_protocols import DrawnFolds
from hicmae_cli.corpora.manifest import ALL_FOLDS, Sample, read_manifest
from hicmae_cli.corpora.splits import list_folds
from hicmae_cli.errors import ManifestError, SettingsError, one_line
from hicmae_cli.evaluation.label_maps import Matched, cross_labels, match_labels, order_targets, read_label_map
from hicmae_cli.weights.info import WeightInfo
from hicmae_cli.weights.run_folder import find_any_weight, find_fold_weight

ALL_SPLITS = "all"


@dataclass(frozen=True)
class EvaluationPlan:
    """Which clips are tested, and how their labels are matched with those of a weight.

    Attributes:
        name: name of the dataset, or of the manifest's file.
        manifest: the list of the clips.
        dataset: the known dataset, if one was named.
        fold: the fold to test, ``all``, or empty.
        split: the split to test if the list has no folds; ``all`` takes every clip.
        cross: whether the weight is of another corpus, and only shared labels are scored.
        mapping: corpus label -> model label, if given.
        drawn: the folds that the run drew for itself; None if the list has its own.
    """

    name: str
    manifest: Path
    dataset: Dataset | None = None
    fold: str = ""
    split: str = "test"
    cross: bool = False
    mapping: Mapping[str, str] | None = None
    drawn: DrawnFolds | None = None

    def read_samples(self, info: WeightInfo) -> list[Sample]:
        """Read all clips of the manifest; numbers in it are the dataset's labels in order, else the weight's.

        The folds that the run drew replace those of the list.

        Raises:
            ManifestError: the manifest is unreadable, or the dataset and the weight are for different tasks.
        """
        if self.dataset is not None and self.dataset.labels and self.dataset.task != info.task:
            raise ManifestError(
                f"{self.name}: is a {self.dataset.task} dataset, but the weight was trained for {info.task}"
            )
        labels = self.dataset.labels if self.dataset and self.dataset.labels else info.labels
        codes = self.dataset.codes if self.dataset else None
        samples = read_manifest(self.manifest, labels, codes=codes, task=info.kind)
        # A weight may also be tested on another list; without a fold, the list decides.
        if self.drawn is not None and (self.fold or self.drawn.knows_any(samples)):
            return self.drawn.assign(samples, partial(_is_skipped, info))
        return samples

    def select(self, samples: Sequence[Sample], fold: str, excluded_fold: str = "") -> list[Sample]:
        """Select the clips of a fold, or of the split; a list without that column is tested as a whole.

        Args:
            samples: all clips of the list.
            fold: the fold to test, or empty.
            excluded_fold: the fold that the weight was not trained on, if the weight names one.

        Raises:
            SettingsError: no fold was named, but the dataset is tested by fold or the weight was trained on the other
                folds.
            ManifestError: no clips are left.
        """
        folds = list_folds(samples)
        by_fold = self.dataset is not None and bool(self.dataset.folds)
        if fold and (folds or not by_fold):
            chosen = [sample for sample in samples if sample.fold == fold]
        elif excluded_fold in folds and not by_fold and not self.cross:
            raise SettingsError(
                f"{self.name} has folds, and the weight was trained on all of them but {excluded_fold}: give "
                f"fold={excluded_fold!r}, or fold='all' with the folder of the run as `weights`; give cross=True if "
                "the weight was trained on another corpus"
            )
        elif by_fold and folds and not self.cross:
            raise SettingsError(
                f"{self.name} is tested by fold: give `fold`, one of {', '.join(folds)}, or fold='all' with the folder "
                "of a run over all folds as `weights`"
            )
        elif by_fold:
            chosen = list(samples)
        else:
            chosen = [sample for sample in samples if self._is_of_split(sample)]
        if not chosen:
            place = f"fold {fold}; its folds are {', '.join(folds) or 'not named'}" if fold else f"split {self.split}"
            raise ManifestError(one_line(f"{self.manifest}: no clips in {place}"))
        return chosen

    def _is_of_split(self, sample: Sample) -> bool:
        return self.split == ALL_SPLITS or not sample.split or sample.split == self.split

    def match(self, samples: Sequence[Sample], info: WeightInfo, all_labels: Sequence[str] = ()) -> Matched:
        """Give clips the labels of a weight.

        Args:
            samples: the clips to test.
            info: metadata of the weight.
            all_labels: the labels of the whole list: a map may name them, and a list shares them with a weight of
                another corpus, whichever clips are tested.

        Raises:
            ManifestError: labels that the other side does not have; see ``label_maps``.
            SettingsError: a map that does not fit, a map of sets of labels, or sets or values across corpora.
        """
        corpus = self.dataset.labels if self.dataset else ()
        if info.task == "regression":
            if self.cross:
                raise SettingsError("cross=True: compares classes, but this weight predicts values (regression)")
            targets = corpus or info.labels
            return Matched(order_targets(samples, info.labels, targets, self.mapping, self.name))
        if info.task == "multilabel":
            if self.cross or self.mapping:
                given = "cross=True" if self.cross else "`label_map`"
                raise SettingsError(f"{given}: works on classes, but this weight predicts sets of labels (multilabel)")
            return Matched(list(samples))
        if not self.cross:
            return match_labels(
                samples,
                info.labels,
                corpus=corpus,
                found=all_labels,
                mapping=self.mapping,
                name=self.name,
                manifest=self.manifest,
            )
        if same_clips(info.dataset, self.name):
            raise SettingsError(
                f"cross=True: the weight was trained on {self.name} itself; leave it out"
                if info.dataset == self.name
                else f"cross=True: the weight was trained on {info.dataset}, which has the same clips as {self.name}; "
                "leave it out, and map the labels with `label_map`"
            )
        return cross_labels(samples, info.labels, corpus=corpus or all_labels, mapping=self.mapping, name=self.name)


def _is_skipped(info: WeightInfo, sample: Sample) -> bool:
    """Whether a training of the weight skips a clip, for its label or for lack of the stream."""
    is_other = info.kind == "classification" and sample.label not in info.labels
    return is_other or not sample.has_stream(info.modality)


def plan_evaluation(
    *,
    dataset: str | None = None,
    root: Path | None = None,
    manifest: Path | None = None,
    fold: str | None = None,
    split: str = "test",
    cross: bool = False,
    label_map: str | Mapping[str, str] | None = None,
    draw_puppets: Callable[[Path], Path] | None = None,
    drawn: DrawnFolds | None = None,
) -> EvaluationPlan:
    """Find the clips of a dataset or a manifest, and check what is to be tested of them.

    Args:
        dataset: name of a known dataset.
        root: its folder.
        manifest: a list of clips, instead of the dataset's own.
        fold: the fold to test, or ``all``.
        split: the split to test if there are no folds, or ``all``.
        cross: whether the weight is of another corpus.
        label_map: see ``read_label_map``.
        draw_puppets: see ``find_clips``.
        drawn: the folds that the run drew for itself; they do not apply across corpora.

    Raises:
        SettingsError: an unknown dataset, a fold that it does not have, or a map that cannot be read.
        ManifestError: the dataset is missing or not prepared.
    """
    clips = find_clips(dataset, root, manifest, draw_puppets=draw_puppets)
    drawn = None if cross else drawn
    known = drawn.describe(clips.dataset) if drawn is not None and clips.dataset is not None else clips.dataset
    # A dataset without folds of its own, such as a user's manifest, leaves the folds to the list.
    if fold and known is not None and known.folds and fold not in (ALL_FOLDS, *known.folds):
        raise SettingsError(f"fold={fold!r}: {known.name} has no such fold; its folds are {', '.join(known.folds)}")
    mapping = read_label_map(label_map, known.codes if known else None) if label_map else None
    return EvaluationPlan(clips.name, clips.manifest, known, fold or "", split, cross, mapping, drawn)


def pick_weight(weights: str, fold: str) -> str:
    """Pick a weight whose metadata hold for all weights of a run: any of its folder, or the named one itself.

    Raises:
        WeightsError: the folder holds no weight.
    """
    folder = Path(weights)
    if not folder.is_dir():
        return weights
    if fold not in ("", ALL_FOLDS):
        return str(find_fold_weight(folder, fold))
    return str(find_any_weight(folder, folds=bool(fold)))


def find_weights(weights: str, fold: str, folds: Sequence[str], *, cross: bool) -> dict[str, str]:
    """Find the weight of each fold that is tested, fold -> name or file.

    Args:
        weights: a name, a file, or the folder of a run.
        fold: the fold to test, ``all``, or empty.
        folds: the folds of the list.
        cross: whether one weight may test all folds because it was trained on none of them.

    Raises:
        SettingsError: one weight for all folds, or a list without folds.
        WeightsError: the folder lacks a weight.
    """
    if fold == ALL_FOLDS and not folds:
        raise SettingsError("fold='all': the clips have no folds; leave it out")
    wanted = list(folds) if fold == ALL_FOLDS else [fold]
    folder = Path(weights)
    if not folder.is_dir():
        if fold == ALL_FOLDS and not cross:
            raise SettingsError(
                "fold='all': give the folder of a run over all folds as `weights` (fold-1/best.safetensors and so on); "
                "a single weight was trained on the clips that test the other folds"
            )
        return dict.fromkeys(wanted, weights)
    return {name: str(find_fold_weight(folder, name)) for name in wanted} if fold else {"": pick_weight(weights, "")}
