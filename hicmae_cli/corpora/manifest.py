"""Lists of clips: our CSV manifests, and the authors' annotation lines as they are."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from hicmae_cli.errors import ManifestError
from hicmae_cli.labels import canonical_label

HEADER = ("id", "video", "audio", "label", "fold", "split", "speaker")
_LISTED = 5


@dataclass(frozen=True)
class Sample:
    """One line of a manifest; ``extra`` holds the columns beyond the contract's seven."""

    id: str
    video: Path | None
    audio: Path | None
    label: str
    fold: str = ""
    split: str = ""
    speaker: str = ""
    extra: dict[str, str] = field(default_factory=dict)


def read_manifest(
    path: Path, labels: Sequence[str] | None = None, *, labelled: bool = True, existing: bool = True
) -> list[Sample]:
    """Read a manifest; relative paths are relative to the file.

    Args:
        path: a CSV with the header ``id,video,audio,label,fold,split,speaker,…``, or the authors' lines
            ``<frame folder> <wav> <label>`` without a header.
        labels: names that whole-number labels stand for, in order; without them a number is refused.
        labelled: whether labels are needed; if not, their column may be absent, and they are left as they are.
        existing: whether the files must be there.

    Raises:
        ManifestError: unreadable, malformed, or names files that are not there; says on which line.
    """
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(f"{path}: cannot read the manifest: {error}") from error
    lines = text.splitlines()
    if lines and "," in lines[0] and lines[0].split(",")[0].strip() == "id":
        samples = _read_csv(path, lines, HEADER[: 4 if labelled else 3])
    else:
        samples = _told_apart(
            [_authors_line(path, number, line) for number, line in enumerate(lines, 1) if line.strip()]
        )
    if not samples:
        raise ManifestError(f"{path}: the manifest holds no clips")
    named = [_name_label(path, sample, labels) for sample in samples] if labelled else samples
    files = {p for s in named for p in (s.video, s.audio) if p is not None} if existing else set()
    missing = sorted(str(p) for p in files if not p.exists())
    if missing:
        more = f" and {len(missing) - _LISTED} more" if len(missing) > _LISTED else ""
        raise ManifestError(f"{path}: {len(missing)} files are missing: {', '.join(missing[:_LISTED])}{more}")
    repeated = len(named) - len({sample.id for sample in named})
    if repeated:
        raise ManifestError(f"{path}: {repeated} ids occur more than once; every clip needs its own")
    return named


def _read_csv(path: Path, lines: list[str], needed: Sequence[str]) -> list[Sample]:
    reader = csv.DictReader(lines)
    absent = [name for name in needed if name not in (reader.fieldnames or ())]
    if absent:
        raise ManifestError(f"{path}: the header lacks {', '.join(absent)}; expected {','.join(HEADER)}")
    samples = []
    for row in _rows(path, reader):
        if None in row or None in row.values():
            raise ManifestError(
                f"{path}, line {reader.line_num}: expected {len(reader.fieldnames or ())} fields"
            )
        samples.append(
            Sample(
                id=row["id"],
                video=_relative(path, row["video"]),
                audio=_relative(path, row["audio"]),
                label=row.get("label", ""),
                fold=row.get("fold", ""),
                split=row.get("split", ""),
                speaker=row.get("speaker", ""),
                extra={key: value for key, value in row.items() if key not in HEADER},
            )
        )
        if samples[-1].video is None and samples[-1].audio is None:
            raise ManifestError(f"{path}, line {reader.line_num}: neither a video nor an audio file")
    return samples


def _rows(path: Path, reader: csv.DictReader[str]) -> Iterator[dict[str, str]]:
    try:
        yield from reader
    except csv.Error as error:
        line = reader.line_num + 1  # of the line that could not be read
        raise ManifestError(f"{path}, line {line}: is not a line of a CSV file ({error})") from error


def _authors_line(path: Path, number: int, line: str) -> Sample:
    parts = line.split()
    if len(parts) != 3:
        raise ManifestError(
            f"{path}, line {number}: expected `<frame folder> <wav> <label>` or a CSV with the header "
            f"{','.join(HEADER)}, got {line[:80]!r}"
        )
    frames, wav, label = parts
    return Sample(Path(frames).name, _relative(path, frames), _relative(path, wav), label)


def _told_apart(samples: list[Sample]) -> list[Sample]:
    """The authors' lines carry no ids: their folder's name where it is enough, else the whole path, else a count."""
    for make_id in (lambda n, s: s.id, lambda n, s: str(s.video), lambda n, s: f"{s.video} ({n})"):
        ids = [make_id(number, sample) for number, sample in enumerate(samples, 1)]
        if len(set(ids)) == len(ids):
            break
    return [replace(sample, id=name) for sample, name in zip(samples, ids, strict=True)]


def _relative(manifest: Path, name: str) -> Path | None:
    return manifest.parent / name if name.strip() else None


def _name_label(path: Path, sample: Sample, labels: Sequence[str] | None) -> Sample:
    if not sample.label.isdigit():
        return Sample(**{**sample.__dict__, "label": canonical_label(sample.label)})
    if labels is None or int(sample.label) >= len(labels):
        known = "no label names were given" if labels is None else f"there are {len(labels)} labels"
        raise ManifestError(f"{path}: clip {sample.id} has the label number {sample.label}, but {known}")
    return Sample(**{**sample.__dict__, "label": labels[int(sample.label)]})
