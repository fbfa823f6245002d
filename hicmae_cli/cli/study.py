"""``hicmae study``: answer a question by many trainings."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from hicmae_cli.cli.options import DatasetOption, ManifestOption, QuietOption, RootOption, parse_path

if TYPE_CHECKING:
    from hicmae_cli.cli.screen import Screen
    from hicmae_cli.studies.plan import Plan


class _RunByDefault(TyperGroup):
    """Reads ``hicmae study NAME`` as ``hicmae study run NAME``."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command; a word that is none is the name of a study."""
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            args = ["run", *args]
        return super().resolve_command(ctx, args)


app = typer.Typer(
    cls=_RunByDefault,
    no_args_is_help=True,
    add_completion=False,
    help="Answer a question by many trainings: a table, charts and a report.\n\n[bold]Examples[/bold]\n\n"
    "    hicmae study list\n\n    hicmae study masking-ratio --dry-run\n\n    hicmae study masking-ratio",
)


@app.command()
def run(
    name: Annotated[str, typer.Argument(metavar="NAME|FILE.toml", help="A study from `hicmae study list`, or a file.")],
    dataset: DatasetOption = None,
    root: RootOption = None,
    manifest: ManifestOption = None,
    fold: Annotated[
        str | None, typer.Option(help="The fold that tests, for a corpus with folds; by default the first.")
    ] = None,
    budget: Annotated[
        str, typer.Option(metavar="small|full", help="How much to compute: minutes on a CPU, or the whole recipes.")
    ] = "small",
    seeds: Annotated[
        str | None, typer.Option(metavar="0,1,2", help="Seeds, at least two; by default those of the budget.")
    ] = None,
    other: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="For `transfer`: prepared clips of another corpus, to test on as well; by default, for puppets, those "
            "of another world, which are drawn.",
        ),
    ] = None,
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="DIR",
            parser=parse_path,
            help="Folder of all studies: DIR/NAME gets the report, and DIR/runs the trainings that studies share.",
        ),
    ] = Path("studies"),
    jobs: Annotated[
        int | None,
        typer.Option("--jobs", min=0, help="Processes; by default one per core, or one with a GPU. 0 uses this one."),
    ] = None,
    ray: Annotated[
        str | None, typer.Option("--ray", metavar="ADDRESS", help="Run on a Ray cluster: auto, local or an address.")
    ] = None,
    device: Annotated[str, typer.Option(help="Device to train on: cpu, cuda or mps.")] = "cpu",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the plan and the estimated time, and stop.")
    ] = False,
    quiet: QuietOption = False,
) -> None:
    """Run a study: train and test all of its runs, compare them over seeds, and write a report.

    Run the same command again to resume an interrupted study. Runs that another study has made are not repeated.

    [bold]Examples[/bold]

        hicmae study masking-ratio --dry-run

        hicmae study masking-ratio

        hicmae study run my-study.toml --dataset crema-d --budget full
    """
    from hicmae_cli.cli.training_extra import require_training
    from hicmae_cli.studies.study import read_text

    # An unknown name fails here; torch takes seconds to import.
    read_text(name)
    require_training("study", "torch", "torchvision", "accelerate", "scipy", "sklearn")
    from hicmae_cli.cli.clip_lists import puppets_manifest
    from hicmae_cli.cli.screen import Screen
    from hicmae_cli.studies.report import PAGE, REPORT
    from hicmae_cli.studies.run import StudyProgress, prepare_study, run_study
    from hicmae_cli.workers import count_cores

    screen = Screen(quiet=quiet)
    with screen.bar("checking clips") as bar:
        plan = prepare_study(
            name,
            dataset=dataset,
            root=root,
            manifest=manifest,
            fold=fold,
            budget=budget,
            seeds=_read_seeds(seeds),
            other=other,
            output=output,
            device=device,
            draw_puppets=puppets_manifest,
            dry=dry_run,
            progress=StudyProgress(
                on_draw=lambda done, total: bar.update(done, total=total, description="drawing puppets"),
                on_hash=lambda done, total: bar.update(done, total=total, description="checking clips"),
            ),
        )
    processes = jobs if jobs is not None else count_cores() if device == "cpu" else 1
    screen.say(f"clips of {plan.data}")
    if dry_run:
        _show_plan(plan, max(1, processes), screen)
        return
    waiting = len(plan.waiting())
    screen.say(f"{len(plan.jobs)} trainings and measurements, {len(plan.jobs) - waiting} of them done before")
    with screen.bar(plan.study.name) as bar:
        bar.start(waiting)
        result = run_study(
            plan,
            jobs=processes,
            ray=ray,
            command=_write_command(name, dataset, manifest, fold, budget, seeds, other, device),
            progress=StudyProgress(on_job=lambda _: bar.advance(), warn=screen.warn),
        )
    screen.show(*result.findings.tables)
    for claim in (result.findings.answer, result.findings.check):
        if claim is not None:
            typer.echo(claim.text)
    screen.done("report", result.folder / REPORT)
    screen.done("page", result.folder / PAGE)


