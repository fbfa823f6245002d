"""The reference is complete: every command, option, recipe key and public name is explained."""

from __future__ import annotations

import inspect
import re
from typing import Any

import pytest

import hicmae_cli
from hicmae_cli.recipes.recipe import RecipeKey, available_recipes, list_keys, summarise_recipe
from hicmae_cli.recipes.settings import PHASES
from tests.docs.pages import PAGES, blocks, docs_reference

reference = docs_reference()
COMMANDS: dict[str, Any] = dict(reference.iterate_commands())
KEYS = [pytest.param(phase, key, id=f"{phase}-{key.name}") for phase, kind in PHASES.items() for key in list_keys(kind)]


def section(page: str, title: str) -> str:
    """The text under a heading, up to the next heading of any level."""
    return re.split(r"^#+ ", page.partition(f"# {title}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]


def test_groups_and_their_commands_are_found() -> None:
    assert {"hicmae predict", "hicmae weights", "hicmae weights import", "hicmae puppets make"} <= COMMANDS.keys()


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_explained(name: str) -> None:
    shown = section(reference.render_commands(), name)
    for option in reference.iterate_options(COMMANDS[name]):
        assert reference.describe_option(option), f"{name} {option.opts}: an option needs a help text"
        flags = option.opts if option.param_type_name == "option" else []
        assert all(f"`{flag}`" in shown for flag in flags)
        assert reference._cell(reference.describe_option(option)) in shown


def test_help_texts_become_markdown() -> None:
    text = "Do it.\n\nWith <care> and `a|b <c>`.\n\n[bold]Examples[/bold]\n\n    hicmae one\n\n    hicmae two --x\n"
    assert reference._help_to_markdown(text) == (
        "Do it.\n\nWith &lt;care> and `a|b <c>`.\n\nExamples:\n\n```sh\nhicmae one\nhicmae two --x\n```"
    )


@pytest.mark.parametrize(("phase", "key"), KEYS)
def test_every_recipe_key_is_explained(phase: str, key: RecipeKey) -> None:
    assert key.meaning and key.values, f"{key.name}: a recipe key needs a description"
    assert f"| `{key.name}`{{ #{phase}-{key.name} }} | `{key.default}` |" in section(
        reference.render_recipes(), f"Keys of `hicmae {phase}`"
    )


@pytest.mark.parametrize("recipe", available_recipes())
def test_every_recipe_is_listed(recipe: str) -> None:
    assert f"| `{recipe}` |" in reference.render_recipes()
    assert summarise_recipe(recipe)


def test_every_public_name_has_an_example_and_a_reference() -> None:
    examples = "\n".join(blocks("docs/python.md", "python"))
    page = reference.render_python()
    for name in reference.public_names():
        assert re.search(rf"\bhicmae\.{name}\b", examples), f"{name}: give an example in docs/python.md"
        assert f"      heading: hicmae.{name}\n" in page
        assert f"`{name}`" in PAGES["docs/python.md"]
    # One for each command that works on data, and what they return or need.
    assert len(reference.public_names()) <= 22
    assert set(reference.public_names()) <= set(dir(hicmae_cli))


def test_links_of_repository_files_work_in_the_site() -> None:
    page = reference.render_repository_file("CONTRIBUTING.md")
    assert "[Architecture](architecture.md)" in page
    assert "](docs/" not in page


def test_what_public_functions_return_is_documented() -> None:
    page = reference.render_python()
    for name in reference.public_names():
        target = getattr(hicmae_cli, name)
        if inspect.isclass(target):
            continue
        for returned in re.findall(r"[A-Z]\w+", str(inspect.signature(target).return_annotation)):
            assert re.search(rf"heading: (?:hicmae\.)?{returned}\n", page), (
                f"{name} returns {returned}: list it in RESULTS"
            )
