"""What a dataset is: where its files lie as distributed, what they are labelled, and how it is tested.

A dataset is one module of this package with one or more ``Dataset`` values in it; ``catalogue.py`` lists them all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from hicmae_cli.metric_names import Metric


@dataclass(frozen=True)
class Excerpt:
    """The part of a recording that an item is: its time, and the side of the picture its speaker sits on.

    Attributes:
        start_s: when it begins.
        end_s: when it ends.
        columns: left and right of the part of the picture to look at, as shares of its width.
    """

    start_s: float
    end_s: float
    columns: tuple[float, float] = (0.0, 1.0)


@dataclass(frozen=True)
class Item:
    """One clip of a dataset as it is distributed.

    Attributes:
        id: its name in the dataset, unique; may hold ``/``.
        label: canonical name, or the regression targets as Python writes them, one space between them.
        speaker: who speaks; empty where that is not known.
        video: the recording; need not exist.
        audio: its sound; None where that is in ``video``.
        fold: the fold that tests this clip; empty where the dataset has a fixed split.
        split: ``train`` or ``test`` where the dataset has a fixed split.
        excerpt: which part of ``video`` it is; None for all of it. ``audio`` is always a file of its own then, and all
            of it belongs to the item.
        extra: further columns of the manifest.
    """

    id: str
    label: str
    speaker: str
    video: Path
    audio: Path | None = None
    fold: str = ""
    split: str = ""
    excerpt: Excerpt | None = None
    extra: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class SplitFacts:
    """What is published of one fold (or of the fixed split).

    Attributes:
        train: clips to train on.
        test: clips to test on.
        train_sha256: of the training clips' ids and labels, as ``splits.split_hash`` makes it; empty where not known.
        test_sha256: of the test clips.
        scores: the paper's result, e.g. ``{"uar": 0.8666, "war": 0.8667}``; empty where not printed.
        train_counts: training clips of every label, in the order of the dataset's labels; empty where not known.
        test_counts: test clips of every label.
    """

    train: int
    test: int
    train_sha256: str = ""
    test_sha256: str = ""
    scores: Mapping[str, float] = field(default_factory=dict)
    train_counts: tuple[int, ...] = ()
    test_counts: tuple[int, ...] = ()


@dataclass(frozen=True)
class Dataset:
    """All that is known of a dataset, and how its items are found.

    Attributes:
        name: on the command line and in weights.
        title: in running text.
        folder: its place below ``HICMAE_DATA``; those that differ only in labels share one.
        task: ``classification``, or ``regression`` of one value per label.
        labels: canonical names of classes or targets, in the order of the model's outputs; empty where the data
            decide (``labels_of``).
        codes: the dataset's own codes -> canonical names.
        folds: names of the test folds; empty where there is a fixed split.
        fold_rule: who is tested when, in words.
        metric: that chooses the best epoch.
        reported: metrics that the paper gives.
        sampling_rate: s, every s-th frame is taken.
        recipe: name of its recipe.
        items: root -> items as distributed, sorted by id. Names and annotations are read, media files are not opened.
        layout: the files it is made of, relative to the root, one per line.
        citation: to cite.
        licence: in short; what it may be used for.
        access: where to ask for it.
        broken: id -> why it is left out.
        choices: what is open in the paper, and what was chosen here.
        published: fold (``""`` for a fixed split) -> what is known of it.
        people: how many people a fixed split is published to train on and to test on; None where that is not known.
        scores: the paper's result over all folds, by metric; ``<metric>_<target>`` where it is printed per target.
        merge_by: how many of the first fields of an id, between ``_``, name what is decided as one; 0: every clip is.
        frames_suffix: what the authors append to an id in the names of their folders of face pictures.
    """

    name: str
    title: str
    folder: str
    task: Literal["classification", "regression"]
    labels: tuple[str, ...]
    codes: Mapping[str, str]
    folds: tuple[str, ...]
    fold_rule: str
    metric: Metric
    reported: tuple[Metric, ...]
    sampling_rate: int
    recipe: str
    items: Callable[[Path], list[Item]]
    layout: str
    citation: str
    licence: str
    access: str
    broken: Mapping[str, str] = field(default_factory=dict)
    choices: tuple[str, ...] = ()
    published: Mapping[str, SplitFacts] = field(default_factory=dict)
    people: tuple[int, int] | None = None
    scores: Mapping[str, float] = field(default_factory=dict)
    merge_by: int = 0
    frames_suffix: str = ""
