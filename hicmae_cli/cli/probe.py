"""``hicmae probe``: fit a linear probe to every layer of some embeddings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hicmae_cli.cli.options import QuietOption

if TYPE_CHECKING:
    from hicmae_cli.embedding.probe import ProbeResult
    from hicmae_cli.report.grid import Grid


def probe(
    embeddings: Annotated[Path, typer.Argument(metavar="FILE", help="Embeddings that `hicmae embed` wrote.")],
    layers: Annotated[
        str | None, typer.Option(metavar="A,B,…", help="Layers to probe; by default all in the file.")
    ] = None,
    fold: Annotated[
        str | None, typer.Option(metavar="K", help="Test this fold only; by default all folds, one by one.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the inner cross-validation.")] = 0,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write all scores as JSON; '-' for stdout.")
    ] = None,
    quiet: QuietOption = False,
) -> None:
    """Fit a linear classifier to every layer of some embeddings, and test it on other people.

    The folds or splits are those of the embedded manifest. The scores show how well a linear classifier can read the
    labels from each layer; the model itself does not change.

    [bold]Examples[/bold]

        hicmae embed --dataset crema-d -w my-weight --layers each -o layers.npz

        hicmae probe layers.npz

        hicmae probe layers.npz --layers fused,video_6 --json probe.json
    """
    from hicmae_cli.cli.screen import STDOUT, Screen, write_document
    from hicmae_cli.cli.training_extra import require_training

    require_training("probe", "sklearn")
    from hicmae_cli.embedding.probe import probe as fit

    screen = Screen(quiet=quiet)
    names = [name.strip() for name in layers.split(",")] if layers else []
    with screen.bar("classifiers") as bar:
        result = fit(embeddings, layers=names, fold=fold, seed=seed, on_start=bar.start, on_fit=bar.advance)
    if json_file is not None:
        write_document(result.to_dict(), json_file)
    screen.show(_make_grid(result), on_stderr=json_file == STDOUT)
    people = f"{result.people} people" if result.people else "unknown people"
    screen.say(
        f"Tested on {result.clips} clips of {people}; chance is a UAR of {result.chance:.4f}. The highest score is "
        f"optimistic: its layer was chosen on these clips."
    )
    for warning in result.warnings:
        screen.warn(warning)


def _make_grid(result: ProbeResult) -> Grid:
    from hicmae_cli.report.grid import Grid

    rows = []
    for layer in result.layers:
        low, high = layer.intervals.bounds["uar"]
        folds = layer.folds.values()
        spread = [f"{min(folds):.3f} to {max(folds):.3f}"] if len(folds) > 1 else []
        rows.append(
            (
                layer.layer,
                f"{layer.metrics['uar']:.4f}",
                f"{low:.3f} to {high:.3f}",
                *spread,
                f"{layer.metrics['war']:.4f}",
                "highest UAR" if layer is result.best else "",
            )
        )
    header = ("layer", "UAR", "95 % interval", *(["UAR by fold"] if len(result.folds) > 1 else []), "WAR", "")
    return Grid("linear probes", header, tuple(rows))
