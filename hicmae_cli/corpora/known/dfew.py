"""DFEW: 11,697 clips from films, seven emotions (Jiang et al. 2020)."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from hicmae_cli.corpora.annotations import make_fault, quote, read_table
from hicmae_cli.corpora.dataset import Dataset, Item
from hicmae_cli.corpora.published import read_published
from hicmae_cli.errors import ManifestError, one_line

_LABELS: Final = ("happiness", "sadness", "neutral", "anger", "surprise", "disgust", "fear")
_CODES: Final = {str(number): label for number, label in enumerate(_LABELS, 1)}
_FOLDS: Final = ("1", "2", "3", "4", "5")
_LISTS: Final = "EmoLabel_DataSplit/test(single-labeled)"
_DIGITS: Final = 5


def _list_items(root: Path) -> list[Item]:
    """List the clips of the five official test lists, which do not overlap; each list is a fold."""
    original = root / "Clip" / "original"
    # Each part of the archive unpacks into its own folder.
    videos = {path.stem: path for path in sorted(original.rglob("*.mp4")) if not path.name.startswith(".")}
    items: dict[str, Item] = {}
    for fold in _FOLDS:
        path = root / _LISTS / f"set_{fold}.csv"
        for line, row in read_table(path, ("video_name", "label")):
            name = row["video_name"].removesuffix(".mp4")
            if not (name.isascii() and name.isdigit() and len(name) <= _DIGITS):
                raise make_fault(path, line, f"expected the number of a clip, got {quote(name)}")
            if row["label"] not in _CODES:
                raise make_fault(path, line, f"unknown label {quote(row['label'])}; expected 1 to {len(_LABELS)}")
            number = str(int(name))
            id_ = number.zfill(_DIGITS)
            if id_ in items:
                raise make_fault(path, line, f"{id_} is also in the test list of fold {items[id_].fold}")
            video = videos.get(number) or videos.get(id_) or original / f"{number}.mp4"
            items[id_] = Item(id=id_, label=_CODES[row["label"]], speaker="", video=video, fold=fold)
    if not items:
        raise ManifestError(one_line(f"{root / _LISTS}: the five test lists are empty"))
    return [items[id_] for id_ in sorted(items)]


DFEW: Final = Dataset(
    name="dfew",
    title="DFEW",
    recorded="in the wild: taken from films",
    folder="dfew",
    task="classification",
    labels=_LABELS,
    codes=_CODES,
    folds=_FOLDS,
    fold_rule="the five official test lists of the single-label set; people are not named",
    metric="uar",
    reported=("uar", "war"),
    sampling_rate=4,
    recipe="dfew",
    items=_list_items,
    layout=(
        "Clip/original/[part_<n>/]<number>.mp4\n"
        "EmoLabel_DataSplit/test(single-labeled)/set_<1-5>.csv (header video_name,label)"
    ),
    citation=(
        "X. Jiang, Y. Zong, W. Zheng, C. Tang, W. Xia, C. Lu, J. Liu: DFEW: A Large-Scale Database for "
        "Recognizing Dynamic Facial Expressions in the Wild. ACM Multimedia, 2020"
    ),
    licence="academic research; no redistribution",
    access="https://dfew-dataset.github.io (a signed form)",
    choices=(
        "The authors publish no lists for DFEW. Counts and hashes are those of their visual-only work on the same "
        "official lists. `hicmae prepare dfew --check` names clips without sound; the paper's lists may lack them.",
        "The videos come from Clip/original, because the 224 x 224 pictures have no sound. Faces that are already "
        "cropped can be used as folders named by five digits.",
        "The authors publish no script for DFEW. Sampling rate 4 and 100 epochs are those of their visual-only work, "
        "the batch size that of their other recipes.",
        "The authors' code chooses the epoch by accuracy. We choose by UAR, because the labels are imbalanced.",
        "People are not named, so the validation split is drawn per label, and training and validation may share "
        "people.",
    ),
    published=read_published("DFEW"),
    scores={"uar": 0.6376, "war": 0.7501},
)
