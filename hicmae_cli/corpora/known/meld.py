"""MELD: utterances of the series Friends, seven emotions, several people in the picture (Poria et al. 2019)."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from hicmae_cli.corpora.annotations import make_fault, quote, read_table
from hicmae_cli.corpora.dataset import Dataset, Item, SplitFacts

_LABELS: Final = ("anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise")
_CODES: Final = {"joy" if label == "happiness" else label: label for label in _LABELS}
_COLUMNS: Final = ("Speaker", "Emotion", "Sentiment", "Dialogue_ID", "Utterance_ID", "Season", "Episode")
_SPLITS: Final = {"train": "train", "dev": "validation", "test": "test"}
_VIDEOS: Final = {"train": "train_splits", "dev": "dev_splits_complete", "test": "output_repeated_splits_test"}
_EXCLUDED: Final = {
    "train_dia125_utt3": "the video cannot be decoded",
    "dev_dia110_utt7": "the video is not in the archive",
}


def _list_items(root: Path) -> list[Item]:
    """List the utterances of ``train_sent_emo.csv``, ``dev_sent_emo.csv`` and ``test_sent_emo.csv``."""
    items: dict[str, Item] = {}
    for part, split in _SPLITS.items():
        path = _find(root, part, f"{part}_sent_emo.csv")
        folder = _find(root, part, _VIDEOS[part])
        for line, row in read_table(path, _COLUMNS):
            dialogue, utterance, code = row["Dialogue_ID"], row["Utterance_ID"], row["Emotion"].lower()
            if not (dialogue.isdecimal() and utterance.isdecimal()):
                raise make_fault(path, line, f"expected two numbers, got {quote(dialogue)} and {quote(utterance)}")
            if code not in _CODES:
                raise make_fault(path, line, f"unknown label {quote(code)}; expected {', '.join(_CODES)}")
            video = f"dia{int(dialogue)}_utt{int(utterance)}"
            id_ = f"{part}_{video}"
            if id_ in items:
                raise make_fault(path, line, f"{video} occurs twice")
            items[id_] = Item(
                id=id_,
                label=_CODES[code],
                speaker=row["Speaker"],
                video=folder / f"{video}.mp4",
                split=split,
                extra={
                    "sentiment": row["Sentiment"],
                    "dialogue": dialogue,
                    "utterance": utterance,
                    "season": row["Season"],
                    "episode": row["Episode"],
                },
            )
    return [items[id_] for id_ in sorted(items) if id_ not in _EXCLUDED]


def _find(root: Path, part: str, name: str) -> Path:
    """Return the place of a file of a part: in the root, or in the folder that its archive unpacks into."""
    places = (root / name, root / part / name)
    return next((place for place in places if place.exists()), places[0])


MELD: Final = Dataset(
    name="meld",
    title="MELD",
    recorded="in the wild: taken from an American television series, Friends",
    languages=("en",),
    folder="meld",
    task="classification",
    labels=_LABELS,
    codes=_CODES,
    folds=(),
    fold_rule="fixed: train on train, choose the epoch on dev, test on test",
    metric="weighted_f1",
    reported=("weighted_f1", "uar", "war"),
    sampling_rate=4,
    recipe="meld",
    items=_list_items,
    layout=(
        "train_sent_emo.csv, dev_sent_emo.csv, test_sent_emo.csv\n"
        "[train/]train_splits/dia<D>_utt<U>.mp4\n"
        "[dev/]dev_splits_complete/dia<D>_utt<U>.mp4\n"
        "[test/]output_repeated_splits_test/dia<D>_utt<U>.mp4"
    ),
    citation=(
        "S. Poria, D. Hazarika, N. Majumder, G. Naik, E. Cambria, R. Mihalcea: MELD: A Multimodal Multi-Party Dataset "
        "for Emotion Recognition in Conversations. ACL, 2019"
    ),
    licence="the repository of MELD is GPL-3.0; the clips are from a television series",
    access="https://github.com/declare-lab/MELD (MELD.Raw.tar.gz)",
    excluded=_EXCLUDED,
    choices=(
        "Most clips show several people, and `hicmae prepare` keeps the person who is seen most. That may not be the "
        "person who speaks, while the label is that of the speech. `--check` names doubtful clips; an audio model "
        "(`--set modality=audio`) does not have this problem.",
        "The speakers are those of the published list, by role. Roles without a name, such as Woman, may be several "
        "people.",
        "The HiCMAE paper does not use MELD. Sampling rate 4 and 100 epochs are those of the paper's other corpora.",
    ),
    # The published 9,989 without the broken clip, which is neutral; dev has 1,109.
    published={
        "": SplitFacts(
            train=9988,
            test=2610,
            train_counts=(1109, 271, 268, 1743, 4709, 683, 1205),
            test_counts=(345, 68, 50, 402, 1256, 208, 281),
        )
    },
    shares_people="the cast of the series is in all parts of the published split",
)
