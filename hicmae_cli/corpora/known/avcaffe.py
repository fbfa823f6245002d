"""AVCAffe: 106 people work in pairs over video calls and rate how they felt (Sarkar, Posen & Etemad 2023)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

from hicmae_cli.corpora.annotations import make_fault, quote, read_lines
from hicmae_cli.corpora.dataset import Dataset, Item
from hicmae_cli.errors import ManifestError, one_line

_AROUSAL: Final = ("excited", "wide-awake", "neutral", "dull", "calm")
_VALENCE: Final = ("pleasant", "pleased", "neutral", "unsatisfied", "unpleasant")
_TEST_PEOPLE: Final = frozenset(
    f"aiim{number:03d}" for number in (1, 2, 13, 14, 43, 44, 53, 54, 57, 58, 63, 64, 67, 68, 77, 78, 99, 100, 107, 108)
)
_CLIP: Final = re.compile(r"(?P<session>(?P<person>aiim\d{3})_(?P<task>task_\d))_clip_\d+")
_SESSION: Final = re.compile(r"aiim\d{3}_task_\d")


def _make_codes(labels: tuple[str, ...]) -> dict[str, str]:
    return {label.capitalize(): label for label in labels}


def _list_items(scale: str, labels: tuple[str, ...], root: Path) -> list[Item]:
    """List the short clips with sound, each with its person's rating of the whole task."""
    answers = _read_answers(root / "ground_truths" / f"{scale}.txt", _make_codes(labels))
    silent = {
        line.rsplit("/", 1)[-1].removesuffix(".avi") for _, line in read_lines(root / "info" / "no_audio_files.txt")
    }
    items = []
    for video in sorted((root / "videos" / "shorter_segments").glob("aiim*/task_*/*.avi")):
        match = _CLIP.fullmatch(video.stem)
        if match is None or (video.parts[-3], video.parts[-2]) != (match["person"], match["task"]):
            raise ManifestError(
                one_line(
                    f"{video}: expected a name <person>_<task>_clip_<number>.avi in <person>/<task>; move the file away"
                )
            )
        if video.stem in silent:
            continue
        if match["session"] not in answers:
            raise ManifestError(
                one_line(f"{video}: {match['session']} has no line in {root / 'ground_truths' / f'{scale}.txt'}")
            )
        items.append(
            Item(
                id=video.stem,
                label=answers[match["session"]],
                speaker=match["person"],
                video=video,
                split="test" if match["person"] in _TEST_PEOPLE else "train",
                extra={"task": match["task"]},
            )
        )
    if not items:
        raise ManifestError(
            one_line(f"{root}: no videos/shorter_segments/<person>/<task>/*.avi with sound in this folder")
        )
    return sorted(items, key=lambda item: item.id)


def _read_answers(path: Path, codes: Mapping[str, str]) -> dict[str, str]:
    """Read the labels by person and task."""
    found: dict[str, str] = {}
    for number, line in read_lines(path):
        fields = [field.strip() for field in line.split(",")]
        if number == 1 and not _SESSION.fullmatch(fields[0]):
            continue  # the header
        if len(fields) != 2 or not _SESSION.fullmatch(fields[0]):
            raise make_fault(path, number, f"expected `<person>_<task>, <label>`, got {quote(line)}")
        if fields[1].capitalize() not in codes:
            raise make_fault(path, number, f"unknown label {quote(fields[1])}; expected {', '.join(codes)}")
        if fields[0] in found:
            raise make_fault(path, number, f"{fields[0]} occurs twice")
        found[fields[0]] = codes[fields[1].capitalize()]
    return found


AVCAFFE_AROUSAL: Final = Dataset(
    name="avcaffe-arousal",
    title="AVCAffe, arousal",
    recorded="spontaneous: people solve tasks in pairs over video calls",
    folder="avcaffe",
    task="classification",
    labels=_AROUSAL,
    codes=_make_codes(_AROUSAL),
    folds=(),
    fold_rule="fixed: test on the official 20 validation people, train on the other 86",
    metric="weighted_f1",
    reported=("weighted_f1",),
    sampling_rate=4,
    recipe="avcaffe",
    items=partial(_list_items, "arousal", _AROUSAL),
    layout=(
        "videos/shorter_segments/<person>/<task>/<person>_<task>_clip_<number>.avi\n"
        "ground_truths/arousal.txt (lines `<person>_<task>, <label>`)\n"
        "info/no_audio_files.txt"
    ),
    citation=(
        "P. Sarkar, A. Posen, A. Etemad: AVCAffe: A Large Scale Audio-Visual Dataset of Cognitive Load and "
        "Affect for Remote Work. AAAI, 2023"
    ),
    licence="non-commercial research, under the AVCAffe database licence agreement",
    access="https://doi.org/10.5683/SP3/PSWY62 (an institutional Dataverse account)",
    choices=(
        "The authors publish no lists for AVCAffe. We use the official split and the class order of the dataset's own "
        "loader, and exclude the clips that info/no_audio_files.txt names.",
        "One decision per person and task: we average the probabilities of all its clips. Scores during training are "
        "per clip.",
        "The authors publish no script for AVCAffe. We use sampling rate 4 and 50 epochs.",
    ),
    people=(86, 20),
    scores={"weighted_f1": 0.4318},
    merge_by=3,
)

AVCAFFE_VALENCE: Final = replace(
    AVCAFFE_AROUSAL,
    name="avcaffe-valence",
    title="AVCAffe, valence",
    recorded="spontaneous: people solve tasks in pairs over video calls",
    labels=_VALENCE,
    codes=_make_codes(_VALENCE),
    items=partial(_list_items, "valence", _VALENCE),
    layout=AVCAFFE_AROUSAL.layout.replace("arousal.txt", "valence.txt"),
    scores={"weighted_f1": 0.4420},
)
