"""``hicmae finetune``: train a classifier or a regressor on a dataset by a recipe, fold by fold."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hicmae_cli.cli.options import (
    DeviceOption,
    ManifestOption,
    OverrideOption,
    RecipeOption,
    RootOption,
    RunOption,
    SetOption,
    usage_error,
)

if TYPE_CHECKING:
    from rich.console import Console

    from hicmae_cli.corpora.clip_list import ClipList
    from hicmae_cli.corpora.dataset import Dataset
    from hicmae_cli.corpora.manifest import Sample
    from hicmae_cli.corpora.splits import Split
    from hicmae_cli.evaluation.results import Evaluation
    from hicmae_cli.training.finetuning.loop import Progress
    from hicmae_cli.training.finetuning.state import EpochReport
    from hicmae_cli.training.finetuning.task import Kind
    from hicmae_cli.training.finetuning.transfer import Transfer
    from hicmae_cli.training.settings import FinetuneSettings


def finetune(
    dataset: Annotated[str | None, typer.Option(help="A dataset by name; `hicmae datasets` lists them.")] = None,
    root: RootOption = None,
    manifest: ManifestOption = None,
    fold: Annotated[
        str | None, typer.Option(metavar="K|all", help="Fold to test; by default all that there are, one by one.")
    ] = None,
    recipe: RecipeOption = None,
    output: RunOption = Path("runs/finetune"),
    init: Annotated[
        str | None, typer.Option(metavar="NAME|FILE", help="Start from this weight instead of from scratch.")
    ] = None,
    selection: Annotated[
        str | None,
        typer.Option(metavar="val|last|test-best", help="Which epoch is kept; by default the recipe's, which is val."),
    ] = None,
    set_: SetOption = None,
    task: Annotated[str | None, typer.Option(help="classification or regression; a dataset knows its own.")] = None,
    labels: Annotated[
        str | None,
        typer.Option(metavar="a,b,…", help="Order of the outputs; by default the dataset's, or the alphabet's."),
    ] = None,
    licence: Annotated[str | None, typer.Option(help="Licence to write into the weight.")] = None,
    epochs: OverrideOption = None,
    batch_size: OverrideOption = None,
    seed: OverrideOption = None,
    device: DeviceOption = "auto",
) -> None:
    """Fine-tune a model on a labelled dataset, fold by fold, and test each fold once.

    The epoch is chosen on validation people cut from the training clips, and kept as DIR/best.safetensors, or
    DIR/fold-K/best.safetensors. `--selection last` takes the last epoch of all training clips; `--selection test-best`
    chooses on the test clips as the paper's authors do, and says so in every output. A run that was cut off, or stopped
    by Ctrl-C, goes on exactly when the same command is given again.

    [bold]Examples[/bold]

        hicmae finetune --dataset puppets --output runs/puppets

        hicmae finetune --dataset crema-d --root CREMA-D --init voxceleb2-base --output runs/crema-d

        hicmae finetune --dataset mafw --fold 1 --set class_weights=balanced --set modality=video

        hicmae finetune --manifest interviews.csv --recipe crema-d --init my-model.safetensors
    """
    from rich.console import Console
    from rich.markup import escape

    from hicmae_cli.cli.training_extra import process_number, require_training

    require_training("finetune", "torch", "torchvision", "accelerate")
    from datetime import timedelta

    from accelerate import PartialState

    from hicmae_cli.cli.clip_lists import puppets_manifest
    from hicmae_cli.corpora.catalogue import find_dataset
    from hicmae_cli.corpora.clip_list import find_clips
    from hicmae_cli.errors import WeightsError
    from hicmae_cli.runtime.torch_engine import choose_device
    from hicmae_cli.training.finetuning.fold import check_start, finetune_and_test
    from hicmae_cli.training.finetuning.task import read_task, rounds_of
    from hicmae_cli.training.machine import leave_process_group
    from hicmae_cli.training.recipes import load_settings, parse_overrides
    from hicmae_cli.training.settings import FinetuneSettings
    from hicmae_cli.weights.catalogue import find_weight
    from hicmae_cli.weights.run_folder import locate_fold

    choose_device(device)  # accelerate would take another one without a word
    if recipe is None and dataset is None:
        raise usage_error(
            "--manifest needs a --recipe (a .toml file, or a name such as crema-d), or a --dataset that the file lists"
        )
    given = _label_names(labels)
    known = find_dataset(dataset) if dataset is not None else None
    kind = _kind(task, known)
    if kind == "regression" and not given and not (known and known.labels):
        raise usage_error("a regression needs --labels: the names of its targets, in the order of the manifest")
    recipe = recipe or (known.recipe if known else "")
    overrides = {
        "selection": selection,
        "epochs": epochs,
        "batch_size": batch_size,
        "seed": seed,
        **parse_overrides(set_ or []),
    }
    settings = load_settings(FinetuneSettings, recipe, overrides)
    # The main process draws puppets, which may take long, and the others find them drawn.
    with PartialState(cpu=device == "cpu", timeout=timedelta(days=7)).main_process_first():
        clips = find_clips(dataset, root, manifest, draw_puppets=puppets_manifest)
    learned, samples = read_task(
        clips.manifest,
        known,
        name=clips.name,
        source=_source(clips, recipe, overrides, init, task, given),
        labels=given,
        kind=kind,
        licence=licence or "",
    )
    rounds = rounds_of(samples, fold, clips.manifest)
    start = None
    if init is not None:
        start = find_weight(init, ".safetensors")
        if start is None:
            raise WeightsError(f"{init}: has no .safetensors file to start from")
        for name in rounds:  # before the first of them is trained
            check_start(start, learned, name)
    console = Console(quiet=process_number() > 0)
    results: dict[str, Evaluation] = {}
    for name in rounds:
        run = locate_fold(output, name)
        with _Display(console, settings, init or "", name) as display:
            outcome, tested = finetune_and_test(
                run,
                learned,
                samples,
                name,
                settings=settings,
                init=start,
                device=device,
                progress=display.hooks(),
                on_split=display.split,
                on_test_clip=display.test_clip,
            )
        if not outcome.finished or outcome.stopped:
            leave_process_group()
            console.print(
                f"[yellow]stopped[/yellow] after step {outcome.step} of {outcome.total_steps}, and saved; give the "
                "same command again to go on",
                highlight=False,
                soft_wrap=True,
            )
            raise typer.Exit(130)
        console.print(f"[green]weight[/green] {escape(str(outcome.weight))}", soft_wrap=True)
        if tested is not None:
            results[name or ""] = tested
            _write(_document({name or "": tested}, clips), run, str(outcome.weight))
    leave_process_group()
    if results:
        document = _document(results, clips)
        if len(results) > 1:
            _write(document, output, str(output))
        _show(document, output if len(results) > 1 else run, console)


def _document(results: dict[str, Evaluation], clips: ClipList) -> dict[str, Any]:
    """The scores on the test clips of one fold or several, beside the paper's."""
    from hicmae_cli.corpora.manifest import ALL_FOLDS
    from hicmae_cli.evaluation.folds import FoldsEvaluation
    from hicmae_cli.evaluation.protocol import Protocol

    (fold, *others) = results
    whole = FoldsEvaluation(results) if others else results[fold]
    fold = ALL_FOLDS if others else fold
    return Protocol(clips.name, clips.dataset, fold, "" if fold else "test").to_dict(whole)


