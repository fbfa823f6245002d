"""``hicmae cues``: add facial and vocal cues to a list of prepared clips."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def cues(
    manifest: Annotated[Path, typer.Argument(metavar="FILE.csv", help="A list of prepared clips.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE.csv", help="The list to write.")],
    workers: Annotated[int | None, typer.Option(min=1, help="Number of processes; by default one per core.")] = None,
) -> None:
    """Add facial and vocal cues to a list of prepared clips, to train on beside the labels.

    The new columns are `aux_face_mouthSmile`, `aux_face_jawOpen` ... (MediaPipe's blendshapes, 0 to 1) and
    `aux_voice_pitch_median`, `aux_voice_alpha_ratio` ... (of the sound, whatever its loudness). They are empty where a
    clip lacks the stream. Clips that cannot be read are named, and the command exits with 1.

    [bold]Example[/bold]

        hicmae cues prepared/crema-d.csv --output prepared/crema-d-cues.csv
    """
    from hicmae_cli.cli.screen import Screen
    from hicmae_cli.preparing.cues import measure_cues

    screen = Screen()
    with screen.bar("measuring cues") as bar:
        bar.update(0)
        measured = measure_cues(manifest, output, workers=workers, on_start=bar.start, on_clip=bar.advance)
    screen.show(measured, wrap=False)
    if measured.unreadable:
        raise typer.Exit(1)
