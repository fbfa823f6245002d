"""``hicmae recipes``: list the training recipes, show one, or list the keys that a recipe can set."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hicmae_cli.cli.options import usage_error

if TYPE_CHECKING:
    from hicmae_cli.recipes.recipe import RecipeKey


def recipes(
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", help="Recipe to print: a name from the list, a profile, or a .toml file."),
    ] = None,
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE.toml", help="With --copy: the file; by default NAME.toml.")
    ] = None,
    copy: Annotated[
        bool, typer.Option("--copy", help="Copy the recipe NAME to a file, to edit it; an existing file is kept.")
    ] = False,
    keys: Annotated[
        str | None,
        typer.Option(
            "--keys",
            metavar="finetune|pretrain",
            help="List all keys of a fine-tuning or pre-training recipe, with default, unit, values and meaning.",
        ),
    ] = None,
) -> None:
    """List the recipes for training, print one, or explain the keys that a recipe can set.

    A recipe is a TOML file. `--set KEY=VALUE` of a training command overrides a key. For a recipe of your own, copy
    one, edit it and pass the file as `--recipe`. A profile (`--profile`) replaces some values of any recipe.

    [bold]Examples[/bold]

        hicmae recipes

        hicmae recipes laptop

        hicmae recipes --copy crema-d my-recipe.toml

        hicmae recipes --keys finetune
    """
    from hicmae_cli.cli.screen import Screen
    from hicmae_cli.recipes.recipe import (
        available_profiles,
        available_recipes,
        copy_recipe,
        list_keys,
        read_profile,
        read_recipe,
        summarise_recipe,
    )
    from hicmae_cli.recipes.settings import PHASES

    if name is not None and keys is not None:
        raise usage_error("give either a NAME or --keys")
    if (copy and name is None) or (file is not None and not copy):
        raise usage_error("expected `hicmae recipes --copy NAME [FILE.toml]`")
    screen = Screen()
    if copy and name is not None:
        made = copy_recipe(name, file)
        screen.done("copied", f"{name} to {made}; edit it, and pass it as --recipe {made}")
        return
    if name is not None:
        typer.echo(read_profile(name) if name in available_profiles() else read_recipe(name), nl=False)
        return
    if keys is not None:
        if keys not in PHASES:
            raise usage_error(f"--keys {keys}: expected {' or '.join(PHASES)}")
        for key in list_keys(PHASES[keys]):
            _print_key(key)
        return
    from rich.markup import escape
    from rich.table import Table

    table = Table("recipe", "for", "summary")
    for recipe in available_recipes():
        phase = "pretrain" if recipe.startswith("pretrain-") else "finetune"
        table.add_row(recipe, phase, escape(summarise_recipe(recipe)))
    screen.show(table)
    screen.say(f"profiles, for --profile: {', '.join(available_profiles())}")


def _print_key(key: RecipeKey) -> None:
    """Print a key in a few lines, which stay readable and searchable at any width of the terminal."""
    unit = f"  [{key.unit}]" if key.unit else ""
    typer.echo(f"{typer.style(key.name, bold=True)} = {key.default}{unit}")
    typer.echo(f"    {key.meaning}")
    typer.echo(typer.style(f"    {key.values}", dim=True))
