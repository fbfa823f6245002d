"""Add facial and vocal cues to a list of prepared clips, as targets that a training can learn beside the labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hicmae_cli.clips.prepared import read_prepared_clip
from hicmae_cli.corpora.manifest import (
    FACE_CUE,
    HEADER,
    VOICE_CUE,
    Sample,
    describe_fault,
    read_manifest,
    relative_path,
    write_csv,
)
from hicmae_cli.errors import HicmaeError, ManifestError, MediaError, SettingsError, first_line, one_line
from hicmae_cli.faces.nets import load_nets
from hicmae_cli.preparing.face_cues import FACE_CUES, measure_face_cues, pick_faces
from hicmae_cli.preparing.findings import LISTED
from hicmae_cli.preparing.voice_cues import VOICE_CUES, measure_voice_cues
from hicmae_cli.workers import Outcomes, Report, Work, WorkerDiedError, count_cores, run_here, run_in_pool

if TYPE_CHECKING:
    from rich.console import RenderableType

COLUMNS: Final = tuple([f"{FACE_CUE}{name}" for name in FACE_CUES] + [f"{VOICE_CUE}{name}" for name in VOICE_CUES])
"""The columns that `measure_cues` writes, in their order."""


@dataclass(frozen=True)
class UnreadableClip:
    """A clip whose files cannot be read, and the cause in words."""

    id: str
    cause: str


@dataclass(frozen=True)
class MeasuredCues:
    """The result of `measure_cues`; it prints itself.

    Attributes:
        manifest: the list with the cues.
        clips: number of clips in it.
        faces: number of clips with cues of the face.
        voices: number of clips with cues of the voice.
        faceless: ids of clips in whose pictures no face can be read.
        voiceless: ids of clips whose sound is silent or shorter than 0.2 s.
        unreadable: clips whose files cannot be read; they have no cues.
    """

    manifest: Path
    clips: int
    faces: int
    voices: int
    faceless: tuple[str, ...] = ()
    voiceless: tuple[str, ...] = ()
    unreadable: tuple[UnreadableClip, ...] = ()

    def list_notes(self) -> list[str]:
        """Return a line about each unreadable clip, up to a limit, and one about each kind of missing cue."""
        notes = [one_line(f"no cues of {clip.id}: {clip.cause}") for clip in self.unreadable[:LISTED]]
        if len(self.unreadable) > LISTED:
            notes.append(f"{len(self.unreadable)} of {self.clips} clips cannot be read")
        kinds = (("no face can be read", self.faceless), ("the sound is silent or too short", self.voiceless))
        for fault, ids in kinds:
            if ids:
                more = ", …" if len(ids) > LISTED else ""
                notes.append(one_line(f"clips in which {fault}: {len(ids)} ({', '.join(ids[:LISTED])}{more})"))
        return notes

    def __str__(self) -> str:
        return "\n".join([*self.list_notes(), f"{self.clips} clips{self._describe()}"])

    def __rich__(self) -> RenderableType:
        from rich.console import Group
        from rich.text import Text

        done = Text.assemble((f"{self.clips} clips", "green"), self._describe())
        return Group(*(Text(note, "yellow") for note in self.list_notes()), done)

    def _describe(self) -> str:
        return f" are listed in {self.manifest}: {self.faces} with cues of the face, {self.voices} of the voice"


@dataclass(frozen=True)
class _Reading:
    """The cues of one clip, or the cause why it cannot be read."""

    face: Mapping[str, float]
    voice: Mapping[str, float]
    cause: str = ""


_Runner = Callable[[Sequence[Sample], Work[Sample, _Reading]], Outcomes[Sample, _Reading]]


def measure_cues(
    manifest: str | Path,
    output: str | Path,
    *,
    workers: int | None = None,
    on_start: Callable[[int], None] = lambda _: None,
    on_clip: Callable[[], None] = lambda: None,
) -> MeasuredCues:
    """Measure cues in the faces and the sound of prepared clips, and write a copy of their list with them.

    The new columns are ``aux_face_`` and a name of `FACE_CUES`, and ``aux_voice_`` and one of `VOICE_CUES`. A field is
    empty where the clip lacks the stream, or where nothing can be read from it. Columns of these names in the list are
    replaced; other columns are kept.

    Args:
        manifest: a list of prepared clips; labels are not needed.
        output: the ``.csv`` to write; it appears whole or not at all.
        workers: number of processes; 0 for this process, None for one process per core.
        on_start: called with the number of clips.
        on_clip: called after each of them.

    Raises:
        SettingsError: a number of processes below 0, or an output that is the list itself.
        ManifestError: the list cannot be read, or the output cannot be written.
        WeightsError: a net's file is missing or damaged.
    """
    manifest, output = Path(manifest), Path(output)
    if workers is not None and workers < 0:
        raise SettingsError(f"got workers={workers}, expected 0 or more")
    if output.resolve() == manifest.resolve():
        raise SettingsError(f"output={str(output)!r}: is the list itself; choose another file")
    samples = read_manifest(manifest, labelled=False)
    if any(sample.video is not None for sample in samples):
        load_nets(blendshapes=True)
    run: _Runner = run_here if workers == 0 else partial(run_in_pool, workers=workers or count_cores())
    on_start(len(samples))
    readings: dict[str, _Reading] = {}
    with closing(run(samples, _measure)) as outcomes:
        for sample, outcome in outcomes:
            if isinstance(outcome, WorkerDiedError):
                outcome = _Reading({}, {}, describe_fault(sample, outcome))
            readings[sample.id] = outcome
            on_clip()
    _write(output, samples, readings)
    return _summarise(output, samples, readings)


def _measure(sample: Sample, report: Report) -> _Reading:
    try:
        clip = read_prepared_clip(sample.video, sample.audio)
        face = measure_face_cues(pick_faces(clip))
        voice = {} if clip.samples is None else measure_voice_cues(clip.samples)
    except MediaError as error:
        return _Reading({}, {}, describe_fault(sample, error))
    except HicmaeError:
        raise
    except Exception as error:  # a library failed on an unusual file, or memory ran out
        return _Reading({}, {}, describe_fault(sample, MediaError(f"{type(error).__name__}: {first_line(error)}")))
    return _Reading(face, voice)


def _summarise(output: Path, samples: Sequence[Sample], readings: Mapping[str, _Reading]) -> MeasuredCues:
    read = [sample for sample in samples if not readings[sample.id].cause]
    return MeasuredCues(
        manifest=output,
        clips=len(samples),
        faces=sum(bool(reading.face) for reading in readings.values()),
        voices=sum(bool(reading.voice) for reading in readings.values()),
        faceless=tuple(s.id for s in read if s.video is not None and not readings[s.id].face),
        voiceless=tuple(s.id for s in read if s.audio is not None and not readings[s.id].voice),
        unreadable=tuple(
            UnreadableClip(sample.id, readings[sample.id].cause) for sample in samples if readings[sample.id].cause
        ),
    )


def _write(output: Path, samples: Sequence[Sample], readings: Mapping[str, _Reading]) -> None:
    kept = [name for name in dict.fromkeys(name for s in samples for name in s.extra) if name not in COLUMNS]
    rows = []
    for sample in samples:
        reading = readings[sample.id]
        cues = {**reading.face, **reading.voice}
        rows.append(
            (
                sample.id,
                *("" if file is None else relative_path(file, output.parent) for file in (sample.video, sample.audio)),
                str(sample.target),
                sample.fold,
                sample.split,
                sample.speaker,
                *(sample.extra.get(name, "") for name in kept),
                *(f"{cues[name]:.6g}" if name in cues else "" for name in (*FACE_CUES, *VOICE_CUES)),
            )
        )
    try:
        write_csv(output, (*HEADER, *kept, *COLUMNS), rows)
    except OSError as error:
        raise ManifestError(f"{output}: cannot be written ({error.strerror}); choose another file") from error
