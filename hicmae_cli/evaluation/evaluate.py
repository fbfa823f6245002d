"""Evaluate a weight on a dataset or a manifest: from names and paths to scores."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

from hicmae_cli.bundled import DEFAULT_WEIGHT
from hicmae_cli.corpora.fold_protocols import read_folds
from hicmae_cli.corpora.manifest import ALL_FOLDS, Sample
from hicmae_cli.corpora.splits import find_shared_people, list_folds
from hicmae_cli.corpora.values import format_target
from hicmae_cli.errors import SettingsError, one_line
from hicmae_cli.evaluation.calibration import fit_temperature
from hicmae_cli.evaluation.columns import read_columns
from hicmae_cli.evaluation.degradations import Degrade, parse_degradations
from hicmae_cli.evaluation.folds import FoldsEvaluation, score_folds
from hicmae_cli.evaluation.label_maps import Matched
from hicmae_cli.evaluation.learned import find_trained_clips
from hicmae_cli.evaluation.plan import EvaluationPlan, find_weights, pick_weight, plan_evaluation
from hicmae_cli.evaluation.protocol import Protocol
from hicmae_cli.evaluation.results import Evaluation
from hicmae_cli.evaluation.score_sheet import ScoreSheet
from hicmae_cli.evaluation.scoring import score_clips
from hicmae_cli.modalities import MODALITIES
from hicmae_cli.runtime.engine import Engine
from hicmae_cli.runtime.ensemble import read_any_info
from hicmae_cli.runtime.opening import open_engine
from hicmae_cli.weights.info import WeightInfo
from hicmae_cli.weights.run_folder import find_fold_list

EACH = "each"
"""Stands for all modalities, one after the other."""


class _Part(NamedTuple):
    """The clips that test one weight, with the weight's labels, and the weight's name or file."""

    matched: Matched
    weight: str
    listed: tuple[Sample, ...]
    """The clips as the list has them."""


def evaluate(
    *,
    weights: str | Path = DEFAULT_WEIGHT,
    dataset: str | None = None,
    root: str | Path | None = None,
    manifest: str | Path | None = None,
    fold: str | None = None,
    split: str = "test",
    modality: str | None = None,
    cross: bool = False,
    allow_seen: bool = False,
    label_map: str | Mapping[str, str] | None = None,
    engine: str = "auto",
    device: str = "auto",
    sampling_rate: int | None = None,
    by: str | Sequence[str] = (),
    calibrate: bool = False,
    degrade: str | Mapping[str, Sequence[float]] = "",
    draw_puppets: Callable[[Path], Path] | None = None,
    on_start: Callable[[WeightInfo, int], None] = lambda *_: None,
    on_clip: Callable[[], None] = lambda: None,
) -> ScoreSheet:
    """Score a weight on the prepared clips of a dataset or a manifest, by the paper's protocol (HiCMAE, section 4.1).

    Args:
        weights: a name of the catalogue, a weight file, the folder of a run over folds, or ``ensemble:NAME``.
        dataset: name of a known dataset.
        root: folder of the dataset; by default the one in ``data_home``.
        manifest: a list of clips, instead of the dataset's own or without a known dataset.
        fold: test the clips of this fold; ``all`` tests every fold with its own weight of a run.
        split: test this split if the list has no folds; ``all`` takes every clip.
        modality: ``av``, ``video`` or ``audio``, by default as the weight was trained; ``each`` scores all three.
        cross: the weight is of another corpus: score only the labels shared by weight and dataset.
        allow_seen: score clips that the weight was trained on, which says nothing about new ones; a warning says so.
        label_map: corpus label = model label, where names differ, e.g. ``"calm=neutral,surprise=-"``, a mapping, or the
            name of a ``.toml`` file; ``-`` skips the clips of a label.
        engine: ``auto``, ``onnx`` or ``torch``.
        device: ``auto``, ``cpu``, ``cuda``, …
        sampling_rate: take every n-th frame, by default as the weight was trained. A weight that samples by time
            refuses it.
        by: columns of the list, such as ``"speaker,sex"``: also score each of their groups.
        calibrate: fit a temperature on the list's validation clips; by default, that of the weight is used if it has
            one.
        degrade: also score degraded clips, e.g. ``"noise=0..20dB,blur"``; see ``parse_degradations``.
        draw_puppets: draws the generated corpus into a folder if it is missing; see ``find_clips``.
        on_start: called with the metadata of the weight and the number of clips to run, counting each pass over them,
            before the first clip.
        on_clip: called after each clip.

    Returns:
        The scores, with their meaning in words and the published numbers beside them.

    Raises:
        SettingsError: arguments that are unknown or do not go together, or clips that the weight was trained on.
        ManifestError: clips that are missing or not prepared, or labels that do not fit the weight's.
        WeightsError: a weight that is missing, unreadable or for another task.
    """
    if modality not in (None, *MODALITIES, EACH):
        raise SettingsError(f"modality={modality!r}: expected {', '.join(MODALITIES)} or {EACH}")
    if sampling_rate is not None and sampling_rate < 1:
        raise SettingsError(f"sampling_rate={sampling_rate}: expected 1 or more")
    degradations = parse_degradations(degrade) if degrade else []
    weights = str(weights)
    folds = find_fold_list(Path(weights))
    plan = plan_evaluation(
        dataset=dataset,
        root=None if root is None else Path(root),
        manifest=None if manifest is None else Path(manifest),
        fold=fold,
        split=split,
        cross=cross,
        label_map=label_map,
        draw_puppets=draw_puppets,
        drawn=read_folds(folds) if folds else None,
    )
    info = read_any_info(pick_weight(weights, plan.fold))
    modalities = _choose_modalities(info, modality)
    _check_affected(degradations, modalities)
    samples = plan.read_samples(info)
    parts = _match_parts(plan, weights, samples)
    if not allow_seen:
        _refuse_trained(plan, parts)
    columns = read_columns(plan, None if root is None else Path(root), samples, by)
    fitted = _match_validation(plan, weights, samples, parts) if calibrate else None
    tested = sum(len(part.matched.samples) for part in parts.values())
    on_start(info, tested * (1 + len(degradations)) + (len(fitted.matched.samples) if fitted else 0))
    score = partial(_score_parts, plan, partial(open_engine, engine=engine, device=device), sampling_rate, on_clip)
    results = score(parts, modalities)
    main = next(iter(results))
    return ScoreSheet(
        weights,
        _describe_protocol(plan, parts),
        results,
        unscored=tuple(name for name in modalities if name not in results) if len(modalities) > 1 else (),
        calibration=_fit(score({"": fitted}, (main,))[main].pooled) if fitted else None,
        columns=columns,
        degraded=tuple(
            (each, score(parts, [name for name in results if name != each.kind.unaffected], degrade=each))
            for each in degradations
        ),
    )


def _choose_modalities(info: WeightInfo, modality: str | None) -> Sequence[str]:
    if info.modality != "av" and modality not in (None, info.modality):
        raise SettingsError(f"modality={modality!r}: this weight was trained on {info.modality} only")
    return MODALITIES if modality == EACH else (modality or info.modality,)


def _check_affected(degradations: Sequence[Degrade], modalities: Sequence[str]) -> None:
    for each in degradations:
        if set(modalities) == {each.kind.unaffected}:
            raise SettingsError(
                f"degrade={each.kind.name!r}: changes nothing for modality={each.kind.unaffected!r}; remove it"
            )


def _match_parts(plan: EvaluationPlan, weights: str, samples: Sequence[Sample]) -> dict[str, _Part]:
    """Select the clips of each weight and give them the weight's labels, fold -> part; "" without folds."""
    all_labels = sorted({format_target(sample.target) for sample in samples})
    parts = {}
    for fold, file in find_weights(weights, plan.fold, list_folds(samples), cross=plan.cross).items():
        own = read_any_info(file)
        chosen = plan.select(samples, fold, own.fold)
        parts[fold] = _Part(plan.match(chosen, own, all_labels), file, tuple(chosen))
    return parts


