"""Translate the parameters that library messages name to the options of the commands, in one place.

``errors.py`` describes how a message names a parameter. A parameter that is not in this table is printed as it is.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from typing import Final

from hicmae_cli.errors import one_line

FLAGS: Final[Mapping[str, str]] = {
    "abstain": "--abstain",
    "allow_seen": "--allow-seen",
    "at_s": "--at",
    "baseline": "--baseline",
    "baselines": "--baselines",
    "batch_size": "--batch-size",
    "budget": "--budget",
    "by": "--by",
    "calibrate": "--calibrate",
    "camera": "--camera",
    "class_weights": "--set class_weights",
    "clear": "--clear",
    "cross": "--cross",
    "dataset": "--dataset",
    "degrade": "--degrade",
    "device": "--device",
    "draws": "--draws",
    "drop": "--drop",
    "end_s": "--end",
    "engine": "--engine",
    "events": "--events",
    "explain": "--explain",
    "extend_epochs": "--extend-epochs",
    "faces": "--faces",
    "features": "--features",
    "figure_format": "--figure-format",
    "fold": "--fold",
    "force": "--force",
    "formats": "--format",
    "frames": "--frames",
    "heads": "--heads",
    "hop_s": "--hop",
    "init": "--init",
    "jobs": "--jobs",
    "keep_people": "--keep-people",
    "label_map": "--map",
    "label_share": "--label-share",
    "labels": "--labels",
    "layers": "--layers",
    "licence": "--licence",
    "limit": "--limit",
    "loss": "--set loss",
    "manifest": "--manifest",
    "mask_audio": "--mask-audio",
    "mask_video": "--mask-video",
    "max_delay_s": "--max-delay",
    "max_size_mb": "--max-size",
    "method": "--method",
    "metric": "--metric",
    "mixed_precision": "--mixed-precision",
    "modality": "--modality",
    "other": "--other",
    "output": "--output",
    "overrides": "--set",
    "packages": "--packages",
    "peers": "--peers",
    "people": "--people",
    "precision": "--precision",
    "profile": "--profile",
    "protocol": "--protocol",
    "queue": "--queue",
    "ray": "--ray",
    "recipe": "--recipe",
    "relabel": "--relabel",
    "root": "--root",
    "sampling_rate": "--sampling-rate",
    "seed": "--seed",
    "seeds": "--seeds",
    "selection": "--selection",
    "sheet": "--sheet",
    "skip_existing": "--skip-existing",
    "smooth_s": "--smooth",
    "sound": "--sound",
    "source": "--source",
    "speakers": "--speakers",
    "split": "--split",
    "split_seed": "--split-seed",
    "start_s": "--start",
    "store": "--store",
    "streams": "--streams",
    "target": "--output",
    "task": "--task",
    "test_share": "--test-share",
    "time_limit_s": "--time-limit",
    "timings": "--timings",
    "token": "--token",
    "trackers": "--tracker",
    "validation_share": "--validation-share",
    "variant": "--variant",
    "videos": "--videos",
    "voices": "--voices",
    "web": "--web",
    "weights": "--weights",
    "window_s": "--window",
    "with_front_end": "--with-front-end",
    "without_sound": "--without-sound",
    "workers": "--workers",
    "world": "--world",
}
"""Option of each parameter, in alphabetical order; a key of a recipe is written ``--set key=value``."""

_NAMES = "|".join(FLAGS)
_LITERAL = r"""True|'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|-?(?:\d+(?:\.\d+)?(?:e[+-]?\d+)?|inf)|nan"""
# Not inside a path or a longer word: a file may be called hop_s=3.mp4.
_MENTION: Final = re.compile(
    rf"(?<![\w./\\=-])(?P<name>{_NAMES})=(?P<value>{_LITERAL})(?![\w/\\]|\.\w)|`(?P<alone>{_NAMES})`"
)


def to_flags(message: str) -> str:
    """Replace the parameters in a message by the options of the command.

    ``hop_s=3.0`` becomes ``--hop 3.0``, ``modality='av'`` becomes ``--modality av``, and both ``skip_existing=True``
    and `` `skip_existing` `` become ``--skip-existing``.
    """
    return _MENTION.sub(_flag, message)


def _flag(mention: re.Match[str]) -> str:
    flag = FLAGS[mention["name"] or mention["alone"]]
    value = mention["value"]
    if value in (None, "True"):
        return flag
    text = one_line(ast.literal_eval(value)) if value.startswith(("'", '"')) else value
    return f"{flag}={text}" if flag.startswith("--set ") else f"{flag} {text}"
