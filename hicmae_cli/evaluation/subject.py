"""What is tested, and by which weight: clips, fold by fold, under the names of the weight, to explained scores."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from hicmae_cli.corpora.catalogue import same_clips
from hicmae_cli.corpora.dataset import Dataset
from hicmae_cli.corpora.manifest import ALL_FOLDS, Sample, read_manifest
from hicmae_cli.corpora.splits import folds_of
from hicmae_cli.errors import ManifestError, SettingsError, one_line
from hicmae_cli.evaluation.evaluate import evaluate
from hicmae_cli.evaluation.folds import FoldsEvaluation, evaluate_folds
from hicmae_cli.evaluation.label_maps import Matched, cross_labels, match_labels, order_targets
from hicmae_cli.evaluation.protocol import Protocol
from hicmae_cli.evaluation.results import Evaluation
from hicmae_cli.runtime.engine import Engine
from hicmae_cli.weights.info import WeightInfo
from hicmae_cli.weights.reading import read_info
from hicmae_cli.weights.run_folder import find_any_weight, find_fold_weight

ALL_SPLITS = "all"


@dataclass(frozen=True)
class UnderTest:
    """What is to be tested.

    Attributes:
        name: of the dataset, or of the manifest's file.
        manifest: where the clips are listed.
        dataset: what is known of it, if it was named.
        fold: a fold, ``all``, or empty.
        split: of a manifest that is not tested by fold.
        cross: whether the weight is of another corpus.
        mapping: corpus label -> model label, where given.
    """

    name: str
    manifest: Path
    dataset: Dataset | None
    fold: str
    split: str
    cross: bool
    mapping: Mapping[str, str] | None

    def read(self, info: WeightInfo) -> list[Sample]:
        """All clips of the manifest; numbers in it are the dataset's labels in order, else the weight's.

        Raises:
            ManifestError: unreadable, or the dataset and the weight are for different tasks.
        """
        if self.dataset is not None and self.dataset.labels and self.dataset.task != info.task:
            raise ManifestError(
                f"{self.name}: is a dataset for {self.dataset.task}, but the weight is made for {info.task}"
            )
        labels = self.dataset.labels if self.dataset and self.dataset.labels else info.labels
        codes = self.dataset.codes if self.dataset else None
        return read_manifest(self.manifest, labels, codes=codes, regression=info.task == "regression")

    def clips(self, samples: Sequence[Sample], fold: str, trained: str = "") -> list[Sample]:
        """Those that test a fold, or that are of the split; a list without the column is tested whole.

        Args:
            samples: all clips of the list.
            fold: the one that was asked for, or empty.
            trained: the one that the weight has left out, as far as it says so.

        Raises:
            SettingsError: no fold was named, and it is tested by fold or the weight has learned from the others.
            ManifestError: there are none.
        """
        folds = folds_of(samples)
        by_fold = self.dataset is not None and bool(self.dataset.folds)
        if fold and (folds or not by_fold):
            chosen = [sample for sample in samples if sample.fold == fold]
        elif trained in folds and not by_fold and not self.cross:
            raise SettingsError(
                f"{self.name} has folds, and the weight has learned from all but fold {trained}: give --fold "
                f"{trained}, or --fold all with the folder of the run as --weights; --cross if it was trained elsewhere"
            )
        elif by_fold and folds and not self.cross:
            raise SettingsError(
                f"{self.name} is tested by fold: give --fold {', '.join(folds)}, or --fold all with the folder of a "
                "run over all folds as --weights"
            )
        elif by_fold:
            chosen = list(samples)
        else:
            chosen = [sample for sample in samples if self._of_split(sample)]
        if not chosen:
            place = f"fold {fold}; its folds are {', '.join(folds) or 'not named'}" if fold else self.split
            raise ManifestError(one_line(f"{self.manifest}: no clips in {place}"))
        return chosen

    def _of_split(self, sample: Sample) -> bool:
        return self.split == ALL_SPLITS or not sample.split or sample.split == self.split

    def match(self, samples: Sequence[Sample], info: WeightInfo, found: Sequence[str] = ()) -> Matched:
        """The clips under the names of a weight.

        Args:
            samples: some of the clips.
            info: of the weight.
            found: the labels of all clips: what a map may name, and what a list has to share with a weight of another
                corpus, whichever of its clips are tested.

        Raises:
            ManifestError: labels that the other side does not have; see ``label_maps``.
            SettingsError: a map that does not fit, or a regression across corpora.
        """
        corpus = self.dataset.labels if self.dataset else ()
        if info.task == "regression":
            if self.cross:
                raise SettingsError("--cross: compares classes; a weight for regression has none")
            targets = corpus or info.labels
            return Matched(order_targets(samples, info.labels, targets, self.mapping, self.name))
        if not self.cross:
            return match_labels(
                samples,
                info.labels,
                corpus=corpus,
                found=found,
                mapping=self.mapping,
                name=self.name,
                manifest=self.manifest,
            )
        if same_clips(info.dataset, self.name):
            raise SettingsError(
                f"--cross: the weight was trained on {self.name} itself; leave the option out"
                if info.dataset == self.name
                else f"--cross: the weight was trained on {info.dataset}, which is the same clips as {self.name}; "
                "leave the option out, and say by --map what stands for what"
            )
        return cross_labels(samples, info.labels, corpus=corpus or found, mapping=self.mapping, name=self.name)


def some_weight(weights: str, fold: str) -> str:
    """A weight that stands for those of a run, to read its labels from: itself, where no folder was given.

    Raises:
        WeightsError: a folder without one.
    """
    folder = Path(weights)
    if not folder.is_dir():
        return weights
    if fold not in ("", ALL_FOLDS):
        return str(find_fold_weight(folder, fold))
    return str(find_any_weight(folder, folds=bool(fold)))


def find_weights(weights: str, fold: str, folds: Sequence[str], *, cross: bool) -> dict[str, str]:
    """The weight of every fold that is tested, fold -> name or file; of a folder, that of the fold within.

    Args:
        weights: a name, a file, or the folder of a run.
        fold: the one to test, ``all``, or empty.
        folds: those there are.
        cross: whether one weight may test all folds, as it has seen none of them.

    Raises:
        SettingsError: one weight for all folds, or there are none.
        WeightsError: the folder lacks one.
    """
    if fold == ALL_FOLDS and not folds:
        raise SettingsError("--fold all: the clips are in no folds; leave the option out")
    wanted = list(folds) if fold == ALL_FOLDS else [fold]
    folder = Path(weights)
    if not folder.is_dir():
        if fold == ALL_FOLDS and not cross:
            raise SettingsError(
                "--fold all: give the folder of a run over all folds as --weights (fold-1/best.safetensors and so on); "
                "a single weight has learned from the clips that test the other folds"
            )
        return dict.fromkeys(wanted, weights)
    return {name: str(find_fold_weight(folder, name)) for name in wanted} if fold else {"": some_weight(weights, "")}


def leak_warning(info: WeightInfo, fold: str) -> str | None:
    """What to say where a weight has left out another fold than the one that is tested."""
    if not info.fold or fold in ("", info.fold):
        return None
    return f"fold {fold} is tested, but the weight left out fold {info.fold}: it has learned from these clips"


Part = tuple[Sequence[Sample], str]
"""Clips that test a weight, and the weight's name or file."""


