"""What a model card is about: a weight, or the weights of a run over folds, and the scores that were measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

from hicmae_cli.corpora.catalogue import look_up
from hicmae_cli.corpora.dataset import Dataset
from hicmae_cli.errors import ManifestError, WeightsError, one_line
from hicmae_cli.evaluation.documents import read_document
from hicmae_cli.evaluation.score_sheet import ScoreSheet
from hicmae_cli.pulling.origins import Origin, read_origin
from hicmae_cli.weights.adding import find_file
from hicmae_cli.weights.info import WeightInfo
from hicmae_cli.weights.reading import read_info
from hicmae_cli.weights.run_folder import find_weight_in, list_numbered

Scores: TypeAlias = str | Path | Mapping[str, Any] | ScoreSheet
"""The scores of an evaluation, or the JSON file or the document that holds them."""

_RESULT: Final = "result.json"
# A weight may be calibrated, named and described after its test.
_IDENTITY: Final = ("labels", "dims", "task", "modality", "fold", "run", "seen")


@dataclass(frozen=True)
class Subject:
    """A weight, or the weights of a run over folds, with their scores.

    Attributes:
        name: heading of the card.
        infos: metadata by the fold that a weight was trained without; of a single weight, by an empty name.
        document: of an evaluation; None if there is none.
        origin: where the weight was fetched; None if it was not pulled.
    """

    name: str
    infos: Mapping[str, WeightInfo]
    document: Mapping[str, Any] | None = None
    origin: Origin | None = None

    @property
    def info(self) -> WeightInfo:
        """The metadata of the only weight, or of the first one."""
        return next(iter(self.infos.values()))

    @property
    def dataset(self) -> Dataset | None:
        """What hicmae knows of the dataset of this name."""
        return look_up(self.info.dataset)


def read_subject(weight: str | Path, evaluation: Scores | None = None) -> Subject:
    """Read the metadata of a weight, and its scores.

    Args:
        weight: a name, a weight file, or the folder of a run, also of one over folds.
        evaluation: the scores; by default the ``result.json`` that `hicmae finetune` wrote beside the weight, if it is
            of this weight.

    Raises:
        WeightsError: there is no such weight, it cannot be read, or the scores are of another one.
        ManifestError: the scores cannot be read.
    """
    infos, folder = _read_infos(weight)
    document = _read_scores(evaluation) if evaluation is not None else _find_scores(folder, infos)
    if document is not None:
        infos = _match_folds(infos, document, weight)
    origin = read_origin(find_file(str(weight))) if "" in infos else None
    return Subject(_name(weight, infos), infos, document, origin)


def _read_infos(weight: str | Path) -> tuple[dict[str, WeightInfo], Path]:
    """Read the metadata by fold, and the folder that holds the weight or weights."""
    folder = Path(weight)
    if folder.is_dir() and find_weight_in(folder) is None:
        files = {path.name.partition("-")[2]: find_weight_in(path) for path in list_numbered(folder, "fold")}
        if infos := {fold: read_info(str(file)) for fold, file in files.items() if file is not None}:
            return infos, folder
    return {"": read_info(str(weight))}, find_file(str(weight)).parent


def _read_scores(evaluation: Scores) -> Mapping[str, Any]:
    if isinstance(evaluation, ScoreSheet):
        return evaluation.to_dict()
    return evaluation if isinstance(evaluation, Mapping) else read_document(Path(evaluation))


def _find_scores(folder: Path, infos: Mapping[str, WeightInfo]) -> Mapping[str, Any] | None:
    """Find the scores beside a weight, if they are of exactly this weight, with its temperature."""
    try:
        document = read_document(folder / _RESULT)
        tested = _list_tested(document)
        if "" in infos:
            same = list(tested.values()) == [infos[""]]
        else:
            same = all(infos.get(fold) == info for fold, info in tested.items())
    except (ManifestError, KeyError, TypeError, ValueError, AttributeError):
        return None
    return document if same else None


def _list_tested(document: Mapping[str, Any]) -> dict[str, WeightInfo]:
    """List the metadata of the tested weights by fold."""
    parts = document.get("folds") or {str(document.get("fold", "")): document}
    return {fold: WeightInfo.model_validate(part["weights"]) for fold, part in parts.items()}


def _match_folds(
    infos: Mapping[str, WeightInfo], document: Mapping[str, Any], weight: str | Path
) -> dict[str, WeightInfo]:
    """Return the metadata of the weights that were tested.

    Raises:
        WeightsError: other weights were tested.
        ManifestError: the document does not say which.
    """
    try:
        tested = _list_tested(document)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ManifestError(one_line(f"the scores of {weight} are not a document of scores: {error!r}")) from error
    for fold, scored in tested.items():
        own = infos.get("", infos.get(fold))
        if own is None or any(getattr(own, name) != getattr(scored, name) for name in _IDENTITY):
            where = f" of fold {fold}" if len(infos) > 1 else ""
            raise WeightsError(
                one_line(
                    f"{weight}: the scores are of another weight{where} ({scored.variant}, trained on "
                    f"{scored.dataset}, made by {scored.source}); evaluate this one with `hicmae evaluate`"
                )
            )
    return dict(infos) if "" in infos else {fold: infos[fold] for fold in tested}


def _name(weight: str | Path, infos: Mapping[str, WeightInfo]) -> str:
    """Name a weight: its own name, or of a file what it is, without the folders of this machine."""
    info = next(iter(infos.values()))
    if not Path(weight).exists():
        return str(weight)
    if len(infos) > 1:
        return f"HiCMAE {info.variant}, {info.dataset}, {len(infos)} folds"
    return f"HiCMAE {info.variant}, {info.dataset}" + (f", fold {info.fold}" if info.fold else "")
