"""``hicmae export``: export a weight to another format, and check that both agree."""

from __future__ import annotations

import math
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hicmae_cli.bundled import DEFAULT_WEIGHT
from hicmae_cli.cli.options import DatasetOption, ManifestOption, RootOption, WeightsOption, parse_path, usage_error
from hicmae_cli.cli.pull import OfflineOption
from hicmae_cli.weights.suffixes import ONNX

if TYPE_CHECKING:
    from hicmae_cli.weights.export import ExportReport

_MB = 1_000_000


def export(
    onnx: Annotated[bool, typer.Option("--onnx", help="Write ONNX (opset 20, any batch size).")] = False,
    authors: Annotated[
        bool, typer.Option("--authors", help="Write a .pth that the programs of the paper's authors read.")
    ] = False,
    report: Annotated[
        bool,
        typer.Option("--report", help="Write no weight: compare all precisions of ONNX with torch on prepared clips."),
    ] = False,
    web: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            parser=parse_path,
            help="Write a folder with a page that predicts videos and cameras in a browser.",
        ),
    ] = None,
    weights: WeightsOption = DEFAULT_WEIGHT,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="File to write; by default next to the weight."),
    ] = None,
    with_front_end: Annotated[
        bool,
        typer.Option(
            "--with-front-end", help="Take 8-bit aligned faces and sound at 16 kHz, and give calibrated probabilities."
        ),
    ] = False,
    precision: Annotated[
        str,
        typer.Option(
            metavar="float32|float16|int8",
            help="What the network computes in; int8 needs prepared clips that determine its ranges.",
        ),
    ] = "float32",
    store: Annotated[
        str,
        typer.Option(
            metavar="float32|float16",
            help="Precision of the stored numbers of a file that computes in float32; float16 halves it.",
        ),
    ] = "float32",
    manifest: ManifestOption = None,
    dataset: DatasetOption = None,
    root: RootOption = None,
    split: Annotated[
        str | None, typer.Option(help="Use only clips of this split of the list; by default all clips.")
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the report as JSON; '-' for stdout.")
    ] = None,
    markdown: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the report as Markdown.")] = None,
    packages: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            parser=parse_path,
            help="Folder with the archives of the two npm packages of --web; by default they are fetched once.",
        ),
    ] = None,
    offline: OfflineOption = False,
) -> None:
    """Export a weight to ONNX and check it against torch; a file that differs too much is not written.

    Or write it as the paper's authors do (--authors), compare the precisions of ONNX (--report), or write a page
    for the browser (--web).

    [bold]Examples[/bold]

        hicmae export --onnx --weights my-model --output my-model.onnx

        hicmae export --onnx --with-front-end --output anywhere.onnx

        hicmae export --onnx --precision int8 --manifest clips.csv -o small.onnx

        hicmae export --report --manifest clips.csv --markdown report.md

        hicmae export --authors --weights my-model --output my-model.pth

        hicmae export --web page
    """
    if onnx + authors + report + (web is not None) != 1:
        raise usage_error("choose one of --onnx, --authors, --report and --web")
    if web is None and (packages is not None or offline):
        raise usage_error(f"{'--offline' if offline else '--packages'}: is for --web")
    listed = {"--dataset": dataset, "--root": root, "--manifest": manifest, "--split": split}
    given = [option for option, value in listed.items() if value is not None]
    if given and not (report or (onnx and precision == "int8")):
        raise usage_error(f"{given[0]}: only --precision int8 and --report need clips")
    if not report and (json_file or markdown):
        raise usage_error(f"{'--json' if json_file else '--markdown'}: is for --report")
    if not onnx and (with_front_end or precision != "float32" or store != "float32"):
        raise usage_error("--with-front-end, --precision and --store: are for --onnx")
    if authors:
        _export_authors(weights, output)
    elif web is not None:
        if output is not None:
            raise usage_error("--output: is for --onnx and --authors; --web has a folder")
        _export_web(web, weights, packages, offline=offline)
    elif report:
        if output is not None:
            raise usage_error("--output: is for --onnx and --authors; --report writes --json and --markdown")
        _report(weights, _find_list(dataset, root, manifest), split, json_file, markdown)
    else:
        found = None if dataset is None and manifest is None else _find_list(dataset, root, manifest)
        settings = {"store": store, "precision": precision, "with_front_end": with_front_end}
        _export_onnx(weights, output, {**settings, "manifest": found, "split": split})


def _find_list(dataset: str | None, root: Path | None, manifest: Path | None) -> Path:
    """Find the list of clips, before a spinner runs: puppets may have to be drawn, with a display of their own."""
    from hicmae_cli.cli.clip_lists import puppets_manifest
    from hicmae_cli.corpora.clip_list import find_clips

    return find_clips(dataset, root, manifest, draw_puppets=puppets_manifest).manifest


