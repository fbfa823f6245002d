"""``hicmae bench``: measure the speed and memory of this machine and installation, as ratios."""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hicmae_cli.bundled import DEFAULT_WEIGHT
from hicmae_cli.cli.options import WeightsOption

if TYPE_CHECKING:
    from rich.table import Table

    from hicmae_cli.bench.measure import Measure
    from hicmae_cli.cli.screen import Screen


def bench(
    clip: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Video to predict; by default the sample clip.")
    ] = None,
    weights: WeightsOption = DEFAULT_WEIGHT,
    memory: Annotated[
        bool, typer.Option("--memory", help="Also compare the memory for 1 and for 10 minutes of video.")
    ] = False,
    hour: Annotated[
        bool,
        typer.Option(
            "--hour", help="Also predict an hour of video: its speed, whether it slows down, and its memory (Linux)."
        ),
    ] = False,
    device: Annotated[
        str | None,
        typer.Option(
            metavar="auto|cpu|cuda|mps",
            help="Measure only training and prediction on this device: clips/s, and the share of its bfloat16 peak.",
        ),
    ] = None,
    variant: Annotated[str, typer.Option(metavar="nano|tiny|small|base", help="With --device, the model.")] = "tiny",
    batch_size: Annotated[int, typer.Option(min=1, help="With --device, clips of a step.")] = 64,
    mixed_precision: Annotated[
        str, typer.Option(metavar="no|bf16|fp16", help="With --device, compute training steps in this type.")
    ] = "bf16",
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the results as JSON; '-' for stdout.")
    ] = None,
) -> None:
    """Measure speed and memory on this machine, as ratios; a missed bound exits with 1.

    [bold]Examples[/bold]

        hicmae bench

        hicmae bench --memory --hour --json bench.json

        hicmae bench --device cuda --variant base
    """
    if device is not None:
        _bench_device(device, variant, batch_size, mixed_precision, json_file)
        return
    from hicmae_cli.bench import prediction
    from hicmae_cli.bench.measure import to_document
    from hicmae_cli.bundled import find_sample_clip
    from hicmae_cli.cli.screen import STDOUT, Screen, write_document
    from hicmae_cli.runtime.batch import share_cores
    from hicmae_cli.runtime.opening import open_engine

    screen = Screen()
    video = clip or find_sample_clip()
    with screen.wait("measuring: --help"):
        measures = prediction.measure_help()
    with screen.wait("measuring: predict"):
        opened = open_engine(weights, threads=share_cores())
        measures += [prediction.measure_predict(opened, video), prediction.measure_one_person(opened)]
    measures += _measure_training(screen)
    measures += _measure_puppets(screen)
    if memory:
        with screen.wait("measuring: memory for 1 and for 10 minutes of video"):
            measures.append(prediction.measure_memory(video, weights))
    if hour:
        from hicmae_cli.bench.hour import measure_hour

        with screen.wait("measuring: an hour of video, which takes long"):
            measures += measure_hour(video, weights)
    document = to_document(measures)
    if json_file is not None:
        write_document(document, json_file)
    machine = document["machine"]
    screen.show(
        _make_table(measures, f"{machine['processor']}, {machine['cores']} cores"), on_stderr=json_file == STDOUT
    )
    if not all(measure.holds for measure in measures):
        raise typer.Exit(1)


def _bench_device(device: str, variant: str, batch_size: int, mixed_precision: str, json_file: Path | None) -> None:
    """Measure one device alone."""
    from hicmae_cli.bench.measure import to_document
    from hicmae_cli.cli.screen import STDOUT, Screen, write_document
    from hicmae_cli.cli.training_extra import require_training

    require_training("bench --device", "torch", "torchvision", "accelerate")
    from hicmae_cli.bench.device import measure_device, name_device

    screen = Screen()
    name = name_device(device)
    with screen.wait(f"measuring: {name}"):
        measures = measure_device(device, variant=variant, batch_size=batch_size, mixed_precision=mixed_precision)
    if json_file is not None:
        write_document(to_document(measures, name), json_file)
    screen.show(_make_table(measures, name), on_stderr=json_file == STDOUT)


def _measure_training(screen: Screen) -> list[Measure]:
    """Measure what needs torch; none without it."""
    from hicmae_cli.errors import install_hint

    if importlib.util.find_spec("torch") is None:
        screen.say(f"skipped onnx-forward-tiny, evaluation and training, which need {install_hint('train')}")
        return []
    from hicmae_cli.bench import evaluation, prediction, pretraining, validation

    with screen.wait("measuring: forward"):
        measures = [prediction.measure_forward()]
    with screen.wait("measuring: evaluation"):
        measures += [
            evaluation.measure_evaluation(),
            evaluation.measure_one_stream(),
            evaluation.measure_sound_weight(),
        ]
    with screen.wait("measuring: validation"):
        measures.append(validation.measure_validation())
    with screen.wait("measuring: a step of pre-training and its data"):
        measures += [pretraining.measure_step(), pretraining.measure_data()]
    with screen.wait("measuring: a step of fine-tuning"):
        measures.append(pretraining.measure_finetune())
    if any(importlib.util.find_spec(name) is None for name in ("timm", "torchaudio")):
        screen.say(f"skipped the comparison of a training item, which needs {install_hint('bench')}")
        return measures
    with screen.wait("measuring: an item of fine-tuning"):
        measures.append(pretraining.measure_item())
    return measures


def _measure_puppets(screen: Screen) -> list[Measure]:
    """Measure the drawing of puppets; none without its renderer."""
    from hicmae_cli.bench import puppets
    from hicmae_cli.errors import install_hint

    if importlib.util.find_spec("moderngl") is None:
        screen.say(f"skipped puppets drawn on one core, which needs {install_hint('puppets')}")
        return []
    with screen.wait("measuring: drawing puppets"):
        return [puppets.measure_puppets()]


def _make_table(measures: Sequence[Measure], title: str) -> Table:
    from rich.markup import escape
    from rich.table import Table

    table = Table("measure", "value", "bound", "", "how", title=escape(title))
    for measure in measures:
        bound = verdict = ""
        if measure.bound is not None:
            verdict = "[green]holds[/green]" if measure.holds else "[red]missed[/red]"
            bound = f"{'≤' if measure.at_most else '≥'} {measure.bound:g}"
        table.add_row(measure.name, f"{measure.value:.2f} {measure.unit}", bound, verdict, measure.detail)
    return table
