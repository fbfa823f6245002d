"""The RandAugment policy of a recipe, written as in timm: ``rand-m7-n4-mstd0.5-inc1`` (Cubuk et al. 2020)."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Final

STRONGEST: Final = 10
"""End of the scale of magnitudes."""


@dataclass(frozen=True)
class Policy:
    """Parameters of RandAugment.

    Attributes:
        magnitude: strength of the operations, 0 to ``highest``.
        layers: number of operations to draw, with replacement.
        probability: of applying a drawn operation.
        spread: standard deviation of the magnitude; infinite for a uniform magnitude from 0 to ``magnitude``.
        highest: upper limit of the magnitude.
        rising: whether every operation gets stronger with the magnitude; some did not in the original.
    """

    magnitude: int = 10
    layers: int = 2
    probability: float = 0.5
    spread: float = 0.0
    highest: int = 10
    rising: bool = False


def parse_policy(text: str) -> Policy | None:
    """Parse the text of a policy, such as ``rand-m7-n4-mstd0.5-inc1``; an empty one gives None.

    The parts, in any order and each optional: ``m`` magnitude, ``n`` layers, ``p`` probability, ``mstd`` spread,
    ``mmax`` highest, ``inc`` 1 for rising.

    Raises:
        ValueError: not the text of a policy.
    """
    if not text:
        return None
    first, *parts = text.split("-")
    fields: dict[str, float] = {}
    for part in parts:
        match = re.fullmatch(r"(mstd|mmax|inc|m|n|p)(\d+(?:\.\d+)?)", part)
        if first != "rand" or match is None or match[1] in fields:
            break
        fields[match[1]] = float(match[2])
    whole = all(fields[key] == int(fields[key]) for key in ("m", "n", "mmax", "inc") if key in fields)
    if first != "rand" or len(fields) != len(parts) or not whole:
        raise ValueError(f'expected a text such as "rand-m7-n4-mstd0.5-inc1", or an empty one, got {text!r}')
    spread = fields.get("mstd", 0.0)
    policy = Policy(
        magnitude=int(fields.get("m", 10)),
        layers=int(fields.get("n", 2)),
        probability=fields.get("p", 0.5),
        spread=math.inf if spread > 100 else spread,
        highest=int(fields.get("mmax", 0)) or STRONGEST,
        rising=bool(fields.get("inc", 0)),
    )
    if policy.probability > 1:
        raise ValueError(f"{text!r}: p is a probability; expected at most 1")
    return policy
