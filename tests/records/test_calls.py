"""The parameters of a call are recorded, whichever there are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from hicmae_cli.records.calls import Call, current_call, recorded


@recorded
def train(
    data: str | Path,
    *,
    init: str | Path | None = None,
    seeds: Sequence[int] = (),
    new: float = 0.5,
    hook: Callable[[], None] = lambda: None,
) -> Call | None:
    """A training."""
    return current_call()


def test_every_parameter_but_hooks_is_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("list.csv").touch()
    call = train("list.csv", init="a-weight", seeds=(1, 2), hook=lambda: None)
    assert call is not None
    # A path that exists is made absolute, so that the call can be repeated elsewhere; the name of a weight stays.
    assert call.parameters == {"data": str(tmp_path / "list.csv"), "init": "a-weight", "seeds": [1, 2], "new": 0.5}
    assert call.without_folders()["data"] == "list.csv"
    assert current_call() is None and train.__name__ == "train"


def test_a_call_inside_a_call_has_its_own_parameters() -> None:
    @recorded
    def outer(depth: int) -> list[object]:
        inner = train("x")
        assert inner is not None
        outside = current_call()
        assert outside is not None
        return [inner.parameters["data"], outside.parameters]

    assert outer(3) == ["x", {"depth": 3}]
