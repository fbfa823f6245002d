"""Write the list of prepared clips, and the list of skipped items."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hicmae_cli.corpora.dataset import Item
from hicmae_cli.corpora.manifest import HEADER, RECORDING, relative_path, write_csv
from hicmae_cli.preparing.frame_folder import FrameFolder
from hicmae_cli.preparing.jobs import CLIPS, PEOPLE, name_person
from hicmae_cli.preparing.journal import Entry
from hicmae_cli.preparing.people import KeepPeople
from hicmae_cli.preparing.sound import SOUND_SUFFIX, SoundFile
from hicmae_cli.preparing.sources import ClipSource
from hicmae_cli.preparing.still import StillFile

MEASURED: Final = ("face_coverage", "people_seen", "identity_switches")
"""Columns of a manifest that `prepare` measures."""


@dataclass(frozen=True)
class Row:
    """One clip of the manifest.

    Attributes:
        item: the item it comes from.
        id: its own id.
        video: path as the manifest writes it.
        audio: path as the manifest writes it; empty without sound.
        speaker: see `list_rows`.
        extra: further columns.
    """

    item: Item
    id: str
    video: str
    audio: str
    speaker: str
    extra: Mapping[str, str]


def list_rows(
    items: Sequence[Item],
    sources: Mapping[str, ClipSource],
    entries: Mapping[str, Entry],
    store: Path,
    keep_people: KeepPeople = "one",
) -> list[Row]:
    """List the clips of prepared items, sorted by the id of their item.

    With all people, the one seen most keeps the item's speaker; the n-th one of ``anna`` is called ``anna-p<n>``, and
    remains unknown where the speaker is. All keep the item's label, fold and split, so that the pictures and the sound
    of one recording are never in training and test.

    Args:
        items: the items.
        sources: their sources by id.
        entries: their results by id.
        store: the folder of the manifest.
        keep_people: which people have clips.
    """
    rows = []
    for item in sorted(items, key=lambda item: item.id):
        source, entry = sources[item.id], entries[item.id]
        facts = entry.facts
        assert facts is not None
        measured = (facts.face_coverage, facts.people_seen, facts.identity_switches)
        extra = {**item.extra, **dict(zip(MEASURED, map(_format, measured), strict=True))}
        if isinstance(source, FrameFolder):
            video, audio = relative_path(source.folder, store), relative_path(source.sound, store)
            rows.append(Row(item, item.id, video, audio, item.speaker, extra))
            continue
        if isinstance(source, SoundFile):
            audio = f"{CLIPS}/{item.id}{SOUND_SUFFIX}"
            rows.append(Row(item, item.id, "", audio, item.speaker, extra))
            continue
        if isinstance(source, StillFile):
            rows.append(Row(item, item.id, f"{CLIPS}/{item.id}{source.suffix}", "", item.speaker, extra))
            continue
        if keep_people == "one":
            video = f"{CLIPS}/{item.id}.mkv"
            rows.append(Row(item, item.id, video, video if facts.sound_s else "", item.speaker, extra))
            continue
        coverages = (facts.face_coverage, *(other.face_coverage for other in entry.others))
        for number, coverage in enumerate(coverages, start=1):
            id_ = name_person(item.id, number)
            video = f"{PEOPLE}/{id_}.mkv"
            speaker = item.speaker if number == 1 or not item.speaker else name_person(item.speaker, number)
            own = {**extra, "face_coverage": _format(coverage), RECORDING: item.id}
            rows.append(Row(item, id_, video, video if facts.sound_s else "", speaker, own))
    return rows


def write_manifest(path: Path, rows: Sequence[Row]) -> None:
    """Write the list of clips: the columns of any manifest, those of the dataset, and the measured ones."""
    names = {name for row in rows for name in row.extra}
    added = [name for name in (*MEASURED, RECORDING) if name in names]
    extra = [*sorted(names - {*HEADER, *added}), *added]
    write_csv(
        path,
        (*HEADER, *extra),
        [
            (
                row.id,
                row.video,
                row.audio,
                row.item.label,
                row.item.fold,
                row.item.split,
                row.speaker,
                *(row.extra.get(name, "") for name in extra),
            )
            for row in rows
        ],
    )


def _format(value: float | int | None) -> str:
    if value is None:
        return ""
    return f"{value:.4f}" if isinstance(value, float) else str(value)