def _write(document: dict[str, Any], folder: Path, weights: str) -> None:
    from hicmae_cli.cli.evaluate import write_scores

    picture = folder / "confusion.png" if document.get("confusion") else None
    write_scores(document, weights, folder / "result.json", folder / "result.md", picture)


def _show(document: dict[str, Any], folder: Path, console: Console) -> None:
    from rich.markup import escape

    from hicmae_cli.errors import one_line
    from hicmae_cli.report.scores import score_grids

    for grid in score_grids(document, screen=True):
        console.print(grid.to_rich())
    for warning in document["warnings"]:
        console.print(one_line(f"warning: {warning}"), style="yellow", highlight=False, markup=False, soft_wrap=True)
    console.print(f"[green]result[/green] {escape(str(folder / 'result.md'))}", soft_wrap=True)
    for failure in document["failures"]:
        line = one_line(f"failed {failure['id']}: {failure['message']}")
        console.print(line, style="red", highlight=False, markup=False, soft_wrap=True)
    if document["failures"]:
        raise typer.Exit(1)


def _label_names(labels: str | None) -> tuple[str, ...]:
    """Names in the order given; none where none were."""
    from hicmae_cli.labels import canonical_label, is_label

    if labels is None:
        return ()
    names = tuple(canonical_label(name) for name in labels.split(","))
    if not all(map(is_label, names)) or len(set(names)) < len(names):
        raise usage_error(f"--labels {labels}: expected distinct, printable names with commas between them")
    return names


