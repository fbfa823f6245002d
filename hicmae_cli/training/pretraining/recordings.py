"""Find the recordings to pre-train on: of a dataset, of a manifest, or of a folder of any videos."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from hicmae_cli.clips.recording import Recording
from hicmae_cli.corpora import unlabelled
from hicmae_cli.corpora.catalogue import data_home, find_dataset, list_datasets
from hicmae_cli.corpora.clip_list import find_clips
from hicmae_cli.corpora.dataset import Dataset
from hicmae_cli.corpora.known.puppets import PUPPETS
from hicmae_cli.corpora.known.voxceleb2 import VOXCELEB2, list_recordings
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
    """

    recordings: Sequence[Recording]
    name: str
    licence: str
    front_end: str
    skipped: tuple[tuple[str, str], ...] = ()


def choose_recipe(
    recipe: str | Path | None, dataset: str | None, manifest: str | Path | None, videos: str | Path | None
) -> str | Path:
    """Choose the recipe: the given one, or else that of the dataset.

    Raises:
        SettingsError: not exactly one source of recordings, a dataset that cannot be pre-trained on, or no recipe.
    """
    given = [source for source in (dataset, manifest, videos) if source is not None]
    if len(given) != 1:
        raise SettingsError(f"got {len(given)} of `dataset`, `manifest` and `videos`, expected exactly one of them")
    known = None if dataset is None else _find_pretrainable(dataset)
    if recipe is not None:
        return recipe
    if known is None:
        raise SettingsError(
            "got no `recipe`, which only a dataset implies; expected a .toml file or a name such as "
            "pretrain-puppets-nano"
        )
    return known.pretrain_recipe


def _find_pretrainable(name: str) -> Dataset:
    """Find a dataset that has a recipe for pre-training."""
    names = sorted(dataset.name for dataset in list_datasets().values() if dataset.pretrain_recipe)
    if name.strip().lower() not in names:
        raise SettingsError(f"dataset={name!r}: expected one of {', '.join(names)}")
    return find_dataset(name, labelled=False)


def find_recordings(
    *,
    dataset: str | None,
    root: Path | None,
    manifest: Path | None,
    videos: Path | None,
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
        draw_puppets: draws the generated corpus into a folder and returns its manifest; without it, puppets that are
            not drawn are an error.
        on_listing: called with the videos, before their faces are cut.
        on_video: called after each video.
        on_wait: called with the folder of the faces, if another process cuts faces into it and must end first.

    Raises:
        ManifestError: no recordings that can be used.
        SettingsError: a dataset that cannot be pre-trained on, or VoxCeleb2 without its folder.
        DiskError: the disk is full.
    """
    if videos is not None:
        return _cut_faces(videos, root or Path("data") / f"{videos.name}-faces", on_listing, on_video, on_wait)
    if dataset is not None and _find_pretrainable(dataset) is VOXCELEB2:
        return _find_voxceleb2(root)
    clips = find_clips(dataset, root, manifest, draw_puppets=draw_puppets)
    recordings, left_out = unlabelled.from_manifest(clips.manifest)
    ours = all(recording.video.suffix == _PREPARED_SUFFIX for recording in recordings)
    front_end = OUR_FRONT_END if ours else FRAME_FOLDERS
    # A manifest of puppets is known as such, whatever its file is called.
    known = PUPPETS if clips.name == PUPPETS.name else clips.dataset
    licence = known.licence if known else "unknown"
    return RecordingList(recordings, clips.name, licence, front_end, tuple(left_out.items()))


def _find_voxceleb2(root: Path | None) -> RecordingList:
    usual = data_home() / VOXCELEB2.folder
    if root is None and not usual.is_dir():
        raise SettingsError(
            f"dataset={VOXCELEB2.name!r} needs `root`, the folder that holds its mp4 and aac folders (or dev/), as "
            f"{usual} does not exist; ask for VoxCeleb2 at {VOXCELEB2.access}, or try dataset='puppets'"
        )
    return RecordingList(list_recordings(root or usual), VOXCELEB2.name, VOXCELEB2.licence, VOXCELEB2_FRONT_END)


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
    return RecordingList(recordings, folder.name, "unknown", OUR_FRONT_END, reasons)
