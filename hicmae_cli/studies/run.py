"""Run a study: plan it, do what is not done yet, analyse all runs, and write the reports."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from hicmae_cli.corpora.catalogue import data_home, find_dataset
from hicmae_cli.corpora.clip_list import manifest_name
from hicmae_cli.corpora.dataset import Dataset
from hicmae_cli.corpora.known.puppets import PUPPETS
from hicmae_cli.errors import HicmaeError, SettingsError, first_line
from hicmae_cli.ray_workers import run_on_ray
from hicmae_cli.studies.analyses import check_analysis, find_analysis
from hicmae_cli.studies.checks import check_clips, check_folder, check_task
from hicmae_cli.studies.data import StudyData, find_data, imagine_puppets
from hicmae_cli.studies.jobs import run_job
from hicmae_cli.studies.measuring import read_transfer
from hicmae_cli.studies.other import add_list, add_other_world
from hicmae_cli.studies.plan import DONE, FINETUNE, PRETRAIN, Job, Plan, check_study, plan_study
from hicmae_cli.studies.puppets import draw_own, fill_sizes
from hicmae_cli.studies.report import write_report
from hicmae_cli.studies.result import Findings, Record, Runs
from hicmae_cli.studies.study import BUDGETS, RUNS, Study, load_study
from hicmae_cli.studies.wording import complete
from hicmae_cli.workers import Outcomes, Report, WorkerDiedError, WorkerPool, run_here

STALL_S: Final = 900.0
"""A job reports each step and clip; a probe of a large corpus may think for minutes."""
_LISTED: Final = 3
Work = Callable[[Job, Report], str]


@dataclass
class StudyProgress:
    """Functions to call while a study runs.

    Attributes:
        on_draw: after each puppet that is drawn, with the number of clips done and of all clips.
        on_hash: after each clip whose files are hashed, with the number of clips done and of all clips.
        on_job: after each job that was done now, with its name.
        warn: with a warning.
    """

    on_draw: Callable[[int, int], None] = lambda *_: None
    on_hash: Callable[[int, int], None] = lambda *_: None
    on_job: Callable[[str], None] = lambda _: None
    warn: Callable[[str], None] = lambda _: None


@dataclass(frozen=True)
class StudyResult:
    """A finished study.

    Attributes:
        plan: what was computed.
        findings: of the analysis.
        folder: of the reports.
    """

    plan: Plan
    findings: Findings
    folder: Path


def prepare_study(
    name: str,
    *,
    dataset: str | None = None,
    root: str | Path | None = None,
    manifest: str | Path | None = None,
    fold: str | None = None,
    budget: str = "small",
    seeds: Sequence[int] = (),
    other: str | Path | None = None,
    output: str | Path = "studies",
    device: str = "cpu",
    draw_puppets: Callable[[Path], Path] | None = None,
    dry: bool = False,
    progress: StudyProgress | None = None,
) -> Plan:
    """Check a study and plan it, without computing anything.

    Args:
        name: of a study, or a .toml file.
        dataset: of the clips; by default puppets, unless ``manifest`` is given.
        root: folder of the dataset.
        manifest: a list of prepared clips, instead of or of the dataset.
        fold: the fold that tests, for a corpus with folds; by default the first.
        budget: ``small`` or ``full``.
        seeds: other seeds than the budget's; at least two.
        other: a list of prepared clips of another corpus, for the measure ``transfer``. Without it, puppets are also
            tested on puppets of another world, which are drawn.
        output: folder of all studies; the reports go to its folder ``NAME``.
        device: ``cpu``, ``cuda`` or ``mps``.
        draw_puppets: as for ``find_clips``; for the whole corpus or that of ``root``. The puppets of a budget with a
            number of clips are the study's own, and are drawn in ``output``.
        dry: whether the plan is only looked at; puppets need not be there then, and are not drawn.
        progress: functions to call.

    Raises:
        SettingsError: an unknown study, analysis or budget, seeds or recipes that cannot be used, measures of another
            task than the corpus's, or the folder has the report of another study.
        ManifestError: the corpus is not there or not prepared, or its labels, streams or people do not fit.
        HicmaeError: puppets cannot be drawn.
    """
    progress = progress or StudyProgress()
    if budget not in BUDGETS:
        raise SettingsError(f"budget={budget!r}: expected {' or '.join(BUDGETS[:2])}")
    study = load_study(name)
    check_analysis(study, budget)
    transfers = "transfer" in study.measures
    if other is not None and not transfers:
        raise SettingsError(f"`other`: the study {study.name} does not test on another corpus")
    known = find_dataset(dataset) if dataset is not None else PUPPETS if manifest is None else None
    if transfers and other is None and not _takes_puppets(known, manifest):
        raise SettingsError(
            f"the study {study.name} needs `other`, a list of prepared clips of another corpus to test on; only for "
            "puppets does it draw one"
        )
    # Mistakes in the study are found before puppets are drawn or clips are hashed.
    check_study(study, budget, seeds)
    check_task(study, known)
    folder = Path(output).absolute()
    sizes: dict[str, int] = dict(study.budgets[budget].clips.items())
    data = _find_own(folder / RUNS, known, root, manifest, fold, sizes, draw_puppets, dry, progress)
    if data.hash:
        check_clips(study, budget, data)
    if other is not None:
        data = add_list(data, Path(other), progress.on_hash)
    elif transfers:
        most = study.budgets[budget].clips.get("test")
        data = add_other_world(data, folder / RUNS / "data", most, progress.on_draw, progress.on_hash, dry=dry)
    if data.hash and data.other_hash:
        read_transfer(data)
    plan = plan_study(study, budget, data, folder, seeds=seeds, device=device)
    check_folder(plan)
    return plan


def _find_own(
    store: Path,
    dataset: Dataset | None,
    root: str | Path | None,
    manifest: str | Path | None,
    fold: str | None,
    most: Mapping[str, int],
    draw_puppets: Callable[[Path], Path] | None,
    dry: bool,
    progress: StudyProgress,
) -> StudyData:
    """Find the clips that a study trains on and tests; draw puppets that are missing, unless ``dry``."""
    if dataset is PUPPETS and manifest is None:
        shared = Path(root) if root is not None else data_home() / PUPPETS.folder
        lacking = dry and not (shared / PUPPETS.prepared_list).is_file()
        if root is None and most:
            # The corpus that all commands share may have more clips tomorrow: the study would take others then.
            manifest = draw_own(store / "data", most, progress.on_draw, dry=dry)
            lacking = manifest is None
        if lacking:
            return imagine_puppets(fill_sizes(most))
    return find_data(
        store,
        dataset=dataset.name if dataset is not None else None,
        root=root,
        manifest=manifest,
        fold=fold,
        most=most,
        draw_puppets=draw_puppets,
        on_hash=progress.on_hash,
    )


def _takes_puppets(dataset: Dataset | None, manifest: str | Path | None) -> bool:
    """Whether a study is about puppets."""
    if manifest is not None and dataset is None:
        return manifest_name(Path(manifest)) == PUPPETS.name
    return dataset is PUPPETS


def run_study(
    plan: Plan,
    *,
    jobs: int = 1,
    ray: str | None = None,
    command: str = "",
    work: Work | None = None,
    progress: StudyProgress | None = None,
) -> StudyResult:
    """Compute what a plan lacks, analyse its runs, and write the reports into the plan's folder.

    The same call resumes a study that was stopped: finished jobs are read, and a training goes on from its checkpoint.

    Args:
        plan: of ``prepare_study``.
        jobs: number of processes; 0 works in this one.
        ray: address of a Ray cluster, instead of processes here.
        command: that does the same, for the report.
        work: does a job; by default ``run_job``.
        progress: functions to call.

    Returns:
        What was found.

    Raises:
        HicmaeError: jobs that failed, while the others are done; or runs without the numbers that the analysis needs.
    """
    progress = progress or StudyProgress()
    doing = work or partial(run_job, data=plan.data, device=plan.device)
    failed: list[str] = []
    with _open_pool(jobs, ray) as run:
        for wave in ((PRETRAIN,), (FINETUNE,), None):
            waiting = [job for job in plan.waiting() if (job.kind in wave if wave else not job.is_training)]
            # A job whose training failed cannot start.
            ready = [job for job in waiting if job.source is None or (job.source / DONE).is_file()]
            for job, outcome in run(ready, doing) if ready else ():
                if outcome:
                    failed.append(f"{job.name}: {outcome}" if isinstance(outcome, WorkerDiedError) else outcome)
                    progress.warn(f"failed {failed[-1]}")
                progress.on_job(job.name)
    if failed:
        more = f"; and {len(failed) - _LISTED} more" if len(failed) > _LISTED else ""
        raise HicmaeError(
            f"{len(failed)} of {len(plan.jobs)} jobs failed: {'; '.join(failed[:_LISTED])}{more}; the others are done, "
            "and the same command tries these again"
        )
    try:
        runs = collect(plan)
        findings = complete(find_analysis(plan.study.analysis)(runs), runs)
    except (ArithmeticError, LookupError, ValueError) as error:
        # A measure may lack in some runs, such as the recall of a class without test clips.
        raise HicmaeError(f"the analysis {plan.study.analysis} cannot use these runs: {first_line(error)}") from error
    write_report(plan, findings, plan.folder, command)
    return StudyResult(plan, findings, plan.folder)


@contextmanager
def _open_pool(jobs: int, ray: str | None) -> Iterator[Callable[[Sequence[Job], Work], Outcomes[Job, str]]]:
    """Open what runs jobs: this process, processes of its own, or a Ray cluster."""
    if ray is not None:
        yield partial(run_on_ray, address=ray, stall_s=STALL_S)
    elif not jobs:
        yield run_here
    else:
        with WorkerPool(jobs, stall_s=STALL_S) as pool:
            yield pool.run


def collect(plan: Plan) -> Runs:
    """Collect the numbers of all finished runs for the analysis."""
    study: Study = plan.study
    records = []
    for run in plan.runs:
        measures: dict[str, float] = {}
        jobs: dict[str, str] = {}
        for key in run.jobs:
            done = plan.jobs[key].read_done()
            found = done["measures"] if done is not None else {}
            measures |= found
            jobs |= dict.fromkeys(found, key)
        records.append(Record(run.levels, run.seed, measures, jobs))
    factors = study.list_factors(plan.budget)
    return Runs(
        records,
        {factor.name: [level.name for level in factor.levels] for factor in factors},
        {factor.name: factor.base for factor in factors},
        study.metrics,
        {
            factor.name: [level.x for level in factor.levels if level.x is not None]
            for factor in factors
            if all(level.x is not None for level in factor.levels)
        },
        study.within,
    )
