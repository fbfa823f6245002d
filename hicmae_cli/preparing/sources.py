"""Find the items of a dataset, the folder for their clips, and the files that each clip is made from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias, get_args

from hicmae_cli.corpora.catalogue import dataset_root, find_dataset
from hicmae_cli.corpora.dataset import Dataset, Item
from hicmae_cli.errors import ManifestError, SettingsError
from hicmae_cli.files import is_lfs_pointer
from hicmae_cli.media import PICTURE_SUFFIXES, SOUND_SUFFIXES
from hicmae_cli.preparing.frame_folder import FrameFolder
from hicmae_cli.preparing.journal import JOURNAL
from hicmae_cli.preparing.measuring import Source
from hicmae_cli.preparing.people import KeepPeople
from hicmae_cli.preparing.sound import SoundFile
from hicmae_cli.preparing.still import StillFile

ClipSource: TypeAlias = Source | FrameFolder | SoundFile | StillFile
"""What a clip is made from: a video, face pictures with a sound, a sound, or a single picture."""

FRAMES_JOURNAL: Final = "frames.jsonl"
"""File name of the journal for faces that are already cropped."""
PEOPLE_JOURNAL: Final = "people.jsonl"
"""File name of the journal for clips of all people."""


@dataclass(frozen=True)
class RawDataset:
    """A dataset as distributed, and the place for its prepared clips.

    Attributes:
        dataset: which one.
        items: its items, or the first ones if a limit was given.
        store: the folder for prepared clips.
        frames: a folder with a folder of face pictures for each id; None to crop faces from the videos.
        is_whole: whether ``items`` are all items.
        warnings: a line about each kind of file that was ignored.
    """

    dataset: Dataset
    items: list[Item]
    store: Path
    frames: Path | None
    is_whole: bool
    warnings: tuple[str, ...]


def find_raw(
    dataset: str | Dataset,
    root: str | Path | None = None,
    *,
    output: str | Path | None = None,
    frames: str | Path | None = None,
    limit: int | None = None,
    keep_people: KeepPeople = "one",
    on_warning: Callable[[str], object] = lambda _: None,
) -> RawDataset:
    """Find a dataset's items and check the folders of a preparation.

    Args:
        dataset: its name, or the dataset itself.
        root: its folder as distributed; by default its folder below ``HICMAE_DATA``.
        output: the folder for prepared clips; by default ``prepared`` below the root.
        frames: a folder with a folder of face pictures for each id, to use in place of the videos.
        limit: take the first items only.
        keep_people: ``one`` or ``all``; see `prepare`.
        on_warning: called with a line about each kind of file that is ignored.

    Raises:
        SettingsError: an unknown, unlabelled or generated dataset, an output folder that holds the dataset or would be
            taken for a part of it, no such folder of frames, a limit below 1, all people where the dataset names the
            person, or frames of parts of recordings.
        ManifestError: the dataset is missing or malformed.
    """
    known = find_dataset(dataset) if isinstance(dataset, str) else dataset
    if known.generated_by:
        raise SettingsError(f"{known.name}: needs no preparation; `{known.generated_by}` writes prepared clips")
    if limit is not None and limit < 1:
        raise SettingsError(f"got limit={limit}, expected at least 1")
    if keep_people not in get_args(KeepPeople):
        raise SettingsError(f"got keep_people={keep_people!r}, expected 'one' or 'all'")
    if keep_people == "all" and frames is not None:
        raise SettingsError("keep_people='all' needs videos with people in them, but `frames` are of one face each")
    if (known.sound_only or known.pictures_only) and (frames is not None or keep_people == "all"):
        given = f"keep_people={keep_people!r}" if frames is None else f"frames={frames}"
        lacks = "no pictures, only sound" if known.sound_only else "no videos, only single pictures"
        raise SettingsError(f"{given}: {known.name} has {lacks}; leave it out")
    place = dataset_root(known, None if root is None else Path(root))
    folder = place.parent if place.is_file() else place
    default = folder / "prepared"
    store = Path(output) if output is not None else default
    if store.resolve() == folder.resolve():
        raise SettingsError(f"output={store}: holds the dataset itself; choose another folder")
    inside = store.resolve().is_relative_to(folder.resolve()) and store.resolve() != default.resolve()
    if known.takes_every_video and inside:
        raise SettingsError(
            f"output={store}: the next call would take its clips for recordings of {folder}; choose {default} or a "
            "folder outside"
        )
    pictures = Path(frames) if frames is not None else None
    if pictures is not None and not pictures.is_dir():
        raise SettingsError(f"frames={pictures}: no such folder")
    warnings = tuple(known.ignored(folder))
    for warning in warnings:
        on_warning(warning)
    items = known.items(place)[:limit]
    if frames is not None and any(item.part is not None and item.audio is None for item in items):
        raise SettingsError(f"frames={frames}: the clips of {known.name} are parts of recordings; leave it out")
    if keep_people == "all" and any(item.part is not None and item.part.places for item in items):
        raise SettingsError(f"keep_people='all': the annotations of {known.name} name the person; leave it out")
    if frames is not None or keep_people == "all":
        _refuse_single_streams(items, f"keep_people={keep_people!r}" if frames is None else f"frames={frames}")
    return RawDataset(known, items, store, pictures, limit is None, warnings)


def _refuse_single_streams(items: Iterable[Item], given: str) -> None:
    """Refuse an option for videos where an item is a picture or a sound.

    Raises:
        SettingsError: there is such an item.
    """
    for item in items:
        if item.video.suffix.lower() in PICTURE_SUFFIXES | SOUND_SUFFIXES:
            raise SettingsError(f"{given}: needs videos, but clip {item.id} is {item.video.name}; leave it out")


def journal_path(store: Path, frames: Path | None, keep_people: KeepPeople = "one") -> Path:
    """Return the path of a store's journal; all datasets in the store share it."""
    if frames is not None:
        return store / FRAMES_JOURNAL
    return store / (JOURNAL if keep_people == "one" else PEOPLE_JOURNAL)


