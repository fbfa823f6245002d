"""Werewolf-XL: players of 30 games of Werewolf, rated for arousal, valence and dominance (Zhang et al. 2021)."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Final

from hicmae_cli.corpora.annotations import make_fault, quote, read_table
from hicmae_cli.corpora.dataset import Dataset, Item
from hicmae_cli.corpora.published import read_published
from hicmae_cli.errors import ManifestError, one_line

_TARGETS: Final = ("arousal", "valence", "dominance")
_FOLDS: Final = ("1", "2", "3", "4", "5")
_GAMES_PER_FOLD: Final = 6
_VIDEO_SUFFIXES: Final = (".mp4", ".avi", ".mkv", ".mov")
_ID: Final = re.compile(r"(?P<game>0[1-9]|[12]\d|30)_(?P<player>0[1-9])_\d+")
_FILE: Final = "labels.csv"
_NAME: Final = "VideoName"
# The dataset's own tables call the targets Mean_A_…, Mean_P_… (pleasure) and Mean_D_…, after the raters.
_COLUMNS: Final = {
    "arousal": re.compile(r"arousal.*|mean_a_.*", re.IGNORECASE),
    "valence": re.compile(r"valence.*|pleasure.*|mean_[pv]_.*", re.IGNORECASE),
    "dominance": re.compile(r"dominance.*|mean_d_.*", re.IGNORECASE),
}


def assign_fold(game: int) -> str:
    """Return the fold that tests a game (1 to 30): six in a row."""
    return _FOLDS[(game - 1) // _GAMES_PER_FOLD]


def _list_items(root: Path) -> list[Item]:
    """List the clips that ``labels.csv`` names, with their three ratings."""
    path = root / _FILE
    folder = root / "Speaker_Video"
    videos = {
        video.stem: video
        for video in sorted(folder.rglob("*.*"))
        if video.suffix.lower() in _VIDEO_SUFFIXES and not video.name.startswith(".")
    }
    items: dict[str, Item] = {}
    columns: tuple[str, ...] = ()
    for line, row in read_table(path, (_NAME,)):
        columns = columns or _find_target_columns(path, row)
        id_ = row[_NAME].removesuffix(".mp4")
        match = _ID.fullmatch(id_)
        if match is None:
            raise make_fault(path, line, f"expected a clip <game 01-30>_<player 01-09>_<number>, got {quote(id_)}")
        if id_ in items:
            raise make_fault(path, line, f"{id_} occurs twice")
        items[id_] = Item(
            id=id_,
            label=" ".join(_read_rating(path, line, column, row[column]) for column in columns),
            speaker=f"{match['game']}_{match['player']}",
            video=videos.get(id_, folder / f"{id_}.mp4"),
            fold=assign_fold(int(match["game"])),
        )
    if not items:
        raise ManifestError(one_line(f"{path}: lists no clips"))
    return [items[id_] for id_ in sorted(items)]


def _find_target_columns(path: Path, row: dict[str, str]) -> tuple[str, ...]:
    """Return the column of each target."""
    chosen = []
    for target in _TARGETS:
        names = [name for name in row if _COLUMNS[target].fullmatch(name)]
        if len(names) != 1:
            raise make_fault(path, 1, f"expected one column of {target}, got {', '.join(names) or 'none'}")
        chosen += names
    return tuple(chosen)


def _read_rating(path: Path, line: int, column: str, text: str) -> str:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise make_fault(path, line, f"{column} is {quote(text)}, expected a number")
    return repr(value)


WEREWOLF_XL: Final = Dataset(
    name="werewolf-xl",
    title="Werewolf-XL",
    recorded="spontaneous: people play a game, Werewolf",
    folder="werewolf-xl",
    task="regression",
    labels=_TARGETS,
    codes={},
    folds=_FOLDS,
    fold_rule="five folds by game: 1-6, 7-12, 13-18, 19-24, 25-30",
    metric="ccc",
    reported=("pcc", "ccc"),
    sampling_rate=3,
    recipe="werewolf-xl",
    items=_list_items,
    layout=(
        "Speaker_Video/<game>_<player>_<number>.mp4\n"
        "labels.csv (header VideoName, one column each of arousal, valence or pleasure, dominance)"
    ),
    citation=(
        "K. Zhang, X. Wu, X. Xie, X. Zhang, H. Zhang, X. Chen, L. Sun: Werewolf-XL: A Database for Identifying "
        "Spontaneous Affect in Large Competitive Group Interactions. IEEE Transactions on Affective Computing, "
        "2021"
    ),
    licence="academic research; ask the authors of the dataset",
    access="https://github.com/Xinda-Wu/Werewolf-XL-Baseline",
    choices=(
        "The paper's lists do not name their three columns. Their steps and correlations, and the order of the paper's "
        "table, suggest arousal, valence, dominance.",
        "Save the release's table of ratings as labels.csv (UTF-8, with a header). If it holds several means over "
        "raters, choose which one to keep. Ratings are used as they are, without normalization.",
        "The script starts four processes of 32 clips but makes only two GPUs visible. We use 64 clips per step.",
        "Some people play in several games, so folds by game do not fully separate people. Here a speaker is a player "
        "of one game.",
    ),
    published=read_published("Werewolf-XL"),
    scores={
        "pcc_arousal": 0.3374,
        "pcc_valence": 0.6923,
        "pcc_dominance": 0.4066,
        "ccc_arousal": 0.3185,
        "ccc_valence": 0.6481,
        "ccc_dominance": 0.3754,
    },
    frames_suffix="_aligned",
)
