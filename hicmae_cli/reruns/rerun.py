"""Repeat a training from its record: the same data, recipe, seed and fold."""

from __future__ import annotations

import inspect
import json
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from hicmae_cli.corpora.fold_protocols import parse_protocol
from hicmae_cli.corpora.manifest import list_files, read_manifest
from hicmae_cli.errors import ManifestError, SettingsError, WeightsError, one_line
from hicmae_cli.files import write_text_atomically
from hicmae_cli.records.facts import DataFacts, RunFacts, RunRecord
from hicmae_cli.records.folder import find_record_folders, read_run_record
from hicmae_cli.records.hashes import hash_data, hash_tensors
from hicmae_cli.records.surroundings import describe_machine, list_versions, read_own_commit
from hicmae_cli.reruns.comparison import Repeat, RerunResult, compare_records, list_data_changes, list_surroundings
from hicmae_cli.toml import format_toml
from hicmae_cli.training.extension import EXTENDED_FROM
from hicmae_cli.training.finetuning.folds import finetune_folds
from hicmae_cli.training.finetuning.progress import FinetuningProgress
from hicmae_cli.training.pretraining.progress import PretrainingProgress
from hicmae_cli.training.pretraining.recordings import find_recordings
from hicmae_cli.training.pretraining.run import pretrain
from hicmae_cli.training.runs import SETTINGS
from hicmae_cli.weights.catalogue import find_weight
from hicmae_cli.weights.record import find_records
from hicmae_cli.weights.run_folder import locate_fold
from hicmae_cli.weights.suffixes import ONNX, SAFETENSORS

RECIPE = "recipe.toml"
_REPLACED = {
    *("output", "recipe", "overrides", "profile", "seed", "seeds", "extend_epochs"),
    *("protocol", "fold", "source", "manifest", "root"),
}
"""Parameters of a recorded call that a repeat sets itself; those of the recipe are in the recorded recipe."""


def rerun(
    run: str | Path,
    output: str | Path,
    *,
    root: str | Path | None = None,
    manifest: str | Path | None = None,
    init: str | Path | None = None,
    force: bool = False,
    warn: Callable[[str], None] = warnings.warn,
    finetuning: FinetuningProgress | None = None,
    pretraining: PretrainingProgress | None = None,
) -> RerunResult:
    """Repeat a training from its record, and compare weights and scores with the recorded ones.

    The same call resumes a repeat that was stopped.

    Args:
        run: folder of a finished run, of one fold or of all of them, or a weight in it.
        output: folder of the repeat.
        root: where the recordings are now, for a pre-training without a manifest; by default where they were.
        manifest: where the list of clips is now; by default where it was.
        init: where the weight is now that the run started from; by default where it was.
        force: repeat the run although the data or the start have changed.
        warn: called with a line about versions or hardware that differ.
        finetuning: hooks of a fine-tuning.
        pretraining: hooks of a pre-training.

    Returns:
        The comparison; ``equal`` says whether all weights are equal to the last bit, and all scores the same.

    Raises:
        SettingsError: ``output`` is the run itself, or the installed version lacks a parameter of the recorded call.
        ManifestError: the data have changed, or are not there.
        WeightsError: the run has no record or is not finished, or its start has changed.
        TrainingError: as in the training.
    """
    records = find_records(run)
    for folder, record in records.items():
        _check_record(folder, record, Path(output))
    first = next(iter(records.values()))
    for line in list_surroundings(first.run, _describe_now(first.run)):
        warn(one_line(f"differs from the recorded run: {line}"))
    repeats: list[Repeat] = []
    for folder, record in records.items():
        target = Path(output) if len(records) == 1 else _locate_repeat(folder, record, Path(output), records)
        changed = _list_changes(record, manifest, root, init)
        if changed and not force:
            raise ManifestError(
                one_line(f"{folder}: {'; '.join(changed)}. To repeat the run with them all the same, give `force`")
            )
        for line in changed:
            warn(one_line(f"differs from the recorded run: {line}"))
        # An extended run is repeated as it was made: the learning rate depends on the length of each plan.
        plans = [*_read_plans(folder)[:-1], record.run.recipe.get("epochs", 0)]
        reached = max(_read_plans(locate_fold(target, record.run.fold)))
        for plan in plans:
            if plan < reached:
                continue
            length = (plans[0], plan - plans[0])
            again, finished = _repeat(record, length, target, manifest, root, init, finetuning, pretraining)
            if not finished:
                return RerunResult(tuple(repeats), finished=False)
        repeats.append(compare_records((folder, record), (again, read_run_record(again))))
    return RerunResult(tuple(repeats))


def _locate_repeat(folder: Path, record: RunRecord, output: Path, records: Mapping[Path, RunRecord]) -> Path:
    """Locate the output of one repeat of several: all repeats are in folders of the recorded names."""
    target = output / folder.relative_to(_common_parent(records))
    # Fine-tuning adds the folder of the fold itself.
    own = record.run.phase == "fine-tuning" and target == locate_fold(target.parent, record.run.fold or None)
    return target.parent if own else target


def _common_parent(records: Mapping[Path, RunRecord]) -> Path:
    """Return the folder of the whole run, above its seeds and folds."""
    return max(
        (parent for parent in next(iter(records)).parents if all(each.is_relative_to(parent) for each in records)),
        key=lambda parent: len(parent.parts),
    )


