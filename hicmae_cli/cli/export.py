"""``hicmae export``: export a weight to another format, and check that both agree."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hicmae_cli.bundled import DEFAULT_WEIGHT
from hicmae_cli.cli.options import WeightsOption, usage_error
from hicmae_cli.weights.suffixes import ONNX


def export(
    onnx: Annotated[bool, typer.Option("--onnx", help="Write ONNX (opset 20, any batch size).")] = False,
    authors: Annotated[
        bool, typer.Option("--authors", help="Write a .pth that the programs of the paper's authors read.")
    ] = False,
    weights: WeightsOption = DEFAULT_WEIGHT,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="File to write; by default next to the weight."),
    ] = None,
    store: Annotated[
        str,
        typer.Option(
            metavar="float32|float16", help="Precision of the stored numbers; float16 halves the file and rounds them."
        ),
    ] = "float32",
    with_front_end: Annotated[
        bool,
        typer.Option(
            "--with-front-end", help="Take 8-bit aligned faces and sound at 16 kHz, and give calibrated probabilities."
        ),
    ] = False,
) -> None:
    """Export a weight to ONNX and check it against torch; a difference over 1e-3 fails.

    Or write it as the paper's authors do, with --authors.

    [bold]Examples[/bold]

        hicmae export --onnx --weights my-model --output my-model.onnx

        hicmae export --onnx --with-front-end --output anywhere.onnx

        hicmae export --authors --weights my-model --output my-model.pth
    """
    if onnx == authors:
        raise usage_error("choose a format: --onnx or --authors")
    if authors:
        _export_authors(weights, output)
        return
    if output is not None and output.suffix != ONNX:
        raise usage_error(f"--output {output}: expected a name that ends in {ONNX}")
    if store not in ("float32", "float16"):
        raise usage_error(f"--store {store}: expected float32 or float16")
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
    from hicmae_cli.exporting.export import export_weight

    screen = Screen()
    with screen.wait("exporting and checking"):
        report = export_weight(
            source,
            output or source.with_suffix(ONNX),
            store="float16" if store == "float16" else "float32",
            with_front_end=with_front_end,
        )
    screen.done("wrote", f"{report.path} ({report.size_bytes / 1e6:.1f} MB, opset {report.opset})")
    probability = report.max_probability_difference
    where = "a value" if probability is None else f"a logit, {probability:.1e} in a probability"
    screen.done(
        "checked",
        f"{report.checked_clips} seeded clips against torch: largest difference "
        f"{report.max_logit_difference:.1e} in {where} (limit {report.limit:.0e} in {report.limited})",
    )


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
