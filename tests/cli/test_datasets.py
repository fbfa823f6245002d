from __future__ import annotations

from pathlib import Path

import pytest

from hicmae_cli.corpora import card
from hicmae_cli.corpora.catalogue import DATASETS
from tests.cli.running import hicmae


def test_the_table_says_what_is_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HICMAE_DATA", "corpora")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "corpora" / "mafw" / "prepared").mkdir(parents=True)
    (tmp_path / "corpora" / "mafw" / "prepared" / "mafw.csv").touch()
    (tmp_path / "corpora" / "voxceleb2").mkdir()
    run = hicmae("datasets")
    assert run.code == 0
    header = next(line for line in run.out.splitlines() if "name" in line)
    assert [cell.strip() for cell in header.split("┃")[1:-1]] == ["name", "task", "split", "path", "status"]
    rows = {
        cells[1].strip(): [cell.strip() for cell in cells[2:6]]
        for line in run.out.splitlines()
        if len(cells := line.split("│")) > 5
    }
    assert set(DATASETS) == set(rows)
    assert rows["mafw"] == ["11 classes", "5 folds", "corpora/mafw", "prepared"]
    assert rows["mafw-43"] == ["43 classes", "5 folds", "corpora/mafw", "found"]
    assert rows["dfew"] == ["7 classes", "5 folds", "corpora/dfew", "absent"]
    assert rows["voxceleb2"] == ["pre-training", "none", "corpora/voxceleb2", "found"]
    assert rows["manifest"] == ["your labels", "your columns", "corpora/manifest", "absent"]
    assert rows["werewolf-xl"][0] == "3 targets"


@pytest.mark.parametrize("name", ["crema-d", "werewolf-xl", "voxceleb2", "folder", "puppets"])
def test_one_dataset_is_shown_with_all_its_facts_and_no_markdown(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    dataset = DATASETS[name]
    run = hicmae("datasets", name)
    assert run.code == 0
    facts = [
        card.make_title(dataset),
        f"data/{name}, absent",
        *(fact for _, fact in card.list_facts(dataset)),
        *dataset.layout.splitlines(),
        *card.list_excluded(dataset),
        *dataset.choices,
    ]
    for fact in facts:
        assert fact.replace("`", "") in run.out
    for row in card.list_published(dataset):
        assert any([cell.strip() for cell in line.split("│")[1:-1]] == row for line in run.out.splitlines()) or (
            row[0] == "fold"
        )
    assert not any(mark in run.out for mark in ("#", "`", "| ", "---"))


def test_datasets_as_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HICMAE_DATA", str(tmp_path))
    (tmp_path / "ravdess").mkdir()
    everything = hicmae("datasets", "--json").document
    assert everything["schema"] == "hicmae.datasets/1"
    found = {dataset["name"]: dataset for dataset in everything["datasets"]}
    assert list(found) == list(DATASETS)
    for name, facts in found.items():
        assert (facts["labels"], facts["task"]) == (list(DATASETS[name].labels), DATASETS[name].task)
    assert (found["ravdess"]["path"], found["ravdess"]["status"]) == (str(tmp_path / "ravdess"), "found")
    assert found["crema-d"]["published"]["1"]["test"] == 1463
    assert found["crema-d"]["excluded"].keys() == DATASETS["crema-d"].excluded.keys()
    assert found["voxceleb2"]["pretrain_recipe"] == "pretrain-voxceleb2-base"
    assert hicmae("datasets", "Crema-D", "--json").document["datasets"] == [found["crema-d"]]


@pytest.mark.parametrize(
    "command", [["prepare", "voxceleb2"], ["evaluate", "--weights", "puppets-nano", "--dataset", "voxceleb2"]]
)
def test_commands_for_labelled_data_refuse_a_dataset_without_labels(command: list[str]) -> None:
    run = hicmae(*command)
    assert run.code == 2
    said = "VoxCeleb2 has no labels and is for pre-training only: use `hicmae pretrain --dataset voxceleb2`"
    assert run.err == f"error: {said}\n"


def test_an_unknown_name_is_one_line() -> None:
    run = hicmae("datasets", "crema")
    assert run.code == 2
    assert run.err.startswith("error: no dataset named crema; the nearest is crema-d; known datasets: crema-d, ")
    assert run.err.count("\n") == 1


def test_the_command_explains_itself() -> None:
    run = hicmae("datasets", "--help")
    assert run.code == 0
    assert "Example" in run.out
