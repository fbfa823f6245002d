"""What a repeated training is compared in, and what differs around it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hicmae_cli.records.facts import DataFacts, RunFacts, RunRecord


@dataclass(frozen=True)
class Repeat:
    """One repeated run.

    Attributes:
        before: folder of the recorded run.
        again: folder of the repeated run.
        same_weights: whether all tensors are equal to the last bit.
        scores: name -> (recorded, repeated) of the scores that differ.
        surroundings: versions and hardware that differ, in words.
    """

    before: Path
    again: Path
    same_weights: bool
    scores: dict[str, tuple[float | None, float | None]]
    surroundings: tuple[str, ...] = ()

    @property
    def equal(self) -> bool:
        """Whether weights and scores are the same."""
        return self.same_weights and not self.scores

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "before": str(self.before),
            "again": str(self.again),
            "equal": self.equal,
            "same_weights": self.same_weights,
            "scores": {name: list(pair) for name, pair in self.scores.items()},
            "surroundings": list(self.surroundings),
        }

    def __str__(self) -> str:
        weights = "the same weights, to the last bit" if self.same_weights else "other weights"
        if not self.scores:
            return f"{self.again}: {weights}, the same scores"
        pairs = ", ".join(f"{name} {before} -> {again}" for name, (before, again) in self.scores.items())
        return f"{self.again}: {weights}, other scores: {pairs}"


@dataclass(frozen=True)
class RerunResult:
    """Result of ``rerun``; prints and dumps itself.

    Attributes:
        repeats: the runs, in the order of their records.
        finished: whether all runs were trained to their end; Ctrl-C stops them.
    """

    repeats: tuple[Repeat, ...]
    finished: bool = True

    @property
    def equal(self) -> bool:
        """Whether all runs were repeated with the same weights and scores."""
        return self.finished and all(repeat.equal for repeat in self.repeats)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {"equal": self.equal, "finished": self.finished, "runs": [repeat.to_dict() for repeat in self.repeats]}

    def __str__(self) -> str:
        lines = [str(repeat) for repeat in self.repeats]
        return "\n".join(lines if self.finished else [*lines, "not finished; the same call resumes it"])


def compare_records(before: tuple[Path, RunRecord], again: tuple[Path, RunRecord]) -> Repeat:
    """Compare two finished runs by their records."""
    (first, old), (second, new) = before, again
    scores = {
        name: (old.scores.get(name), new.scores.get(name))
        for name in {**old.scores, **new.scores}
        if old.scores.get(name) != new.scores.get(name)
    }
    return Repeat(
        before=first,
        again=second,
        same_weights=bool(old.tensors_sha256) and old.tensors_sha256 == new.tensors_sha256,
        scores=scores,
        surroundings=tuple(list_surroundings(old.run, new.run)),
    )


def list_surroundings(old: RunFacts, new: RunFacts) -> list[str]:
    """List the versions and the hardware that differ between two runs."""
    pairs = [(name, old.versions.get(name), new.versions.get(name)) for name in {**old.versions, **new.versions}]
    pairs += [(name, old.machine.get(name), new.machine.get(name)) for name in {**old.machine, **new.machine}]
    commits = [str(run.commit) if run.commit is not None else None for run in (old, new)]
    pairs += [("commit of hicmae", commits[0], commits[1]), ("processes", str(old.processes), str(new.processes))]
    return [f"{name}: {before or 'none'} -> {now or 'none'}" for name, before, now in pairs if before != now]


def list_data_changes(old: DataFacts | None, new: DataFacts) -> list[str]:
    """List what differs between the recorded data and those of now."""
    if old is None:
        return ["the record has no hashes of the data"]
    changes = []
    if old.manifest_sha256 != new.manifest_sha256:
        changes.append(f"the list {new.manifest} is another one")
    if old.clips != new.clips:
        changes.append(f"{old.clips} clips -> {new.clips}")
    if old.hashed == new.hashed and old.files_sha256 != new.files_sha256:
        changes.append("files of the clips have changed")
    return changes
