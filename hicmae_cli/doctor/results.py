"""What a check of the installation found."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final

SCHEMA: Final = "hicmae.doctor/1"
STATUSES: Final = ("ok", "note", "broken")
"""``note``: something optional is missing, or worth knowing. ``broken``: something that hicmae needs does not work."""


@dataclass(frozen=True)
class Check:
    """One line of the check.

    Attributes:
        group: what it belongs to, such as ``packages``.
        name: what was checked.
        status: one of ``STATUSES``.
        found: what was found.
        advice: what to do about it; empty if there is nothing to do.

    Raises:
        ValueError: an unknown status.
    """

    group: str
    name: str
    status: str
    found: str
    advice: str = ""

    def __post_init__(self) -> None:
        if self.status not in STATUSES:
            raise ValueError(f"status={self.status!r}: expected one of {', '.join(STATUSES)}")


@dataclass(frozen=True)
class Checkup:
    """All checks of an installation.

    Attributes:
        checks: in groups.
        seconds: how long they took.
    """

    checks: tuple[Check, ...]
    seconds: float

    @property
    def broken(self) -> tuple[Check, ...]:
        """The checks that failed."""
        return tuple(check for check in self.checks if check.status == "broken")

    @property
    def is_fine(self) -> bool:
        """Whether nothing is broken."""
        return not self.broken

    @property
    def verdict(self) -> str:
        """The result in one sentence."""
        if self.is_fine:
            return "fine: hicmae works on this machine"
        names = ", ".join(dict.fromkeys(check.name for check in self.broken))
        return f"broken: {len(self.broken)} of {len(self.checks)} checks failed: {names}"

    def to_dict(self) -> dict[str, Any]:
        """Return the document that ``hicmae doctor --json`` prints."""
        return {
            "schema": SCHEMA,
            "is_fine": self.is_fine,
            "verdict": self.verdict,
            "seconds": round(self.seconds, 3),
            "checks": [asdict(check) for check in self.checks],
        }
