"""Read lists of unlabelled recordings for pre-training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from hicmae_cli.clips.recording import Recording
from hicmae_cli.corpora.manifest import read_manifest
from hicmae_cli.corpora.splits import find_shared_people, list_folds, split_by_fold
from hicmae_cli.errors import ManifestError


@dataclass(frozen=True)
class UnlabelledClips:
    """Clips of a manifest to pre-train on.

    Attributes:
        recordings: the clips, in the order of the manifest.
        speakers: who speaks in each of them; empty where unknown.
        skipped: reason by id of the clips that are not among them.
    """

    recordings: tuple[Recording, ...]
    speakers: tuple[str, ...]
    skipped: Mapping[str, str]


def read_unlabelled(path: Path, splits: Sequence[str] = ("train",), fold: str | None = None) -> UnlabelledClips:
    """Read the prepared clips of a manifest and ignore its labels, if any.

    The files are not checked here; pre-training skips those it cannot read.

    Args:
        path: see `read_manifest`; the columns id, video and audio are enough.
        splits: which lines to take if the column split is filled in; without it, all.
        fold: the fold to exclude, with all other clips of its people; the column split then does not count.

    Returns:
        The clips; those that lack a stream, or that show people of the excluded fold, are skipped.

    Raises:
        ManifestError: unreadable or malformed, no line of these splits, no such fold, or no clip with both streams.
    """
    samples = read_manifest(path, labelled=False, existing=False)
    skipped: dict[str, str] = {}
    if fold is not None:
        if not list_folds(samples):
            raise ManifestError(f"{path}: has no folds, because its column fold is empty; give no `fold`")
        parts = split_by_fold(samples, fold)
        tested = {*find_shared_people(parts.train, parts.test)}
        skipped |= {s.id: f"shows {s.speaker}, whom fold {fold} tests" for s in parts.train if s.speaker in tested}
        samples = [sample for sample in parts.train if sample.speaker not in tested]
    elif known := sorted({sample.split for sample in samples} - {""}):
        samples = [sample for sample in samples if sample.split in splits]
        if not samples:
            raise ManifestError(
                f"{path}: no clips of the split {' or '.join(splits)}; the manifest has {', '.join(known)}"
            )
    found: list[Recording] = []
    speakers: list[str] = []
    for sample in samples:
        if sample.video is None or sample.audio is None:
            skipped[sample.id] = f"the manifest names no {'video' if sample.video is None else 'sound'}"
        else:
            same_file = sample.audio == sample.video
            found.append(Recording(sample.id, sample.video, None if same_file else sample.audio))
            speakers.append(sample.speaker)
    if not found:
        raise ManifestError(f"{path}: pre-training needs video and sound, and none of {len(skipped)} clips has both")
    return UnlabelledClips(tuple(found), tuple(speakers), skipped)
