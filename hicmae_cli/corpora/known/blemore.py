"""BlEmoRe: actors show single emotions and blends of two, with their salience (Lachmann et al. 2026)."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from pathlib import Path
from typing import Final

from hicmae_cli.corpora.annotations import check_clip_name, make_fault, quote, read_table
from hicmae_cli.corpora.dataset import Dataset, Item

_BLENDED: Final = {"ang": "anger", "disg": "disgust", "fea": "fear", "hap": "happiness", "sad": "sadness"}
_SINGLE: Final = {**_BLENDED, "neu": "neutral"}
_SETS: Final = _SINGLE | {
    f"{one}+{other}": f"{_BLENDED[one]}+{_BLENDED[other]}" for one, other in combinations(_BLENDED, 2)
}
_FOLDS: Final = ("0", "1", "2", "3", "4")
_LIST: Final = "train_metadata.csv"
_COLUMNS: Final = (
    "filename",
    "video_id",
    "gender",
    "mix",
    "emotion_1",
    "emotion_2",
    "emotion_1_salience",
    "emotion_2_salience",
    "fold",
)
_VIDEO_SUFFIXES: Final = (".mov", ".mp4", ".avi")


def _list_items(root: Path) -> list[Item]:
    """List the clips of ``train_metadata.csv``; a video may be in any folder, whatever the archives are named."""
    path = root / _LIST
    rows = read_table(path, _COLUMNS)
    videos = {video.stem: video for video in sorted(root.rglob("*")) if video.suffix.lower() in _VIDEO_SUFFIXES}
    items: dict[str, Item] = {}
    for line, row in rows:
        name, fold = check_clip_name(row["filename"], path, line), row["fold"].removesuffix(".0")
        if "/" in name:
            raise make_fault(path, line, f"expected the name of a clip, got {quote(name)}")
        if fold not in _FOLDS:
            raise make_fault(path, line, f"unknown fold {quote(fold)}; expected {', '.join(_FOLDS)}")
        if name in items:
            raise make_fault(path, line, f"{name} occurs twice")
        code, salience = _parse_emotions(row, path, line)
        items[name] = Item(
            id=name,
            label=_SETS[code],
            speaker=row["video_id"],
            video=videos.get(name, root / f"{name}{_VIDEO_SUFFIXES[0]}"),
            fold=fold,
            extra={"gender": row["gender"], "salience": salience},
        )
    return [items[name] for name in sorted(items)]


def _parse_emotions(row: Mapping[str, str], path: Path, line: int) -> tuple[str, str]:
    """Return the code of the emotions, and their salience in per cent, in the same order."""
    shown = {row["emotion_1"]: row["emotion_1_salience"]}
    if row["mix"].removesuffix(".0") == "1":
        shown[row["emotion_2"]] = row["emotion_2_salience"]
    codes = sorted(shown, key=lambda code: (list(_SINGLE).index(code) if code in _SINGLE else -1, code))
    code = "+".join(codes)
    if code not in _SETS or (len(shown) == 1 and row["mix"].removesuffix(".0") != "0"):
        raise make_fault(path, line, f"unknown emotions {quote(code)}; expected one of {', '.join(_SETS)}")
    return code, "/".join(shown[code].removesuffix(".0") for code in codes) if len(codes) == 2 else "100"


BLEMORE: Final = Dataset(
    name="blemore",
    title="BlEmoRe",
    recorded="acted: actors show emotions without words",
    folder="blemore",
    task="multilabel",
    labels=tuple(_SINGLE.values()),
    codes=_SINGLE,
    folds=_FOLDS,
    fold_rule="the five published folds of the training part, each with its own actors",
    metric="exact_match",
    reported=("exact_match", "macro_f1", "map"),
    sampling_rate=4,
    recipe="blemore",
    items=_list_items,
    layout=(
        "train_metadata.csv\n"
        "[<folder>/]<actor>_<emotion>_<int1-4 or sit1-4>_ver<N>.mov (or .mp4, .avi)\n"
        "[<folder>/]<actor>_mix_<emotion>_<emotion>_<salience>_<salience>_ver<N>.mov"
    ),
    citation=(
        "T. Lachmann, A. Israelsson, C. Tornberg, T. Saghinadze, M. Balazia, P. Müller, P. Laukka: Not all Blends are "
        "Equal: The BLEMORE Dataset of Blended Emotion Expressions with Relative Salience Annotations. "
        "arXiv 2601.13225, 2026"
    ),
    licence="see the record on Zenodo",
    access="https://zenodo.org/records/15096942",
    choices=(
        "A clip has a set of one or two of the six emotions, and the model has one output per emotion. Exact match "
        "equals the challenge's ACC_presence, which counts a clip as right if exactly its emotions are predicted.",
        "Neutral is an emotion like the others: it is never part of a blend, but the model may predict it in one.",
        "Salience is a column of the manifest and is not learned, so ACC_salience cannot be computed.",
        "The folders of the archives are not known to us, so a video is found by its name anywhere below the root.",
        "The HiCMAE paper does not use BlEmoRe. Sampling rate 4 and 100 epochs are those of the paper's other corpora.",
    ),
)
