"""What the generated corpus is, beside what it holds: a demonstration, not people."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from hicmae_cli.corpora.dataset import Dataset, Item
from hicmae_cli.errors import ManifestError, one_line
from hicmae_cli.labels import CREMA_D_LABELS


def _items(root: Path) -> list[Item]:
    raise ManifestError(
        one_line(
            f"{root}: puppets are drawn, prepared clips and all: `hicmae puppets make`; nothing is left to prepare"
        )
    )


PUPPETS: Final = Dataset(
    name="puppets",
    title="Puppets",
    folder="puppets",
    task="classification",
    labels=CREMA_D_LABELS,
    codes={label: label for label in CREMA_D_LABELS},
    folds=(),
    fold_rule="fixed: train, validation and test, with other people in each",
    metric="uar",
    reported=("uar", "war"),
    sampling_rate=1,
    recipe="puppets-nano",
    items=_items,
    layout="manifest.csv\nprepared/<id>.mkv\nraw/<id>.mkv",
    citation="",
    licence="MIT",
    access="drawn by `hicmae puppets make`",
    choices=(
        "A demonstration, not people: heads and voices are computed, and a model trained on them is no judge "
        "of anyone.",
        "A clip is 16 frames over 2.56 s, so every frame is taken.",
    ),
)
