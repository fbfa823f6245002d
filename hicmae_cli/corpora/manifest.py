"""Lists of clips: our CSV manifests, and the authors' annotation lines as they are."""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from hicmae_cli.corpora.values import Target, parse_targets, parse_values
from hicmae_cli.errors import ManifestError, first_line
from hicmae_cli.files import write_text_atomically
from hicmae_cli.labels import canonical_label, is_label
from hicmae_cli.tasks import JOINT, Kind

ALL_FOLDS = "all"
"""Stands for all folds, one after the other; no fold has this name."""
FOLD_NAME = re.compile(rf"(?!{ALL_FOLDS}$)[A-Za-z0-9_-]+")
HEADER = ("id", "video", "audio", "label", "fold", "split", "speaker")
SPLITS = ("train", "validation", "val", "test")
"""The words of the column ``split``; ``val`` is short for validation."""
RECORDING = "recording"
"""Column with the recording that a person's clip comes from; clips of one recording have the same sound."""
CUE = "aux_"
"""Start of the columns with cues of a clip, to learn beside its label; see ``preparing.cues``."""
FACE_CUE = f"{CUE}face_"
"""Start of those that only a clip with faces has."""
VOICE_CUE = f"{CUE}voice_"
"""Start of those that only a clip with sound has."""
_MAX_LISTED = 5
_MAX_LABEL_DIGITS = 6


@dataclass(frozen=True)
class Sample:
    """One clip of a manifest.

    Attributes:
        id: unique name.
        video: prepared clip or folder of face pictures; None without faces.
        audio: prepared clip or sound file; None without sound.
        target: the class, the set of labels, or the values of a regression in the order of its targets.
        fold: the fold that tests the clip; empty without folds.
        split: ``train``, ``validation``, ``val`` or ``test``; may be empty.
        speaker: who speaks; empty where unknown.
        extra: the other columns of the manifest.
    """

    id: str
    video: Path | None
    audio: Path | None
    target: Target
    fold: str = ""
    split: str = ""
    speaker: str = ""
    extra: dict[str, str] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """The class of a clip that has one.

        Raises:
            TypeError: the clip has a set of labels, or the values of a regression.
        """
        if not isinstance(self.target, str):
            raise TypeError(f"clip {self.id}: expected a class, got {self.target}")
        return self.target

    @property
    def labels(self) -> frozenset[str]:
        """The labels of a clip: its class, or its set of labels.

        Raises:
            TypeError: the clip has the values of a regression.
        """
        if isinstance(self.target, frozenset):
            return self.target
        return frozenset({self.label})

    def has_stream(self, modality: str) -> bool:
        """Whether the list names a file for a modality: ``av`` (any of the two streams), ``video`` or ``audio``."""
        if modality == "av":
            return True
        return (self.video if modality == "video" else self.audio) is not None


def list_files(samples: Iterable[Sample]) -> list[tuple[str, tuple[Path, ...]]]:
    """List (id, files) of clips; a file that holds both streams is named once."""
    return [
        (sample.id, tuple(dict.fromkeys(path for path in (sample.video, sample.audio) if path is not None)))
        for sample in samples
    ]


