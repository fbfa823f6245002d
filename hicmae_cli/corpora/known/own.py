"""A user's own recordings: a folder with one sub-folder per label, or a manifest of raw videos."""

from __future__ import annotations

import csv
from collections.abc import Collection, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

from hicmae_cli.corpora.annotations import is_safe, make_fault, quote, read_lines
from hicmae_cli.corpora.dataset import Dataset, Item
from hicmae_cli.corpora.dealing import deal_folds
from hicmae_cli.corpora.manifest import SPLITS, Sample, read_manifest
from hicmae_cli.errors import ManifestError, one_line
from hicmae_cli.labels import canonical_label

_FOLDS: Final = ("1", "2", "3", "4", "5")
STORE: Final = "prepared"
"""The folder of prepared clips below the root of recordings or pictures of one's own."""
_MANIFEST: Final = "manifest.csv"
_NAMES: Final = "labels.txt"
_LISTED: Final = 20


def _list_folder_items(root: Path) -> list[Item]:
    """List the videos below the sub-folders of ``root``; ids are their paths. `FOLDER` deals the folds later."""
    # The media package loads NumPy, which the catalogue does without.
    from hicmae_cli.media import VIDEO_SUFFIXES, list_media

    items: list[Item] = []
    for folder in sorted(path for path in root.iterdir() if path.is_dir()):
        if folder.name.startswith(".") or folder.name == STORE:
            continue
        label = canonical_label(folder.name)
        if label.isdecimal():
            raise ManifestError(
                one_line(
                    f"{folder}: a number is ambiguous as a label, it could be the number of a label; name the folder "
                    "after its emotion"
                )
            )
        for video in list_media(folder, VIDEO_SUFFIXES).files:
            id_ = video.relative_to(root).as_posix()
            items.append(Item(id=id_, label=label, speaker="", video=video))
    ignored = "".join(f"; {warning}" for warning in _find_ignored(root))
    if not items:
        raise ManifestError(
            one_line(f"{root}: no videos in sub-folders; expected <label>/<video> in this folder{ignored}")
        )
    if len({item.label for item in items}) < 2:
        raise ManifestError(
            one_line(f"{root}: only one label, {items[0].label}; expected one sub-folder for each label{ignored}")
        )
    return sorted(items, key=lambda item: item.id)


def _find_ignored(root: Path) -> list[str]:
    """Return a warning about links to videos, and one about videos in no sub-folder."""
    from hicmae_cli.media import VIDEO_SUFFIXES

    return find_ignored(root, VIDEO_SUFFIXES, "videos")


def find_ignored(root: Path, suffixes: Collection[str], what: str) -> list[str]:
    """Return a warning about links to files of some kind, and one about such files in no sub-folder of the root.

    Args:
        root: the folder with one sub-folder per label.
        suffixes: of the files, in lower case with a dot.
        what: the files in words, such as ``videos``.
    """
    from hicmae_cli.media import list_media

    listing = list_media(root, suffixes, exclude=root.resolve() / STORE)
    loose = [path for path in listing.files if path.parent == root]
    found = (
        (listing.links, f"links to {what}", "copy the files to use them"),
        (loose, f"{what} outside the label folders", "move them into one to use them"),
    )
    return [f"skipped {name} ({advice}): {_name_some(root, paths)}" for paths, name, advice in found if paths]


def _name_some(root: Path, paths: Sequence[Path]) -> str:
    names = ", ".join(one_line(path.relative_to(root).as_posix()) for path in paths[:_LISTED])
    return names + (f" and {len(paths) - _LISTED} more" if len(paths) > _LISTED else "")


def _list_manifest_items(root: Path) -> list[Item]:
    """List the raw clips that ``manifest.csv``, or the file ``root``, names; all must be inside its folder."""
    path = root if root.is_file() else root / _MANIFEST
    root = path.parent
    names = root / _NAMES
    labels = [canonical_label(line) for _, line in read_lines(names)] if names.is_file() else None
    read_lines(path)  # its error names the line that is not UTF-8
    samples = read_manifest(path, labelled=False, existing=False)
    if labels is None and any(sample.label.strip().isdecimal() for sample in samples):
        # These may be the targets of a regression; training on classes asks for the names of the labels.
        samples = [replace(sample, target=canonical_label(sample.label)) for sample in samples]
    else:
        samples = read_manifest(path, labels, existing=False)
    return sorted(
        (_make_item(root, path, index, sample, labels) for index, sample in enumerate(samples)),
        key=lambda item: item.id,
    )


