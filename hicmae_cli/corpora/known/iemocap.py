"""IEMOCAP: ten actors talk in pairs, four emotions as rated by annotators (Busso et al. 2008)."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Final

from hicmae_cli.corpora.annotations import make_fault, quote, read_lines
from hicmae_cli.corpora.dataset import Dataset, Item, RecordingPart
from hicmae_cli.corpora.published import read_published
from hicmae_cli.errors import ManifestError, one_line

_LABELS: Final = ("anger", "happiness", "neutral", "sadness")
_CODES: Final = {"ang": "anger", "hap": "happiness", "exc": "happiness", "neu": "neutral", "sad": "sadness"}
_NOT_USED: Final = frozenset({"fru", "fea", "sur", "dis", "oth", "xxx"})
_FOLDS: Final = ("1", "2", "3", "4", "5")
_DIALOGUE: Final = re.compile(r"Ses0(?P<session>[1-5])(?P<marked>[FM])_(?:impro|script)\w+")
_LINE: Final = re.compile(r"\[(?P<start>\d+\.?\d*) - (?P<end>\d+\.?\d*)\]\s+(?P<id>\S+)\s+(?P<code>\S+)\s+\[[^\]]*\]")
_LEFT: Final = (0.0, 0.5)
_RIGHT: Final = (0.5, 1.0)


def _list_items(root: Path) -> list[Item]:
    """List the utterances with one of the four emotions, of all dialogues."""
    items: dict[str, Item] = {}
    files = [
        path
        for session in _FOLDS
        for path in sorted((root / f"Session{session}" / "dialog" / "EmoEvaluation").glob("*.txt"))
        if not path.name.startswith(".")  # the release contains hidden files of macOS
    ]
    if not files:
        raise ManifestError(one_line(f"{root}: no Session<1-5>/dialog/EmoEvaluation/*.txt in this folder"))
    for path in files:
        for item in _read_utterances(path, path.parents[2]):
            items[item.id] = item
    return [items[id_] for id_ in sorted(items)]


def _read_utterances(path: Path, session: Path) -> list[Item]:
    """Read the utterances of one dialogue with one of the four emotions."""
    dialogue = _DIALOGUE.fullmatch(path.stem)
    if dialogue is None or session.name != f"Session{dialogue['session']}":
        raise ManifestError(one_line(f"{path}: expected a name Ses0<session><F|M>_<impro|script>….txt of this session"))
    found: dict[str, Item] = {}
    for number, line in read_lines(path):
        if not line.startswith("["):
            continue  # the header, or the rating of one annotator
        match = _LINE.fullmatch(line)
        if match is None:
            raise make_fault(
                path, number, f"expected `[<start> - <end>] <utterance> <label> [<v>, <a>, <d>]`, got {quote(line)}"
            )
        start_s, end_s = float(match["start"]), float(match["end"])
        speaker = re.fullmatch(rf"{path.stem}_([FM])(?:[A-Z]+)?\d+", match["id"])
        if speaker is None:
            raise make_fault(path, number, f"expected an utterance of this dialogue, got {quote(match['id'])}")
        if not (math.isfinite(end_s) and start_s < end_s):
            raise make_fault(
                path, number, f"expected the end after the start, got {quote(match['start'])} to {quote(match['end'])}"
            )
        if match["code"] not in _CODES and match["code"] not in _NOT_USED:
            known = ", ".join([*_CODES, *sorted(_NOT_USED)])
            raise make_fault(path, number, f"unknown label {quote(match['code'])}; expected {known}")
        if match["id"] in found:
            raise make_fault(path, number, f"{match['id']} occurs twice")
        if match["code"] in _CODES:
            # The actor who wears the markers sits on the left.
            columns = _LEFT if speaker[1] == dialogue["marked"] else _RIGHT
            found[match["id"]] = Item(
                id=match["id"],
                label=_CODES[match["code"]],
                speaker=f"Ses0{dialogue['session']}{speaker[1]}",
                video=session / "dialog" / "avi" / "DivX" / f"{path.stem}.avi",
                audio=session / "sentences" / "wav" / path.stem / f"{match['id']}.wav",
                fold=dialogue["session"],
                part=RecordingPart(start_s, end_s, columns),
                extra={"code": match["code"]},
            )
    return list(found.values())


IEMOCAP: Final = Dataset(
    name="iemocap",
    title="IEMOCAP",
    recorded="acted: actors talk in pairs, with and without scripts, in English",
    languages=("en",),
    folder="iemocap",
    task="classification",
    labels=_LABELS,
    codes=_CODES,
    folds=_FOLDS,
    fold_rule="five folds by session, two actors each",
    metric="uar",
    reported=("uar", "war"),
    sampling_rate=4,
    recipe="iemocap",
    items=_list_items,
    layout=(
        "Session<1-5>/dialog/EmoEvaluation/<dialogue>.txt\n"
        "Session<1-5>/dialog/avi/DivX/<dialogue>.avi\n"
        "Session<1-5>/sentences/wav/<dialogue>/<utterance>.wav"
    ),
    citation=(
        "C. Busso, M. Bulut, C.-C. Lee, A. Kazemzadeh, E. Mower, S. Kim, J. N. Chang, S. Lee, S. S. Narayanan: "
        "IEMOCAP: Interactive emotional dyadic motion capture database. Language Resources and Evaluation "
        "42(4), 2008"
    ),
    licence="research, under the release form; no redistribution",
    access="https://sail.usc.edu/iemocap/iemocap_release.htm (a signed form)",
    choices=(
        "The authors publish no lists for IEMOCAP. We use the usual four-class protocol: 5,531 utterances, excited "
        "(exc) counts as happiness, five folds by session. Their label order is unknown; ours is alphabetical.",
        "Two actors sit side by side in one picture. According to users of the corpus, the actor who wears the "
        "motion-capture markers (F or M in the dialogue's name) sits on the left. `prepare` searches the speaker's "
        "half.",
        "The authors publish no script for IEMOCAP. We use sampling rate 4 and 50 epochs.",
    ),
    published=read_published("IEMOCAP"),
    scores={"uar": 0.6821, "war": 0.6836},
)
