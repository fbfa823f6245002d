"""Resolve the options that choose clips: ``--dataset``, ``--root``, ``--manifest``, ``--fold`` and ``--split``."""

from __future__ import annotations

import json
from pathlib import Path

from hicmae_cli.corpora.known.puppets import MARK, PUPPET_SIZES
from hicmae_cli.errors import ManifestError


def puppets_manifest(folder: Path) -> Path:
    """Return the manifest of the generated corpus, and draw the corpus first if it is missing.

    Raises:
        ManifestError: the folder holds other files.
    """
    manifest = folder / "manifest.csv"
    if manifest.is_file():
        return manifest
    from hicmae_cli.puppets.corpus import read_world
    from hicmae_cli.puppets.world import FILM

    sizes, seed, world = PUPPET_SIZES, 0, FILM
    begun = folder / MARK
    if begun.is_file():
        # An interrupted drawing continues with its own settings.
        try:
            facts = json.loads(begun.read_text("utf-8"))
            sizes, seed = ({str(name): int(count) for name, count in facts["sizes"].items()}, int(facts["seed"]))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ManifestError(f"{begun}: was not written by hicmae; choose another folder") from error
        world = read_world(folder)
    from hicmae_cli.cli.puppets import make_with_progress

    return make_with_progress(folder, sizes, seed, world)