@app.command("list")
def list_() -> None:
    """List the studies that ship with hicmae.

    [bold]Example[/bold]

        hicmae study list
    """
    from hicmae_cli.cli.screen import Screen
    from hicmae_cli.report.grid import Grid
    from hicmae_cli.studies.study import list_studies, load_study

    rows = tuple((name, load_study(name).question) for name in list_studies())
    Screen().show(Grid("studies", ("name", "question"), rows))


@app.command()
def show(
    name: Annotated[str, typer.Argument(metavar="NAME|FILE.toml", help="A study from `hicmae study list`, or a file.")],
) -> None:
    """Print the file of a study, to read it or to write one's own.

    [bold]Example[/bold]

        hicmae study show masking-ratio > my-study.toml
    """
    from hicmae_cli.studies.study import load_study, read_text

    load_study(name)
    typer.echo(read_text(name), nl=False)


def _read_seeds(text: str | None) -> list[int]:
    from hicmae_cli.errors import SettingsError

    try:
        return [int(part) for part in text.split(",")] if text is not None else []
    except ValueError as error:
        raise SettingsError(f"seeds={text!r}: expected whole numbers with commas between them") from error


def _show_plan(plan: Plan, processes: int, screen: Screen) -> None:
    """Print what would be computed, and the estimated time."""
    from hicmae_cli.report.grid import Grid
    from hicmae_cli.studies.estimate import describe_time, estimate

    with screen.wait("timing steps of each kind of model"):
        found = estimate(plan, processes)
    if plan.data.lacks_puppets:
        screen.warn("the puppets are not drawn yet; drawing takes about a second for each clip, which is not counted")
    rows = tuple((kind, str(count), describe_time(core_s)) for kind, (count, core_s) in found.by_kind.items())
    screen.show(Grid(f"{plan.study.name}: still to compute", ("kind", "jobs", "time of one core"), rows))
    typer.echo(
        f"{found.done} of {len(plan.jobs)} jobs are done; the other {found.waiting} take about "
        f"{describe_time(found.wall_s)} in {processes} process{'' if processes == 1 else 'es'}, estimated from timed "
        "steps on this machine"
    )


def _write_command(
    name: str,
    dataset: str | None,
    manifest: Path | None,
    fold: str | None,
    budget: str,
    seeds: str | None,
    other: Path | None,
    device: str,
) -> str:
    """Write the command that does the same, without folders."""
    words = ["hicmae", "study", Path(name).name]
    words += ["--dataset", dataset] if dataset else []
    words += ["--manifest", manifest.name] if manifest else []
    words += ["--other", other.name] if other else []
    words += ["--fold", fold] if fold else []
    words += ["--budget", budget]
    words += ["--seeds", seeds] if seeds else []
    words += ["--device", device] if device != "cpu" else []
    return shlex.join(words)
