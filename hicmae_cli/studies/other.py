"""The other corpus of a transfer: a list that is given, or puppets of another world, which are drawn."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

from hicmae_cli.corpora.known.puppets import MARK, PUPPETS
from hicmae_cli.corpora.manifest import read_manifest
from hicmae_cli.puppets.corpus import read_world
from hicmae_cli.puppets.world import FILM, WORLDS, World
from hicmae_cli.studies.data import OnCount, StudyData, hash_clips
from hicmae_cli.studies.puppets import draw

CLIPS: Final = 180
"""Test clips that are drawn, unless the budget tests on fewer."""


def add_list(data: StudyData, manifest: Path, on_hash: OnCount) -> StudyData:
    """Add a list of another corpus to the clips of a study.

    Raises:
        ManifestError: it cannot be read.
    """
    found = hash_clips(read_manifest(manifest), manifest, on_hash)
    return replace(data, other=manifest.absolute(), other_name=_name(manifest), other_hash=found)


def add_other_world(
    data: StudyData, store: Path, most: int | None, on_draw: OnCount, on_hash: OnCount, *, dry: bool = False
) -> StudyData:
    """Add puppets of another world than the study's own: the same expressions and manners, other people and voices.

    Args:
        data: puppets.
        store: folder for the corpus; an interrupted drawing goes on.
        most: test clips of the budget.
        on_draw: called after each clip that is drawn, with the number of clips done and of all clips.
        on_hash: as for ``find_data``.
        dry: draw nothing; clips that are not there yet have no hash.

    Raises:
        HicmaeError: the folder has something else.
    """
    world = _choose_world(data.manifest.parent)
    count = min(CLIPS, most or CLIPS)
    folder = store / f"{world.name}-{count}"
    manifest = draw(folder, {"test": count}, world, on_draw, dry=dry)
    if manifest is None:
        return replace(data, other=(folder / PUPPETS.prepared_list).absolute(), other_name=_describe(world))
    return add_list(data, manifest, on_hash)


def _choose_world(folder: Path) -> World:
    """Choose a world that the puppets of a folder are not of."""
    own = read_world(folder) if (folder / MARK).is_file() else FILM
    return next(world for world in WORLDS.values() if world != own)


def _name(manifest: Path) -> str:
    """Name a list as reports show it: puppets by their world, others by their file."""
    return _describe(read_world(manifest.parent)) if (manifest.parent / MARK).is_file() else manifest.name


def _describe(world: World) -> str:
    return f"puppets of the world {world.name}"
