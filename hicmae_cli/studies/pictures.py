"""Draw the embeddings that the measure ``alignment`` left: faces and voices of test clips as points, layer by layer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from hicmae_cli.embedding.projection import METHODS, check_method, project
from hicmae_cli.embedding.table import read_embeddings
from hicmae_cli.errors import MissingDependencyError
from hicmae_cli.report.projection_plot import plot_projection
from hicmae_cli.studies.measuring import EMBEDDINGS
from hicmae_cli.studies.plan import Job, Plan
from hicmae_cli.studies.result import Picture, number_equal, slugify

_LEAST_CLIPS: Final = 8  # fewer make no picture


def draw_embeddings(plan: Plan, folder: Path) -> tuple[Picture, ...]:
    """Draw the test clips of one run of each combination of levels, that of the first seed.

    Args:
        plan: whose jobs are done.
        folder: for the pictures.

    Returns:
        A picture for each of these runs and each method that is installed; none without the measure ``alignment``,
        or with fewer than 8 clips.

    Raises:
        HicmaeError: a table of embeddings is missing, or a picture cannot be written.
    """
    found = []
    tables = list(_find_tables(plan))
    names = number_equal([slugify(words) for words, _ in tables])
    for name, (words, job) in zip(names, tables, strict=True):
        table = read_embeddings(job.folder / EMBEDDINGS)
        if len(table) < _LEAST_CLIPS:
            continue
        for method in filter(_is_installed, METHODS):
            shown = f"{METHODS[method]} of {len(table)} test clips"
            projection = project(table, method=method)
            picture = Picture(
                f"embeddings-{name}-{method}", f"{words}, seed {plan.seeds[0]}: {shown} (dots: faces, crosses: voices)"
            )
            plot_projection(
                projection.points,
                projection.labels,
                projection.speakers,
                projection.gaps,
                projection.recalls,
                folder / f"{picture.name}.png",
                title=picture.title,
            )
            found.append(picture)
    return tuple(found)


def _is_installed(method: str) -> bool:
    try:
        check_method(method)
    except MissingDependencyError:
        return False
    return True


def _find_tables(plan: Plan) -> Iterator[tuple[str, Job]]:
    for run in plan.runs:
        if run.seed == plan.seeds[0]:
            words = ", ".join(run.levels.values()) or plan.study.name
            yield from ((words, plan.jobs[key]) for key in run.jobs if plan.jobs[key].kind == "alignment")
