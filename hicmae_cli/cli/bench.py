"""``hicmae bench``: speed and memory of this machine and this install, as ratios."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hicmae_cli.bundled import DEFAULT_WEIGHT
from hicmae_cli.cli.options import WeightsOption


def bench(
    clip: Annotated[
        Path | None, typer.Option(help="Video for the predict measure; by default the sample clip.")
    ] = None,
    weights: WeightsOption = DEFAULT_WEIGHT,
    memory: Annotated[
        bool, typer.Option("--memory", help="Also predict 1 and 10 minutes of video and compare the memory.")
    ] = False,
    json_file: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write the results here.")] = None,
) -> None:
    """Measure speed and memory on this machine, as ratios; a missed bound exits with 1.

    [bold]Examples[/bold]

        hicmae bench

        hicmae bench --memory --json bench.json
    """
    import importlib.util

    from rich.console import Console
    from rich.table import Table

    from hicmae_cli.bench import evaluation, prediction, puppets
    from hicmae_cli.bench.measure import to_document
    from hicmae_cli.bundled import find_sample_clip
    from hicmae_cli.errors import install_hint
    from hicmae_cli.report.files import to_json, write_text
    from hicmae_cli.runtime.opening import open_engine

    console = Console()
    video = clip or find_sample_clip()
    with console.status("measuring: --help"):
        measures = prediction.measure_help()
    with console.status("measuring: predict"):
        measures.append(prediction.measure_predict(open_engine(weights), video))
    if importlib.util.find_spec("torch") is not None:
        from hicmae_cli.bench import pretraining

        with console.status("measuring: forward"):
            measures.append(prediction.measure_forward())
        with console.status("measuring: evaluation"):
            measures.append(evaluation.measure_evaluation())
        with console.status("measuring: a step of pre-training, and reading its data"):
            measures += [pretraining.measure_step(), pretraining.measure_data()]
        with console.status("measuring: a step and an item of fine-tuning"):
            measures += [pretraining.measure_finetune(), pretraining.measure_item()]
    else:
        console.print(
            "onnx-forward-tiny, evaluation and training are left out: making a tiny model needs "
            f"{install_hint('train')}",
            style="dim",
            markup=False,
        )
    if importlib.util.find_spec("moderngl") is not None:
        with console.status("measuring: drawing puppets"):
            measures.append(puppets.measure_puppets())
    else:
        console.print(
            f"puppets drawn on one core is left out: it needs {install_hint('puppets')}", style="dim", markup=False
        )
    if memory:
        with console.status("measuring: memory of 1 and of 10 minutes of video"):
            measures.append(prediction.measure_memory(video, weights))
    document = to_document(measures)
    machine = document["machine"]
    table = Table("measure", "value", "bound", "", "how", title=f"{machine['processor']}, {machine['cores']} cores")
    for m in measures:
        verdict = "[green]holds[/green]" if m.holds else "[red]missed[/red]"
        sign = "≤" if m.at_most else "≥"
        table.add_row(m.name, f"{m.value:.2f} {m.unit}", f"{sign} {m.bound:g}", verdict, m.detail)
    console.print(table)
    if json_file is not None:
        write_text(json_file, to_json(document))
    if not all(m.holds for m in measures):
        raise typer.Exit(1)
