"""EmoDB, the Berlin Database of Emotional Speech: ten actors, seven emotions, sound only (Burkhardt et al. 2005)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from hicmae_cli.corpora.dataset import Dataset, Item
from hicmae_cli.errors import ManifestError, one_line

_CODES: Final = {
    "W": "anger",
    "L": "boredom",
    "E": "disgust",
    "A": "fear",
    "F": "happiness",
    "N": "neutral",
    "T": "sadness",
}
_SPEAKERS: Final = ("03", "08", "09", "10", "11", "12", "13", "14", "15", "16")
_SUFFIXES: Final = (".wav", ".flac")
_NAME: Final = re.compile(
    rf"(?P<speaker>{'|'.join(_SPEAKERS)})(?P<text>[ab]\d\d)(?P<emotion>[{''.join(_CODES)}])(?P<version>[a-z]?)"
)


def _list_items(root: Path) -> list[Item]:
    """List the sound files of ``wav``, or of the root if it has no such folder; a file's name holds all its facts."""
    folder = root / "wav" if (root / "wav").is_dir() else root
    items = []
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.suffix.lower() not in _SUFFIXES:
            continue
        match = _NAME.fullmatch(path.stem)
        if match is None:
            raise ManifestError(
                one_line(
                    f"{path}: expected a name <speaker {_SPEAKERS[0]}-{_SPEAKERS[-1]}><text><emotion "
                    f"{', '.join(_CODES)}><version>, such as 03a01Fa; move it out of the folder"
                )
            )
        items.append(
            Item(
                id=path.stem,
                label=_CODES[match["emotion"]],
                speaker=match["speaker"],
                video=path,
                fold=match["speaker"],
                extra={"text": match["text"], "version": match["version"]},
            )
        )
    return items


EMODB: Final = Dataset(
    name="emodb",
    title="EmoDB",
    recorded="acted: actors speak ten German sentences, without pictures",
    languages=("de",),
    folder="emodb",
    task="classification",
    labels=tuple(_CODES.values()),
    codes=_CODES,
    folds=_SPEAKERS,
    fold_rule="leave one speaker out: ten folds, each tests one speaker and has the speaker's number as its name",
    metric="uar",
    reported=("uar", "war"),
    sampling_rate=4,
    recipe="emodb",
    items=_list_items,
    layout=(
        "wav/<speaker><text><emotion><version>.wav, for example wav/03a01Fa.wav; the files may also be .flac, and in "
        "the root itself"
    ),
    citation=(
        "F. Burkhardt, A. Paeschke, M. Rolfes, W. F. Sendlmeier, B. Weiss: A Database of German Emotional Speech. "
        "Interspeech, 2005"
    ),
    licence="not stated where we looked; ask its authors",
    access="http://emodb.bilderbar.info",
    choices=(
        "It is German and sound only, so the recipe trains the audio stream alone, and `--modality video` has nothing "
        "to test.",
        "EmoDB has no official split. Leaving one speaker out is common; the HiCMAE paper does not use EmoDB.",
        "Sampling rate 4 and 100 epochs are those of the paper's small corpora.",
    ),
    sound_only=True,
)
