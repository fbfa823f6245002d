"""RAVDESS: 24 actors speak two sentences in eight emotions (Livingstone & Russo 2018)."""

from __future__ import annotations

import re
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
    """Make an item from the name of its video-only file.

    Args:
        name: ``02-01-<emotion>-<intensity>-<statement>-<repetition>-<actor>``.
        video: the video-only file.
        audio: the audio-only file.

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


def _list_items(root: Path) -> list[Item]:
    """List the spoken clips: pictures from the video-only files (02), sound from the audio-only files (03)."""
    found: dict[str, Path] = {}  # name of the video-only file -> folder
    for folder in sorted(root.glob("Actor_*")):
        for path in sorted(folder.glob("*")):
            if path.suffix not in (".mp4", ".wav") or path.name.startswith("."):
                continue
            fields = _parse_name(path.stem, path)
            if fields["channel"] == _SPEECH and fields["modality"] in ("02", "03"):
                found.setdefault(f"02{path.stem[2:]}", folder)
    # A clip without its video or its sound stays in the list, so that preparing reports the missing file.
    return [
        parse_item(name, folder / f"{name}.mp4", folder / f"03{name[2:]}.wav") for name, folder in sorted(found.items())
    ]


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
    actors=_list_actors,
    layout=(
        "Actor_<actor>/02-01-<emotion>-<intensity>-<statement>-<repetition>-<actor>.mp4\n"
        "Actor_<actor>/03-01-<the same>.wav"
    ),
    citation=(
        "S. R. Livingstone, F. A. Russo: The Ryerson Audio-Visual Database of Emotional Speech and Song (RAVDESS). "
        "PLoS ONE 13(5), 2018"
    ),
    licence="CC BY-NC-SA 4.0",
    access="https://zenodo.org/records/1188976 (Video_Speech_Actor_*.zip and Audio_Speech_Actors_01-24.zip)",
    choices=(
        "We use speech only and ignore the songs.",
        "The authors publish no script for RAVDESS. We use sampling rate 4 and 100 epochs, as for their other small "
        "corpora.",
    ),
    published=read_published("RAVDESS"),
    scores={"uar": 0.8796, "war": 0.8799},
)