def _make_item(root: Path, path: Path, index: int, sample: Sample, labels: list[str] | None) -> Item:
    id_ = Path(sample.id).relative_to(root).as_posix() if Path(sample.id).is_relative_to(root) else sample.id
    if not is_safe(id_):
        raise make_fault(path, _find_line(path, index), f"the id {quote(sample.id)} cannot be a file name")
    for file in (sample.video, sample.audio):
        if file is not None and not is_safe(_relative(root, file)):
            raise make_fault(path, _find_line(path, index), f"{quote(str(file))} is outside the folder {root}")
    video = sample.video or _find_sound(path, index, sample)
    if sample.split and sample.split not in SPLITS:
        raise make_fault(
            path,
            _find_line(path, index),
            f"{quote(id_)} has the split {quote(sample.split)}; expected train, validation or test",
        )
    if labels is not None and sample.label not in labels:
        raise make_fault(
            path, _find_line(path, index), f"unknown label {quote(sample.label)}; expected {', '.join(labels)}"
        )
    return Item(
        id=id_,
        label=sample.label,
        speaker=sample.speaker,
        video=video,
        audio=None if sample.audio == video else sample.audio,
        fold=sample.fold,
        split=sample.split,
        extra=sample.extra,
    )


def _find_sound(path: Path, index: int, sample: Sample) -> Path:
    """Return the sound file of a clip without pictures."""
    # The media package loads NumPy, which the catalogue does without.
    from hicmae_cli.media import SOUND_SUFFIXES

    assert sample.audio is not None
    if sample.audio.suffix.lower() not in SOUND_SUFFIXES:
        raise make_fault(
            path,
            _find_line(path, index),
            f"{quote(sample.audio.name)} is no sound file by its suffix; put a video into the column video",
        )
    return sample.audio


def _relative(root: Path, file: Path) -> str:
    return file.relative_to(root).as_posix() if file.is_relative_to(root) else str(file)


def _find_line(path: Path, index: int) -> int:
    """Return the line of clip ``index`` (from 0) of a manifest."""
    text = path.read_text("utf-8-sig").splitlines()
    if text[0].split(",")[0].strip() != "id":
        return [number for number, line in enumerate(text, 1) if line.strip()][index]
    reader = csv.DictReader(text)
    for _ in range(index + 1):
        next(reader)
    return reader.line_num


FOLDER: Final = Dataset(
    name="folder",
    title="your own folder",
    folder="folder",
    task="classification",
    labels=(),
    codes={},
    folds=_FOLDS,
    fold_rule="five folds of equal size, with the clips of each label dealt evenly; people are unknown",
    metric="uar",
    reported=("uar", "war"),
    sampling_rate=4,
    sampling="time",
    recipe="own-data",
    items=_list_folder_items,
    deal=partial(deal_folds, folds=_FOLDS),
    ignored=_find_ignored,
    layout="<label>/…/<any video>",
    citation="",
    licence="set by you",
    access="your own recordings, one person in each",
    choices=(
        "The labels are the names of the sub-folders, sorted. Known words and codes become one name (angry, ANG: "
        "anger).",
        "People are unknown, so the same person may be in training and test, which makes scores optimistic. If you "
        "know who is who, write a manifest.",
        "The folds divide the clips that can be prepared. After a video is repaired, added or removed, the next "
        "`hicmae prepare` may put clips in other folds; train all folds again then.",
        "Videos outside the sub-folders, and links, are skipped with a warning.",
    ),
    own=True,
    takes_every_video=True,
)

MANIFEST: Final = replace(
    FOLDER,
    name="manifest",
    title="your own manifest",
    folder="manifest",
    folds=(),
    fold_rule="as the columns fold or split say",
    items=_list_manifest_items,
    deal=None,
    ignored=lambda _: [],
    layout=(
        "manifest.csv (header id,video,audio,label,fold,split,speaker; or lines `<video> <sound> <label>`)\n"
        "labels.txt (optional; one label per line, for label numbers from 0; other labels are refused)\n"
        "<its video and sound files, with paths relative to it>"
    ),
    choices=(
        "The labels are those in the manifest, sorted.",
        "Without labels.txt, numbers stay as they are: the targets of a regression.",
    ),
    takes_every_video=False,
    root_may_be_file=True,
)
