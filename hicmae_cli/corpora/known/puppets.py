"""The generated corpus: a demonstration with computed heads and voices, not people."""

from __future__ import annotations

from typing import Final

from hicmae_cli.corpora.dataset import Dataset
from hicmae_cli.labels import CREMA_D_LABELS, PUPPETS_NAME

PUPPETS: Final = Dataset(
    name=PUPPETS_NAME,
    title="Puppets",
    recorded="generated: computer-drawn people and synthetic voices without words",
    folder="puppets",
    task="classification",
    labels=CREMA_D_LABELS,
    codes={label: label for label in CREMA_D_LABELS},
    folds=(),
    fold_rule="fixed: train, validation and test, with different people in each",
    metric="uar",
    reported=("uar", "war"),
    sampling_rate=1,
    recipe="puppets-nano",
    pretrain_recipe="pretrain-puppets-nano",
    layout="manifest.csv\nprepared/<id>.mkv\nraw/<id>.mkv",
    citation="",
    licence="MIT",
    access="run `hicmae puppets make`",
    choices=(
        "This is a demonstration, not people: heads and voices are computed, and a model trained on them cannot judge "
        "real people.",
        "A clip has 16 frames over 2.56 s, so every frame is used.",
    ),
    generated_by="hicmae puppets make",
    prepared_list="manifest.csv",
)
MARK: Final = "corpus.json"
"""The note of what a folder of puppets holds; weights that are trained on its clips say that they are of puppets."""
PUPPET_SIZES: Final = {"train": 3000, "validation": 180, "test": 300}
"""Clips in each split of a generated corpus, unless others are asked for."""
