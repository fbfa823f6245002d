"""Find the recordings to pre-train on: of a dataset, of a manifest, or of a folder of any videos."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from hicmae_cli.clips.recording import Recording
from hicmae_cli.corpora.catalogue import data_home, find_dataset, list_datasets
from hicmae_cli.corpora.clip_list import find_clips
from hicmae_cli.corpora.known.puppets import PUPPETS
from hicmae_cli.corpora.known.voxceleb2 import VOXCELEB2, list_recordings
from hicmae_cli.corpora.unlabelled import read_unlabelled
from hicmae_cli.errors import SettingsError
from hicmae_cli.media.listing import Listing
from hicmae_cli.preparing.videos import prepare_videos
from hicmae_cli.weights.info import FRAME_FOLDERS, OUR_FRONT_END, VOXCELEB2_FRONT_END
from hicmae_cli.workers import count_cores, run_in_pool

_PREPARED_SUFFIX = ".mkv"


@dataclass(frozen=True)
class RecordingList:
    """Recordings to pre-train on.

    Attributes:
        recordings: the recordings; they may turn out to be broken later.
        name: name of the dataset, for the metadata of the weight.
        licence: licence of a weight that is trained on them.
        front_end: how their faces were cut.
        skipped: clips and videos that are not among them, and why.
        speakers: who speaks in each recording; empty if that is not known.
        manifest: the list of the recordings; None without one.
        root: their folder; None for a manifest outside of a dataset.
    """

    recordings: Sequence[Recording]
    name: str
    licence: str
    front_end: str
    skipped: tuple[tuple[str, str], ...] = ()
    speakers: Sequence[str] = ()
    manifest: Path | None = None
    root: Path | None = None

    @property
    def files(self) -> list[tuple[str, tuple[Path, ...]]]:
        """(id, files) of each recording."""
        return [
            (each.id, (each.video,) if each.audio is None else (each.video, each.audio)) for each in self.recordings
        ]

    @property
    def people(self) -> list[tuple[str, str]]:
        """(speaker, id) of each recording; empty if nothing is known about speakers."""
        ids = (recording.id for recording in self.recordings)
        return list(zip(self.speakers, ids, strict=True)) if self.speakers else []


def choose_recipe(
    recipe: str | Path | None, dataset: str | None, manifest: str | Path | None, videos: str | Path | None
) -> str | Path:
    """Choose the recipe: the given one, or else that of the dataset.

    Raises:
        SettingsError: not exactly one source of recordings, an unknown dataset, or no recipe.
    """
    given = [source for source in (dataset, manifest, videos) if source is not None]
    if len(given) != 1:
        raise SettingsError(f"got {len(given)} of `dataset`, `manifest` and `videos`, expected exactly one of them")
    known = None if dataset is None else find_dataset(dataset, labelled=False)
    if recipe is not None:
        return recipe
    if known is None or not known.pretrain_recipe:
        names = " and ".join(sorted(dataset.name for dataset in list_datasets().values() if dataset.pretrain_recipe))
        raise SettingsError(
            f"got no `recipe`, which only the datasets {names} imply; expected a .toml file or a name such as "
            "pretrain-voxceleb2-tiny"
        )
    return known.pretrain_recipe


def find_recordings(
    *,
    dataset: str | None,
    root: str | Path | None,
    manifest: str | Path | None,
    videos: str | Path | None,
    fold: str | None = None,
    draw_puppets: Callable[[Path], Path] | None = None,
    on_listing: Callable[[Listing], None] = lambda _: None,
    on_video: Callable[[], None] = lambda: None,
    on_wait: Callable[[Path], None] = lambda _: None,
) -> RecordingList:
    """Find the recordings of a dataset, of a manifest, or of a folder of videos, whose faces are cut first, once.

    Args:
        dataset: name of a dataset.
        root: folder of the dataset, or of the faces that are cut.
        manifest: a list of prepared clips; labels are not read.
        videos: a folder of videos, at any depth.
        fold: the fold of the dataset or the manifest to exclude, with all clips of its people.
        draw_puppets: draws the generated corpus into a folder and returns its manifest; without it, puppets that are
            not drawn are an error.
        on_listing: called with the videos, before their faces are cut.
        on_video: called after each video.
        on_wait: called with the folder of the faces, if another process cuts faces into it and must end first.

    Raises:
        ManifestError: no recordings that can be used.
        SettingsError: an unknown dataset, VoxCeleb2 without its folder, or a fold of recordings that have none.
        DiskError: the disk is full.
    """
    root = None if root is None else Path(root)
    voxceleb2 = dataset is not None and find_dataset(dataset, labelled=False) is VOXCELEB2
    if fold is not None and (videos is not None or voxceleb2):
        raise SettingsError(f"fold={fold!r}: only a labelled dataset or a manifest has folds")
    if videos is not None:
        folder = Path(videos)
        return _cut_faces(folder, root or Path("data") / f"{folder.name}-faces", on_listing, on_video, on_wait)
    if voxceleb2:
        return _find_voxceleb2(root)
    clips = find_clips(dataset, root, manifest, draw_puppets=draw_puppets)
    found = read_unlabelled(clips.manifest, fold=fold)
    ours = all(recording.video.suffix == _PREPARED_SUFFIX for recording in found.recordings)
    front_end = OUR_FRONT_END if ours else FRAME_FOLDERS
    # A manifest of puppets is known as such, whatever its file is called.
    known = PUPPETS if clips.name == PUPPETS.name else clips.dataset
    licence = known.licence if known else "unknown"
    if root is None and clips.dataset is not None:
        root = data_home() / clips.dataset.folder
    return RecordingList(
        found.recordings,
        clips.name,
        licence,
        front_end,
        tuple(found.skipped.items()),
        speakers=found.speakers,
        manifest=clips.manifest,
        root=root,
    )


def _find_voxceleb2(root: Path | None) -> RecordingList:
    usual = data_home() / VOXCELEB2.folder
    if root is None and not usual.is_dir():
        raise SettingsError(
            f"dataset={VOXCELEB2.name!r} needs `root`, the folder that holds its mp4 and aac folders (or dev/), as "
            f"{usual} does not exist; ask for VoxCeleb2 at {VOXCELEB2.access}, or try dataset='puppets'"
        )
    found = list_recordings(root or usual)
    return RecordingList(found, VOXCELEB2.name, VOXCELEB2.licence, VOXCELEB2_FRONT_END, root=root or usual)


def _cut_faces(
    folder: Path,
    store: Path,
    on_listing: Callable[[Listing], None],
    on_video: Callable[[], None],
    on_wait: Callable[[Path], None],
) -> RecordingList:
    recordings, skipped = prepare_videos(
        folder,
        store,
        run=partial(run_in_pool, workers=count_cores()),
        on_listing=on_listing,
        on_video=on_video,
        on_wait=lambda: on_wait(store),
    )
    reasons = tuple((str(path), reason) for path, reason in skipped)
    return RecordingList(recordings, folder.name, "unknown", OUR_FRONT_END, reasons, root=store)
