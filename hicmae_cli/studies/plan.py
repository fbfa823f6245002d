"""Plan a study: every training and measurement once, with its key, its place and what it needs first."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from hicmae_cli.corpora.catalogue import find_dataset
from hicmae_cli.errors import SettingsError
from hicmae_cli.recipes.recipe import load_settings
from hicmae_cli.recipes.settings import OF_THE_MACHINE, FinetuneSettings, PretrainSettings
from hicmae_cli.recipes.shared_settings import Settings
from hicmae_cli.studies.data import StudyData
from hicmae_cli.studies.keys import hash_code, hash_key, list_packages
from hicmae_cli.studies.measures import MEASURES, check_measures
from hicmae_cli.studies.study import RUNS, Budget, Changes, Level, Study, find_fault_of_seeds

PRETRAIN: Final = "pretrain"
FINETUNE: Final = "finetune"
DONE: Final = "done.json"
SCHEMA: Final = "hicmae.study-run/1"
_SETTINGS: Final[Mapping[str, type[Settings]]] = {PRETRAIN: PretrainSettings, FINETUNE: FinetuneSettings}
_MACHINE: Final[Changes] = {
    # A process of a pool has no processes of its own.
    "num_workers": 0,
    "checkpoint_every": 50,
    "keep_checkpoints": 1,
    "trackers": (),
}
_SIZES: Final = (
    *("encoder_width", "encoder_heads", "encoder_depth", "fusion_depth"),
    *("decoder_width", "decoder_heads", "skip_layers"),
)


@dataclass(frozen=True)
class Job:
    """One training or measurement; plain values, for other processes.

    Attributes:
        kind: ``pretrain``, ``finetune``, or the name of a measure.
        key: what decides its numbers, hashed.
        name: in words.
        folder: of its files.
        source: folder of the training that it starts from, or whose weight it measures; None without.
        recipe: name or file of the recipe; empty for a measure.
        changes: of the recipe, or the parameters of a measure.
        facts: what the key hashes.
    """

    kind: str
    key: str
    name: str
    folder: Path
    source: Path | None
    recipe: str
    changes: Mapping[str, Any]
    facts: Mapping[str, Any]

    @property
    def is_training(self) -> bool:
        """Whether a model is trained, and not measured."""
        return self.kind in (PRETRAIN, FINETUNE)

    @property
    def run(self) -> Path:
        """Folder of the training itself."""
        return self.folder / "run"

    def read_done(self) -> dict[str, Any] | None:
        """Read what the finished job left; None if it is not finished."""
        try:
            found = json.loads((self.folder / DONE).read_text("utf-8"))
        except (OSError, ValueError):
            return None
        return found if isinstance(found, dict) and found.get("key") == self.key else None


@dataclass(frozen=True)
class StudyRun:
    """One run of the study: its levels, its seed, and the jobs that measure it.

    Attributes:
        levels: factor -> name of the level.
        seed: of the run.
        jobs: keys of its jobs, in the order in which they are computed.
    """

    levels: Mapping[str, str]
    seed: int
    jobs: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """Everything that a study computes.

    Attributes:
        study: the study.
        budget: its name.
        data: the clips.
        jobs: by key, in an order in which each comes after what it needs.
        runs: of the study, in the order of its factors.
        output: folder of all studies, absolute: other processes may work in another folder.
        device: that computes all of them.
    """

    study: Study
    budget: str
    data: StudyData
    jobs: Mapping[str, Job]
    runs: tuple[StudyRun, ...]
    output: Path
    device: str = "cpu"

    @property
    def folder(self) -> Path:
        """Folder of the reports."""
        return self.output / self.study.name

    @property
    def seeds(self) -> list[int]:
        """The seeds of the budget."""
        return list(self.study.budgets[self.budget].seeds)

    def waiting(self) -> list[Job]:
        """List the jobs that are not finished."""
        return [job for job in self.jobs.values() if job.read_done() is None]


def check_study(study: Study, budget: str, seeds: Sequence[int] = ()) -> None:
    """Check a study before its clips are looked for.

    Raises:
        SettingsError: fewer than two seeds, an unknown measure, or recipes with values that cannot be used.
    """
    if seeds and (fault := find_fault_of_seeds(seeds)):
        raise SettingsError(f"seeds={','.join(map(str, seeds))!r}: {fault}")
    check_measures(study)
    for levels in study.combine(budget):
        for phase, kind in _SETTINGS.items():
            if (stage := getattr(study, phase)) is not None:
                _resolve(kind, stage.recipe, json.dumps({**merge_changes(study, budget, phase, levels), "seed": 0}))


def list_finetuning(study: Study, budget: str) -> list[FinetuneSettings]:
    """List the whole recipes of fine-tuning, one for each combination of levels; none without this phase."""
    if study.finetune is None:
        return []
    changes = [merge_changes(study, budget, FINETUNE, levels) for levels in study.combine(budget)]
    return [load_settings(FinetuneSettings, study.finetune.recipe, each) for each in changes]


def plan_study(
    study: Study, budget: str, data: StudyData, output: Path, *, seeds: Sequence[int] = (), device: str = "cpu"
) -> Plan:
    """Plan a study. Runs that several studies share have the same key, and so the same folder.

    Args:
        study: the study.
        budget: ``small``, ``full`` or ``trial``.
        data: the clips.
        output: folder of all studies; the reports are in its folder ``NAME``, the runs in ``runs``.
        seeds: other seeds than the budget's.
        device: kind of device, such as ``cpu``.

    Raises:
        SettingsError: recipes with values that cannot be used.
    """
    amount, output = study.budgets[budget], output.absolute()
    if seeds:
        budgets: dict[str, Budget] = {**study.budgets, budget: amount.model_copy(update={"seeds": list(seeds)})}
        study = study.model_copy(update={"budgets": budgets})
    jobs: dict[str, Job] = {}
    runs = []
    planner = _Planner(study, budget, data, output / RUNS, device, jobs)
    for levels in study.combine(budget):
        for seed in study.budgets[budget].seeds:
            keys = planner.add_run(levels, seed)
            runs.append(StudyRun({name: level.name for name, level in levels.items()}, seed, keys))
    order = [PRETRAIN, FINETUNE]
    ordered = sorted(jobs.values(), key=lambda job: order.index(job.kind) if job.is_training else len(order))
    return Plan(study, budget, data, {job.key: job for job in ordered}, tuple(runs), output, device)


class _Planner:
    """Adds the jobs of one run after the other; a job that is there already is not added again."""

    def __init__(
        self, study: Study, budget: str, data: StudyData, folder: Path, device: str, jobs: dict[str, Job]
    ) -> None:
        self.study, self.budget, self.data = study, budget, data
        self.folder, self.device, self.jobs = folder, device, jobs

    def add_run(self, levels: Mapping[str, Level], seed: int) -> tuple[str, ...]:
        """Add the jobs of one run -> their keys."""
        words = ", ".join(level.name for level in levels.values())
        name = f"{words}, seed {seed}" if words else f"seed {seed}"
        scratch = any(level.start == "scratch" for level in levels.values())
        last = ""
        keys: list[str] = []
        if self.study.pretrain is not None and not scratch:
            last = self._add_training(PRETRAIN, levels, seed, name, "")
            keys.append(last)
        start = last
        if self.study.finetune is not None:
            last = self._add_training(FINETUNE, levels, seed, name, start)
            keys.append(last)
        for measure, parameters in self.study.measures.items():
            # A measure of pre-training reads the pre-trained weight.
            source = start if MEASURES[measure].reads == "pretrained" else last
            if source:
                keys.append(self._add_measure(measure, parameters, source, name))
        return tuple(keys)

    def _add_training(self, phase: str, levels: Mapping[str, Level], seed: int, name: str, start: str) -> str:
        stage = getattr(self.study, phase)
        changes = merge_changes(self.study, self.budget, phase, levels)
        changes |= _sample_as(self.data, stage.recipe, phase)
        machine = {**_MACHINE, "picture_every": 0} if phase == PRETRAIN else _MACHINE
        resolved = _resolve(_SETTINGS[phase], stage.recipe, json.dumps({**changes, "seed": seed}))
        facts = {
            "phase": phase,
            "recipe": resolved,
            "data": self.data.hash,
            "dataset": self.data.dataset or "",
            "fold": self.data.fold,
            "start": start,
            "device": self.device,
            "packages": list_packages(measuring=phase == FINETUNE),
            "code": hash_code(measuring=phase == FINETUNE),
        }
        # Another process may work in another folder.
        recipe = str(Path(stage.recipe).absolute()) if stage.recipe.endswith(".toml") else stage.recipe
        return self._add(phase, name, start, recipe, {**changes, **machine, "seed": seed}, facts)

    def _add_measure(self, measure: str, parameters: Changes, source: str, name: str) -> str:
        facts = {
            "measure": measure,
            "parameters": parameters,
            "of": source,
            "data": self.data.hash,
            "other": self.data.other_hash if measure == "transfer" else "",
            "packages": list_packages(measuring=True),
            "code": hash_code(measuring=True),
        }
        return self._add(measure, name, source, "", parameters, facts)

    def _add(
        self, kind: str, name: str, start: str, recipe: str, changes: Mapping[str, Any], facts: Mapping[str, Any]
    ) -> str:
        key = hash_key(facts)
        source = self.jobs[start].folder if start else None
        if key not in self.jobs:
            folder = self.folder / f"{kind}-{key}"
            self.jobs[key] = Job(kind, key, f"{kind} {name}", folder, source, recipe, changes, facts)
        return key


def merge_changes(study: Study, budget: str, phase: str, levels: Mapping[str, Level]) -> Changes:
    """Merge the changes of a recipe: those of the study, then of the budget, then of the levels.

    A level that names another variant also drops the sizes that the budget gives.
    """
    own: Changes = {}
    for level in levels.values():
        own |= getattr(level, phase)
    less = dict(getattr(study.budgets[budget], phase))
    if "variant" in own:
        less = {key: value for key, value in less.items() if key not in _SIZES}
    return {**getattr(study, phase).set, **less, **own}


def _sample_as(data: StudyData, recipe: str, phase: str) -> Changes:
    """Sample frames as the corpus needs it: recipes of puppets take every frame of a clip."""
    if phase == PRETRAIN or not recipe.startswith("puppets") or data.name == "puppets":
        return {}
    if data.dataset is None:
        return {"sampling": "time"}
    known = find_dataset(data.dataset)
    return {"sampling": known.sampling, "sampling_rate": known.sampling_rate}


@cache
def _resolve(kind: type[Settings], recipe: str, changes: str) -> dict[str, Any]:
    """Resolve a recipe to all of its values that decide numbers; cached, as many runs share it."""
    settings = load_settings(kind, recipe, json.loads(changes))
    return settings.model_dump(mode="json", exclude=set(OF_THE_MACHINE))
