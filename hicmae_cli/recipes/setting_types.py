"""Types of settings, with the units and names that ``hicmae recipes --keys`` prints."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema


@dataclass(frozen=True)
class Unit:
    """The unit of a setting; metadata of its type."""

    name: str


@dataclass(frozen=True)
class OneOf:
    """Restricts a text to some names; metadata of its type."""

    names: tuple[str, ...]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Check the name, once pydantic has checked that it is a text."""
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def _check(self, name: str) -> str:
        if name not in self.names:
            raise ValueError(f"expected one of {', '.join(self.names)}, got {name!r}")
        return name


Clips = Annotated[int, Unit("clips")]
Epochs = Annotated[int, Unit("epochs")]
Steps = Annotated[int, Unit("steps")]
Probability = Annotated[float, Unit("probability")]
Share = Annotated[float, Unit("share")]
Layers = Annotated[tuple[int, ...], Unit("layer numbers from 0"), Field(strict=False)]
Momentum = Annotated[float, Field(ge=0, lt=1)]

Tracker = Annotated[str, OneOf(("tensorboard", "wandb", "mlflow"))]
