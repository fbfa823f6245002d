"""Errors that a user can fix. The command prints each as one line, never as a traceback.

Messages name Python parameters, never options of the command, in one of two forms:

- with a value, as in a call: ``f"hop_s={hop_s!r}: expected more than 0"``;
- without a value, in backticks: ``"`skip_existing` needs `output`"``.

The command replaces both by its options (``--hop 3.0``, ``--skip-existing``), with the table in ``cli/flags.py``.
"""


class HicmaeError(Exception):
    """A problem that the user can fix. The message states what was wrong, where, and what to do."""


class MediaError(HicmaeError):
    """A file cannot be read as audio or video, or cannot be written."""


class DiskError(MediaError):
    """The disk is full, or cannot be written to: every later write would fail too."""


class WeightsError(HicmaeError):
    """A weight file is missing, malformed or does not fit its model."""


class NotPulledError(WeightsError):
    """The catalogue has a weight of this name, but this machine does not."""


class ManifestError(HicmaeError):
    """A list of clips is malformed or names missing files."""


class SettingsError(HicmaeError):
    """A parameter or a recipe's key has a value that cannot be used; the command exits with 2, as for wrong usage."""


class TrainingError(HicmaeError):
    """A training cannot continue."""


class MissingDependencyError(HicmaeError):
    """An optional package or a system library is missing."""


class PluginWarning(UserWarning):
    """A plug-in of another package, or a part of it, is skipped."""


def install_hint(extra: str) -> str:
    """Return how to install an extra: from the checkout, because no index has a package of this name."""
    return f"pip install '.[{extra}]' in the checkout of hicmae"


def first_line(error: Exception) -> str:
    """Return the first line of a library's error, or its class if it has no text."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def one_line(text: str) -> str:
    """Escape a text, which may contain a file's name, so that it fits one line and cannot control a terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
