"""CREMA-D: 91 actors say twelve sentences in six emotions (Cao et al. 2014), and its four-class subset."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Final

from hicmae_cli.corpora.annotations import read_table
from hicmae_cli.corpora.dataset import Dataset, Item
from hicmae_cli.corpora.published import read_published
from hicmae_cli.errors import ManifestError, one_line
from hicmae_cli.labels import CREMA_D_LABELS

_CODES: Final = dict(zip(("ANG", "DIS", "FEA", "HAP", "NEU", "SAD"), CREMA_D_LABELS, strict=True))
_FIRST_ACTOR: Final = 1001
_ACTORS_PER_FOLD: Final = 18
_FOLDS: Final = ("1", "2", "3", "4", "5")
_VIDEO_SUFFIXES: Final = (".flv", ".mp4", ".mkv", ".avi")
_FOUR: Final = ("anger", "happiness", "neutral", "sadness")
_EXCLUDED: Final = {
    "1076_MTI_NEU_XX": "excluded by the paper's authors",
    "1076_MTI_SAD_XX": "excluded by the paper's authors",
    "1064_TIE_SAD_XX": "excluded by the paper's authors",
    "1064_IEO_DIS_MD": "excluded by the paper's authors",
    "1040_ITH_SAD_XX": "not in the paper's lists: its sound is distributed under another name, 1040_ITH_SAD_X.wav",
}
_ACTOR_COLUMNS: Final = ("Age", "Sex", "Race", "Ethnicity")
_MISNAMED: Final = frozenset({"1040_ITH_SAD_X"})
_NAME: Final = re.compile(
    r"(?P<actor>100[1-9]|10[1-8]\d|109[01])_(?P<sentence>[A-Z]{3})_(?P<emotion>" + "|".join(_CODES) + r")_"
    r"(?P<intensity>LO|MD|HI|XX)"
)


def assign_fold(actor: int) -> str:
    """Return the fold that tests an actor (1001 to 1091): 18 in a row each, and 19 in fold 5."""
    return _FOLDS[min((actor - _FIRST_ACTOR) // _ACTORS_PER_FOLD, len(_FOLDS) - 1)]


def _list_items(root: Path) -> list[Item]:
    """List the clips in ``VideoFlash`` (or ``video``), with their sound in ``AudioWAV``."""
    videos: dict[str, Path] = {}
    for folder in ("VideoFlash", "video"):
        for path in sorted((root / folder).glob("*")):
            if path.suffix.lower() in _VIDEO_SUFFIXES and not path.name.startswith("."):
                videos.setdefault(path.stem, path)
    actors = read_actors(root)
    sounds = {path.stem for path in (root / "AudioWAV").glob("*.wav") if not path.name.startswith(".")}
    # A clip without its video or its sound stays in the list, so that preparing reports the missing file.
    items = [
        parse_item(name, videos.get(name, root / "VideoFlash" / f"{name}.flv"), root / "AudioWAV" / f"{name}.wav")
        for name in sorted(videos.keys() | sounds)
        if name not in _EXCLUDED and name not in _MISNAMED
    ]
    return [
        replace(item, extra={**item.extra, **{column: known.get(item.speaker, "") for column, known in actors.items()}})
        for item in items
    ]


def read_actors(root: Path) -> dict[str, dict[str, str]]:
    """Read the table of actors that the dataset ships -> column (``sex``, ``age``, …) -> actor -> field.

    Raises:
        ManifestError: the table is there, but malformed.
    """
    table = root / "VideoDemographics.csv"
    if not table.is_file():
        return {}
    rows = [row for _, row in read_table(table, ("ActorID", *_ACTOR_COLUMNS))]
    return {name.lower(): {row["ActorID"]: row[name].lower() for row in rows if row[name]} for name in _ACTOR_COLUMNS}


def parse_item(name: str, video: Path, audio: Path | None) -> Item:
    """Make an item from its name, ``<actor>_<sentence>_<emotion>_<intensity>``.

    Raises:
        ManifestError: the name has another form.
    """
    match = _NAME.fullmatch(name)
    if match is None:
        raise ManifestError(
            one_line(
                f"{video}: expected a name <actor 1001-1091>_<sentence>_<{'|'.join(_CODES)}>_<LO|MD|HI|XX>; move it "
                "out of the folder"
            )
        )
    return Item(
        id=name,
        label=_CODES[match["emotion"]],
        speaker=match["actor"],
        video=video,
        audio=audio,
        fold=assign_fold(int(match["actor"])),
        extra={key: match[key] for key in ("sentence", "intensity")},
    )


def _list_four_class_items(root: Path) -> list[Item]:
    return [item for item in _list_items(root) if item.label in _FOUR]


CREMA_D: Final = Dataset(
    name="crema-d",
    title="CREMA-D",
    recorded="acted: actors say twelve English sentences",
    languages=("en",),
    folder="crema-d",
    task="classification",
    labels=CREMA_D_LABELS,
    codes=_CODES,
    folds=_FOLDS,
    fold_rule="five folds by actor: 1001-1018, 1019-1036, 1037-1054, 1055-1072, 1073-1091",
    metric="uar",
    reported=("uar", "war"),
    sampling_rate=4,
    recipe="crema-d",
    items=_list_items,
    actors=read_actors,
    layout=(
        "VideoFlash/<actor>_<sentence>_<emotion>_<intensity>.flv\n"
        "AudioWAV/<the same>.wav\n"
        "VideoDemographics.csv (optional: sex, age, race and ethnicity of the actors)"
    ),
    citation=(
        "H. Cao, D. G. Cooper, M. K. Keutmann, R. C. Gur, A. Nenkova, R. Verma: CREMA-D: Crowd-sourced Emotional "
        "Multimodal Actors Dataset. IEEE Transactions on Affective Computing 5(4), 2014"
    ),
    licence="Open Database License (ODbL) 1.0",
    access="https://github.com/CheyneyComputerScience/CREMA-D (Git LFS)",
    excluded=_EXCLUDED,
    published=read_published("CREMA-D"),
    scores={"uar": 0.8491, "war": 0.8489},
)

CREMA_D_4: Final = replace(
    CREMA_D,
    name="crema-d-4",
    title="CREMA-D, 4 classes",
    labels=_FOUR,
    codes={code: label for code, label in _CODES.items() if label in _FOUR},
    items=_list_four_class_items,
    choices=(
        "The paper does not say which folds its four-class result uses. We use the six-class folds without disgust and "
        "fear.",
        "The four labels are in the order in which the authors' code names them.",
    ),
    published=read_published("CREMA-D, 4 classes"),
    scores={"uar": 0.9400, "war": 0.9413},
)
