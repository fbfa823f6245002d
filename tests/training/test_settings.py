from __future__ import annotations

from pathlib import Path

import pytest

from hicmae_cli.errors import SettingsError
from hicmae_cli.training.settings import available_recipes, load_settings


@pytest.mark.parametrize("recipe", available_recipes())
def test_every_shipped_recipe_is_sound(recipe: str) -> None:
    assert load_settings(recipe).epochs >= 1


def test_options_override_the_recipe() -> None:
    settings = load_settings("puppets-nano", {"epochs": 7, "batch_size": None})
    assert settings.epochs == 7
    assert settings.peak_lr == pytest.approx(settings.base_lr * settings.batch_size / 256)


def test_every_fault_is_named_at_once(tmp_path: Path) -> None:
    recipe = tmp_path / "bad.toml"
    recipe.write_text("epochs = 0\nlearning_rat = 1\nflip = 2.0\n")
    with pytest.raises(SettingsError) as caught:
        load_settings(recipe)
    for name in ("epochs", "learning_rat", "flip"):
        assert name in str(caught.value)


@pytest.mark.parametrize("content", ["not toml [", None])
def test_unreadable_recipes_are_refused(tmp_path: Path, content: str | None) -> None:
    recipe = tmp_path / "bad.toml"
    if content is not None:
        recipe.write_text(content)
    with pytest.raises(SettingsError, match=r"bad\.toml"):
        load_settings(recipe)


def test_unknown_names_list_the_known_ones() -> None:
    with pytest.raises(SettingsError, match="puppets-nano"):
        load_settings("no-such-recipe")
