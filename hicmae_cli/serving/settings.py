"""Settings of a server: the model, and what a client may ask of it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from hicmae_cli.bundled import DEFAULT_WEIGHT
from hicmae_cli.errors import SettingsError
from hicmae_cli.runtime.settings import PredictSettings

MB: Final = 10**6
_LONGEST_QUEUE: Final = 1000


@dataclass(frozen=True)
class ServeSettings:
    """How a server works.

    Attributes:
        weights: name or file of the weight; see ``open_engine``.
        engine: see ``open_engine``.
        device: see ``open_engine``.
        predict: how every file is predicted.
        max_size_mb: largest body of a request, in megabytes (10^6 bytes).
        time_limit_s: most time for a request, from its first byte to its answer, in seconds. It includes the wait.
        queue: most requests that wait while another one is predicted.
        token: text that a client must send as ``Authorization: Bearer TOKEN``; None lets everybody in.
        web: folder of web pages to show at ``/``; None for the page that uploads a file.

    Raises:
        SettingsError: a value out of range, or a folder that is not there.
    """

    weights: str = DEFAULT_WEIGHT
    engine: str = "auto"
    device: str = "auto"
    predict: PredictSettings = field(default_factory=PredictSettings)
    max_size_mb: float = 500.0
    time_limit_s: float = 600.0
    queue: int = 8
    token: str | None = field(default=None, repr=False)
    web: Path | None = None

    def __post_init__(self) -> None:
        if not 0 < self.max_size_mb < math.inf:
            raise SettingsError(f"max_size_mb={self.max_size_mb!r}: expected more than 0 megabytes")
        if not 0 < self.time_limit_s < math.inf:
            raise SettingsError(f"time_limit_s={self.time_limit_s!r}: expected more than 0 seconds")
        if not 0 <= self.queue <= _LONGEST_QUEUE:
            raise SettingsError(f"queue={self.queue!r}: expected 0 to {_LONGEST_QUEUE} requests")
        # Never print the token itself.
        if self.token is not None and not (self.token and self.token.isascii() and self.token.isprintable()):
            raise SettingsError("`token`: expected printable ASCII characters, at least one")
        if self.token is not None and " " in self.token:
            raise SettingsError("`token`: expected no space in it")
        if self.web is not None and not (self.web / "index.html").is_file():
            raise SettingsError(f"web={str(self.web)!r}: expected a folder with an index.html")

    @property
    def max_bytes(self) -> int:
        """Largest body of a request, in bytes."""
        return int(self.max_size_mb * MB)
