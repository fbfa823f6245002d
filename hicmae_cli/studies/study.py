"""Read a study: a TOML file of factors, levels, stages, budgets and measures, checked as a whole."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from importlib import resources
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from hicmae_cli.errors import SettingsError, one_line
from hicmae_cli.toml import parse_toml

BUDGETS: Final = ("small", "full", "trial")
"""``trial`` is for tests: it shows that a study runs, and nothing else."""
RUNS: Final = "runs"
"""The folder beside the reports that holds the runs of all studies; no study has this name."""
_LIBRARY: Final = "library"
_COMMON: Final = "budgets.toml"
_MOST_RUNS: Final = 10_000
"""A file of a few lines can ask for more combinations than any machine could list."""
Changes = dict[str, Any]
"""Recipe keys -> other values."""


def _check_line(text: str) -> str:
    if not text or not text.isprintable():
        raise ValueError(f"{one_line(text)!r}: expected a line of printable text")
    return text


Line = Annotated[str, AfterValidator(_check_line)]
"""Words of a report."""


def _check_split(name: str) -> str:
    if name not in ("train", "validation", "test"):
        raise ValueError(f"clips: {one_line(name)!r}: expected train, validation or test")
    return name


Split = Annotated[str, AfterValidator(_check_split)]
"""A part of the clips."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Level(_Part):
    """One level of a factor: what it changes in the recipes.

    Attributes:
        name: as tables show it.
        pretrain: changes of the pre-training recipe.
        finetune: changes of the fine-tuning recipe.
        start: whether fine-tuning starts from the pre-trained weight or from scratch.
        x: the level as a number, for a plot and for a fit.
    """

    name: Line = Field(max_length=60)
    pretrain: Changes = {}
    finetune: Changes = {}
    start: Literal["pretrained", "scratch"] | None = None
    x: float | None = None


class Factor(_Part):
    """What differs between runs.

    Attributes:
        name: as tables show it.
        levels: at least two.
        baseline: name of the level that others are compared with; by default the first.
    """

    name: Line = Field(max_length=60)
    levels: list[Level] = Field(min_length=2)
    baseline: str = ""

    @model_validator(mode="after")
    def _names_fit(self) -> Factor:
        names = [level.name for level in self.levels]
        if len(set(names)) < len(names):
            raise ValueError(f"factor {self.name}: two levels have the same name")
        if self.baseline and self.baseline not in names:
            raise ValueError(f"factor {self.name}: no run named {self.baseline!r}; expected {', '.join(names)}")
        return self

    @property
    def base(self) -> str:
        """Name of the baseline."""
        return self.baseline or self.levels[0].name

    def find(self, name: str) -> Level:
        """Find a level by its name."""
        return next(level for level in self.levels if level.name == name)


class Stage(_Part):
    """A phase of training.

    Attributes:
        recipe: name or .toml file of the recipe.
        set: changes of it that all runs share.
    """

    recipe: str
    set: Changes = {}


class Budget(_Part):
    """How much is computed.

    Attributes:
        seeds: at least two, all different.
        clips: most clips of ``train``, ``validation`` and ``test``; whole people are taken.
        pretrain: changes of the pre-training recipe.
        finetune: changes of the fine-tuning recipe.
        factors: in place of the study's own; None keeps these.
    """

    seeds: list[int] = []
    clips: dict[Split, Annotated[int, Field(ge=1)]] = {}
    pretrain: Changes = {}
    finetune: Changes = {}
    factors: list[Factor] | None = None


