"""MAFW: 10,045 clips from films, series and shows, eleven emotions and their compounds (Liu et al. 2022)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

from hicmae_cli.corpora.annotations import check_clip_name, make_fault, quote, read_lines
from hicmae_cli.corpora.dataset import Dataset, Item
from hicmae_cli.corpora.published import read_published
from hicmae_cli.errors import ManifestError, one_line

_LABELS: Final = (
    "anger",
    "disgust",
    "fear",
    "happiness",
    "neutral",
    "sadness",
    "surprise",
    "contempt",
    "anxiety",
    "helplessness",
    "disappointment",
)
_COMPOUNDS: Final = (
    "anger_disgust",
    "anger_sadness",
    "anger_surprise",
    "anger_anxiety",
    "anger_helplessness",
    "disgust_sadness",
    "disgust_surprise",
    "disgust_contempt",
    "disgust_anxiety",
    "disgust_helplessness",
    "disgust_disappointment",
    "fear_sadness",
    "fear_surprise",
    "fear_anxiety",
    "happiness_surprise",
    "happiness_contempt",
    "sadness_surprise",
    "sadness_anxiety",
    "sadness_helplessness",
    "sadness_disappointment",
    "surprise_anxiety",
    "anxiety_helplessness",
    "helplessness_disappointment",
    "anger_disgust_contempt",
    "anger_disgust_anxiety",
    "disgust_anxiety_helplessness",
    "disgust_helplessness_disappointment",
    "fear_sadness_anxiety",
    "fear_surprise_anxiety",
    "sadness_anxiety_helplessness",
    "sadness_helplessness_disappointment",
    "anxiety_helplessness_disappointment",
)
_FOLDS: Final = ("1", "2", "3", "4", "5")
_SILENT: Final = (
    "00903",
    "03414",
    "03440",
    "03721",
    "03724",
    "03726",
    "03727",
    "03728",
    "03730",
    "03732",
    "03810",
    "03855",
    "03927",
    "03928",
    "03931",
    "09529",
)
_LISTS: Final = "Train & Test Set"


def _list_items(kind: str, labels: tuple[str, ...], root: Path) -> list[Item]:
    """List the clips of the five official test lists, which do not overlap; each list is a fold."""
    items: dict[str, Item] = {}
    for fold in _FOLDS:
        path = root / _LISTS / kind / "no_caption" / f"set_{fold}" / "test.txt"
        for number, line in read_lines(path):
            fields = line.split()
            if len(fields) != 2:
                raise make_fault(path, number, f"expected `<clip>.mp4 <label>`, got {quote(line)}")
            name, label = check_clip_name(fields[0], path, number).removesuffix(".mp4"), fields[1].lower()
            if len(name) != 5 or not name.isascii() or not name.isdigit():
                raise make_fault(path, number, f"expected a clip <5 digits>.mp4, got {quote(fields[0])}")
            if label not in labels:
                raise make_fault(path, number, f"unknown label {quote(label)}; expected {', '.join(labels)}")
            if name in items:
                raise make_fault(path, number, f"{name} is also in the test list of fold {items[name].fold}")
            if name not in _SILENT:
                items[name] = Item(
                    id=name, label=label, speaker="", video=root / "data" / "clips" / f"{name}.mp4", fold=fold
                )
    if not items:
        raise ManifestError(one_line(f"{root / _LISTS / kind}: the five test lists are empty"))
    return [items[name] for name in sorted(items)]


def _make_reader(kind: str, labels: tuple[str, ...]) -> Callable[[Path], list[Item]]:
    return partial(_list_items, kind, labels)


MAFW: Final = Dataset(
    name="mafw",
    title="MAFW",
    recorded="in the wild: taken from films, series and shows",
    folder="mafw",
    task="classification",
    labels=_LABELS,
    codes={label: label for label in _LABELS},
    folds=_FOLDS,
    fold_rule="the five official test lists of the single-label set; people are not named",
    metric="uar",
    reported=("uar", "war"),
    sampling_rate=4,
    recipe="mafw",
    items=_make_reader("single", _LABELS),
    layout=(
        "data/clips/<5 digits>.mp4\n"
        "Train & Test Set/single/no_caption/set_<1-5>/test.txt (lines `<5 digits>.mp4 <label>`)"
    ),
    citation=(
        "Y. Liu, W. Dai, C. Feng, W. Wang, G. Yin, J. Zeng, S. Shan: MAFW: A Large-scale, Multi-modal, "
        "Compound Affective Database for Dynamic Facial Expression Recognition in the Wild. ACM Multimedia, "
        "2022"
    ),
    licence="non-commercial research at universities; no redistribution",
    access="https://mafw-database.github.io/MAFW (a signed form from an academic address)",
    excluded=dict.fromkeys(_SILENT, "no sound, not in the paper's lists"),
    choices=(
        "People are not named, so the validation split is drawn per label, and training and validation may share "
        "people.",
        "The authors' code chooses the epoch by accuracy. We choose by UAR, because the labels are imbalanced.",
    ),
    published=read_published("MAFW"),
    scores={"uar": 0.4265, "war": 0.5617},
)

MAFW_43: Final = replace(
    MAFW,
    name="mafw-43",
    title="MAFW, 43 compound classes",
    labels=_LABELS + _COMPOUNDS,
    codes={label: label for label in _LABELS + _COMPOUNDS},
    fold_rule="the five official test lists of the compound set",
    items=_make_reader("compound", _LABELS + _COMPOUNDS),
    layout=(
        "data/clips/<5 digits>.mp4\n"
        "Train & Test Set/compound/no_caption/set_<1-5>/test.txt (lines `<5 digits>.mp4 "
        "<label>[_<label>[_<label>]]`)"
    ),
    choices=(
        "The authors' code accepts 43 classes but gives neither lists nor an order. We use the official compound "
        "lists; the eleven single labels come first, then the 32 compounds ordered by their parts.",
        "The official lists hold 8,996 clips. We exclude the clips without sound that the authors exclude from the "
        "eleven classes.",
        *MAFW.choices,
    ),
    published={},
    scores={},
)
