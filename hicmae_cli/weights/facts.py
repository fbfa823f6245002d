"""What a reader must know about a weight before using it: data, scores on unseen people, limits."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hicmae_cli.errors import WeightsError, one_line
from hicmae_cli.toml import parse_toml

FORBIDDEN_USE: Final = (
    "**Not to be used** to judge a single person, and not in hiring, policing, border control, medicine, education, "
    "insurance, credit or advertising; nor to monitor people who have not agreed. An expression is not a feeling: the "
    "outputs are guesses about what is displayed, not about what somebody feels, intends or is."
)
"""What no weight may be used for, in Markdown."""


class HeldOutScore(BaseModel):
    """One score on people or speakers that a weight has not learned from.

    Attributes:
        what: what was scored, in words: ``happy or neutral, photos``.
        metric: name of the score: ``accuracy``, ``UAR``.
        value: the score, 0 to 1.
        chance: what guessing would reach; None if unknown.
        n: number of clips.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    what: str = Field(min_length=1, max_length=200)
    metric: str = Field(min_length=1, max_length=40)
    value: float = Field(ge=0, le=1)
    chance: float | None = Field(None, ge=0, le=1)
    n: int = Field(ge=1)

    def __str__(self) -> str:
        facts = [f"chance {self.chance:.2f}"] if self.chance is not None else []
        return f"{self.what}: {self.metric} {self.value:.2f} ({', '.join([*facts, f'{self.n} clips'])})"


class WeightFacts(BaseModel):
    """Facts that a person writes down about a weight; ``docs/weight-format.md`` describes the fields.

    Attributes:
        trained_on: its training data, in words that end the sentence "The weight was trained on".
        held_out: scores on people that it had not seen.
        cannot_judge: ends the sentence "It cannot judge".
        intended_use: what it may be used for, and what not.
        licence: licence of the weight; empty keeps the weight's own.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    trained_on: str = ""
    held_out: tuple[HeldOutScore, ...] = ()
    cannot_judge: str = ""
    intended_use: str = ""
    licence: str = ""

    @classmethod
    def read(cls, path: Path) -> WeightFacts:
        """Read the facts from a TOML file.

        Raises:
            WeightsError: the file cannot be read, or a field is unknown or malformed.
        """
        try:
            return cls.model_validate(parse_toml(path.read_text("utf-8")))
        except ValidationError as error:
            faults = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
            raise WeightsError(one_line(f"{path}: malformed facts: {faults}")) from error
        except (OSError, ValueError) as error:
            raise WeightsError(one_line(f"{path}: the facts cannot be read: {error}")) from error

    def to_fields(self) -> dict[str, object]:
        """Return the fields of the metadata that the facts replace."""
        given = {name: getattr(self, name) for name in type(self).model_fields}
        return {name: value for name, value in given.items() if name != "licence" or value}