def _export_onnx(weights: str, output: Path | None, settings: dict[str, Any]) -> None:
    """Write a weight as ONNX."""
    if output is not None and output.suffix != ONNX:
        raise usage_error(f"--output {output}: expected a name that ends in {ONNX}")
    if settings["store"] not in ("float32", "float16"):
        raise usage_error(f"--store {settings['store']}: expected float32 or float16")
    from hicmae_cli.bundled import find_bundled_dir
    from hicmae_cli.cli.screen import Screen
    from hicmae_cli.cli.training_extra import require_training
    from hicmae_cli.weights.reading import find_parameters

    source = find_parameters(weights, "export")
    if output is None and source.suffix == ONNX and source.parent != find_bundled_dir():
        raise usage_error(f"{source} is an ONNX file already: choose another file with --output")
    if output is None and source.parent == find_bundled_dir():
        raise usage_error(
            f"{weights} is bundled with hicmae, and bundled files are never changed: choose a file with --output"
        )
    require_training("export", "torch", "torchvision", "onnx", "onnxscript")
    from hicmae_cli.exporting.export import export_onnx

    screen = Screen()
    with screen.wait("exporting and checking"):
        written = export_onnx(source, output or source.with_suffix(ONNX), **settings)
    screen.done("wrote", f"{written.path} ({written.size_bytes / 1e6:.1f} MB, opset {written.opset})")
    screen.done("checked", _describe(written))


def _describe(written: ExportReport) -> str:
    """Describe the check of a file in words."""
    probability = written.max_probability_difference
    where = "a value" if probability is None else f"a logit, {probability:.1e} in a probability"
    if not math.isnan(written.agreement):
        return f"it decides as torch does for {written.agreement:.1%} of the clips that determined its ranges"
    return (
        f"{written.checked_clips} seeded clips against torch: largest difference {written.max_logit_difference:.1e} in "
        f"{where} (limit {written.limit:.0e} in {written.limited})"
    )


def _report(weights: str, manifest: Path, split: str | None, json_file: Path | None, markdown: Path | None) -> None:
    """Compare the precisions of a weight, and print the table."""
    from hicmae_cli.cli.screen import STDOUT, Screen, write_document
    from hicmae_cli.cli.training_extra import require_training
    from hicmae_cli.errors import SettingsError
    from hicmae_cli.report.files import write_text
    from hicmae_cli.weights.reading import find_parameters

    for file in filter(None, (json_file, markdown)):
        if file.is_dir():
            raise SettingsError(f"{file}: is a folder; give the name of a file")
    source = find_parameters(weights, "export")
    require_training("export", "torch", "torchvision", "onnx", "onnxscript")
    from hicmae_cli.exporting.report import compare_precisions

    screen = Screen()
    with screen.wait("exporting and comparing"):
        found = compare_precisions(source, name=weights, manifest=manifest, split=split)
    if markdown is not None:
        write_text(markdown, found.to_markdown())
    if json_file is not None:
        write_document(found.to_dict(), json_file)
    screen.show(found.to_grid(), on_stderr=json_file == STDOUT)
    screen.say(found.advise())


def _export_authors(weights: str, output: Path | None) -> None:
    """Write a weight as a checkpoint of the paper's authors."""
    from hicmae_cli.cli.screen import Screen
    from hicmae_cli.cli.training_extra import require_training
    from hicmae_cli.weights.reading import find_parameters

    if output is None:
        raise usage_error("--authors needs --output FILE.pth")
    source = find_parameters(weights, "export")
    require_training("export", "torch")
    from hicmae_cli.weights.authors_file import export_authors

    count = export_authors(source, output)
    Screen().done("wrote", f"{output}: {count} tensors under the authors' names")


def _export_web(folder: Path, weights: str, packages: Path | None, *, offline: bool) -> None:
    """Write the browser page."""
    from hicmae_cli.cli.screen import Screen
    from hicmae_cli.cli.training_extra import require_training

    require_training("export", "torch", "torchvision", "onnx", "onnxscript")
    from hicmae_cli.web.export import export_web

    screen = Screen()
    with screen.bar("packages, MB") as bar:
        page = export_web(
            folder,
            weights,
            packages=packages,
            offline=True if offline else None,
            on_package=lambda url: screen.say(f"from {url}"),
            on_bytes=lambda there, total: bar.update(there // _MB, total=total // _MB or None),
        )
    screen.done("wrote", f"{page.path}: the page of {page.weight} ({page.size_bytes / _MB:.0f} MB)")
    screen.say(f"serve it: python -m http.server --directory {shlex.quote(str(page.path))}")
