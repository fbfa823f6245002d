"""Resolve the options that choose clips: ``--dataset``, ``--root``, ``--manifest``, ``--fold`` and ``--split``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from hicmae_cli.cli.options import PUPPET_SIZES
from hicmae_cli.errors import ManifestError, SettingsError

if TYPE_CHECKING:
    from hicmae_cli.evaluation.subject import UnderTest


def puppets_manifest(folder: Path) -> Path:
    """Return the manifest of the generated corpus, and draw the corpus first if it is missing.

    Raises:
        ManifestError: the folder holds other files.
    """
    manifest = folder / "manifest.csv"
    if manifest.is_file():
        return manifest
    sizes, seed = PUPPET_SIZES, 0
    begun = folder / "corpus.json"
    if begun.is_file():  # an interrupted drawing continues with its own settings
        try:
            facts = json.loads(begun.read_text("utf-8"))
            sizes, seed = ({str(name): int(count) for name, count in facts["sizes"].items()}, int(facts["seed"]))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ManifestError(f"{begun}: was not written by hicmae; choose another folder") from error
    from hicmae_cli.cli.puppets import make_with_progress

    return make_with_progress(folder, sizes, seed, workers=None)


def find_under_test(
    *,
    manifest: Path | None,
    dataset: str | None,
    root: Path | None,
    fold: str | None,
    split: str,
    cross: bool = False,
    label_map: str | None = None,
) -> UnderTest:
    """Find the clips that a command's options choose; draw the puppets if they are missing.

    Raises:
        SettingsError: an unknown dataset, a fold that it does not have, or an unreadable label map.
        ManifestError: the dataset is missing or not prepared.
    """
    from hicmae_cli.corpora.clip_list import find_clips
    from hicmae_cli.corpora.manifest import ALL_FOLDS
    from hicmae_cli.evaluation.label_maps import read_label_map
    from hicmae_cli.evaluation.subject import UnderTest

    clips = find_clips(dataset, root, manifest, draw_puppets=puppets_manifest)
    known = clips.dataset
    # A dataset without named folds, such as a user's manifest, takes them from its list.
    if fold and known is not None and known.folds and fold not in (ALL_FOLDS, *known.folds):
        raise SettingsError(f"--fold {fold}: {known.name} has no such fold; its folds are {', '.join(known.folds)}")
    mapping = read_label_map(label_map, known.codes if known else None) if label_map else None
    return UnderTest(clips.name, clips.manifest, known, fold or "", split, cross, mapping)
