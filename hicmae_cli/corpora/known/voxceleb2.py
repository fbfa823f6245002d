"""VoxCeleb2: a million clips of 6,112 celebrities in interviews, without emotion labels (Chung et al. 2018)."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hicmae_cli.corpora.dataset import Dataset
from hicmae_cli.errors import ManifestError

if TYPE_CHECKING:
    from hicmae_cli.clips.recording import Recording

FACE_CROP: Final = (0, 160, 32, 192)
"""Top, bottom, left, right of the face in VoxCeleb2's pictures of 224 x 224, as the authors crop it."""
_SOUND_FOLDERS: Final = ("aac", "m4a", "wav")  # next to mp4
_SOUND_SUFFIXES: Final = (".m4a", ".aac", ".wav")


def list_recordings(root: Path) -> list[Recording]:
    """List the recordings of VoxCeleb2 as it unpacks: ``[dev/|test/]mp4/<person>/<session>/<utterance>.mp4``.

    The sound is the file with the same path and name, and the suffix .m4a, .aac or .wav, in a folder ``aac``, ``m4a``
    or ``wav`` next to ``mp4``; without one it is the mp4 itself. Files are listed, not opened.

    Args:
        root: the folder that holds dev (and test, which is then skipped), one of these two, or an mp4 folder.

    Returns:
        Recordings sorted folder by folder; ids are paths relative to root without suffix.

    Raises:
        ManifestError: there are no such files, or a folder cannot be read.
    """
    parts = [folder for folder in (root, root / "dev", root / "test") if (folder / "mp4").is_dir()]
    if root / "dev" in parts:
        # The test part is kept for speaker recognition tests.
        parts = [part for part in parts if part != root / "test"]
    places = [(part / "mp4", part) for part in parts]
    if not places and root.name == "mp4":
        places = [(root, root.parent)]
    try:
        found = [recording for mp4, part in places for recording in _list_utterances(root, mp4, part)]
    except OSError as error:
        raise ManifestError(f"{error.filename}: cannot be listed ({error.strerror})") from error
    if not found:
        raise ManifestError(
            f"{root}: no VoxCeleb2 videos; expected [dev/|test/]mp4/<person>/<session>/<utterance>.mp4 in this folder, "
            "with the sound in aac/<person>/<session>/<utterance>.m4a next to mp4"
        )
    return found


def _list_utterances(root: Path, mp4: Path, part: Path) -> Iterator[Recording]:
    """List the recordings below one mp4 folder.

    There are a million files, so each folder is listed once and no file is checked by itself.
    """
    # It loads NumPy, which the catalogue does without.
    from hicmae_cli.clips.recording import Recording

    sound_roots = [part / name for name in _SOUND_FOLDERS if (part / name).is_dir()]
    prefix = mp4.relative_to(root).as_posix()
    for person in _list_names(mp4):
        for session in _list_names(mp4 / person):
            names = [name for name in _list_names(mp4 / person / session) if name.lower().endswith(".mp4")]
            if not names:
                continue
            sounds = _find_sounds([sound / person / session for sound in sound_roots])
            for name in names:
                stem = name[:-4]
                yield Recording(
                    id="/".join(p for p in (prefix, person, session, stem) if p != "."),
                    video=mp4 / person / session / name,
                    audio=sounds.get(stem),
                    crop=FACE_CROP,
                )


def _find_sounds(folders: Sequence[Path]) -> dict[str, Path]:
    """Return sound files by their name without suffix; the first folder and suffix win if several share a name."""
    found: dict[str, Path] = {}
    for folder in folders:
        names = _list_names(folder)
        for suffix in _SOUND_SUFFIXES:
            for name in names:
                if name.endswith(suffix):
                    found.setdefault(name[: -len(suffix)], folder / name)
    return found


def _list_names(folder: Path) -> list[str]:
    """Return the visible names in a folder, sorted; none if it does not exist or is a file."""
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries if not entry.name.startswith("."))
    except (FileNotFoundError, NotADirectoryError):
        return []


VOXCELEB2: Final = Dataset(
    name="voxceleb2",
    title="VoxCeleb2",
    recorded="in the wild: people speak in interviews",
    folder="voxceleb2",
    task="pretraining",
    fold_rule="dev is for pre-training; test is not used",
    sampling_rate=4,
    pretrain_recipe="pretrain-voxceleb2-base",
    layout=(
        "[dev/]mp4/<person>/<session>/<utterance>.mp4\n"
        "[dev/]aac/<person>/<session>/<utterance>.m4a (or in folders m4a or wav, or the sound inside the mp4)"
    ),
    citation="J. S. Chung, A. Nagrani, A. Zisserman: VoxCeleb2: Deep Speaker Recognition. Interspeech, 2018",
    licence="CC-BY-4.0 (VoxCeleb2)",
    access="https://www.robots.ox.ac.uk/~vgg/data/voxceleb/ (a form)",
    choices=(
        "The videos show one face each, cropped to 224 x 224; the crop of 160 x 160 is the one in the authors' code. "
        "`hicmae prepare` is not needed.",
        "The authors skip 283 broken videos and 145 whose audio and video lengths differ. They do not publish their "
        "list, so pre-training skips clips that it cannot read.",
        "It has no emotion labels, so `hicmae finetune` and `hicmae evaluate` refuse it.",
    ),
)