def _kind(given: str | None, known: Dataset | None) -> Kind:
    kinds: dict[str, Kind] = {"classification": "classification", "regression": "regression"}
    if given is None:
        return known.task if known else "classification"
    if given not in kinds:
        raise usage_error(f"--task {given}: expected classification or regression")
    if known is not None and known.labels and given != known.task:
        raise usage_error(f"--task {given}: the dataset is one of {known.task}")
    return kinds[given]


def _source(
    clips: ClipList, recipe: str, overrides: dict[str, Any], init: str | None, task: str | None, labels: tuple[str, ...]
) -> str:
    """The command that makes the weight, for its metadata."""
    data = f"--dataset {clips.dataset.name}" if clips.dataset else f"--manifest {clips.manifest.name}"
    words = ["hicmae finetune", data, f"--recipe {Path(recipe).name}"]
    words += [f"--task {task}"] if task else []
    words += [f"--labels {','.join(labels)}"] if labels else []
    words += [f"--set {key}={value}" for key, value in overrides.items() if value is not None]
    return " ".join(words + ([f"--init {Path(init).name}"] if init else []))


class _Display:
    """Progress of one fold on the screen."""

    def __init__(self, console: Console, settings: FinetuneSettings, init: str, fold: str | None) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self.console, self.settings, self.init = console, settings, init
        self.prefix = f"fold {fold}  " if fold else ""
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[loss]}"),
        )
        self.bar = Progress(*columns, console=console, transient=True)
        self.task = self.bar.add_task("", total=None, loss="")
        self.test = 0

    def __enter__(self) -> _Display:
        self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.stop()

    def hooks(self) -> Progress:
        from hicmae_cli.training.finetuning.loop import Progress

        return Progress(
            on_init=lambda transfer: self.console.print(_taken(transfer, self.init), markup=False, soft_wrap=True),
            on_start=self.start,
            on_step=self.step,
            on_epoch=lambda report: self.console.print(self.prefix + _line(report), highlight=False, soft_wrap=True),
            warn=lambda line: self.console.print(line, style="yellow", markup=False, highlight=False, soft_wrap=True),
        )

    def split(self, parts: Split[Sample]) -> None:
        self.test = len(parts.test)
        counts = f"{self.prefix}{len(parts.train)} clips to train on, "
        if self.settings.selection == "val":
            people = {sample.speaker for sample in parts.validation}
            who = f" of {len(people)} other people" if people - {""} else ""
            counts += f"{len(parts.validation)}{who} to choose the epoch by, "
        counts += f"{len(parts.test)} to test"
        if self.settings.selection == "test-best":
            counts += ", which also choose the epoch: the score will be optimistic"
        self.console.print(counts, highlight=False, soft_wrap=True)

    def start(self, step: int, total: int) -> None:
        if 0 < step < total:
            self.console.print(f"{self.prefix}going on after step {step} of {total}", highlight=False)

    def step(self, epoch: int, step: int, steps: int, loss: float) -> None:
        text = f"{self.prefix}epoch {epoch}/{self.settings.epochs}"
        self.bar.update(self.task, description=text, completed=step, total=steps, loss=f"loss {loss:.3f}")

    def test_clip(self) -> None:
        if self.test:
            self.bar.reset(self.task, description=f"{self.prefix}testing", total=self.test, loss="")
            self.test = 0
        self.bar.advance(self.task)


def _taken(transfer: Transfer, init: str) -> str:
    """What was taken from the weight of ``--init``; decoders, which nobody misses, are counted and not listed."""
    text = f"took {len(transfer.taken)} of {len(transfer.taken) + len(transfer.fresh)} tensors from {init}"
    text += f"; start anew: {', '.join(transfer.fresh)}" if transfer.fresh else ""
    parts = [name.split(".")[0] for name in transfer.unused]
    left = [f"{part} ({parts.count(part)} tensors)" for part in dict.fromkeys(parts)]
    return text + (f"; not used: {', '.join(left)}" if left else "")


def _line(report: EpochReport) -> str:
    from hicmae_cli.metric_names import title_of

    text = f"epoch {report.epoch:3d}  loss {report.loss:.4f}  lr {report.learning_rate:.2e}  "
    text += f"{report.clips_per_s:.1f} clips/s"
    if report.scores:
        shown = dict.fromkeys((report.metric, *(n for n in ("uar", "war", "ccc", "mae") if n in report.scores)))
        text += f"  {report.judged_on} "
        text += "  ".join(f"{title_of(name)} {report.scores[name]:.4f}" for name in shown)
        text += f"  best {report.best:.4f}"
    return text