def _refuse_trained(plan: EvaluationPlan, parts: Mapping[str, _Part]) -> None:
    """Refuse to score clips that a weight was trained on, by the folds in its metadata.

    Raises:
        SettingsError: it was.
    """
    for fold, part in parts.items():
        clips = [(sample.speaker, sample.id) for sample in part.listed]
        if reason := find_trained_clips(read_any_info(part.weight), plan.name, fold, clips, cross=plan.cross):
            raise SettingsError(
                one_line(
                    f"{part.weight}: was trained on clips that test it: {reason}; allow_seen=True scores them anyway"
                )
            )


def _match_validation(
    plan: EvaluationPlan, weights: str, samples: Sequence[Sample], parts: Mapping[str, _Part]
) -> _Part:
    """Select the validation clips of the list, to fit a temperature on them.

    Raises:
        SettingsError: there are none, or they share clips or people with the test clips.
    """
    part = next(iter(parts.values()))
    info = read_any_info(part.weight)
    if info.task != "classification":
        nothing = (
            "a regression has no probabilities" if info.task == "regression" else "a set of labels has no single one"
        )
        raise SettingsError(f"`calibrate`: fits the probability of one class; {nothing} to calibrate")
    tested = [sample for each in parts.values() for sample in each.listed]
    chosen = [] if plan.fold else [sample for sample in samples if sample.split in ("validation", "val")]
    if not chosen:
        raise SettingsError(
            f"`calibrate`: {plan.name} has no validation clips; name some in its column `split`, or use a weight that "
            "hicmae fine-tuned: it records a temperature"
        )
    if {sample.id for sample in chosen} & {sample.id for sample in tested}:
        raise SettingsError(f"`calibrate`: the validation clips are tested themselves (split={plan.split!r})")
    if shared := find_shared_people(chosen, tested):
        raise SettingsError(f"`calibrate`: people are in the validation and the test clips: {', '.join(shared[:3])}")
    return _Part(plan.match(chosen, info), part.weight, tuple(chosen))


