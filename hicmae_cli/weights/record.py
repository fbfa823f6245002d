"""Read the record of a training, from the folder of its run or from a weight."""

from __future__ import annotations

from pathlib import Path

from hicmae_cli.errors import WeightsError, one_line
from hicmae_cli.records.facts import RunRecord
from hicmae_cli.records.folder import RECORD, find_record_folders, read_run_record
from hicmae_cli.weights.reading import read_info


def read_record(run: str | Path) -> RunRecord:
    """Read the record of a training.

    Args:
        run: the folder of a run, a weight file, or the name of a weight. A weight has what may be published: no host,
            no folders, no sessions.

    Raises:
        WeightsError: there is no record; a run over folds has one per fold.
    """
    folder = Path(run)
    if folder.is_dir():
        found = find_record_folders(folder)
        if found == [folder]:
            return read_run_record(folder)
        if found:
            raise WeightsError(one_line(f"{folder}: has one record per fold or seed; choose one, e.g. {found[0]}"))
    info = read_info(str(run))
    if info.run is None:
        raise WeightsError(
            one_line(f"{run}: has no record of its training: it was imported, or made by an earlier version of hicmae")
        )
    scores = {
        name if len(info.metrics) == 1 else f"{part} {name}": score
        for part, values in info.metrics.items()
        for name, score in values.items()
    }
    return RunRecord(run=info.run, weight=folder.name, scores=scores, finished=True)


def find_records(run: str | Path) -> dict[Path, RunRecord]:
    """Read every record of a run, by folder: of its folds and seeds, or of the run or weight itself.

    Raises:
        WeightsError: there is none, or one cannot be read.
    """
    folder = Path(run)
    if folder.is_file() and (folder.parent / RECORD).is_file():
        folder = folder.parent
    if folder.is_dir() and (found := find_record_folders(folder)):
        return {each: read_run_record(each) for each in found}
    return {Path(run): read_record(run)}
