"""RAVDESS: 24 actors speak two sentences in eight emotions (Livingstone & Russo 2018)."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from hicmae_cli.corpora.dataset import Dataset, Item
from hicmae_cli.corpora.published import read_published
from hicmae_cli.errors import ManifestError, one_line

_LABELS: Final = ("neutral", "calm", "happiness", "sadness", "anger", "fear", "disgust", "surprise")
_CODES: Final = {f"{number:02d}": label for number, label in enumerate(_LABELS, 1)}
_FOLDS: Final = ("1", "2", "3", "4", "5", "6")
_ACTORS_PER_FOLD: Final = 4
_NAME: Final = re.compile(
    r"(?P<modality>0[1-3])-(?P<channel>0[12])-(?P<emotion>0[1-8])-(?P<intensity>0[12])-(?P<statement>0[12])-"
    r"(?P<repetition>0[12])-(?P<actor>[01]\d|2[0-4])"
)
_SPEECH: Final = "01"  # 02 is song


def assign_fold(actor: int) -> str:
    """Return the fold that tests an actor (1 to 24): four in a row."""
    return _FOLDS[(actor - 1) // _ACTORS_PER_FOLD]


def read_sex(actor: str) -> str:
    """Return the sex of an actor: odd numbers are male, even ones female (Livingstone & Russo 2018)."""
    return "male" if int(actor) % 2 else "female"


def _list_actors(_: Path) -> dict[str, dict[str, str]]:
    return {"sex": {f"{actor:02d}": read_sex(str(actor)) for actor in range(1, 25)}}


def parse_item(name: str, video: Path, audio: Path | None) -> Item:
    """Make an item from the name of its video-only file, which is its id also where another file is used.

    Args:
        name: ``02-01-<emotion>-<intensity>-<statement>-<repetition>-<actor>``.
        video: the video-only file, or the one with sound.
        audio: the audio-only file; None if the sound is in ``video``.

    Raises:
        ManifestError: the name has another form.
    """
    fields = _parse_name(name, video)
    return Item(
        id=name,
        label=_CODES[fields["emotion"]],
        speaker=fields["actor"],
        video=video,
        audio=audio,
        fold=assign_fold(int(fields["actor"])),
        extra={key: fields[key] for key in ("intensity", "statement", "repetition")}
        | {"sex": read_sex(fields["actor"])},
    )


@dataclass(frozen=True)
class _Files:
    """The spoken files below a root, by the name of their clip's video-only file (``02-01-...``), with their folders.

    Attributes:
        whole: the files with pictures and sound, ``01-01-*.mp4``.
        video: the video-only files, ``02-01-*.mp4``.
        audio: the audio-only files, ``03-01-*.wav``.
        songs: number of sung files.
    """

    whole: dict[str, Path]
    video: dict[str, Path]
    audio: dict[str, Path]
    songs: int

    def are_published_form(self, name: str) -> bool:
        """Whether a clip has the two files that the paper uses, or no file that could take their place."""
        return (name in self.video and name in self.audio) or name not in self.whole

    @property
    def names(self) -> list[str]:
        """The clips that have any file, sorted."""
        return sorted({*self.whole, *self.video, *self.audio})


def _find_files(root: Path) -> _Files:
    files = _Files({}, {}, {}, 0)
    songs = 0
    for folder in sorted(root.glob("Actor_*")):
        for path in sorted(folder.glob("*")):
            if path.suffix not in (".mp4", ".wav") or path.name.startswith("."):
                continue
            fields = _parse_name(path.stem, path)
            if fields["channel"] != _SPEECH:
                songs += 1
                continue
            kinds = {("01", ".mp4"): files.whole, ("02", ".mp4"): files.video, ("03", ".wav"): files.audio}
            kind = kinds.get((fields["modality"], path.suffix))
            if kind is not None:
                kind.setdefault(f"02{path.stem[2:]}", folder)
    return replace(files, songs=songs)


def _list_items(root: Path) -> list[Item]:
    """List the spoken clips: pictures from the video-only files (02), sound from the audio-only files (03).

    A clip without these two is read from its file with both (01), and keeps its id: it is the same recording. A clip
    with only one of the two stays in the list, so that preparing reports the missing file.

    Raises:
        ManifestError: there are no spoken clips, but other files of RAVDESS; names them.
    """
    files = _find_files(root)
    if not files.names:
        _refuse_other_forms(root, files)
    items = []
    for name in files.names:
        if files.are_published_form(name):
            folder = files.video.get(name) or files.audio[name]
            items.append(parse_item(name, folder / f"{name}.mp4", folder / f"03{name[2:]}.wav"))
        else:
            items.append(parse_item(name, files.whole[name] / f"01{name[2:]}.mp4", None))
    return items


def _refuse_other_forms(root: Path, files: _Files) -> None:
    """Raise an error that names the files of RAVDESS that are there, if they cannot be used."""
    outside = [path for path in sorted(root.glob("**/0[123]-0[12]-*.*")) if not path.parent.name.startswith("Actor_")]
    found = [
        f"{len(paths)} {what}"
        for paths, what in ((range(files.songs), "songs"), (outside, "files outside the folders Actor_*"))
        if paths
    ]
    # Complete folders may also be one level too deep.
    deep = sorted({path.parent.parent for path in root.glob("*/**/Actor_*/*.*")})
    if deep:
        found.append(f"folders Actor_* in {deep[0]}, which may be the root")
    if found:
        raise ManifestError(
            one_line(
                f"{root}: found {' and '.join(found)}, but no spoken clip; expected 02-01-*.mp4 "
                "with 03-01-*.wav, or 01-01-*.mp4, in Actor_01 to Actor_24"
            )
        )


def _note_form(root: Path) -> list[str]:
    """Return a warning if clips are read from the files with pictures and sound, or if all clips lack one of them."""
    files = _find_files(root)
    taken = [name for name in files.names if not files.are_published_form(name)]
    if taken:
        return [
            f"took {len(taken)} of {len(files.names)} clips from 01-01-*.mp4, with the sound in them; the paper used "
            "02-01-*.mp4 and 03-01-*.wav, the same recordings in other files"
        ]
    if files.video and not files.audio:
        return [f"found {len(files.video)} video-only files (02-01-*.mp4), but none with their sound (03-01-*.wav)"]
    if files.audio and not files.video:
        return [f"found {len(files.audio)} audio-only files (03-01-*.wav), but none with their pictures (02-01-*.mp4)"]
    return []


def _parse_name(name: str, path: Path) -> dict[str, str]:
    match = _NAME.fullmatch(name)
    if match is None or match["actor"] == "00":
        raise ManifestError(
            one_line(
                f"{path}: expected a name <modality>-<channel>-<emotion 01-08>-<intensity>-<statement>-<repetition>-"
                "<actor 01-24>, two digits each; move it out of the folder"
            )
        )
    return match.groupdict()


RAVDESS: Final = Dataset(
    name="ravdess",
    title="RAVDESS",
    recorded="acted: actors say two English sentences",
    languages=("en",),
    folder="ravdess",
    task="classification",
    labels=_LABELS,
    codes=_CODES,
    folds=_FOLDS,
    fold_rule="six folds by actor: 01-04, 05-08, 09-12, 13-16, 17-20, 21-24",
    metric="uar",
    reported=("uar", "war"),
    sampling_rate=4,
    recipe="ravdess",
    items=_list_items,
    ignored=_note_form,
    actors=_list_actors,
    layout=(
        "Actor_<actor>/02-01-<emotion>-<intensity>-<statement>-<repetition>-<actor>.mp4\n"
        "Actor_<actor>/03-01-<the same>.wav\n"
        "or Actor_<actor>/01-01-<the same>.mp4, with the sound in it"
    ),
    citation=(
        "S. R. Livingstone, F. A. Russo: The Ryerson Audio-Visual Database of Emotional Speech and Song (RAVDESS). "
        "PLoS ONE 13(5), 2018"
    ),
    licence="CC BY-NC-SA 4.0",
    access="https://zenodo.org/records/1188976 (Video_Speech_Actor_*.zip and Audio_Speech_Actors_01-24.zip)",
    choices=(
        "We use speech only and ignore the songs.",
        "Where the 02-01 or the 03-01 file of a clip is missing, we use its 01-01 file, the same recording, and warn.",
        "The authors publish no script for RAVDESS. We use sampling rate 4 and 100 epochs, as for their other small "
        "corpora.",
    ),
    published=read_published("RAVDESS"),
    scores={"uar": 0.8796, "war": 0.8799},
)
