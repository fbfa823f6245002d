"""Read lists of unlabelled recordings for pre-training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hicmae_cli.clips.recording import Recording
from hicmae_cli.corpora.manifest import read_manifest
from hicmae_cli.errors import ManifestError


def from_manifest(path: Path, splits: Sequence[str] = ("train",)) -> tuple[list[Recording], dict[str, str]]:
    """Read the prepared clips of a manifest and ignore its labels, if any.

    The files are not checked here; pre-training skips those it cannot read.

    Args:
        path: see `read_manifest`; the columns id, video and audio are enough.
        splits: which lines to take if the column split is filled in; without it, all.

    Returns:
        Recordings in the order of the manifest, and {id: reason} of clips that are skipped because they lack a stream.

    Raises:
        ManifestError: unreadable or malformed, no line of these splits, or no clip with both streams.
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
            same_file = sample.audio == sample.video
            found.append(Recording(sample.id, sample.video, None if same_file else sample.audio))
    if not found:
        raise ManifestError(f"{path}: pre-training needs video and sound, and none of {len(skipped)} clips has both")
    return found, skipped