def _check_record(folder: Path, record: RunRecord, output: Path) -> None:
    if not record.parameters:
        raise WeightsError(f"{folder}: a weight alone cannot be repeated; give the folder of its run")
    if not record.finished:
        raise WeightsError(f"{folder}: the run is not finished; start its command again to resume it first")
    if output.absolute() in (folder.absolute(), *folder.absolute().parents) and find_record_folders(output):
        raise SettingsError(f"output={str(output)!r}: is the run itself; choose another folder")


def _describe_now(old: RunFacts) -> RunFacts:
    """Describe this computer, as far as that needs no torch; the rest counts as unchanged."""
    gpus = {name: value for name, value in old.machine.items() if name == "gpu"}
    cuda = {name: value for name, value in old.versions.items() if name == "cuda"}
    return old.model_copy(
        update={"versions": list_versions() | cuda, "machine": describe_machine() | gpus, "commit": read_own_commit()}
    )


def _list_changes(
    record: RunRecord, manifest: str | Path | None, root: str | Path | None, init: str | Path | None
) -> list[str]:
    """List how the data and the start differ from the recorded ones."""
    changed = list_data_changes(record.run.data, _hash_now(record, manifest, root))
    if record.run.init is not None:
        name = str(init or record.parameters.get("init"))
        start = find_weight(name, SAFETENSORS) or find_weight(name, ONNX)
        if start is None or hash_tensors(start) != record.run.init.tensors_sha256:
            changed.append(f"the weight to start from, {name}, is another one")
    return changed


def _hash_now(record: RunRecord, manifest: str | Path | None, root: str | Path | None) -> DataFacts:
    path = Path(manifest or record.manifest) if manifest or record.manifest else None
    if record.run.phase == "fine-tuning":
        assert path is not None
        # The labels are in the manifest, which has a hash of its own.
        return hash_data(list_files(read_manifest(path, labelled=False, existing=False)), path)
    return _hash_recordings(record, path, root)


def _hash_recordings(record: RunRecord, path: Path | None, root: str | Path | None) -> DataFacts:
    given = record.parameters
    found = find_recordings(
        dataset=None if path else given.get("dataset"),
        root=None if path else Path(root or record.root),
        manifest=path,
        videos=Path(given["videos"]) if given.get("videos") else None,
        fold=record.run.fold or None,
    )
    return hash_data(found.files, found.manifest)


def _read_plans(folder: Path) -> list[int]:
    """Read the numbers of epochs that a run was planned for, one after the other; ``[0]`` without a run."""
    try:
        facts = json.loads((folder / SETTINGS).read_text("utf-8"))
        return [*facts.get(EXTENDED_FROM, ()), facts["epochs"]]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return [0]


def _repeat(
    record: RunRecord,
    length: tuple[int, int],
    output: Path,
    manifest: str | Path | None,
    root: str | Path | None,
    init: str | Path | None,
    finetuning: FinetuningProgress | None,
    pretraining: PretrainingProgress | None,
) -> tuple[Path, bool]:
    """Train again -> the folder of the run, and whether it is finished.

    ``length``: epochs of the recipe, and epochs to add to them.
    """
    epochs, more_epochs = length
    recipe = _write_recipe(record, output, epochs)
    fold, start = record.run.fold or None, init or record.parameters.get("init")
    path = manifest or record.manifest or None
    if record.run.phase == "fine-tuning":
        given = _read_parameters(record, finetune_folds)
        given |= {"manifest": path, "init": start, "fold": fold, "recipe": recipe, "output": output}
        # A repetition's own seed of the draw is in its recipe.
        given["protocol"] = str(parse_protocol(record.parameters.get("protocol")).repeat())
        result = finetune_folds(**given, extend_epochs=more_epochs, progress=finetuning)
        return result.runs[-1].folder, result.finished
    given = _read_parameters(record, pretrain)
    if manifest or not (given.get("dataset") or given.get("videos")):
        given |= {"dataset": None, "videos": None, "manifest": path}
    else:
        given |= {"root": root or record.root or None}
    given |= {"init": start, "fold": fold, "recipe": recipe, "output": output}
    outcome = pretrain(**given, extend_epochs=more_epochs, progress=pretraining)
    return outcome.run, outcome.finished


def _read_parameters(record: RunRecord, function: Callable[..., object]) -> dict[str, Any]:
    """Read the parameters of the recorded call, whatever they are.

    Raises:
        SettingsError: this version of hicmae lacks one of them.
    """
    known = inspect.signature(function).parameters
    given = {name: value for name, value in record.parameters.items() if name not in _REPLACED}
    if unknown := [name for name, value in given.items() if name not in known and value not in (None, [], "", False)]:
        raise SettingsError(f"the recorded call has parameters that this version lacks: {', '.join(unknown)}")
    return {name: value for name, value in given.items() if name in known}


def _write_recipe(record: RunRecord, output: Path, epochs: int) -> Path:
    """Write the recorded recipe, every key with its value but for the number of epochs, as a recipe of its own."""
    path = output / RECIPE
    # Unset keys have no value in TOML; they are unset by default.
    values = {**record.run.recipe, **({"epochs": epochs} if "epochs" in record.run.recipe else {})}
    lines = [f"{key} = {format_toml(value)}" for key, value in values.items() if value is not None]
    write_text_atomically(path, "\n".join([f"# Repeats: {record.run.command}", *lines, ""]))
    return path