def find_sources(
    dataset: Dataset, items: Sequence[Item], frames: Path | None, *, without_sound: bool = False
) -> dict[str, ClipSource]:
    """Return the source of each item by id, sorted; with ``without_sound`` a video needs no sound.

    Raises:
        ManifestError: there are no items, an id occurs twice, a part of a video is malformed, or a file is the pointer
            of Git LFS to the real file.
    """
    if not items:
        raise ManifestError(f"{dataset.name}: no items; expected in its folder:\n{dataset.layout}")
    refuse_lfs_pointers(file for item in items for file in (item.video, item.audio) if file is not None)
    sources = {
        item.id: _make_source(dataset, item, frames, not without_sound)
        for item in sorted(items, key=lambda item: item.id)
    }
    if len(sources) < len(items):
        raise ManifestError(f"{dataset.name}: {len(items) - len(sources)} ids occur more than once")
    return sources


def refuse_lfs_pointers(files: Iterable[Path]) -> None:
    """Refuse media files that are pointers of Git LFS: thousands of clips would fail for one cause.

    Raises:
        ManifestError: there are such files; says how to get the real ones.
    """
    pointers = [file for file in dict.fromkeys(files) if is_lfs_pointer(file)]
    if pointers:
        more = f" (and {len(pointers) - 1} more files)" if len(pointers) > 1 else ""
        raise ManifestError(
            f"{pointers[0]}{more}: is a Git LFS pointer, not the file itself; run `git lfs pull` in the clone"
        )


def _make_source(dataset: Dataset, item: Item, frames: Path | None, needs_sound: bool) -> ClipSource:
    suffix = item.video.suffix.lower()
    part = item.part
    if dataset.sound_only or suffix in SOUND_SUFFIXES:
        return SoundFile(item.video) if part is None else SoundFile(item.video, part.start_s, part.end_s)
    if suffix in PICTURE_SUFFIXES:
        if item.audio is not None:
            raise ManifestError(
                f"{dataset.name}: clip {item.id} has a picture and a sound; list them as two clips, each with its label"
            )
        return StillFile(item.video)
    if frames is not None:
        return FrameFolder(_find_frame_folder(frames, item.id, dataset.frames_suffix), item.audio or item.video)
    try:
        if part is None:
            return Source(item.video, item.audio, needs_sound=needs_sound)
        columns, places = part.columns, part.places
        return Source(item.video, item.audio, part.start_s, part.end_s, columns, needs_sound, places)
    except ValueError as error:
        raise ManifestError(f"{dataset.name}: clip {item.id}: {error}") from error


def _find_frame_folder(frames: Path, id_: str, suffix: str) -> Path:
    """Return the folder of a clip's pictures; OpenFace puts a suffixed one next to or into the plain one."""
    plain = frames / id_
    named = (frames / f"{id_}{suffix}", plain / f"{plain.name}{suffix}") if suffix else ()
    return next((folder for folder in named if folder.is_dir()), plain)
