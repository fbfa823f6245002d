"""``hicmae recipes``."""

from __future__ import annotations

from pathlib import Path

import pytest

from hicmae_cli.recipes.recipe import available_recipes, list_keys, load_settings
from hicmae_cli.recipes.settings import PHASES, FinetuneSettings
from tests.cli.running import fresh_python, hicmae


def test_all_recipes_are_listed_with_a_summary() -> None:
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in hicmae("recipes").out.splitlines()]
    first_lines = {row[0]: row for row in rows if row and row[0]}
    assert list(first_lines) == available_recipes()
    for name, row in first_lines.items():
        assert row[1] == ("pretrain" if name.startswith("pretrain-") else "finetune")
        assert row[2]


def test_a_recipe_is_printed_as_it_is_and_can_be_used(tmp_path: Path) -> None:
    run = hicmae("recipes", "crema-d")
    assert run.code == 0
    (tmp_path / "mine.toml").write_text(run.out)
    mine = load_settings(FinetuneSettings, tmp_path / "mine.toml")
    assert mine == load_settings(FinetuneSettings, "crema-d")
    assert hicmae("recipes", tmp_path / "mine.toml").out == run.out


@pytest.mark.parametrize("phase", PHASES)
def test_every_key_is_explained(phase: str) -> None:
    out = hicmae("recipes", "--keys", phase).out
    for key in list_keys(PHASES[phase]):
        unit = f"  [{key.unit}]" if key.unit else ""
        assert f"{key.name} = {key.default}{unit}\n    {key.meaning}\n    {key.values}\n" in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--keys", "training"], "expected finetune or pretrain"),
        (["crema-d", "--keys", "finetune"], "either a NAME or --keys"),
        (["no-such"], "no recipe named no-such; there are "),
        (["no-such.toml"], "no-such.toml: cannot read the recipe"),
    ],
)
def test_wrong_usage(arguments: list[str], said: str) -> None:
    run = hicmae("recipes", *arguments)
    assert run.code == 2
    assert said in " ".join(run.err.split())


def test_no_torch_is_loaded() -> None:
    done = fresh_python(
        "import sys\nsys.modules['torch'] = None\nfrom hicmae_cli.cli import main\n"
        "main(['recipes', '--keys', 'pretrain'])"
    )
    assert done.returncode == 0, done.stderr
    assert "video_mask" in done.stdout


def test_a_recipe_is_copied_and_nothing_is_overwritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert hicmae("recipes", "--copy", "mafw").code == 0
    assert load_settings(FinetuneSettings, "mafw.toml") == load_settings(FinetuneSettings, "mafw")
    run = hicmae("recipes", "mafw", "mine.toml", "--copy")
    assert run.code == 0 and "--recipe mine.toml" in run.out
    Path("mine.toml").write_text("epochs = 3")
    run = hicmae("recipes", "--copy", "mafw", "mine.toml")
    assert run.code == 2 and "mine.toml: exists already" in run.err
    assert Path("mine.toml").read_text() == "epochs = 3"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--copy"], "--copy NAME [FILE.toml]"),
        (["mafw", "mine.toml"], "--copy NAME [FILE.toml]"),
        (["--copy", "no-such"], "no recipe named no-such"),
        (["--copy", "mafw", "mine.txt"], "expected a file that ends with .toml"),
        (["--copy", "mine.toml"], "expected the name of a recipe"),
        (["--copy", "mafw", "gone/mine.toml"], "gone/mine.toml: cannot be written"),
    ],
)
def test_copies_that_cannot_be_made(
    arguments: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = hicmae("recipes", *arguments)
    assert run.code == 2 and said in " ".join(run.err.split())
    assert list(tmp_path.iterdir()) == []


def test_profiles_are_listed_and_printed() -> None:
    assert "laptop" in hicmae("recipes").out + hicmae("recipes").err
    assert "[finetune]" in hicmae("recipes", "laptop").out
