"""Several weights as one: their outputs are averaged. Their main use is the models of a dataset's folds."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hicmae_cli.errors import WeightsError
from hicmae_cli.runtime.engine import Engine, sigmoid, softmax
from hicmae_cli.weights.catalogue import list_stored
from hicmae_cli.weights.info import WeightInfo
from hicmae_cli.weights.published import list_published
from hicmae_cli.weights.reading import read_info

PREFIX: Final = "ensemble:"
"""``ensemble:NAME`` stands for the weights ``NAME-1``, ``NAME-2`` and so on."""

# What must be equal, so that one clip is the right input for every member.
_SHARED: Final = ("labels", "task", "modality", "sampling", "sampling_rate", "frame_step_s", "front_end")
_LEAST: Final = 1e-12


class EnsembleEngine:
    """Averages the probabilities (of a regression the values) of several engines.

    Temperatures of the members are not applied: they belong to the probabilities of one model.

    Args:
        name: what the ensemble is called.
        members: at least two engines, on one device.

    Raises:
        WeightsError: the members differ in labels, task, streams or sampling.
    """

    def __init__(self, name: str, members: Sequence[Engine]) -> None:
        first = members[0].info
        for member in members[1:]:
            differ = [field for field in _SHARED if getattr(member.info, field) != getattr(first, field)]
            if differ:
                raise WeightsError(f"{name}: its weights differ in {', '.join(differ)}, so they cannot be averaged")
        self._members = members
        self.name, self.device, self.providers = members[0].name, members[0].device, members[0].providers
        self.info = _join(name, [member.info for member in members])

    def logits(self, video: NDArray[np.float32], audio: NDArray[np.float32]) -> NDArray[np.float32]:
        """Video (B, 3, 16, 160, 160) and audio (B, 1, 256, 128) -> (B, C), of which the outputs are the mean ones."""
        rows = [member.logits(video, audio) for member in self._members]
        kind = self.info.kind
        if kind == "regression":
            return np.asarray(np.mean(rows, axis=0), np.float32)
        if kind == "multilabel":
            mean = np.mean([sigmoid(row) for row in rows], axis=0).clip(_LEAST, 1 - _LEAST)
            return np.asarray(np.log(mean / (1 - mean)), np.float32)
        mean = np.mean([softmax(row) for row in rows], axis=0).clip(_LEAST)
        return np.asarray(np.log(mean), np.float32)


def find_members(name: str) -> list[str]:
    """Find the weights of ``ensemble:NAME`` on this machine, by number.

    Raises:
        WeightsError: there are fewer than two; says how to pull those of the catalogue.
    """
    stem = name.removeprefix(PREFIX)
    here = _list_numbered(stem, list_stored())
    known = _list_numbered(stem, list(list_published()))
    if missing := [each for each in known if each not in here]:
        pull = f"`hicmae weights pull {' '.join(missing)}`"
        raise WeightsError(f"{name}: {len(missing)} of its weights are not on this machine; fetch them with {pull}")
    if len(here) < 2:
        raise WeightsError(f"{name}: expected at least two weights named {stem}-1, {stem}-2, …; found {len(here)}")
    return here


def read_any_info(weights: str) -> WeightInfo:
    """Read the metadata of a weight, or what the weights of ``ensemble:NAME`` have in common.

    Raises:
        WeightsError: see `find_members` and ``read_info``.
    """
    if not weights.startswith(PREFIX):
        return read_info(weights)
    return _join(weights, [read_info(member) for member in find_members(weights)])


def open_ensemble(name: str, open_member: Callable[[str], Engine]) -> EnsembleEngine:
    """Open the weights of ``ensemble:NAME`` as one.

    Raises:
        WeightsError: see `find_members` and `EnsembleEngine`.
    """
    return EnsembleEngine(name, [open_member(each) for each in find_members(name)])


def _list_numbered(stem: str, names: Sequence[str]) -> list[str]:
    pattern = re.compile(rf"{re.escape(stem)}-(\d{{1,3}})")
    numbered = [(int(match[1]), name) for name in names if (match := pattern.fullmatch(name))]
    return [name for _, name in sorted(numbered)]


def _join(name: str, infos: Sequence[WeightInfo]) -> WeightInfo:
    """Describe the ensemble: what the members share, and everything that any of them has learned from."""
    first = infos[0]
    seen = tuple(dict.fromkeys(entry for info in infos for entry in info.history))
    folds = ", ".join(info.fold for info in infos if info.fold)
    return first.model_copy(
        update={
            "source": f"mean of {len(infos)} weights ({name}); folds left out by one of them each: {folds or 'none'}",
            "fold": "",
            "metrics": {},
            "held_out": (),
            "temperature": None,
            "one_stream_temperatures": {},
            "run": None,
            "seen": seen,
        }
    )
