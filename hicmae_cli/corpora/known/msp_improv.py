"""MSP-IMPROV: twelve actors in six sessions, four emotions as rated by annotators (Busso et al. 2017)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from hicmae_cli.corpora.annotations import make_fault, quote, read_lines
from hicmae_cli.corpora.dataset import Dataset, Item
from hicmae_cli.corpora.published import read_published
from hicmae_cli.errors import ManifestError, one_line

_LABELS: Final = ("anger", "happiness", "neutral", "sadness")
_CODES: Final = dict(zip("AHNS", _LABELS, strict=True))
_NOT_USED: Final = frozenset("OX")  # another emotion, no agreement
_FOLDS: Final = ("1", "2", "3", "4", "5", "6")
_EVALUATIONS: Final = ("Evalution.txt", "Evaluation.txt")  # the release has the first spelling
_NAME: Final = re.compile(
    r"UTD-IMPROV-(?P<rest>(?P<scene>S\d\d[AHNS])-[FM]0(?P<session>[1-6])-(?P<type>[PRST])-(?P<speaker>[FM])[FM]\d\d+)\.avi"
)


def _list_items(root: Path) -> list[Item]:
    """List the turns that the annotators agreed to show one of four emotions."""
    path = next((root / name for name in _EVALUATIONS if (root / name).is_file()), root / _EVALUATIONS[0])
    items: dict[str, Item] = {}
    for number, line in read_lines(path):
        if not line.startswith("UTD-IMPROV-"):
            continue  # the rating of one annotator
        fields = [field.strip() for field in line.split(";")]
        match = _NAME.fullmatch(fields[0])
        if match is None or len(fields) < 2:
            raise make_fault(path, number, f"expected `UTD-IMPROV-<turn>.avi; <label>; …`, got {quote(line)}")
        if fields[1] not in _CODES and fields[1] not in _NOT_USED:
            known = ", ".join([*_CODES, *sorted(_NOT_USED)])
            raise make_fault(path, number, f"unknown label {quote(fields[1])}; expected {known}")
        id_ = f"MSP-IMPROV-{match['rest']}"
        if id_ in items:
            raise make_fault(path, number, f"{id_} occurs twice")
        if fields[1] in _CODES:
            place = Path(f"session{match['session']}", match["scene"], match["type"])
            items[id_] = Item(
                id=id_,
                label=_CODES[fields[1]],
                speaker=f"{match['speaker']}0{match['session']}",
                fold=match["session"],
                video=_find_file(root, "Video", place, f"{id_}.avi"),
                audio=_find_file(root, "Audio", place, f"{id_}.wav"),
                extra={"scene": match["scene"], "type": match["type"]},
            )
    if not items:
        raise ManifestError(one_line(f"{path}: contains no turns; expected lines `UTD-IMPROV-<turn>.avi; <label>; …`"))
    return [items[id_] for id_ in sorted(items)]


def _find_file(root: Path, kind: str, place: Path, name: str) -> Path:
    """Return the path of a file in session<n>, or in the separate folders Video and Audio."""
    together, apart = root / place / name, root / kind / place / name
    return apart if apart.is_file() else together


MSP_IMPROV: Final = Dataset(
    name="msp-improv",
    title="MSP-IMPROV",
    recorded="acted and natural: actors improvise and talk in pairs, in English",
    languages=("en",),
    folder="msp-improv",
    task="classification",
    labels=_LABELS,
    codes=_CODES,
    folds=_FOLDS,
    fold_rule="six folds by session, two actors each",
    metric="uar",
    reported=("uar", "war"),
    sampling_rate=4,
    recipe="msp-improv",
    items=_list_items,
    layout=(
        "Evalution.txt (the release has this spelling)\n"
        "[Video/]session<1-6>/S<scene><A|H|N|S>/<P|R|S|T>/MSP-IMPROV-S<scene>-<actor>-<P|R|S|T>-<turn>.avi\n"
        "[Audio/]session<1-6>/S<scene><A|H|N|S>/<P|R|S|T>/<the same>.wav"
    ),
    citation=(
        "C. Busso, S. Parthasarathy, A. Burmania, M. AbdelWahab, N. Sadoughi, E. Mower Provost: MSP-IMPROV: An "
        "Acted Corpus of Dyadic Interactions to Study Emotion Perception. IEEE Transactions on Affective "
        "Computing 8(1), 2017"
    ),
    licence="academic research, under an agreement; no redistribution",
    access="https://ecs.utdallas.edu/research/researchlabs/msp-lab/MSP-Improv.html (a signed agreement)",
    choices=(
        "The label is the one that the annotators agreed on, not the letter in the name, which is the emotion that the "
        "scene was written for. We exclude turns with another emotion (O) and turns without agreement (X).",
        "The speaker is the first letter of the turn. The actor named before it may be the listener: in "
        "S01A-F01-S-MF02, M01 speaks.",
        "The corpus has 7,798 turns with one of the four emotions, the paper's lists have 7,787. We do not know which "
        "eleven are missing, so the hashes differ.",
        "The authors publish no script for MSP-IMPROV. We use sampling rate 4 and 50 epochs.",
    ),
    published=read_published("MSP-IMPROV"),
    scores={"uar": 0.6578, "war": 0.7495},
    frames_suffix="_aligned",
)
