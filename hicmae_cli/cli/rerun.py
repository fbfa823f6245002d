"""``hicmae rerun``: repeat a training run from its record, and compare."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hicmae_cli.cli.options import parse_path


def rerun(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a finished run, of one fold or of all.")],
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="DIR",
            parser=parse_path,
            help="Folder of the new run; an unfinished one is resumed.",
        ),
    ],
    manifest: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where the list of clips is now, if it was moved.")
    ] = None,
    root: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where the recordings are now, if they were moved.")
    ] = None,
    init: Annotated[
        str | None, typer.Option(metavar="NAME|FILE", help="Where the weight is now that the run started from.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Repeat although the data or the start have changed.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the comparison as one JSON document; progress goes to stderr.")
    ] = False,
) -> None:
    """Repeat a training run from its record, and compare the weights to the last bit.

    Data, recipe, seed, fold and start are those of the record. The command refuses changed data, warns of other
    versions or another machine, and compares the scores, too. It exits with 1 if weights or scores differ.

    [bold]Examples[/bold]

        hicmae rerun runs/crema-d/fold-1 --output runs/again

        hicmae rerun runs/crema-d --manifest /data/crema-d.csv --output runs/again
    """
    from hicmae_cli.cli.screen import STDOUT, Screen, write_document
    from hicmae_cli.cli.training_extra import process_number, require_training
    from hicmae_cli.weights.record import find_records

    # A missing record fails here; torch takes seconds to import.
    find_records(run)
    require_training("rerun", "torch", "torchvision", "accelerate")
    from hicmae_cli.reruns.rerun import rerun as repeat
    from hicmae_cli.training.finetuning.progress import FinetuningProgress
    from hicmae_cli.training.machine import leave_process_group
    from hicmae_cli.training.pretraining.progress import PretrainingProgress

    screen = Screen(silent=process_number() > 0)
    with screen.bar() as bar:
        result = repeat(
            run,
            output,
            manifest=manifest,
            root=root,
            init=init,
            force=force,
            warn=screen.warn,
            finetuning=FinetuningProgress(
                on_step=lambda epoch, step, steps, _: bar.update(step, total=steps, description=f"epoch {epoch}"),
                on_epoch=screen.say,
                warn=screen.warn,
            ),
            pretraining=PretrainingProgress(
                on_start=lambda step, total: bar.start(total, step, "pre-training"),
                on_step=lambda report: bar.update(report.step),
                warn=screen.warn,
            ),
        )
    leave_process_group()
    if process_number() > 0:
        return
    if as_json:
        write_document(result.to_dict(), STDOUT)
    else:
        for repeated in result.repeats:
            screen.done("equal", repeated) if repeated.equal else screen.fail(repeated)
    if not result.finished:
        screen.say("stopped and saved; give the same command again to resume")
        raise typer.Exit(130)
    if not result.equal:
        raise typer.Exit(1)
