"""All datasets by name, and where they lie."""

from __future__ import annotations

import os
from difflib import get_close_matches
from pathlib import Path
from typing import Final

from hicmae_cli.corpora.dataset import Dataset
from hicmae_cli.corpora.known.avcaffe import AVCAFFE_AROUSAL, AVCAFFE_VALENCE
from hicmae_cli.corpora.known.crema_d import CREMA_D, CREMA_D_4
from hicmae_cli.corpora.known.dfew import DFEW
from hicmae_cli.corpora.known.iemocap import IEMOCAP
from hicmae_cli.corpora.known.mafw import MAFW, MAFW_43
from hicmae_cli.corpora.known.mer2023 import MER2023
from hicmae_cli.corpora.known.msp_improv import MSP_IMPROV
from hicmae_cli.corpora.known.own import FOLDER, MANIFEST
from hicmae_cli.corpora.known.puppets import PUPPETS
from hicmae_cli.corpora.known.ravdess import RAVDESS
from hicmae_cli.corpora.known.werewolf_xl import WEREWOLF_XL
from hicmae_cli.errors import ManifestError, SettingsError, one_line

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
        FOLDER,
        MANIFEST,
        PUPPETS,
    )
}
"""Name -> dataset."""


def find_dataset(name: str) -> Dataset:
    """A dataset by its name, in any case.

    Raises:
        SettingsError: no such dataset; names the nearest.
    """
    if (key := name.strip().lower()) in DATASETS:
        return DATASETS[key]
    near = get_close_matches(key, DATASETS, n=1, cutoff=0.0)[0]
    raise SettingsError(
        one_line(f"no dataset named {name}; the nearest is {near}, and there are {', '.join(DATASETS)}")
    )


def same_clips(one: str, other: str) -> bool | None:
    """Whether two names are of the same clips, be it under other labels.

    None where nobody knows: of one's own recordings, which may also be called alike.
    """
    public = DATASETS.keys() - {FOLDER.name, MANIFEST.name}
    if one not in public or other not in public:
        return None
    return DATASETS[one].folder == DATASETS[other].folder


def data_home() -> Path:
    """The folder that holds the datasets: the environment variable HICMAE_DATA, else ``data``."""
    return Path(os.environ.get("HICMAE_DATA") or "data")


def dataset_root(dataset: Dataset, given: Path | None = None) -> Path:
    """The folder a dataset lies in: the given one, else its own in ``data_home``. A manifest may be given as a file.

    Raises:
        ManifestError: there is no such folder; says what to get, where, where to put it, and what to try without it.
    """
    root = given or data_home() / dataset.folder
    if root.is_dir() or (dataset is MANIFEST and root.is_file()):
        return root
    if root.exists():
        raise ManifestError(one_line(f"{root}: is a file; expected the folder that {dataset.title} lies in"))
    if dataset is PUPPETS:
        raise ManifestError(one_line(f"{root}: no puppets are drawn there; `hicmae puppets make` draws them"))
    layout = "; ".join(dataset.layout.splitlines())
    raise ManifestError(
        one_line(
            f"{root}: {dataset.title} is not there. Get it: {dataset.access}. Put it there, or say where it is with "
            f"--root or HICMAE_DATA, with these files: {layout}. The same on drawn people, without any dataset: "
            "hicmae finetune --dataset puppets"
        )
    )


def prepared_manifest(dataset: Dataset, root: Path) -> Path:
    """Where the manifest of a dataset's prepared clips is kept; the root may be a manifest of raw videos."""
    if dataset is PUPPETS:
        return root / "manifest.csv"
    return (root.parent if root.is_file() else root) / "prepared" / f"{dataset.name}.csv"
