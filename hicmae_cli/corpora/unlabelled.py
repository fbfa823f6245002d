"""Lists of unlabelled recordings for pre-training: VoxCeleb2, a manifest, or a folder of any videos."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from hicmae_cli.clips.recording import Recording
from hicmae_cli.corpora.manifest import read_manifest
from hicmae_cli.errors import ManifestError

VOXCELEB2_CROP: Final = (0, 160, 32, 192)
"""Top, bottom, left, right of the face in VoxCeleb2's pictures of 224 x 224, as the authors cut it."""
_VOXCELEB2_SOUND: Final = ("aac", "m4a", "wav")  # folders beside mp4
_SOUND_SUFFIXES: Final = (".m4a", ".aac", ".wav")


def voxceleb2(root: Path) -> list[Recording]:
    """VoxCeleb2 as it unpacks: ``[dev/|test/]mp4/<person>/<session>/<utterance>.mp4``.

    The sound is taken from a folder ``aac``, ``m4a`` or ``wav`` beside ``mp4``, from the file of the same place and
    name with the suffix .m4a, .aac or .wav; else from the mp4. Files are listed, not opened.

    Args:
        root: the folder that holds dev (and test, which is then left out), one of these, or an mp4 folder.

    Returns:
        Recordings sorted folder by folder; ids are paths relative to root without suffix.

    Raises:
        ManifestError: there are no such files, or a folder cannot be read.
    """
    parts = [folder for folder in (root, root / "dev", root / "test") if (folder / "mp4").is_dir()]
    if root / "dev" in parts:
        parts = [part for part in parts if part != root / "test"]  # it is for those who test on VoxCeleb2
    places = [(part / "mp4", part) for part in parts]
    if not places and root.name == "mp4":
        places = [(root, root.parent)]
    try:
        found = [recording for mp4, part in places for recording in _utterances(root, mp4, part)]
    except OSError as error:
        raise ManifestError(f"{error.filename}: cannot be listed ({error.strerror})") from error
    if not found:
        raise ManifestError(
            f"{root}: no VoxCeleb2 videos; expected [dev/|test/]mp4/<person>/<session>/<utterance>.mp4 in this folder, "
            "with the sound in aac/<person>/<session>/<utterance>.m4a beside mp4"
        )
    return found


def from_manifest(path: Path, splits: Sequence[str] = ("train",)) -> tuple[list[Recording], dict[str, str]]:
    """The prepared clips of a manifest, whose labels, if any, are not looked at.

    Files are not checked for; what cannot be read later is skipped then.

    Args:
        path: see `read_manifest`; the columns id, video and audio are enough.
        splits: which lines to take where the column split is filled in; without it, all are taken.

    Returns:
        Recordings in the order of the manifest, and {id: why} of clips left out because they lack a stream.

    Raises:
        ManifestError: unreadable or malformed, no line of these splits, or not one clip with both streams.
    """
    samples = read_manifest(path, labelled=False, existing=False)
    known = sorted({sample.split for sample in samples} - {""})
    if known:
        samples = [sample for sample in samples if sample.split in splits]
    if not samples:
        raise ManifestError(f"{path}: no clips of the split {' or '.join(splits)}; the manifest has {', '.join(known)}")
    found: list[Recording] = []
    skipped: dict[str, str] = {}
    for sample in samples:
        if sample.video is None or sample.audio is None:
            skipped[sample.id] = f"the manifest names no {'video' if sample.video is None else 'sound'}"
        else:
            own = sample.audio == sample.video
            found.append(Recording(sample.id, sample.video, None if own else sample.audio))
    if not found:
        raise ManifestError(f"{path}: pre-training needs video and sound, and none of {len(skipped)} clips has both")
    return found, skipped


def _utterances(root: Path, mp4: Path, part: Path) -> Iterator[Recording]:
    """The recordings below one mp4 folder. A million files: one listing per folder, and no question per file."""
    sound_roots = [part / name for name in _VOXCELEB2_SOUND if (part / name).is_dir()]
    prefix = mp4.relative_to(root).as_posix()
    for person in _entries(mp4):
        for session in _entries(mp4 / person):
            names = [name for name in _entries(mp4 / person / session) if name.lower().endswith(".mp4")]
            if not names:
                continue
            sounds = _sounds([sound / person / session for sound in sound_roots])
            for name in names:
                stem = name[:-4]
                yield Recording(
                    id="/".join(p for p in (prefix, person, session, stem) if p != "."),
                    video=mp4 / person / session / name,
                    audio=sounds.get(stem),
                    crop=VOXCELEB2_CROP,
                )


def _sounds(folders: Sequence[Path]) -> dict[str, Path]:
    """Sound files by their name without suffix; of several with one name, that of the first folder and suffix."""
    found: dict[str, Path] = {}
    for folder in folders:
        names = _entries(folder)
        for suffix in _SOUND_SUFFIXES:
            for name in names:
                if name.endswith(suffix):
                    found.setdefault(name[: -len(suffix)], folder / name)
    return found


def _entries(folder: Path) -> list[str]:
    """Names in a folder, sorted, without hidden ones; none where it is not there or is a file."""
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries if not entry.name.startswith("."))
    except (FileNotFoundError, NotADirectoryError):
        return []
