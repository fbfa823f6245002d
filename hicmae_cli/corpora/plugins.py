"""Find datasets in other installed packages: the entry points of the group ``hicmae.datasets``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import Distribution, EntryPoint, distributions
from typing import Any, Final

from hicmae_cli.corpora.dataset import Dataset
from hicmae_cli.corpora.facts import check_dataset
from hicmae_cli.errors import one_line

GROUP: Final = "hicmae.datasets"
"""The entry point group; each value is a `Dataset`, or an iterable of them."""


@dataclass(frozen=True)
class Plugins:
    """Datasets of other packages.

    Attributes:
        datasets: name -> dataset, with ``Dataset.package`` filled in.
        faults: one line about each package, or dataset, that is skipped.
    """

    datasets: Mapping[str, Dataset]
    faults: tuple[str, ...]


def read_plugins(built_in: Mapping[str, Dataset]) -> Plugins:
    """Import the plug-ins and check their datasets. A plug-in that fails is skipped; nothing is raised.

    Args:
        built_in: the datasets of hicmae, whose names a plug-in cannot use.
    """
    found: dict[str, Dataset] = {}
    faults: list[str] = []
    for package, distribution in sorted(_find_packages().items()):
        datasets: list[Dataset] = []
        source = "entry_points.txt"
        try:
            for point in _list_entry_points(distribution):
                source = point.value
                datasets += _list_datasets(point.load())
        except (Exception, SystemExit) as error:  # a plug-in may do anything while it is imported
            cause = f"{source} cannot be used ({type(error).__name__}: {error})"
            faults.append(one_line(f"package {package}: its datasets are skipped, because {cause}"))
            continue
        for dataset in datasets:
            if fault := _find_fault(dataset, built_in, found):
                faults.append(one_line(f"package {package}: its dataset {dataset.name} is skipped, because {fault}"))
            else:
                found[dataset.name] = replace(dataset, package=package)
    return Plugins(found, tuple(faults))


def _find_packages() -> dict[str, Distribution]:
    """Return the installed packages that name the group, by name; the first one on the path wins, as for imports.

    The files of all other packages are not parsed, so that a malformed one does not matter.
    """
    found: dict[str, Distribution] = {}
    for distribution in distributions():
        if _names_group(distribution):
            found.setdefault(str(distribution.metadata["Name"]), distribution)
    return found


def _names_group(distribution: Distribution) -> bool:
    try:
        return GROUP in (distribution.read_text("entry_points.txt") or "")
    except (OSError, ValueError):  # unreadable, so pip did not write it
        return False


def _list_entry_points(distribution: Distribution) -> list[EntryPoint]:
    return sorted(distribution.entry_points.select(group=GROUP), key=lambda point: point.name)


def _list_datasets(value: Any) -> Iterator[Dataset]:
    for dataset in [value] if isinstance(value, Dataset) else value:
        if not isinstance(dataset, Dataset):
            raise TypeError(f"expected a Dataset or an iterable of them, got {type(dataset).__name__}")
        yield dataset


def _find_fault(dataset: Dataset, built_in: Mapping[str, Dataset], found: Mapping[str, Dataset]) -> str:
    """Return why a dataset cannot be used; empty if it can."""
    if dataset.name in built_in:
        return "hicmae has a dataset of this name; rename it"
    if dataset.name in found:
        return f"package {found[dataset.name].package} has a dataset of this name; rename one of them"
    try:
        check_dataset(dataset)
    except Exception as error:  # its fields may hold anything
        return str(error).removeprefix(f"{dataset.name}: ")
    return ""
