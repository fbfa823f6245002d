"""``hicmae evaluate --dataset real-check``: its options, which the help does not list, and what it prints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

if TYPE_CHECKING:
    from hicmae_cli.weights.info import WeightInfo

REAL_CHECK: Final = "real-check"
"""A name for ``--dataset`` that `hicmae datasets` does not list: nobody publishes its folders of real people."""

FaceCropsOption = Annotated[
    Path | None,
    typer.Option("--faces", metavar="DIR|FILE.csv", hidden=True, help="real-check: folder of labelled face crops."),
]
VoicesOption = Annotated[
    Path | None,
    typer.Option("--voices", metavar="DIR|FILE.csv", hidden=True, help="real-check: folder of labelled voices."),
]
ClearOption = Annotated[
    Path | None,
    typer.Option("--clear", metavar="FILE.csv", hidden=True, help="real-check: crops with a reviewed label."),
]
SpeakersOption = Annotated[
    str | None,
    typer.Option("--speakers", metavar="NAME,…", hidden=True, help="real-check: test the voices of these speakers."),
]
PeersOption = Annotated[
    list[str] | None,
    typer.Option(
        "--peers",
        metavar="NAME=FILE.csv",
        hidden=True,
        help="real-check: probabilities of another judge; can be repeated.",
    ),
]
BaselinesOption = Annotated[
    bool, typer.Option("--baselines", hidden=True, help="real-check: also train simple judges on the other people.")
]


@dataclass(frozen=True)
class RealCheckOptions:
    """The options that choose people and other judges."""

    root: Path | None
    faces: Path | None
    voices: Path | None
    clear: Path | None
    split: str
    speakers: str | None
    peers: Sequence[str] | None
    baselines: bool

    def refuse(self) -> None:
        """Refuse those that only this check has.

        Raises:
            SettingsError: one was given.
        """
        from hicmae_cli.errors import SettingsError

        own = ("faces", "voices", "clear", "speakers", "peers", "baselines")
        if names := [f"`{name}`" for name in own if getattr(self, name)]:
            raise SettingsError(f"{', '.join(names)}: needs dataset={REAL_CHECK!r}")


@dataclass(frozen=True)
class RealCheckFiles:
    """The files to write."""

    json_file: Path | None
    markdown: Path | None
    output: Path | None


def run_real_check(
    weights: str,
    people: RealCheckOptions,
    engine: str,
    device: str,
    files: RealCheckFiles,
    unused: Sequence[object],
    *,
    quiet: bool,
) -> None:
    """Check a weight on real people, write the files, and print the tables.

    Args:
        weights: the weight.
        people: whom to test.
        engine: the engine.
        device: the device.
        files: what to write.
        unused: values of the options of `hicmae evaluate` that this check does not have.
        quiet: print only results and warnings.

    Raises:
        SettingsError: an option that this check does not have.
    """
    from hicmae_cli.cli.screen import STDOUT, Screen, write_document
    from hicmae_cli.errors import SettingsError
    from hicmae_cli.evaluation.real_check.check import check_real_people
    from hicmae_cli.evaluation.real_check.files import save_check
    from hicmae_cli.report.console import licence_line, weight_notice
    from hicmae_cli.report.files import make_folder, write_text

    if any(unused):
        raise SettingsError(
            f"dataset={REAL_CHECK!r}: takes only the options of docs/real-check.md, and --json, --markdown, --output, "
            "--engine and --device"
        )
    json_file, markdown, output = files.json_file, files.markdown, files.output
    for file in filter(None, (json_file, markdown)):
        if file.is_dir():
            raise SettingsError(f"{file}: is a folder; give the name of a file")
    if output is not None:
        make_folder(output)
    screen = Screen(quiet=quiet)

    def start(info: WeightInfo, count: int) -> None:
        screen.say(licence_line(weights, info))
        if notice := weight_notice(weights, info):
            screen.warn(notice)
        bar.start(count)

    with screen.bar("files") as bar:
        result = check_real_people(
            weights=weights,
            root=people.root,
            faces=people.faces,
            voices=people.voices,
            clear=people.clear,
            split=people.split,
            speakers=[name.strip() for name in people.speakers.split(",")] if people.speakers else (),
            peers=people.peers or (),
            baselines=people.baselines,
            engine=engine,
            device=device,
            on_start=start,
            on_clip=bar.advance,
        )
    if markdown is not None:
        write_text(markdown, result.to_markdown())
    if json_file is not None:
        write_document(result.to_dict(), json_file)
    if output is not None:
        save_check(result, output)
    screen.say(result.rule)
    screen.show(*result.grids(), on_stderr=json_file == STDOUT)
    for warning in result.warnings:
        screen.warn(warning)
