"""Datasets by name -> manifests, made ready when they can be."""

from __future__ import annotations

from pathlib import Path

from hicmae_cli.cli.options import PUPPET_SIZES
from hicmae_cli.errors import ManifestError, SettingsError

DATASET_LICENCES = {"puppets": "MIT"}


def dataset_manifest(name: str, folder: Path) -> Path:
    """Manifest of a dataset; puppets are drawn first when they are not there yet.

    Raises:
        SettingsError: an unknown name.
        ManifestError: the dataset is not complete.
    """
    if name != "puppets":
        raise SettingsError(
            f"--dataset {name}: known are {', '.join(DATASET_LICENCES)}; or give a --manifest"
        )
    manifest = folder / "manifest.csv"
    if manifest.is_file():
        return manifest
    if (folder / "corpus.json").is_file():
        raise ManifestError(
            f"{folder}: the corpus is not complete; run the `hicmae puppets make` that began it again"
        )
    from hicmae_cli.cli.puppets import make_with_progress

    return make_with_progress(folder, PUPPET_SIZES, seed=0, workers=None)


def manifest_name(manifest: Path) -> str:
    """What a weight trained on a manifest says it was trained on.

    Puppets stay puppets however they are named on the command line: their models must say that they are no judges of
    real people.
    """
    return "puppets" if (manifest.parent / "corpus.json").is_file() else manifest.stem
