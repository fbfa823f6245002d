"""The table of output formats of a prediction.

To add a format, add a module with its writer, and a row here. The command (``--format``), ``Prediction.save`` and the
help texts use the table. Nothing heavy is imported: a writer's module is imported when it writes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

from hicmae_cli.errors import SettingsError

if TYPE_CHECKING:
    from hicmae_cli.report.prediction import Prediction

Writer: TypeAlias = "Callable[[Prediction, Path], None]"
"""Writes a prediction to a path, whole or not at all."""


@dataclass(frozen=True)
class Format:
    """One row of the table.

    Attributes:
        name: value of the parameter ``formats``.
        suffix: of its files.
        writer: its `Writer`, as ``module:function`` of this room.
        per_input: whether each input gets a file of its own, named after it. Its writer gets a prediction of this
            input alone; inputs that failed get no file. Otherwise one file holds the whole call.
    """

    name: str
    suffix: str
    writer: str
    per_input: bool = False

    def load_writer(self) -> Writer:
        """Import the writer."""
        module, _, function = self.writer.partition(":")
        writer: Writer = getattr(import_module(f"{__package__}.{module}"), function)
        return writer


FORMATS: Final = {
    each.name: each
    for each in (
        Format("json", ".json", "json_writer:write_json"),
        Format("csv", ".csv", "csv_writer:write_csv"),
        Format("html", ".html", "html.page:write_html", per_input=True),
        Format("plot", ".png", "timeline_plot:write_plot", per_input=True),
    )
}
"""By name."""
DEFAULT_FORMATS: Final = ("json", "csv")
WHOLE_CALL: Final = "predictions"
"""Stem of the files that hold a whole call."""


def find_formats(names: Sequence[str]) -> tuple[Format, ...]:
    """Look up formats by name.

    Raises:
        SettingsError: an unknown name, or none at all.
    """
    if isinstance(names, str):
        names = (names,)
    if not names or not FORMATS.keys() >= set(names):
        raise SettingsError(f"formats={','.join(names)!r}: expected one or more of {', '.join(FORMATS)}")
    return tuple(FORMATS[name] for name in dict.fromkeys(names))


def write_prediction(prediction: Prediction, folder: Path, formats: Sequence[Format]) -> tuple[Path, ...]:
    """Write a prediction to a folder -> the files, in the order of the formats and inputs.

    Raises:
        HicmaeError: a file cannot be written.
    """
    written: list[Path] = []
    for each in formats:
        write = each.load_writer()
        if not each.per_input:
            written.append(folder / f"{WHOLE_CALL}{each.suffix}")
            write(prediction, written[-1])
            continue
        taken: set[str] = set()
        for file in prediction.files:
            if not file.failed:
                name = _free_name(file.path, each.suffix, taken)
                taken.add(name)
                written.append(folder / name)
                write(replace(prediction, files=(file,)), written[-1])
    return tuple(written)


def _free_name(path: Path, suffix: str, taken: set[str]) -> str:
    """Name a file after its input: ``a.srt`` for ``a.mp4``, then ``a.wav.srt``, then ``a.wav-2.srt``."""
    names = [path.stem, path.name, *(f"{path.name}-{number}" for number in range(2, len(taken) + 3))]
    return next(name for stem in names if (name := f"{stem}{suffix}") not in taken)