def write_csv(path: Path, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Write a table as CSV; it appears whole or not at all."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    write_text_atomically(path, out.getvalue())


def relative_path(path: Path, folder: Path) -> str:
    """Return the path of a file as a manifest in a folder writes it: relative if it is inside, else absolute."""
    path, folder = path.resolve(), folder.resolve()
    return (path.relative_to(folder) if path.is_relative_to(folder) else path).as_posix()


def describe_fault(sample: Sample, error: Exception) -> str:
    """Describe what is wrong with a clip, in one line that names a file of the clip."""
    text = first_line(error)
    files = [str(file) for file in (sample.video, sample.audio) if file is not None]
    return text if any(file in text for file in files) else f"{', '.join(dict.fromkeys(files))}: {text}"


def read_manifest(
    path: str | Path,
    labels: Sequence[str] | None = None,
    *,
    labelled: bool = True,
    existing: bool = True,
    codes: Mapping[str, str] | None = None,
    strict: bool = False,
    task: Kind = "classification",
) -> list[Sample]:
    """Read a manifest; relative paths are relative to the file and must stay below its folder.

    Args:
        path: a CSV with the header ``id,video,audio,label,fold,split,speaker,…``, or the authors' lines
            ``<frame folder> <wav> <label>`` without a header; a regression has several numbers as the label.
        labels: the class names that whole-number labels stand for, in order; without them numbers are refused. For a
            regression, the names of its targets.
        labelled: whether every clip needs a label; if not, the column may be missing, and labels stay as they are.
        existing: whether the files must exist.
        codes: a dataset's own codes for labels, in any case -> names; the authors' lines hold numbers, not codes.
        strict: whether every label must be one of ``labels``.
        task: what the label column holds: a class, a set of labels joined by ``+`` (``multilabel``), or numbers with
            spaces between them, one for each of ``labels`` (``regression``).

    Returns:
        The clips in the order of the lines. Their ``target`` is a text, for ``multilabel`` a frozenset of texts, and
        for ``regression`` a tuple of numbers.

    Raises:
        ManifestError: the file is unreadable or malformed, or names files that do not exist; says on which line.
    """
    path = Path(path)
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(f"{path}: cannot read the manifest: {error}") from error
    lines = text.splitlines()
    known = {code.lower(): name for code, name in (codes or {}).items()}
    if lines and "," in lines[0] and lines[0].split(",")[0].strip() == "id":
        found = _read_csv(path, lines, HEADER[: 4 if labelled else 3])
    else:
        known = {}
        found = _make_ids_unique(
            [(number, _read_authors_line(path, number, line)) for number, line in enumerate(lines, 1) if line.strip()]
        )
    if not found:
        raise ManifestError(f"{path}: the manifest holds no clips")
    first: dict[str, int] = {}
    for number, sample in found:
        if first.setdefault(sample.id, number) != number:
            raise ManifestError(
                f"{path}, line {number}: the id {sample.id!r} is also that of line {first[sample.id]}; every clip "
                "needs its own"
            )
        if sample.fold and not FOLD_NAME.fullmatch(sample.fold):
            raise ManifestError(
                f"{path}, line {number}: the fold {sample.fold!r} names a folder of its run; use letters, digits, - "
                "and _"
            )
    named = [
        replace(sample, target=_read_target(f"{path}, line {number}", sample.label, labels, known, strict, task))
        if labelled
        else sample
        for number, sample in found
    ]
    if existing:
        _check_files_exist(path, found)
    return named


def _check_files_exist(path: Path, found: Sequence[tuple[int, Sample]]) -> None:
    lines = {file: number for number, s in reversed(found) for file in (s.video, s.audio) if file is not None}
    missing = sorted((number, str(file)) for file, number in lines.items() if not file.exists())
    if missing:
        more = f" and {len(missing) - _MAX_LISTED} more" if len(missing) > _MAX_LISTED else ""
        names = ", ".join(f"{name} (line {number})" for number, name in missing[:_MAX_LISTED])
        raise ManifestError(f"{path}: {len(missing)} files are missing: {names}{more}")


def _read_csv(path: Path, lines: list[str], needed: Sequence[str]) -> list[tuple[int, Sample]]:
    reader = csv.DictReader(lines)
    try:
        header = reader.fieldnames or ()
    except csv.Error as error:  # a field of more than 128 KiB; up to Python 3.10 also a NUL
        raise ManifestError(f"{path}, line 1: is not a line of a CSV file ({error})") from error
    absent = [name for name in needed if name not in header]
    if absent:
        raise ManifestError(f"{path}: the header lacks {', '.join(absent)}; expected {','.join(HEADER)}")
    found = []
    for row in _read_rows(path, reader):
        where = f"{path}, line {reader.line_num}"
        if None in row or None in row.values():
            fewer = "fewer" if None in row.values() else "more"
            raise ManifestError(f"{where}: expected {len(header)} fields, got {fewer}")
        sample = Sample(
            id=row["id"],
            video=_resolve(path, row["video"], where),
            audio=_resolve(path, row["audio"], where),
            target=row.get("label", ""),
            fold=row.get("fold", ""),
            split=row.get("split", ""),
            speaker=row.get("speaker", ""),
            extra={key: value for key, value in row.items() if key not in HEADER},
        )
        if sample.video is None and sample.audio is None:
            raise ManifestError(f"{where}: neither a video nor an audio file")
        found.append((reader.line_num, sample))
    return found


def _read_rows(path: Path, reader: csv.DictReader[str]) -> Iterator[dict[str, str]]:
    try:
        yield from reader
    except csv.Error as error:
        line = reader.line_num + 1  # the reader counts the lines before the faulty one
        raise ManifestError(f"{path}, line {line}: is not a line of a CSV file ({error})") from error


def _read_authors_line(path: Path, number: int, line: str) -> Sample:
    parts = line.split()
    where = f"{path}, line {number}"
    if len(parts) < 3 or (len(parts) > 3 and parse_values(" ".join(parts[2:])) is None):
        raise ManifestError(
            f"{where}: expected `<frame folder> <wav> <label>` or a CSV with the header {','.join(HEADER)}, "
            f"got {line[:80]!r}"
        )
    frames, wav, *label = parts
    return Sample(Path(frames).name, _resolve(path, frames, where), _resolve(path, wav, where), " ".join(label))


def _make_ids_unique(found: list[tuple[int, Sample]]) -> list[tuple[int, Sample]]:
    """Give ids to the authors' lines, which have none: the folder's name if unique, else its path, else a number."""
    for make_id in (lambda n, s: s.id, lambda n, s: str(s.video), lambda n, s: f"{s.video} ({n})"):
        ids = [make_id(number, sample) for number, sample in found]
        if len(set(ids)) == len(ids):
            break
    return [(number, replace(sample, id=name)) for (number, sample), name in zip(found, ids, strict=True)]


def _resolve(manifest: Path, name: str, where: str) -> Path | None:
    """Resolve a path of a line; a relative one must not leave the manifest's folder."""
    if not name.strip():
        return None
    if "\0" in name:
        raise ManifestError(f"{where}: {name!r} is not a path")
    if not Path(name).is_absolute() and Path(os.path.normpath(name)).parts[:1] == ("..",):
        raise ManifestError(
            f"{where}: {name} leads out of the manifest's folder; move the manifest, or write an absolute path"
        )
    return manifest.parent / name


def _read_target(
    where: str, text: str, labels: Sequence[str] | None, codes: Mapping[str, str], strict: bool, task: Kind
) -> Target:
    if task == "regression":
        values = parse_values(text) if labels is None else parse_targets(text, labels, where)
        if values is None:
            raise ManifestError(f"{where}: expected numbers with spaces between them as the label, got {text!r}")
        return values
    if task == "classification":
        return _read_label(where, text, labels, codes, strict)
    parts = [part for part in text.split(JOINT) if part.strip()]
    names = {_read_label(where, part, labels, codes, strict) for part in parts}
    if not names or len(names) <= text.count(JOINT):
        raise ManifestError(f"{where}: expected different labels joined by {JOINT}, such as anger+fear, got {text!r}")
    return frozenset(names)


def _read_label(where: str, text: str, labels: Sequence[str] | None, codes: Mapping[str, str], strict: bool) -> str:
    coded = codes.get(text.strip().lower())
    if text.strip().isdecimal() and len(text) <= _MAX_LABEL_DIGITS:
        numbered = labels[int(text)] if labels is not None and int(text) < len(labels) else None
        if coded is not None and numbered not in (None, coded):
            raise ManifestError(
                f"{where}: the label {text} is the dataset's code for {coded} and also the number of {numbered}; "
                "write the name"
            )
        if coded is None and numbered is None:
            known = "no label names were given" if labels is None else f"there are {len(labels)} labels"
            raise ManifestError(f"{where}: the label is the number {text}, but {known}")
        return coded or numbered or ""
    name = coded or canonical_label(text)
    if name and not is_label(name):
        raise ManifestError(f"{where}: the label {text[:100]!r} is not printable text of at most 64 characters")
    if strict and labels is not None and name not in labels:
        raise ManifestError(f"{where}: the label {text!r} is not one of {', '.join(labels)}")
    return name
