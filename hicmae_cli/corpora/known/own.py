"""A user's own recordings: a folder whose sub-folders are labels, or a manifest of raw videos."""

from __future__ import annotations

import csv
import hashlib
import os
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Final

from hicmae_cli.corpora.annotations import fault, is_safe, read_lines, shown
from hicmae_cli.corpora.dataset import Dataset, Item
from hicmae_cli.corpora.manifest import SPLITS, Sample, read_manifest
from hicmae_cli.errors import ManifestError, one_line
from hicmae_cli.labels import canonical_label

_FOLDS: Final = ("1", "2", "3", "4", "5")
_STORE: Final = "prepared"  # where prepared clips are kept below the root
_MANIFEST: Final = "manifest.csv"
_NAMES: Final = "labels.txt"


def _folder_items(root: Path) -> list[Item]:
    """Any videos below the sub-folders of ``root``; ids are their paths."""
    # It imports the media room, which others need not.
    from hicmae_cli.media import VIDEO_SUFFIXES, list_media

    items: list[Item] = []
    for folder in sorted(path for path in root.iterdir() if path.is_dir()):
        if folder.name.startswith(".") or folder.name == _STORE:
            continue
        label = canonical_label(folder.name)
        if label.isdecimal():
            raise ManifestError(
                one_line(
                    f"{folder}: a number as a label would be taken for the number of a label; give the folder a name"
                )
            )
        for video in list_media(folder, VIDEO_SUFFIXES).files:
            id_ = video.relative_to(root).as_posix()
            items.append(Item(id=id_, label=label, speaker="", video=video))
    links = list_media(root, VIDEO_SUFFIXES, exclude=root.resolve() / _STORE).links
    skipped = f" ({len(links)} links to videos are skipped: copy the files)" if links else ""
    if not items:
        raise ManifestError(one_line(f"{root}: no videos in sub-folders{skipped}; expected <label>/<video>"))
    if len({item.label for item in items}) < 2:
        raise ManifestError(
            one_line(f"{root}: one label only, {items[0].label}{skipped}; expected a sub-folder for each")
        )
    return _dealt(items)


def _dealt(items: list[Item]) -> list[Item]:
    """Every label's clips dealt to the folds in an order that only their ids decide."""
    by_label: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        by_label[item.label].append(item)
    dealt = [
        replace(item, fold=_FOLDS[index % len(_FOLDS)])
        for group in by_label.values()
        for index, item in enumerate(sorted(group, key=lambda i: hashlib.sha256(os.fsencode(i.id)).digest()))
    ]
    return sorted(dealt, key=lambda item: item.id)


def _manifest_items(root: Path) -> list[Item]:
    """The raw videos that ``manifest.csv``, or the file ``root``, names; all of them lie in its folder."""
    path = root if root.is_file() else root / _MANIFEST
    root = path.parent
    names = root / _NAMES
    labels = [canonical_label(line) for _, line in read_lines(names)] if names.is_file() else None
    read_lines(path)  # text that is not UTF-8 is told with its line
    samples = read_manifest(path, labelled=False, existing=False)
    if labels is None and any(sample.label.strip().isdecimal() for sample in samples):
        # A regression's targets, for all that is known here; training on classes asks for their names.
        samples = [replace(sample, target=canonical_label(sample.label)) for sample in samples]
    else:
        samples = read_manifest(path, labels, existing=False)
    return sorted(
        (_item(root, path, index, sample, labels) for index, sample in enumerate(samples)), key=lambda item: item.id
    )


def _item(root: Path, path: Path, index: int, sample: Sample, labels: list[str] | None) -> Item:
    id_ = Path(sample.id).relative_to(root).as_posix() if Path(sample.id).is_relative_to(root) else sample.id
    if not is_safe(id_):
        raise fault(path, _line(path, index), f"the id {shown(sample.id)} cannot name a file")
    for file in (sample.video, sample.audio):
        if file is not None and not is_safe(_below(root, file)):
            raise fault(path, _line(path, index), f"{shown(str(file))} leads out of the folder {root}")
    if sample.video is None:
        raise fault(path, _line(path, index), f"{shown(id_)} has no video to cut faces from")
    if sample.split and sample.split not in SPLITS:
        raise fault(
            path,
            _line(path, index),
            f"{shown(id_)} has the split {shown(sample.split)}; expected train, validation or test",
        )
    if labels is not None and sample.label not in labels:
        raise fault(path, _line(path, index), f"unknown label {shown(sample.label)}; there are {', '.join(labels)}")
    return Item(
        id=id_,
        label=sample.label,
        speaker=sample.speaker,
        video=sample.video,
        audio=None if sample.audio == sample.video else sample.audio,
        fold=sample.fold,
        split=sample.split,
        extra=sample.extra,
    )


def _below(root: Path, file: Path) -> str:
    return file.relative_to(root).as_posix() if file.is_relative_to(root) else str(file)


def _line(path: Path, index: int) -> int:
    """Line of the n-th clip (from 0) of a manifest."""
    text = path.read_text("utf-8-sig").splitlines()
    if text[0].split(",")[0].strip() != "id":
        return [number for number, line in enumerate(text, 1) if line.strip()][index]
    reader = csv.DictReader(text)
    for _ in range(index + 1):
        next(reader)
    return reader.line_num


FOLDER: Final = Dataset(
    name="folder",
    title="a folder of your own",
    folder="folder",
    task="classification",
    labels=(),
    codes={},
    folds=_FOLDS,
    fold_rule="five folds, each label's clips dealt evenly; nobody knows who is in which clip",
    metric="uar",
    reported=("uar", "war"),
    sampling_rate=4,
    recipe="own-data",
    items=_folder_items,
    layout="<label>/…/<any video>",
    citation="",
    licence="yours to know",
    access="your own recordings of one person each",
    choices=(
        "The labels are the names of the sub-folders, sorted; known words and codes become one name (angry, "
        "ANG: anger).",
        "People are not known, so one person may be trained on and tested: scores are too good. Who knows them "
        "writes a manifest.",
    ),
)

MANIFEST: Final = replace(
    FOLDER,
    name="manifest",
    title="a manifest of your own",
    folder="manifest",
    folds=(),
    fold_rule="what the columns fold or split say",
    items=_manifest_items,
    layout=(
        "manifest.csv (header id,video,audio,label,fold,split,speaker; or lines `<video> <sound> <label>`)\n"
        "labels.txt (may be absent; one label a line, what the label numbers from 0 stand for; others are refused)\n"
        "<the videos and sounds it names, by paths relative to it>"
    ),
    choices=(
        "The labels are those that occur, sorted.",
        "Without labels.txt numbers are kept as they are: the targets of a regression.",
    ),
)
