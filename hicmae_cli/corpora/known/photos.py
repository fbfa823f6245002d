"""A user's own pictures of faces: a folder with one sub-folder per label, or a CSV that lists them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from hicmae_cli.corpora.annotations import check_clip_name, is_safe, make_fault, quote, read_table
from hicmae_cli.corpora.dataset import Dataset, Item
from hicmae_cli.corpora.dealing import deal_folds
from hicmae_cli.corpora.known.own import STORE, find_ignored
from hicmae_cli.corpora.manifest import HEADER, SPLITS
from hicmae_cli.errors import ManifestError, one_line
from hicmae_cli.labels import canonical_label, is_label

_FOLDS: Final = ("1", "2", "3", "4", "5")
_LIST: Final = "manifest.csv"
_PEOPLE: Final = ("speaker", "person", "group")


def _list_items(root: Path) -> list[Item]:
    """List the pictures of ``manifest.csv``, of the CSV ``root``, or else of the sub-folders of ``root``."""
    listed = root if root.is_file() else root / _LIST
    items = _read_list(listed) if listed.is_file() else _list_folders(root)
    return sorted(items, key=lambda item: item.id)


def _read_list(path: Path) -> list[Item]:
    rows = read_table(path, ("file", "label"))
    if not rows:
        raise ManifestError(one_line(f"{path}: lists no pictures"))
    person = next((name for name in _PEOPLE if name in rows[0][1]), "")
    items: dict[str, Item] = {}
    for line, row in rows:
        item = _make_item(path, line, row, person)
        if item.id in items:
            raise make_fault(path, line, f"the id {quote(item.id)} occurs twice; every picture needs its own")
        items[item.id] = item
    return list(items.values())


def _make_item(path: Path, line: int, row: Mapping[str, str], person: str) -> Item:
    file = check_clip_name(row["file"], path, line)
    id_ = row.get("id") or file
    if not is_safe(id_):
        raise make_fault(path, line, f"the id {quote(id_)} cannot be a file name")
    label = canonical_label(row["label"])
    if not is_label(label) or label.isdecimal():
        raise make_fault(path, line, f"expected the name of an emotion as the label, got {quote(row['label'])}")
    if (split := row.get("split", "")) and split not in SPLITS:
        raise make_fault(path, line, f"{quote(id_)} has the split {quote(split)}; expected train, validation or test")
    return Item(
        id=id_,
        label=label,
        speaker=row.get(person, ""),
        video=path.parent / file,
        fold=row.get("fold", ""),
        split=split,
        extra={name: value for name, value in row.items() if name not in (*HEADER, "file", person)},
    )


def _list_folders(root: Path) -> list[Item]:
    # The media package loads NumPy, which the catalogue does without.
    from hicmae_cli.media import PICTURE_SUFFIXES, list_media

    items = []
    for folder in sorted(path for path in root.iterdir() if path.is_dir()):
        if folder.name.startswith(".") or folder.name == STORE:
            continue
        pictures = list_media(folder, PICTURE_SUFFIXES).files
        label = canonical_label(folder.name)
        if pictures and label.isdecimal():
            raise ManifestError(
                one_line(f"{folder}: a number is ambiguous as a label; name the folder after its emotion")
            )
        items += [Item(picture.relative_to(root).as_posix(), label, speaker="", video=picture) for picture in pictures]
    if not items:
        ignored = "".join(f"; {warning}" for warning in _find_ignored(root))
        raise ManifestError(
            one_line(f"{root}: no pictures; expected <label>/<picture> in this folder, or {_LIST}{ignored}")
        )
    return items


def _find_ignored(root: Path) -> list[str]:
    """Return a warning about links to pictures, and one about pictures in no sub-folder, unless a CSV lists them."""
    from hicmae_cli.media import PICTURE_SUFFIXES

    return [] if any(root.glob("*.csv")) else find_ignored(root, PICTURE_SUFFIXES, "pictures")


def _deal(items: Sequence[Item]) -> list[Item]:
    """Deal people to five folds, unless the list names folds or a split."""
    if any(item.fold or item.split for item in items):
        return list(items)
    return deal_folds(items, _FOLDS)


PHOTOS: Final = Dataset(
    name="photos",
    title="your own photos",
    folder="photos",
    task="classification",
    fold_rule=(
        "as the columns fold or split say; without them five folds of about equal size, each person in one of them"
    ),
    metric="uar",
    reported=("uar", "war"),
    sampling_rate=4,
    sampling="time",
    recipe="photos",
    items=_list_items,
    deal=_deal,
    ignored=_find_ignored,
    layout=(
        "<label>/…/<any picture>\n"
        "or manifest.csv (header file,label and optional id,speaker,fold,split; person or group also name the person) "
        "and its pictures, with paths relative to it"
    ),
    citation="",
    licence="set by you",
    access="your own pictures of faces",
    choices=(
        "A picture of 160 x 160 is taken for a face that is aligned already, and used as it is. In any other picture, "
        "the largest face is found and aligned.",
        "A picture becomes 16 frames that move a little: at random in training, in the same way each time in "
        "evaluation.",
        "The labels are those of the folders or the list. Known words and codes become one name (angry, ANG: anger).",
        "Other columns of the list are kept. People are unknown without a list; then the same person may be in "
        "training and test, which makes scores optimistic.",
    ),
    own=True,
    takes_every_video=True,
    root_may_be_file=True,
    pictures_only=True,
)