def score(
    tested: UnderTest,
    parts: Mapping[str, Part],
    open_weight: Callable[[str], Engine],
    *,
    found: Sequence[str] = (),
    sampling_rate: int | None = None,
    modalities: Sequence[str] = ("av",),
    on_start: Callable[[int], None] = lambda _: None,
    on_clip: Callable[[], None] = lambda: None,
) -> tuple[Mapping[str, Evaluation | FoldsEvaluation], Protocol]:
    """Run every fold's weight over its clips.

    Args:
        tested: what is tested.
        parts: fold -> its clips and its weight; under an empty name where there are no folds.
        open_weight: a weight's name or file -> the model; each is opened when its turn comes.
        found: the labels of all clips of the list; see ``UnderTest.match``.
        sampling_rate: as in ``evaluate``.
        modalities: as there.
        on_start: called with the number of clips.
        on_clip: called after each.

    Returns:
        A result for each modality that every fold has, and what they mean.

    Raises:
        HicmaeError: labels that do not fit, or what ``evaluate`` raises.
    """
    matched = {fold: tested.match(clips, read_info(weight), found) for fold, (clips, weight) in parts.items()}
    some = next(iter(matched.values()))
    on_start(sum(len(part.samples) for part in matched.values()))
    openers = {fold: partial(open_weight, weight) for fold, (_, weight) in parts.items()}
    merge_by = tested.dataset.merge_by if tested.dataset else 0
    results: Mapping[str, Evaluation | FoldsEvaluation]
    if tested.fold == ALL_FOLDS:
        results = evaluate_folds(
            {fold: (matched[fold].samples, openers[fold]) for fold in parts},
            sampling_rate=sampling_rate,
            modalities=modalities,
            merge_by=merge_by,
            classes=some.classes,
            on_clip=on_clip,
        )
    else:
        (fold,) = parts
        results = evaluate(
            some.samples,
            openers[fold](),
            sampling_rate=sampling_rate,
            modalities=modalities,
            merge_by=merge_by,
            classes=some.classes,
            on_clip=on_clip,
        )
    dropped: Counter[str] = Counter()
    for part in matched.values():
        dropped.update(part.dropped)
    named = any(sample.split for part in matched.values() for sample in part.samples)
    by_fold = tested.fold or (tested.dataset and tested.dataset.folds)
    split = tested.split if named and not by_fold else ""
    whole = replace(some, dropped=dict(sorted(dropped.items())))
    return results, Protocol(tested.name, tested.dataset, tested.fold, split, whole, tested.cross)