def _fit(validation: Evaluation) -> tuple[float, str]:
    """Fit a temperature -> it, and what it was fitted on."""
    people = {sample.speaker for sample in validation.samples} - {""}
    of_people = f" of {len(people)} {'person' if len(people) == 1 else 'people'}" if people else ""
    words = f"{len(validation.samples)} validation clips{of_people}"
    return fit_temperature(validation.outputs, validation.truth), words


def _score_parts(
    plan: EvaluationPlan,
    open_weight: Callable[[str], Engine],
    sampling_rate: int | None,
    on_clip: Callable[[], None],
    parts: Mapping[str, _Part],
    modalities: Sequence[str],
    degrade: Degrade | None = None,
) -> Mapping[str, Evaluation | FoldsEvaluation]:
    """Run the weight of each part over its clips -> a result for each modality that every part has."""
    first = next(iter(parts.values()))
    merge_by = plan.dataset.merge_by if plan.dataset else 0
    if list(parts) != [""] and plan.fold == ALL_FOLDS:
        return score_folds(
            {fold: (part.matched.samples, partial(open_weight, part.weight)) for fold, part in parts.items()},
            sampling_rate=sampling_rate,
            modalities=modalities,
            merge_by=merge_by,
            classes=first.matched.classes,
            degrade=degrade,
            on_clip=on_clip,
        )
    return score_clips(
        first.matched.samples,
        open_weight(first.weight),
        sampling_rate=sampling_rate,
        modalities=modalities,
        merge_by=merge_by,
        classes=first.matched.classes,
        degrade=degrade,
        on_clip=on_clip,
    )


def _describe_protocol(plan: EvaluationPlan, parts: Mapping[str, _Part]) -> Protocol:
    dropped: Counter[str] = Counter()
    for part in parts.values():
        dropped.update(part.matched.dropped)
    matched = replace(next(iter(parts.values())).matched, dropped=dict(sorted(dropped.items())))
    has_splits = any(sample.split for part in parts.values() for sample in part.matched.samples)
    by_fold = plan.fold or (plan.dataset and plan.dataset.folds)
    split = plan.split if has_splits and not by_fold else ""
    listed = {
        fold: [(sample.id, format_target(sample.target)) for sample in part.listed] for fold, part in parts.items()
    }
    rule = plan.drawn.rule if plan.drawn and plan.fold else ""
    return Protocol(plan.name, plan.dataset, plan.fold, split, matched, plan.cross, drawn_rule=rule, listed=listed)