class Study(_Part):
    """A study.

    Attributes:
        name: of its folder.
        title: in words.
        question: that it asks.
        analysis: name of a built-in analysis, or of the entry point of an installed package.
        metrics: measures to compare; the first one decides.
        factors: what differs between runs; all combinations of their levels are run. Without any, runs differ in their
            seed alone.
        one_at_a_time: run the baseline and each other level alone, not all combinations.
        within: also compare the levels of the first factor within each level of the second one.
        pretrain: the first phase; None without it.
        finetune: the second phase; None without it.
        measures: what is measured on finished weights besides the test: name -> parameters.
        budgets: by name.
        limits: what the study cannot show, one sentence each.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,40}$")
    title: Line
    question: Line
    analysis: str = "factors"
    metrics: list[Line] = Field(min_length=1)
    factors: list[Factor] = []
    one_at_a_time: bool = False
    within: bool = False
    pretrain: Stage | None = None
    finetune: Stage | None = None
    measures: dict[str, dict[str, Any]] = {}
    budgets: dict[str, Budget]
    limits: list[Line] = []

    @model_validator(mode="after")
    def _fits_together(self) -> Study:
        if self.pretrain is None and self.finetune is None:
            raise ValueError("a study needs a table `pretrain` or `finetune`: there is nothing to train")
        if self.name == RUNS:
            raise ValueError(f"name: {RUNS} is the folder of the runs; choose another name")
        every = [*self.factors, *(factor for budget in self.budgets.values() for factor in budget.factors or ())]
        for phase in ("pretrain", "finetune"):
            if getattr(self, phase) is None and any(getattr(level, phase) for each in every for level in each.levels):
                raise ValueError(f"factors: a level changes `{phase}`, but the study has no such table")
        for name, budget in self.budgets.items():
            if name not in BUDGETS:
                raise ValueError(f"budgets: no budget named {name!r}; expected {', '.join(BUDGETS)}")
            if fault := find_fault_of_seeds(budget.seeds):
                raise ValueError(f"budgets.{name}.seeds: {fault}")
            factors = self.list_factors(name)
            if len({factor.name for factor in factors}) < len(factors):
                raise ValueError(f"factors: two of the budget {name} have the same name")
            if self.within and (len(factors) != 2 or self.one_at_a_time):
                raise ValueError(f"within: needs two factors, and all combinations of them, also in the budget {name}")
            if (count := self._count_runs(name)) > _MOST_RUNS:
                raise ValueError(f"budgets.{name}: has {count} runs; expected at most {_MOST_RUNS}")
        return self

    def _count_runs(self, budget: str) -> int:
        counts = [len(factor.levels) for factor in self.list_factors(budget)]
        cells = 1 + sum(count - 1 for count in counts) if self.one_at_a_time else math.prod(counts)
        return cells * len(self.budgets[budget].seeds)

    def list_factors(self, budget: str) -> list[Factor]:
        """List the factors of a budget."""
        own = self.budgets[budget].factors
        return self.factors if own is None else own

    def combine(self, budget: str) -> list[dict[str, Level]]:
        """List the runs of one seed: factor -> its level; one run without factors."""
        factors = self.list_factors(budget)
        if not self.one_at_a_time:
            return [
                dict(zip((factor.name for factor in factors), levels, strict=True))
                for levels in product(*(factor.levels for factor in factors))
            ]
        bases = {factor.name: factor.find(factor.base) for factor in factors}
        alone = [{**bases, factor.name: level} for factor in factors for level in factor.levels]
        return [bases, *(run for run in alone if run != bases)]


def find_fault_of_seeds(seeds: Sequence[int]) -> str:
    """Find what is wrong with the seeds of a study, in words; empty if nothing is."""
    if len(set(seeds)) < 2:
        return f"expected at least two different ones, got {len(set(seeds))}; a paired difference needs them"
    if len(set(seeds)) < len(seeds):
        return "expected different ones; each is a run of its own"
    return f"got {min(seeds)}; expected 0 or more" if min(seeds) < 0 else ""


def list_studies() -> list[str]:
    """List the studies that ship with the package."""
    folder = resources.files(__package__) / _LIBRARY
    return sorted(p.name.removesuffix(".toml") for p in folder.iterdir() if p.name.endswith(".toml"))


def read_text(study: str) -> str:
    """Read the text of a study, by name or as a .toml file.

    Raises:
        SettingsError: there is no such study, or the file cannot be read.
    """
    if study.endswith(".toml"):
        try:
            return Path(study).read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise SettingsError(f"{study}: cannot read the study: {reason}") from error
    known = list_studies()
    if study not in known:
        near = get_close_matches(study, known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"expected a .toml file or {', '.join(known)}"
        raise SettingsError(f"no study named {study}; {hint}")
    return (resources.files(__package__) / _LIBRARY / f"{study}.toml").read_text("utf-8")


def load_study(study: str) -> Study:
    """Read and check a study, by name or as a .toml file; a file's study has the file's name.

    Raises:
        SettingsError: no such study, not TOML, or values that cannot be used; names all mistakes.
    """
    try:
        values = parse_toml(read_text(study))
    except ValueError as error:
        raise SettingsError(f"{study}: not valid TOML: {error}") from error
    if "name" in values:
        raise SettingsError(f"study {study}: name is not a key of a study: the name of its file is its name")
    common = parse_toml((resources.files(__package__) / _COMMON).read_text("utf-8"))
    own = values.get("budgets", {})
    if not isinstance(own, dict) or not all(isinstance(budget, dict) for budget in own.values()):
        raise SettingsError(f"study {study}: budgets: expected a table for each of {', '.join(BUDGETS)}")
    budgets = {name: _merge(common.get(name, {}), own.get(name, {})) for name in (*BUDGETS, *own)}
    try:
        return Study.model_validate({**values, "name": Path(study).stem, "budgets": budgets})
    except ValidationError as error:
        raise SettingsError(f"study {study}: {'; '.join(map(_describe_fault, error.errors()))}") from error


def _merge(common: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Merge a study's own budget into the common one; its tables are merged key by key."""
    merged = {**common, **own}
    for key in ("clips", "pretrain", "finetune"):
        if isinstance(own.get(key), dict):
            merged[key] = {**common.get(key, {}), **own[key]}
    return merged


def _describe_fault(fault: Any) -> str:
    where = ".".join(map(str, fault["loc"]))
    if fault["type"] == "value_error":
        return one_line(str(fault["ctx"]["error"]))
    if where == "name":
        return "the name of the file is that of the study: expected up to 41 small letters, digits and -"
    if fault["type"] == "extra_forbidden":
        return f"{one_line(where)} is not a key of a study"
    return one_line(f"{where}: {fault['msg'][0].lower()}{fault['msg'][1:]}")
