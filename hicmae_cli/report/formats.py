"""The table of output formats of a prediction.

To add a format, add a module with its writer, and a row here. The command (``--format``), ``Prediction.save`` and the
help texts use the table. Nothing heavy is imported: a writer's module is imported when it writes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from hicmae_cli.errors import MediaError, SettingsError, one_line
from hicmae_cli.report.original import explain_loss, find_original, is_there

if TYPE_CHECKING:
    from hicmae_cli.report.input_files import InputFiles
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
        needs: what an input must have for a file: time (a photograph has none), and labels, a test of who speaks, or
            its media file where and as it was. An input without it gets no file.
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
    from hicmae_cli.report.input_files import InputFiles

    inputs = InputFiles(folder, formats, [find_original(file) for file in prediction.files])
    faults = [
        fault
        for number, file in enumerate(prediction.files)
        if not file.failed
        for fault in inputs.write(number, replace(prediction, files=(file,)))
    ]
    written = write_whole(prediction, inputs, formats)
    if faults:
        raise MediaError("; ".join(faults))
    return written


def write_whole(prediction: Prediction, inputs: InputFiles, formats: Sequence[Format]) -> tuple[Path, ...]:
    """Write what needs all inputs, after their own files -> all files, in the order of the formats and inputs.

    Raises:
        HicmaeError: a file cannot be written.
    """
    written: list[Path] = []
    for each in formats:
        if each.per_input:
            written += inputs.finish(prediction, each)
        else:
            written.append(inputs.folder / f"{WHOLE_CALL}{each.suffix}")
            each.load_writer()(prediction, written[-1])
    return tuple(written)


def explain_missing(prediction: Prediction, formats: Sequence[Format]) -> tuple[str, ...]:
    """Return a line for each format and reason for which some inputs with a result get no file."""
    lines = []
    for each in formats:
        lacks = Counter(find_lack(file, each.needs) for file in prediction.files if not file.failed)
        lines += [explain_lack(each.name, lack, number) for lack, number in lacks.items() if lack]
    return tuple(lines)


def explain_lack(name: str, lack: str, inputs: int) -> str:
    """Return a line that says why so many inputs have no file of a format."""
    return f"no {name} file for {inputs} input{'' if inputs == 1 else 's'}: {lack}"


def find_lack(file: FileResult, needs: str) -> str:
    """Return what a file lacks of the needs of a format, in words; nothing if it has all."""
    windows = chain.from_iterable(track.windows for track in file.tracks)
    if needs and file.is_photograph:
        return "a photograph has no timeline"
    if needs == "media":
        return explain_loss(file)
    if needs == "speakers" and file.speech is None and all(window.speaker is None for window in windows):
        return "who speaks was not tested"
    if needs == "labels" and not any(window.scores.labels for window in windows):
        return "a regression has no labels"
    return ""


def warn_of_links(prediction: Prediction, formats: Sequence[Format]) -> tuple[str, ...]:
    """Return a line for each format whose files link media that are not there."""
    lines = []
    for each in formats:
        linking = [file for file in prediction.files if each.is_linked and not file.failed]
        if gone := [file for file in linking if not find_lack(file, each.needs) and not is_there(file)]:
            count = f"{len(gone)} {each.name} file{'' if len(gone) == 1 else 's'}"
            lines.append(one_line(f"the media link of {count} leads nowhere: {find_original(gone[0])} is not there"))
    return tuple(lines)
