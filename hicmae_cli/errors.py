"""What can go wrong and is the user's to mend: each prints as one line, never as a traceback."""


class HicmaeError(Exception):
    """A problem a user can act on. The message says what was wrong, where, and what to do."""


class MediaError(HicmaeError):
    """A file cannot be read as audio or video, or cannot be written."""


class DiskError(MediaError):
    """The disk is full, or cannot be written to: any other file would meet the same fate."""


class WeightsError(HicmaeError):
    """A weight file is missing, malformed or does not fit its model."""


class ManifestError(HicmaeError):
    """A list of clips is malformed or names files that are not there."""


class SettingsError(HicmaeError):
    """A recipe or an option has a value that cannot be used; the command exits with 2, as for wrong usage."""


class TrainingError(HicmaeError):
    """A training cannot go on."""


class MissingDependencyError(HicmaeError):
    """An optional package or a system library that the command needs is missing."""


def install_hint(extra: str) -> str:
    """How to get the packages of an extra: from the checkout, because no index has a package of this name."""
    return f"pip install '.[{extra}]' in the checkout of hicmae"


def first_line(error: Exception) -> str:
    """What a library's error says first, or its kind where it says nothing."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def one_line(text: str) -> str:
    """A text, perhaps with a file's name in it, that fits one line and cannot steer a terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
