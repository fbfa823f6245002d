"""``hicmae evaluate``: score a model with the paper's test protocol."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hicmae_cli.bundled import DEFAULT_WEIGHT
from hicmae_cli.cli.options import DatasetOption, DeviceOption, EngineOption, ManifestOption, QuietOption, RootOption
from hicmae_cli.cli.real_check import (
    REAL_CHECK,
    BaselinesOption,
    ClearOption,
    FaceCropsOption,
    PeersOption,
    RealCheckFiles,
    RealCheckOptions,
    SpeakersOption,
    VoicesOption,
    run_real_check,
)

if TYPE_CHECKING:
    from hicmae_cli.weights.info import WeightInfo


def evaluate(
    manifest: ManifestOption = None,
    dataset: DatasetOption = None,
    root: RootOption = None,
    split: Annotated[
        str, typer.Option(help="Split to test, if the list has no folds; 'all' takes every clip.")
    ] = "test",
    fold: Annotated[
        str | None, typer.Option(metavar="K|all", help="Fold to test; 'all' tests every fold with its own weight.")
    ] = None,
    weights: Annotated[
        str,
        typer.Option(
            "--weights",
            "-w",
            metavar="NAME|FILE|DIR",
            help="A name from `hicmae weights list`, a weight file, or the folder of a run over folds.",
        ),
    ] = DEFAULT_WEIGHT,
    cross: Annotated[
        bool, typer.Option("--cross", help="Score only the labels shared by weight and dataset (cross-corpus).")
    ] = False,
    allow_seen: Annotated[
        bool, typer.Option("--allow-seen", help="Also score clips that the weight was trained on, with a warning.")
    ] = False,
    label_map: Annotated[
        str | None,
        typer.Option(
            "--map",
            metavar="A=B,…|FILE.toml",
            help="Map corpus labels to model labels, as in calm=neutral; '-' skips the clips of a label.",
        ),
    ] = None,
    engine: EngineOption = "auto",
    device: DeviceOption = "auto",
    modality: Annotated[
        str | None,
        typer.Option(
            metavar="av|video|audio|each",
            help="Streams that the model gets; by default those it was trained on. 'each' compares all three.",
        ),
    ] = None,
    sampling_rate: Annotated[
        int | None, typer.Option(min=1, help="Take every n-th frame; by default as in the training of the weight.")
    ] = None,
    json_file: Annotated[
        Path | None,
        typer.Option("--json", metavar="FILE", help="Write the scores and all decisions as JSON; '-' for stdout."),
    ] = None,
    markdown: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write the tables, the protocol in words and all warnings as Markdown."),
    ] = None,
    confusion: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw the confusion matrix as a .png, .svg or .pdf picture.")
    ] = None,
    table: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the tables as .csv, .tex (LaTeX, booktabs) or .md.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="DIR", help="Folder to write the result, all tables and pictures to."),
    ] = None,
    figure_format: Annotated[
        str, typer.Option(metavar="png|svg|pdf", help="Format of the pictures in the folder of --output.")
    ] = "png",
    by: Annotated[
        str | None,
        typer.Option(metavar="COLUMN,…", help="Also score groups of clips by columns of the list: speaker,sex,age."),
    ] = None,
    calibrate: Annotated[
        bool, typer.Option("--calibrate", help="Fit a temperature on the validation clips of the list.")
    ] = False,
    degrade: Annotated[
        str | None,
        typer.Option(
            metavar="NAME[=A..B],…",
            help="Also score degraded clips: noise, babble, loudness, telephone, blur, occlusion, drop-frames, desync.",
        ),
    ] = None,
    faces: FaceCropsOption = None,
    voices: VoicesOption = None,
    clear: ClearOption = None,
    speakers: SpeakersOption = None,
    peers: PeersOption = None,
    baselines: BaselinesOption = False,
    quiet: QuietOption = False,
) -> None:
    """Score a model on prepared clips: UAR, WAR, F1, CCC and more, next to the paper's numbers.

    [bold]Examples[/bold]

        hicmae evaluate --dataset puppets --weights puppets-nano --modality each

        hicmae evaluate --manifest test.csv --weights crema-d-base --json -

        hicmae evaluate --dataset crema-d --fold all --weights runs/crema-d

        hicmae evaluate --dataset ravdess -w crema-d --cross --map calm=neutral

        hicmae evaluate --dataset crema-d --fold 1 -w runs/crema-d --by sex,age
    """
    people = RealCheckOptions(root or manifest, faces, voices, clear, split, speakers, peers, baselines)
    if dataset == REAL_CHECK:
        files = RealCheckFiles(json_file, markdown, output)
        unused = (fold, cross, allow_seen, label_map, modality, sampling_rate, confusion, table, by, calibrate, degrade)
        run_real_check(weights, people, engine, device, files, unused, quiet=quiet)
        return
    people.refuse()
    from hicmae_cli.cli.clip_lists import puppets_manifest
    from hicmae_cli.cli.screen import STDOUT, Screen, print_scores, write_document
    from hicmae_cli.errors import SettingsError
    from hicmae_cli.evaluation.evaluate import evaluate as score
    from hicmae_cli.report.console import licence_line, weight_notice
    from hicmae_cli.report.figures import check_picture
    from hicmae_cli.report.files import make_folder
    from hicmae_cli.report.score_files import check_figure_format, save_scores, write_scores
    from hicmae_cli.report.score_tables import check_table, write_tables

    for file in filter(None, (json_file, markdown, confusion, table)):
        if file.is_dir():
            raise SettingsError(f"{file}: is a folder; give the name of a file")
    if confusion is not None:
        check_picture(confusion)
    if table is not None:
        check_table(table)
    check_figure_format(figure_format)
    if output is not None:
        make_folder(output)
    screen = Screen(quiet=quiet)

    def start(info: WeightInfo, clips: int) -> None:
        if info.task != "classification" and confusion is not None:
            kind = "regression" if info.task == "regression" else "multi-label weight"
            raise SettingsError(f"--confusion: a {kind} has no confusion matrix")
        screen.say(licence_line(weights, info))
        if notice := weight_notice(weights, info):
            screen.warn(notice)
        bar.start(clips)

    with screen.bar("clips") as bar:
        sheet = score(
            weights=weights,
            dataset=dataset,
            root=root,
            manifest=manifest,
            fold=fold,
            split=split,
            modality=modality,
            cross=cross,
            allow_seen=allow_seen,
            label_map=label_map,
            engine=engine,
            device=device,
            sampling_rate=sampling_rate,
            by=by or (),
            calibrate=calibrate,
            degrade=degrade or "",
            draw_puppets=puppets_manifest,
            on_start=start,
            on_clip=bar.advance,
        )
    document = sheet.to_dict()
    # Write the files first: the reader of stdout may close the pipe.
    write_scores(document, weights, None if json_file == STDOUT else json_file, markdown, confusion)
    if table is not None:
        write_tables(document, table)
    if output is not None:
        save_scores(document, weights, output, figure_format)
    for sentence in document["protocol"]:
        screen.say(sentence)
    if json_file == STDOUT:
        write_document(document, STDOUT)
    print_scores(screen, document, on_stderr=json_file == STDOUT)
