"""Options of commands that name clips: ``--dataset``, ``--root``, ``--manifest``, ``--fold`` and ``--split``."""

from __future__ import annotations

import json
from pathlib import Path

from hicmae_cli.cli.options import PUPPET_SIZES
from hicmae_cli.errors import ManifestError


def puppets_manifest(folder: Path) -> Path:
    """Manifest of the generated corpus, drawn if need be.

    Raises:
        ManifestError: the folder holds something else.
    """
    manifest = folder / "manifest.csv"
    if manifest.is_file():
        return manifest
    sizes, seed = PUPPET_SIZES, 0
    begun = folder / "corpus.json"
    if begun.is_file():  # a drawing that was cut off goes on as it began
        try:
            facts = json.loads(begun.read_text("utf-8"))
            sizes, seed = ({str(name): int(count) for name, count in facts["sizes"].items()}, int(facts["seed"]))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ManifestError(f"{begun}: is not ours; choose another folder") from error
    from hicmae_cli.cli.puppets import make_with_progress

    return make_with_progress(folder, sizes, seed, workers=None)
