"""The files of the inputs of a prediction, such as subtitles: their names, and which of them need not be made again."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hicmae_cli import __version__
from hicmae_cli.errors import DiskError, HicmaeError, MediaError, first_line
from hicmae_cli.files import compute_sha256, hash_lines
from hicmae_cli.outputs import Output, may_replace, read_outputs, write_outputs
from hicmae_cli.report.formats import INDEX, Format, explain_lack, find_lack

if TYPE_CHECKING:
    from hicmae_cli.report.prediction import Prediction

_LONGEST_NAME_BYTES: Final = 255


class InputFiles:
    """Writes the files of the inputs of one call, one input at a time, in any order.

    A file never replaces one that is not ours, or that somebody has changed: it gets another name. A record in the
    folder is written with each input, so that a later call knows what is ours even if this one is killed.

    Args:
        folder: for the files.
        formats: of the files; those of the whole call are ignored.
        inputs: all of them, in the order given. The names follow this order.
    """

    def __init__(self, folder: Path, formats: Sequence[Format], inputs: Sequence[Path]) -> None:
        self.folder = folder
        self._formats = [each for each in formats if each.per_input]
        self._outputs = {name: each for name, each in read_outputs(folder).items() if (folder / name).exists()}
        taken = _names_in(folder, inputs) if self._formats else set()
        self._names = {each.name: _Names(inputs, each.suffix, taken) for each in self._formats}
        self._made: dict[str, dict[int, tuple[Path, str]]] = {each.name: {} for each in self._formats}
        self._lacks: Counter[tuple[str, str]] = Counter()

    @property
    def is_empty(self) -> bool:
        """Whether there is no format with a file per input."""
        return not self._formats

    def write(
        self,
        number: int,
        prediction: Prediction,
        *,
        keeps: bool = False,
        catches: type[Exception] = MediaError,
        on_format: Callable[[str], None] = lambda _: None,
    ) -> list[str]:
        """Write the files of an input -> a line for each that could not be written.

        Args:
            number: of the input.
            prediction: of this input alone, which has a result.
            keeps: make no file again that is there, unchanged, and was made from the same.
            catches: errors that cost one file; others are raised.
            on_format: called with the name of a format before its file is written.

        Raises:
            DiskError: the record cannot be written.
        """
        (file,) = prediction.files
        made_from = _hash_cause(prediction)
        faults = []
        for each in self._formats:
            if lack := find_lack(file, each.needs):
                self._lacks[each.name, lack] += 1
                continue
            name = self._names[each.name].choose(number, self._is_free)
            known = self._outputs.get(name)
            if not (keeps and made_from and known and known.made_from == made_from and (self.folder / name).exists()):
                on_format(each.name)
                try:
                    each.load_writer()(prediction, self.folder / name)
                except catches as error:
                    said = "" if isinstance(error, HicmaeError) else f"{file.path}: unexpected {type(error).__name__}: "
                    faults.append(f"no {each.name} file: {said}{error if not said else first_line(error)}")
                    continue
                self._note(name, made_from)
            self._made[each.name][number] = file.path, name
        return faults

    def finish(self, prediction: Prediction, form: Format) -> list[Path]:
        """Write the index of a format, if it has one and there are several files -> all of them, in order."""
        made = [each for _, each in sorted(self._made[form.name].items())]
        written = [self.folder / name for _, name in made]
        if form.index and len(made) > 1:
            name = self._names[form.name].choose(None, self._is_free)
            form.load_index_writer()(prediction, dict(made), self.folder / name)
            self._note(name, "")
            written.append(self.folder / name)
        return written

    def explain_missing(self) -> list[str]:
        """Return a line for each format and reason for which some inputs with a result have no file."""
        return [explain_lack(name, lack, number) for (name, lack), number in self._lacks.items()]

    def _is_free(self, name: str) -> bool:
        return may_replace(self.folder / name, self._outputs)

    def _note(self, name: str, made_from: str) -> None:
        """Record a file, so that a later call may replace it."""
        try:
            self._outputs[name] = Output(compute_sha256(self.folder / name), made_from)
            write_outputs(self.folder, self._outputs)
        except OSError as error:
            raise DiskError(f"{self.folder}: cannot be written: {error.strerror or error}") from error


def _hash_cause(prediction: Prediction) -> str:
    """Hash what decides the files of an input; empty if its content is not known."""
    (file,) = prediction.files
    if file.sha256 is None:
        return ""
    facts = (prediction.model.to_dict(), prediction.settings.to_dict(), str(file.path), file.sha256, __version__)
    return hash_lines([json.dumps(facts)])


def _names_in(folder: Path, inputs: Sequence[Path]) -> set[str]:
    """Return the names of inputs in a folder, which are not overwritten, in lower case."""
    place = os.path.realpath(folder)
    # A path that holds a NUL was never a file's.
    files = [path for path in inputs if "\0" not in str(path)]
    return {path.name.casefold() for path in files if os.path.realpath(path.parent) == place}


class _Names:
    """Chooses the names of the files of one format: ``a.srt`` for ``a.mp4``, then ``a.wav.srt``, then ``a.wav-2.srt``.

    Each input has a name of its own from the start, whichever is done first. A name that is too long for a disk is
    cut. Upper and lower case are the same name, as on some disks.
    """

    def __init__(self, inputs: Sequence[Path], suffix: str, taken: set[str]) -> None:
        self._inputs, self._suffix, self._taken = inputs, suffix, taken
        self._owners: dict[str, int | None] = {}
        for number in range(len(inputs)):
            self.choose(number, lambda _: True)

    def choose(self, number: int | None, is_free: Callable[[str], bool]) -> str:
        """Choose the name of an input's file or, without a number, of the index."""
        for name in self._list(Path(INDEX) if number is None else self._inputs[number]):
            key = name.casefold()
            if key not in self._taken and self._owners.get(key, number) == number and is_free(name):
                self._owners[key] = number
                return name
        raise AssertionError("there is always another number")

    def _list(self, path: Path) -> Iterator[str]:
        stem, name = (part.replace("\0", "_") or "input" for part in (path.stem, path.name))
        endings = chain([self._suffix], (f"-{number}{self._suffix}" for number in count(2)))
        return chain([_cut_name(stem, self._suffix)], (_cut_name(name, ending) for ending in endings))


def _cut_name(stem: str, ending: str) -> str:
    """Join both, and cut the stem if the name has more bytes than a disk allows."""
    most = _LONGEST_NAME_BYTES - len(ending)
    short = stem if len(os.fsencode(stem)) <= most else os.fsencode(stem)[:most].decode("utf-8", "ignore")
    return f"{short}{ending}"
