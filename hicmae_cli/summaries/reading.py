"""Find saved predictions and join those of one weight."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from hicmae_cli.errors import SettingsError, one_line
from hicmae_cli.report.formats import FORMATS, WHOLE_CALL
from hicmae_cli.report.prediction import Prediction
from hicmae_cli.runtime.log import LOG_NAME

_NAME: Final = f"{WHOLE_CALL}{FORMATS['json'].suffix}"
_OF_A_FILE: Final = ("start_s", "end_s", "max_faces", "people", "people_sha256", "explain", "features")
"""Settings in which predictions that are summarized together may differ."""


def load_predictions(place: Path) -> list[Prediction]:
    """Load a document of predictions, or all that a folder holds in ``predictions.json`` files at any depth.

    Raises:
        SettingsError: no such file, no document in the folder, or documents that do not go together.
        HicmaeError: a document cannot be read.
    """
    if not place.is_dir():
        if not place.exists():
            raise SettingsError(one_line(f"{place}: no such file or folder"))
        return [Prediction.load(place)]
    paths = sorted(Path(inside, _NAME) for inside, _, names in os.walk(place) if _NAME in names)
    if not paths:
        unfinished = any(LOG_NAME in names for _, _, names in os.walk(place))
        again = "repeat the same `hicmae predict` command with `--skip-existing --format json`"
        hint = again if unfinished else "run `hicmae predict`"
        raise SettingsError(one_line(f"{place}: has no {_NAME}; {hint}"))
    predictions = [Prediction.load(path) for path in paths]
    check_together(predictions, [str(path) for path in paths])
    return predictions


def check_together(predictions: Sequence[Prediction], names: Sequence[str]) -> None:
    """Refuse predictions that do not go into one table.

    Args:
        predictions: the predictions.
        names: what to call them.

    Raises:
        SettingsError: another weight, other windows, or a file that occurs twice.
    """
    first = _facts(predictions[0])
    seen: dict[Path, str] = {}
    for prediction, name in zip(predictions, names, strict=True):
        facts = _facts(prediction)
        if changed := [key for key, value in facts.items() if first.get(key) != value]:
            detail = "; ".join(f"{key} {first.get(key)} and {facts[key]}" for key in changed)
            raise SettingsError(one_line(f"{names[0]} and {name} differ in {detail}; summarize them one by one"))
        for file in prediction.files:
            if file.path in seen:
                raise SettingsError(one_line(f"{seen[file.path]} and {name} both hold {file.path}; keep one of them"))
            seen[file.path] = name


def _facts(prediction: Prediction) -> dict[str, Any]:
    """Return what predictions must share so that their numbers mean the same."""
    settings = {key: value for key, value in prediction.settings.to_dict().items() if key not in _OF_A_FILE}
    return {"weight": prediction.model.name, "its sha256": prediction.model.sha256, **settings}
