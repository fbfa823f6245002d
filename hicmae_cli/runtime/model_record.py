"""Which weight made a prediction, and the engine that ran it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hicmae_cli.weights.info import WeightInfo


@dataclass(frozen=True)
class ModelRecord:
    """The weight of a prediction, and the engine that ran it.

    Attributes:
        name: the weight's name or path, as given.
        info: the weight's metadata.
        engine: the engine's name, e.g. ``onnx``.
        device: where it ran, e.g. ``cpu``.
        sha256: hash of the weight file in hexadecimal.
        providers: the execution providers that ONNX Runtime has loaded; empty with another engine.
    """

    name: str
    info: WeightInfo
    engine: str
    device: str
    sha256: str
    providers: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the record as in the JSON document."""
        run = {"engine": self.engine, "device": self.device, "sha256": self.sha256, "providers": list(self.providers)}
        return {"name": self.name, **self.info.to_dict(), **run}

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> ModelRecord:
        """Read what `to_dict` wrote; an older record has no ``providers``.

        Raises:
            ValueError: the fields are not those of a record.
        """
        own = ("name", "engine", "device", "sha256")
        try:
            name, engine, device, sha256 = (str(fields[key]) for key in own)
            providers = tuple(map(str, fields.get("providers", ())))
        except (KeyError, TypeError) as error:
            raise ValueError(f"expected the record of a weight: {type(error).__name__} {error}") from error
        kept = {key: value for key, value in fields.items() if key not in (*own, "providers")}
        return cls(name, WeightInfo.model_validate(kept), engine, device, sha256, providers)
