"""Errors that a user can fix: each prints as one line, never as a traceback."""


class HicmaeError(Exception):
    """A problem that the user can fix. The message states what was wrong, where, and what to do."""


class MediaError(HicmaeError):
    """A file cannot be read as audio or video, or cannot be written."""


class DiskError(MediaError):
    """The disk is full or not writable: every later write would fail, too."""


class WeightsError(HicmaeError):
    """A weight file is missing, malformed or does not fit its model."""


class ManifestError(HicmaeError):
    """A list of clips is malformed or names missing files."""


class SettingsError(HicmaeError):
    """A recipe or a parameter has an invalid value; the command exits with 2, as for wrong usage."""


class TrainingError(HicmaeError):
    """A training cannot continue."""


class MissingDependencyError(HicmaeError):
    """A required optional package or system library is missing."""


def install_hint(extra: str) -> str:
    """Return how to install an extra: from the checkout, because no index has the package."""
    return f"pip install '.[{extra}]' in the checkout of hicmae"


def first_line(error: Exception) -> str:
    """Return the first line of an error's message, or the error's type if the message is empty."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def one_line(text: str) -> str:
    """Escape control characters and line breaks, for text that may contain a file's name."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
