"""MER2023: Chinese films and series, six emotions; train on Train&Val, test on MER-MULTI (Lian et al. 2023)."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from hicmae_cli.corpora.annotations import check_clip_name, make_fault, quote, read_table
from hicmae_cli.corpora.dataset import Dataset, Item
from hicmae_cli.corpora.published import read_published

_LABELS: Final = ("neutral", "anger", "happiness", "sadness", "worry", "surprise")
_CODES: Final = dict(zip(("neutral", "angry", "happy", "sad", "worried", "surprise"), _LABELS, strict=True))
_PARTS: Final = {"train": "train", "test1": "test"}
# The archives unpack into these folders; the challenge's own code reads videos and label files from one folder.
_ARCHIVES: Final = {"train": "mer2023train", "test1": "mer2023test1&2"}
_LABEL_ARCHIVES: Final = {"train": "mer2023train", "test1": "test-labels"}
_VIDEO_SUFFIXES: Final = (".avi", ".mp4")


def _list_items(root: Path) -> list[Item]:
    """List the clips of ``train-label.csv`` and ``test1-label.csv``."""
    items: dict[str, Item] = {}
    for part, split in _PARTS.items():
        path = _choose_existing(root / f"{part}-label.csv", root / _LABEL_ARCHIVES[part] / f"{part}-label.csv")
        folder = _choose_existing(root / part, root / _ARCHIVES[part] / part)
        videos = {video.stem: video for suffix in reversed(_VIDEO_SUFFIXES) for video in folder.glob(f"*{suffix}")}
        for line, row in read_table(path, ("name", "discrete")):
            name, code = check_clip_name(row["name"], path, line), row["discrete"].lower()
            if "/" in name:
                raise make_fault(path, line, f"expected the name of a clip, got {quote(name)}")
            if code not in _CODES:
                raise make_fault(path, line, f"unknown label {quote(code)}; expected {', '.join(_CODES)}")
            if name in items:
                raise make_fault(path, line, f"{name} occurs twice")
            video = videos.get(name, folder / f"{name}.avi")
            items[name] = Item(id=name, label=_CODES[code], speaker="", video=video, split=split)
    return [items[name] for name in sorted(items)]


def _choose_existing(usual: Path, unpacked: Path) -> Path:
    return unpacked if unpacked.exists() and not usual.exists() else usual


MER2023: Final = Dataset(
    name="mer2023",
    title="MER2023",
    recorded="in the wild: taken from Chinese films and series",
    languages=("zh",),
    folder="mer2023",
    task="classification",
    labels=_LABELS,
    codes=_CODES,
    folds=(),
    fold_rule="fixed: train on Train&Val, test on test1 (MER-MULTI)",
    metric="weighted_f1",
    reported=("uar", "weighted_f1"),
    sampling_rate=4,
    recipe="mer2023",
    items=_list_items,
    layout=(
        "[mer2023train/]train/<name>.avi\n"
        "[mer2023train/]train-label.csv (header name,discrete,valence)\n"
        "[mer2023test1&2/]test1/<name>.avi\n"
        "[test-labels/]test1-label.csv (header name,discrete,valence)"
    ),
    citation=(
        "Z. Lian, H. Sun, L. Sun, J. Zhao, Y. Liu, B. Liu, J. Yi, M. Wang, E. Cambria, G. Zhao, B. W. "
        "Schuller, J. Tao: MER 2023: Multi-label Learning, Modality Robustness, and Semi-Supervised Learning. "
        "ACM Multimedia, 2023"
    ),
    licence="academic research; no redistribution",
    access="https://huggingface.co/datasets/MERChallenge/MER2023 (a signed agreement)",
    choices=(
        "The authors publish no lists for MER2023. We use the challenge's own parts, Train&Val for training and test1 "
        "(MER-MULTI) for testing, with the label order of the challenge's baseline.",
        "The authors publish no script for MER2023. We use sampling rate 4 and 100 epochs.",
        "People are not named, so the validation split is drawn per label, and training and validation may share "
        "people.",
    ),
    published=read_published("MER2023"),
    scores={"uar": 0.6415, "weighted_f1": 0.7133},
)
