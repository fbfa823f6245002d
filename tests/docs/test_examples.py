"""What the docs tell readers to type works: commands, options, recipe keys, recipes, Python."""

from __future__ import annotations

import ast
import inspect
import io
import re
import sys
from pathlib import Path
from typing import Any

import pytest

import hicmae_cli
from hicmae_cli.recipes.recipe import available_recipes, load_settings
from hicmae_cli.recipes.settings import PHASES, FinetuneSettings
from hicmae_cli.studies.study import list_studies
from tests.docs.pages import PAGES, blocks, commands, docs_reference

reference = docs_reference()
COMMANDS: dict[str, Any] = dict(reference.iterate_commands())


def options_of(words: list[str]) -> tuple[str, set[str]]:
    """The full name of a command, and the options that it takes."""
    if words[0] == "study" and words[1:2] and words[1] in list_studies():
        words = ["study", "run", *words[1:]]
    names = [f"hicmae {' '.join(words[:count])}" for count in (2, 1)]
    name = next((name for name in names if name in COMMANDS), "")
    assert name, f"hicmae {' '.join(words)}: no such command"
    flags = {flag for option in COMMANDS[name].params for flag in getattr(option, "opts", ())}
    return name, flags | {"--help", "-h", "--debug", "--version"}


def test_commands_are_found() -> None:
    found = [words for page, words in commands() if page == "docs/tutorials/own-folder.md"]
    assert ["prepare", "folder", "--root", "my-videos", "--check"] in found
    assert len(list(commands())) > 150


@pytest.mark.parametrize("page", PAGES)
def test_commands_and_options_exist(page: str) -> None:
    for where, words in commands():
        if where != page or not re.fullmatch(r"[a-z]+", words[0]):
            continue
        name, flags = options_of(words)
        for word in words[1:]:
            flag = word.partition("=")[0].rstrip(",.")
            if flag.startswith("-") and len(flag) > 1:
                assert flag in flags, f"{page}: {name} has no option {flag}"


@pytest.mark.parametrize("page", PAGES)
def test_overridden_keys_exist(page: str) -> None:
    known = {key for kind in PHASES.values() for key in kind.model_fields}
    found = re.findall(r"--set ([a-z_]+)=", PAGES[page])
    assert set(found) <= known
    recipes = re.findall(r"--recipe ([a-z][\w-]*)(?![\w./-])", PAGES[page])
    assert set(recipes) <= set(available_recipes())


@pytest.mark.parametrize("page", ["from-authors", "finetune", "pretrain", "train-faster"])
def test_recipe_keys_in_tables_exist(page: str) -> None:
    """Names in snake case between backticks are recipe keys, or they have been renamed."""
    known = {key for kind in PHASES.values() for key in kind.model_fields}
    named = set(re.findall(r"`([a-z]+(?:_[a-z]+)+)`", PAGES[f"docs/{page}.md"]))
    assert {name for name in named - known if not name.startswith("test_")} - {"front_end", "extended_from"} == set()


def test_the_recipe_of_the_tutorial_is_sound(tmp_path: Path) -> None:
    (recipe,) = blocks("docs/tutorials/own-folder.md", "toml")
    (tmp_path / "laptop.toml").write_text(recipe, "utf-8")
    assert load_settings(FinetuneSettings, tmp_path / "laptop.toml").variant == "nano"


@pytest.mark.parametrize("page", [page for page in PAGES if "```python" in PAGES[page]])
def test_python_calls_public_names_by_their_parameters(page: str) -> None:
    public = reference.public_names()
    for code in blocks(page, "python"):
        for node in ast.walk(ast.parse(code)):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "hicmae":
                assert node.attr in public, f"{page}: hicmae.{node.attr} is not public"
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in public:
                target = getattr(hicmae_cli, node.func.attr)
                keywords = {keyword.arg: None for keyword in node.keywords if keyword.arg}
                inspect.signature(target).bind_partial(*([None] * len(node.args)), **keywords)


@pytest.mark.slow
def test_the_predictions_of_the_python_page_run(sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The blocks before those that train, in one session, from the folder of the repository."""
    pytest.importorskip("pandas")
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "assets").symlink_to(sample.parent)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdout", out := io.StringIO())
    session: dict[str, Any] = {"__name__": "example"}
    for code in blocks("docs/python.md", "python"):
        if "__main__" in code:
            break
        exec(compile(code, "docs/python.md", "exec"), session)
    assert "speech_sample.mp4 ok" in out.getvalue()
    assert len(session["table"]) == sum(len(track.windows) for track in session["prediction"].files[0].tracks)
    assert (tmp_path / "results" / "predictions.csv").is_file()
