"""What the page knows of its weight: sizes, colours, limits and licence, as one JSON document."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any, Final

from hicmae_cli import __version__
from hicmae_cli.report.console import describe_limits
from hicmae_cli.report.html.sections import NOT_FOR
from hicmae_cli.runtime.model_record import ModelRecord
from hicmae_cli.runtime.results import SCHEMA
from hicmae_cli.runtime.settings import PredictSettings
from hicmae_cli.weights.info import WeightInfo

ABOUT_SCHEMA: Final = "hicmae.web/1"
ENGINE: Final = "onnxruntime-web"


def describe_page(name: str, info: WeightInfo, sha256: str) -> dict[str, Any]:
    """Return the document ``model/about.json``.

    Args:
        name: of the weight.
        info: its metadata.
        sha256: hash of its file in hexadecimal.
    """
    data, cannot = describe_limits(info)
    modality = "auto" if info.modality == "av" else info.modality
    settings = PredictSettings(modality=modality).follow(info.step_s)
    return {
        "schema": ABOUT_SCHEMA,
        "prediction_schema": SCHEMA,
        "hicmae_version": __version__,
        "weight": ModelRecord(name, info, ENGINE, "wasm", sha256).to_dict(),
        # Fields of the metadata that have their default are not written.
        "task": info.kind,
        "modality": info.modality,
        "settings": settings.to_dict(),
        "step_s": info.step_s,
        "hop_frames": settings.hop_frames,
        "facts": {
            "trained_on": data or info.dataset,
            "cannot_judge": cannot,
            "held_out": [str(score) for score in info.held_out],
            "licence": info.licence,
            "intended_use": info.intended_use,
            "not_for": NOT_FOR,
            "calibrated": [m for m in ("av", "video", "audio") if info.find_temperature(m) is not None],
        },
        "template": _read_template(),
    }


def _read_template() -> dict[str, Any]:
    text = files("hicmae_cli.faces").joinpath("face_template.json").read_text("utf-8")
    template: dict[str, Any] = json.loads(text)
    return {key: template[key] for key in ("mediapipe_indices", "points_160")}
