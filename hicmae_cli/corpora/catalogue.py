"""All datasets by name, those of plug-ins too, and the folders that hold them."""

from __future__ import annotations

import os
import warnings
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Final

from hicmae_cli.corpora.dataset import Dataset
from hicmae_cli.corpora.known.annotations import ANNOTATIONS
from hicmae_cli.corpora.known.avcaffe import AVCAFFE_AROUSAL, AVCAFFE_VALENCE
from hicmae_cli.corpora.known.blemore import BLEMORE
from hicmae_cli.corpora.known.crema_d import CREMA_D, CREMA_D_4
from hicmae_cli.corpora.known.dfew import DFEW
from hicmae_cli.corpora.known.emodb import EMODB
from hicmae_cli.corpora.known.iemocap import IEMOCAP
from hicmae_cli.corpora.known.mafw import MAFW, MAFW_43
from hicmae_cli.corpora.known.meld import MELD
from hicmae_cli.corpora.known.mer2023 import MER2023
from hicmae_cli.corpora.known.msp_improv import MSP_IMPROV
from hicmae_cli.corpora.known.own import FOLDER, MANIFEST
from hicmae_cli.corpora.known.photos import PHOTOS
from hicmae_cli.corpora.known.puppets import PUPPETS
from hicmae_cli.corpora.known.ravdess import RAVDESS
from hicmae_cli.corpora.known.voxceleb2 import VOXCELEB2
from hicmae_cli.corpora.known.werewolf_xl import WEREWOLF_XL
from hicmae_cli.errors import ManifestError, PluginWarning, SettingsError, one_line

DATASETS: Final = {
    dataset.name: dataset
    for dataset in (
        CREMA_D,
        CREMA_D_4,
        MAFW,
        MAFW_43,
        DFEW,
        MER2023,
        MSP_IMPROV,
        RAVDESS,
        IEMOCAP,
        WEREWOLF_XL,
        AVCAFFE_AROUSAL,
        AVCAFFE_VALENCE,
        MELD,
        EMODB,
        BLEMORE,
        VOXCELEB2,
        FOLDER,
        MANIFEST,
        PHOTOS,
        ANNOTATIONS,
        PUPPETS,
    )
}
"""Name -> dataset, of those that come with hicmae."""


def list_datasets() -> dict[str, Dataset]:
    """List all datasets by name: those of hicmae, then those of plug-ins in other installed packages.

    The first call imports the plug-ins. It warns about each one that is skipped, and never fails because of one.
    """
    return {**DATASETS, **_load_plugins()}


@cache
def _load_plugins() -> dict[str, Dataset]:
    # Most commands use no plug-in, so they must not pay for the import.
    from hicmae_cli.corpora.plugins import read_plugins

    plugins = read_plugins(DATASETS)
    for fault in plugins.faults:
        warnings.warn(fault, PluginWarning, stacklevel=3)
    return dict(plugins.datasets)


def look_up(name: str) -> Dataset | None:
    """Return the dataset of a name, or None; plug-ins are imported only if hicmae has none of this name."""
    return DATASETS.get(name) or _load_plugins().get(name)


def find_dataset(name: str, *, labelled: bool = True) -> Dataset:
    """Find a dataset by its name, in any case.

    Args:
        name: the name.
        labelled: whether to refuse datasets without labels.

    Raises:
        SettingsError: no dataset has this name (the message suggests the nearest one), or it has no labels.
    """
    key = name.strip().lower()
    found = look_up(key)
    if found is not None and labelled and not found.is_labelled:
        raise SettingsError(
            f"{found.title} has no labels and is for pre-training only: use `hicmae pretrain --dataset {key}`"
        )
    if found is not None:
        return found
    known = [dataset.name for dataset in list_datasets().values() if dataset.is_labelled or not labelled]
    near = get_close_matches(key, known, n=1, cutoff=0.0)[0]
    raise SettingsError(one_line(f"no dataset named {name}; the nearest is {near}; known datasets: {', '.join(known)}"))


def same_clips(one: str, other: str) -> bool | None:
    """Return whether two datasets share the same clips (labels may differ).

    None if unknown: one of them is unknown or a user's own, and such names say nothing about the clips.
    """
    pair = [found for name in (one, other) if (found := look_up(name)) is not None and not found.own]
    return pair[0].folder == pair[1].folder if len(pair) == 2 else None


def data_home() -> Path:
    """Return the folder that holds the datasets: the environment variable HICMAE_DATA, by default ``data``."""
    return Path(os.environ.get("HICMAE_DATA") or "data")


def dataset_root(dataset: Dataset, given: Path | None = None) -> Path:
    """Return the folder that holds a dataset, or the file if ``root_may_be_file``.

    Args:
        dataset: which one.
        given: the folder; by default ``Dataset.folder`` below ``data_home``.

    Raises:
        ManifestError: there is no such folder; says what to get, where to put it, and what to try without it.
    """
    root = given or data_home() / dataset.folder
    if root.is_dir() or (dataset.root_may_be_file and root.is_file()):
        return root
    if root.exists():
        raise ManifestError(one_line(f"{root}: is a file; expected the folder that holds {dataset.title}"))
    if dataset.generated_by:
        raise ManifestError(one_line(f"{root}: {dataset.title} not found; run `{dataset.generated_by}`"))
    layout = "; ".join(dataset.layout.splitlines())
    raise ManifestError(
        one_line(
            f"{root}: {dataset.title} not found. Get it: {dataset.access}. Put it there, or name its place by "
            f"`root` or in HICMAE_DATA. Expected files: {layout}. To try the same without it: "
            "hicmae finetune --dataset puppets"
        )
    )


def prepared_manifest(dataset: Dataset, root: Path) -> Path:
    """Return the path of the manifest of a dataset's prepared clips; need not exist.

    Args:
        dataset: which one.
        root: its folder, or its list of raw videos.
    """
    folder = root.parent if root.is_file() else root
    return folder / (dataset.prepared_list or f"prepared/{dataset.name}.csv")
