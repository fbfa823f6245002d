"""The runs of one call: which clips, folds, settings and folder each seed and each repetition has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hicmae_cli.corpora.clip_list import ClipList
from hicmae_cli.corpora.fold_protocols import DrawnFolds, FoldProtocol, draw_folds, read_folds
from hicmae_cli.corpora.manifest import Sample
from hicmae_cli.corpora.splits import list_folds, split_by_column
from hicmae_cli.errors import SettingsError, WeightsError
from hicmae_cli.metric_names import MAIN_METRIC, format_metric
from hicmae_cli.recipes.recipe import load_settings
from hicmae_cli.recipes.settings import FinetuneSettings
from hicmae_cli.training.extension import extend_settings
from hicmae_cli.training.finetuning.fold import check_init
from hicmae_cli.training.finetuning.task import Task, folds_to_run
from hicmae_cli.weights.run_folder import FOLDS, find_weight_in, locate_fold, locate_run

_MOST_LISTED = 3


@dataclass(frozen=True)
class Arm:
    """All folds with one seed and one draw of the folds.

    Attributes:
        folder: of its runs.
        changes: keys of the recipe -> other values.
        settings: the whole recipe, with these changes.
        clips: the list, its dataset described by the folds that were drawn.
        samples: the clips, with these folds.
        folds: the folds to run; just None without folds.
        drawn: the folds, if they were drawn.
        repetition: which draw of the folds, from 1; None where there is only one.
    """

    folder: Path
    changes: Mapping[str, Any]
    settings: FinetuneSettings
    clips: ClipList
    samples: Sequence[Sample]
    folds: Sequence[str | None]
    drawn: DrawnFolds | None = None
    repetition: int | None = None

    @property
    def protocol(self) -> str:
        """The protocol for the metadata of weights; empty if the list decides."""
        return self.drawn.protocol if self.drawn else ""

    def list_test_clips(self, fold: str | None) -> list[Sample]:
        """List the clips that test a fold."""
        return split_by_column(self.samples).test if fold is None else [s for s in self.samples if s.fold == fold]


def load_seeds(
    recipe: str | Path,
    changes: Mapping[str, Any],
    seeds: Sequence[int],
    extend_epochs: int,
    *,
    profile: str | None = None,
    defaults: Mapping[str, Any] | None = None,
) -> list[tuple[dict[str, Any], FinetuneSettings]]:
    """Read the recipe for every seed -> its changes of the recipe, and the whole.

    Raises:
        SettingsError: a seed twice, or beside a ``seed`` of the changes; values that cannot be used.
    """
    if repeated := sorted(seed for seed, count in Counter(seeds).items() if count > 1):
        raise SettingsError(f"`seeds`: got {repeated[0]} more than once; every seed is a run of its own")
    if seeds and "seed" in changes:
        raise SettingsError(f"got both seed={changes['seed']} and `seeds`; give one of them")
    plans = [{**changes, "seed": seed} for seed in seeds] or [dict(changes)]
    whole = (load_settings(FinetuneSettings, recipe, plan, profile=profile, defaults=defaults) for plan in plans)
    return [(plan, extend_settings(settings, extend_epochs)) for plan, settings in zip(plans, whole, strict=True)]


def plan_arms(
    output: Path,
    clips: ClipList,
    samples: Sequence[Sample],
    protocol: FoldProtocol,
    fold: str | None,
    plans: Sequence[tuple[dict[str, Any], FinetuneSettings]],
    *,
    several_seeds: bool,
) -> list[Arm]:
    """Draw the folds and list the arms, seed by seed. Repetition r draws with ``split_seed`` + r - 1.

    Args:
        output: folder of the whole.
        clips: the list.
        samples: its clips.
        protocol: how they are divided into folds.
        fold: the fold to run, ``all``, or None for all that there are.
        plans: changes of the recipe and the whole, for every seed.
        several_seeds: whether each seed has a folder of its own.

    Raises:
        ManifestError: folds that cannot be drawn, or no such fold.
        SettingsError: the folder has other folds.
    """
    arms = []
    for changes, settings in plans:
        for repetition in range(1, protocol.repetitions + 1):
            own, whole, dealt, drawn, listed = dict(changes), settings, list(samples), None, clips
            if not protocol.is_official:
                split_seed = settings.split_seed + repetition - 1
                if protocol.repetitions > 1:
                    own["split_seed"] = split_seed
                    whole = settings.model_copy(update={"split_seed": split_seed})
                drawn = draw_folds(samples, protocol.repeat(), split_seed)
                dealt = drawn.assign(samples)
                listed = replace(clips, dataset=drawn.describe(clips.dataset)) if clips.dataset else clips
            seed = settings.seed if several_seeds else None
            number = repetition if protocol.repetitions > 1 else None
            folder = locate_run(output, seed, number)
            check_folds(folder, drawn)
            folds = folds_to_run(dealt, fold, clips.manifest)
            arms.append(Arm(folder, own, whole, listed, dealt, folds, drawn, number))
    return arms


def check_folds(folder: Path, drawn: DrawnFolds | None) -> None:
    """Check that a run's folder has no other folds; those of a call that failed before its first run do not count.

    Raises:
        SettingsError: it has.
        ManifestError: its folds cannot be read.
    """
    path = folder / FOLDS
    begun = any(folder.glob("fold-*")) or find_weight_in(folder) is not None
    if begun and drawn is not None and not path.exists():
        raise SettingsError(f"{folder}: holds a run with protocol='official'; choose another `output`")
    if not begun or not path.exists():
        return
    before = read_folds(path)
    if drawn is None:
        raise SettingsError(f"{folder}: holds a run with protocol={before.protocol!r}; choose another `output`")
    if before != drawn:
        raise SettingsError(
            f"{folder}: holds a run with other folds ({before.protocol}, split_seed {before.split_seed}); choose "
            "another `output`"
        )


def check_starts(arm: Arm, init: Path | None, task: Task) -> dict[str | None, str | None]:
    """Check the weight to start from for every fold of an arm -> a warning for each, or None.

    Raises:
        WeightsError: as ``check_init``.
    """
    if init is None:
        return dict.fromkeys(arm.folds)
    return {fold: check_init(init, task, fold, arm.samples) for fold in arm.folds}


def check_finished(arms: Sequence[Arm]) -> None:
    """Check that every run has a weight, before the first one is extended.

    Raises:
        WeightsError: a run has none.
    """
    for arm in arms:
        for fold in arm.folds:
            folder = locate_fold(arm.folder, fold)
            if find_weight_in(folder) is None:
                raise WeightsError(
                    f"{folder}: has no finished run to extend; finish all folds and seeds without `extend_epochs` first"
                )


def describe_doubts(arm: Arm, task: Task) -> list[str]:
    """Return warnings about the folds of an arm: nobody is known, or classes without test clips."""
    doubts = []
    if arm.drawn is not None and not arm.drawn.people:
        doubts.append(
            "the clips name no speaker, so the folds are drawn over clips: the same person may be in training and test "
            "clips, and the scores are optimistic for new people"
        )
    folds = [fold for fold in list_folds(arm.samples) if fold in arm.folds]
    if task.is_regression or not folds:
        return doubts
    found = {fold: {label for clip in arm.list_test_clips(fold) for label in clip.labels} for fold in folds}
    absent = {fold: [label for label in task.labels if label not in labels] for fold, labels in found.items()}
    poor = {fold: labels for fold, labels in absent.items() if labels}
    if poor:
        listed = "; ".join(f"fold {fold}: no {', '.join(labels)}" for fold, labels in list(poor.items())[:_MOST_LISTED])
        more = f"; and {len(poor) - _MOST_LISTED} more" if len(poor) > _MOST_LISTED else ""
        doubts.append(
            f"folds without a test clip of some class: {len(poor)} of {len(folds)} ({listed}{more}); the "
            f"{format_metric(MAIN_METRIC[task.kind])} of such a fold is over its other classes, so read the pooled "
            "score"
        )
    return doubts
