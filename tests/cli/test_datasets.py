from __future__ import annotations

from pathlib import Path

import pytest

from hicmae_cli.corpora.card import card
from hicmae_cli.corpora.catalogue import DATASETS
from tests.cli.running import hicmae


def test_the_table_says_what_is_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HICMAE_DATA", "corpora")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "corpora" / "mafw" / "prepared").mkdir(parents=True)
    (tmp_path / "corpora" / "mafw" / "prepared" / "mafw.csv").touch()
    run = hicmae("datasets")
    assert run.code == 0
    rows = {
        cells[1].strip(): [cell.strip() for cell in cells[2:6]]
        for line in run.out.splitlines()
        if len(cells := line.split("│")) > 5
    }
    assert set(DATASETS) <= set(rows)
    assert rows["mafw"] == ["11", "5 folds", "corpora/mafw", "prepared"]
    assert rows["mafw-43"] == ["43", "5 folds", "corpora/mafw", "found"]
    assert rows["dfew"] == ["7", "5 folds", "corpora/dfew", "absent"]
    assert rows["werewolf-xl"][0] == "3 targets"


@pytest.mark.parametrize("name", ["crema-d", "werewolf-xl", "folder", "puppets"])
def test_one_dataset_is_its_card(name: str) -> None:
    run = hicmae("datasets", name)
    assert run.code == 0
    assert card(DATASETS[name]) in run.out
    assert run.out.splitlines()[-1] == f"data/{name} absent"


def test_an_unknown_name_is_one_line() -> None:
    run = hicmae("datasets", "crema")
    assert run.code == 2
    assert run.err.startswith("error: no dataset named crema; the nearest is crema-d, and there are crema-d, ")
    assert run.err.count("\n") == 1


def test_the_command_explains_itself() -> None:
    run = hicmae("datasets", "--help")
    assert run.code == 0
    assert "Example" in run.out
