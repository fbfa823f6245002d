"""The puppets that a study draws: those that its budget takes, and those of another world."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from hicmae_cli.corpora.known.puppets import PUPPET_SIZES, PUPPETS
from hicmae_cli.puppets.corpus import make_corpus
from hicmae_cli.puppets.world import FILM, World
from hicmae_cli.studies.data import OnCount


def fill_sizes(clips: Mapping[str, int]) -> dict[str, int]:
    """Return the clips of each split of a generated corpus: those of a budget, the usual number for splits without."""
    return {split: clips.get(split, usual) for split, usual in PUPPET_SIZES.items()}


def draw_own(store: Path, clips: Mapping[str, int], on_draw: OnCount, *, dry: bool = False) -> Path | None:
    """Draw the corpus of a budget in the folder of the studies; the same whatever else the machine has.

    Args:
        store: folder for corpora.
        clips: of the budget.
        on_draw: called after each clip, with the number of clips done and of all clips.
        dry: draw nothing.

    Returns:
        The list of its clips; None if they are not drawn and ``dry``.

    Raises:
        HicmaeError: the folder has something else.
    """
    sizes = fill_sizes(clips)
    return draw(store / f"puppets-{'-'.join(map(str, sizes.values()))}", sizes, FILM, on_draw, dry=dry)


def draw(folder: Path, sizes: Mapping[str, int], world: World, on_draw: OnCount, *, dry: bool = False) -> Path | None:
    """Draw a corpus, go on with an interrupted drawing, or check that the folder has this corpus, see ``draw_own``."""
    if dry and not (folder / PUPPETS.prepared_list).is_file():
        return None
    done, count = 0, sum(sizes.values())

    def count_clip() -> None:
        nonlocal done
        done += 1
        on_draw(done, count)

    return make_corpus(folder, sizes, 0, world=world, on_clip=count_clip)
