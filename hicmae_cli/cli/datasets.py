"""Datasets by name -> manifests, made ready when they can be."""

from __future__ import annotations

import json
from pathlib import Path

from hicmae_cli.cli.options import PUPPET_SIZES
from hicmae_cli.errors import ManifestError, SettingsError

DATASET_LICENCES = {"puppets": "MIT"}


def dataset_manifest(name: str, folder: Path) -> Path:
    """Manifest of a dataset; puppets are drawn first when they are not there yet, or not all of them.

    Raises:
        SettingsError: an unknown name.
        ManifestError: the folder holds something else.
    """
    if name != "puppets":
        raise SettingsError(
            f"--dataset {name}: known are {', '.join(DATASET_LICENCES)}; or give a --manifest"
        )
    manifest = folder / "manifest.csv"
    if manifest.is_file():
        return manifest
    sizes, seed = PUPPET_SIZES, 0
    begun = folder / "corpus.json"
    if begun.is_file():  # a drawing that was cut off goes on as it began
        try:
            facts = json.loads(begun.read_text("utf-8"))
            sizes, seed = (
                {str(name): int(count) for name, count in facts["sizes"].items()},
                int(facts["seed"]),
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ManifestError(f"{begun}: is not ours; choose another folder") from error
    from hicmae_cli.cli.puppets import make_with_progress

    return make_with_progress(folder, sizes, seed, workers=None)


def manifest_name(manifest: Path) -> str:
    """What a weight trained on a manifest says it was trained on.

    Puppets stay puppets however they are named on the command line: their models must say that they are no judges of
    real people.
    """
    return "puppets" if (manifest.parent / "corpus.json").is_file() else manifest.stem
