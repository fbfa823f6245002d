"""The columns of a list by which scores are grouped; facts about actors come from the dataset if the list has none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from hicmae_cli.corpora.catalogue import dataset_root
from hicmae_cli.corpora.manifest import Sample
from hicmae_cli.corpora.values import format_target
from hicmae_cli.errors import ManifestError, SettingsError
from hicmae_cli.evaluation.plan import EvaluationPlan

_PEOPLE = ("sex", "age")
_OWN = ("speaker", "fold", "label", "split")


def read_columns(
    plan: EvaluationPlan, root: Path | None, samples: Sequence[Sample], by: str | Sequence[str]
) -> dict[str, dict[str, str]]:
    """Read columns of a list -> for each column, the field of each clip by its id.

    Args:
        plan: the evaluation.
        root: the folder of the dataset, if given.
        samples: all clips of the list.
        by: names of columns, as a list or with commas between them.

    Raises:
        SettingsError: a column that neither the list nor the dataset's table of actors has; names those that exist.
    """
    names = [name.strip() for name in by.split(",")] if isinstance(by, str) else list(by)
    names = [name for name in names if name]
    if not names:
        return {}
    columns = {name: {sample.id: _read_own(sample, name) for sample in samples} for name in _OWN}
    for name in sorted({name for sample in samples for name in sample.extra}):
        columns[name] = {sample.id: sample.extra.get(name, "") for sample in samples}
    if any(name not in columns for name in names):
        for name, by_speaker in _read_actors(plan, root).items():
            columns.setdefault(name, {sample.id: by_speaker.get(sample.speaker, "") for sample in samples})
    for name in names:
        if not any(columns.get(name, {}).values()):
            known = ", ".join(known for known, fields in columns.items() if any(fields.values()))
            raise SettingsError(f"by={name!r}: {plan.manifest} has no such column; its columns are {known}")
    return {name: columns[name] for name in names}


def find_people_columns(samples: Sequence[Sample]) -> dict[str, dict[str, str]]:
    """Find what a list says of its people: ``sex`` and ``age`` if it has them -> the field of each clip by its id."""
    columns = {name: {sample.id: sample.extra.get(name, "") for sample in samples} for name in _PEOPLE}
    return {name: fields for name, fields in columns.items() if any(fields.values())}


def _read_own(sample: Sample, name: str) -> str:
    return format_target(sample.target) if name == "label" else str(getattr(sample, name))


def _read_actors(plan: EvaluationPlan, root: Path | None) -> Mapping[str, Mapping[str, str]]:
    """Read what the dataset says about its actors: column -> speaker -> field; empty if it is not on this machine."""
    if plan.dataset is None:
        return {}
    try:
        folder = dataset_root(plan.dataset, root)
    except ManifestError:
        # The list of prepared clips may be without the recordings.
        folder = plan.manifest.parent
    return plan.dataset.actors(folder)
