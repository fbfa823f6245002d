"""The table of output formats of a prediction.

To add a format, add a module with its writer, and a row here. The command (``--format``), ``Prediction.save`` and the
help texts use the table. Nothing heavy is imported: a writer's module is imported when it writes.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from hicmae_cli.errors import DiskError, MediaError, SettingsError, one_line
from hicmae_cli.outputs import may_replace, note_outputs, read_outputs
from hicmae_cli.report.original import explain_loss, find_original, is_there

if TYPE_CHECKING:
    from hicmae_cli.report.prediction import Prediction
    from hicmae_cli.runtime.results import FileResult

Writer: TypeAlias = "Callable[[Prediction, Path], None]"
"""Writes a prediction to a path, whole or not at all."""
IndexWriter: TypeAlias = "Callable[[Prediction, Mapping[Path, str], Path], None]"
"""Writes a list of the inputs of a prediction to a path, with the name of the file of each."""


@dataclass(frozen=True)
class Format:
    """One row of the table.

    Attributes:
        name: value of the parameter ``formats``.
        suffix: of its files.
        writer: its `Writer`, as ``module:function`` of this room.
        per_input: whether each input gets a file of its own, named after it. Its writer gets a prediction of this
            input alone; inputs that failed get no file. Otherwise one file holds the whole call.
        needs: what an input must have for a file: time (a photograph has none), and labels, windows that were tested
            for who speaks, or its media file where and as it was. An input without it gets no file.
        is_linked: whether its files link the media file of their input.
        index: `IndexWriter` of a file that lists the others if there are several, likewise; empty for none.
    """

    name: str
    suffix: str
    writer: str
    per_input: bool = False
    needs: Literal["", "time", "labels", "speakers", "media"] = ""
    is_linked: bool = False
    index: str = ""

    def load_writer(self) -> Writer:
        """Import the writer."""
        writer: Writer = _load(self.writer)
        return writer

    def load_index_writer(self) -> IndexWriter:
        """Import the writer of the index."""
        writer: IndexWriter = _load(self.index)
        return writer


def _load(place: str) -> Any:
    module, _, function = place.partition(":")
    return getattr(import_module(f"{__package__}.{module}"), function)


FORMATS: Final = {
    each.name: each
    for each in (
        Format("json", ".json", "json_writer:write_json"),
        Format("csv", ".csv", "csv_writer:write_csv"),
        Format("srt", ".srt", "subtitles_writer:write_srt", per_input=True, needs="time"),
        Format("vtt", ".vtt", "subtitles_writer:write_vtt", per_input=True, needs="time"),
        Format("elan", ".eaf", "elan_writer:write_elan", per_input=True, needs="time", is_linked=True),
        Format("textgrid", ".TextGrid", "textgrid_writer:write_textgrid", per_input=True, needs="time"),
        Format("boris", ".tsv", "boris_writer:write_boris", per_input=True, needs="labels"),
        Format("rttm", ".rttm", "rttm_writer:write_rttm", per_input=True, needs="speakers"),
        Format("html", ".html", "html.page:write_html", per_input=True, index="html.index:write_index"),
        Format("plot", ".png", "timeline_plot:write_plot", per_input=True, needs="time"),
        Format("overlay", ".overlay.mp4", "overlay_writer:write_overlay", per_input=True, needs="media"),
    )
}
"""By name."""
ALL_FORMATS: Final = "all"
"""Stands for every format."""
DEFAULT_FORMATS: Final = ("json", "csv")
WHOLE_CALL: Final = "predictions"
"""Stem of the files that hold a whole call."""
INDEX: Final = "index"
"""Stem of the files that list those of several inputs."""
_LONGEST_NAME_BYTES: Final = 255


def find_formats(names: Sequence[str]) -> tuple[Format, ...]:
    """Look up formats by name; ``all`` is every one.

    Raises:
        SettingsError: an unknown name, or none at all.
    """
    if isinstance(names, str):
        names = (names,)
    if ALL_FORMATS in names:
        names = (*(name for name in names if name != ALL_FORMATS), *FORMATS)
    if not names or not FORMATS.keys() >= set(names):
        raise SettingsError(f"formats={','.join(names)!r}: expected one or more of {', '.join(FORMATS)}, or all")
    return tuple(FORMATS[name] for name in dict.fromkeys(names))


def write_prediction(prediction: Prediction, folder: Path, formats: Sequence[Format]) -> tuple[Path, ...]:
    """Write a prediction to a folder -> the files, in the order of the formats and inputs.

    The file of an input never replaces one that is not ours, or that somebody has changed: it gets another name.

    Raises:
        MediaError: the media of some inputs cannot be read again. All other files are written.
        HicmaeError: a file cannot be written.
    """
    written: list[Path] = []
    faults: list[str] = []
    outputs = read_outputs(folder)
    for each in formats:
        write = each.load_writer()
        if not each.per_input:
            written.append(folder / f"{WHOLE_CALL}{each.suffix}")
            write(prediction, written[-1])
            continue
        names = _Names(folder, _inputs_in(folder, prediction), outputs)
        made: dict[Path, str] = {}
        for file in prediction.files:
            if file.failed:
                continue
            name = names.choose(file.path, each.suffix)
            if _find_lack(file, each.needs):
                continue
            try:
                write(replace(prediction, files=(file,)), folder / name)
            except MediaError as error:
                faults.append(f"no {each.name} file: {error}")
                continue
            written.append(folder / name)
            made[file.path] = name
        if each.index and len(made) > 1:
            written.append(folder / names.choose(Path(INDEX), each.suffix))
            each.load_index_writer()(prediction, made, written[-1])
    _note(folder, outputs, [path for path in written if not path.name.startswith(f"{WHOLE_CALL}.")])
    if faults:
        raise MediaError("; ".join(faults))
    return tuple(written)


def _note(folder: Path, outputs: Mapping[str, str], written: Sequence[Path]) -> None:
    """Record the files of inputs, so that a later call may replace them."""
    if not written:
        return
    try:
        note_outputs(folder, outputs, written)
    except OSError as error:
        raise DiskError(f"{folder}: cannot be written: {error.strerror or error}") from error


def explain_missing(prediction: Prediction, formats: Sequence[Format]) -> tuple[str, ...]:
    """Return a line for each format and reason for which some inputs with a result get no file."""
    lines = []
    for each in formats:
        lacks = Counter(_find_lack(file, each.needs) for file in prediction.files if not file.failed)
        for lack, number in lacks.items():
            if lack:
                inputs = f"{number} input{'' if number == 1 else 's'}"
                lines.append(f"no {each.name} file for {inputs}: {lack}")
    return tuple(lines)


def warn_of_links(prediction: Prediction, formats: Sequence[Format]) -> tuple[str, ...]:
    """Return a line for each format whose files link media that are not there."""
    lines = []
    for each in formats:
        linking = [file for file in prediction.files if each.is_linked and not file.failed]
        if gone := [file for file in linking if not _find_lack(file, each.needs) and not is_there(file)]:
            count = f"{len(gone)} {each.name} file{'' if len(gone) == 1 else 's'}"
            lines.append(one_line(f"the media link of {count} leads nowhere: {find_original(gone[0])} is not there"))
    return tuple(lines)


def _find_lack(file: FileResult, needs: str) -> str:
    """Return what a file lacks of the needs of a format, in words; nothing if it has all."""
    windows = [window for track in file.tracks for window in track.windows]
    if needs and file.is_photograph:
        return "a photograph has no timeline"
    if needs == "media":
        return explain_loss(file)
    if needs == "speakers" and all(window.speaker is None for window in windows):
        return "who speaks was not tested"
    if needs == "labels" and not any(window.scores.labels for window in windows):
        return "a regression has no labels"
    return ""


def _inputs_in(folder: Path, prediction: Prediction) -> set[str]:
    """Return the names of inputs in a folder, which are not overwritten, in lower case."""
    place = os.path.realpath(folder)
    # A path that holds a NUL was never a file's.
    files = [find_original(file) for file in prediction.files if "\0" not in f"{file.folder}{file.path}"]
    return {path.name.casefold() for path in files if os.path.realpath(path.parent) == place}


class _Names:
    """Chooses the names of the files of one format.

    Args:
        folder: of the files.
        taken: names in lower case that no file may get.
        outputs: see `may_replace`.
    """

    def __init__(self, folder: Path, taken: set[str], outputs: Mapping[str, str]) -> None:
        self._folder, self._taken, self._outputs = folder, taken, outputs

    def choose(self, path: Path, suffix: str) -> str:
        """Name a file after its input: ``a.srt`` for ``a.mp4``, then ``a.wav.srt``, then ``a.wav-2.srt``.

        A name that is too long for a disk is cut. Upper and lower case are the same name, as on some disks.
        """
        stem, name = (part.replace("\0", "_") or "input" for part in (path.stem, path.name))
        endings = chain([suffix], (f"-{number}{suffix}" for number in count(2)))
        names = chain([_cut_name(stem, suffix)], (_cut_name(name, ending) for ending in endings))
        chosen = next(each for each in names if self._is_free(each))
        self._taken.add(chosen.casefold())
        return chosen

    def _is_free(self, name: str) -> bool:
        return name.casefold() not in self._taken and may_replace(self._folder / name, self._outputs)


def _cut_name(stem: str, ending: str) -> str:
    """Join both, and cut the stem if the name has more bytes than a disk allows."""
    most = _LONGEST_NAME_BYTES - len(ending)
    short = stem if len(os.fsencode(stem)) <= most else os.fsencode(stem)[:most].decode("utf-8", "ignore")
    return f"{short}{ending}"
