"""The front matter of a model card: YAML with the fields of the Hugging Face Hub.

Source: https://huggingface.co/docs/hub/model-cards (fields, and identifiers of licences).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from hicmae_cli.cards.subject import Subject
from hicmae_cli.errors import one_line
from hicmae_cli.metric_names import TITLES
from hicmae_cli.weights.info import UNKNOWN

# Of the identifiers of the hub, those of licences that our datasets and weights have.
_LICENCES: Final = frozenset(
    {
        *("apache-2.0", "bsd-3-clause", "cc0-1.0", "gpl-3.0", "mit", "odbl", UNKNOWN),
        *("cc-by-4.0", "cc-by-nc-4.0", "cc-by-nc-nd-4.0", "cc-by-nc-sa-4.0", "cc-by-sa-4.0"),
    }
)
_SPELLINGS: Final = {"open-database-license-odbl-1.0": "odbl"}
_METRICS: Final = {"war": "accuracy", "weighted_f1": "f1", "macro_f1": "f1", "micro_f1": "f1"}
_TASKS: Final = {"av": "video-classification", "video": "video-classification", "audio": "audio-classification"}
_SHORTEST_FLOAT: Final = re.compile(r"(?<![\d.])(-?\d+)(e[-+]\d+)")


def make_front_matter(subject: Subject) -> list[str]:
    """Make the lines of the front matter, with the lines ``---`` around it.

    Every value is JSON, which is YAML, too.
    """
    info, document = subject.info, subject.document
    fields: dict[str, Any] = {**_name_licence(info.licence), "library_name": "hicmae"}
    if info.task in ("classification", "multilabel"):
        fields["pipeline_tag"] = _TASKS[info.modality]
    if subject.dataset is not None and subject.dataset.languages:
        fields["language"] = list(subject.dataset.languages)
    streams = {"av": ["video", "audio"]}.get(info.modality, [info.modality])
    fields["tags"] = ["hicmae", "emotion-recognition", *streams, info.task, info.variant]
    if datasets := [name for name in dict.fromkeys(entry.dataset for entry in info.history) if name != UNKNOWN]:
        fields["datasets"] = datasets
    if document is not None:
        names = [name for name in document["metrics"] if name in TITLES]
        fields["metrics"] = list(dict.fromkeys(_METRICS.get(name, name) for name in names))
        fields["model-index"] = [_make_index(subject.name, document, names, _TASKS[info.modality])]
    return ["---", *(f"{name}: {_write(value)}" for name, value in fields.items()), "---"]


def _name_licence(licence: str) -> dict[str, str]:
    slug = re.sub(r"[^a-z0-9.]+", "-", licence.lower()).strip("-")
    slug = _SPELLINGS.get(slug, slug)
    return {"license": slug} if slug in _LICENCES else {"license": "other", "license_name": slug[:100] or UNKNOWN}


def _make_index(name: str, document: Mapping[str, Any], metrics: list[str], task: str) -> dict[str, Any]:
    data = str(document.get("dataset") or UNKNOWN)
    scores = [
        {"type": _METRICS.get(metric, metric), "name": TITLES[metric], "value": document["metrics"][metric]}
        for metric in metrics
    ]
    return {
        "name": name,
        "results": [
            {
                "task": {"type": task, "name": "emotion recognition"},
                "dataset": {"type": data, "name": data},
                "metrics": scores,
            }
        ],
    }


def _write(value: Any) -> str:
    """Write a value as JSON that YAML 1.1 reads alike: printable, and with a point in every number with an exponent."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_write(key)}: {_write(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return f"[{', '.join(map(_write, value))}]"
    if isinstance(value, str):
        return json.dumps(one_line(value), ensure_ascii=False)
    return _SHORTEST_FLOAT.sub(r"\1.0\2", json.dumps(value))
