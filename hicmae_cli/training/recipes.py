"""Recipes: TOML files that ship with the package or are the user's, plus overrides, checked as a whole."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from hicmae_cli.errors import SettingsError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Settings = TypeVar("Settings", bound=BaseModel)


def available_recipes() -> list[str]:
    """Names of the recipes that ship with the package; those of pre-training begin with ``pretrain-``."""
    folder = resources.files("hicmae_cli") / "recipes"
    return sorted(p.name.removesuffix(".toml") for p in folder.iterdir() if p.name.endswith(".toml"))


def load_settings(kind: type[Settings], recipe: str | Path, overrides: dict[str, Any] | None = None) -> Settings:
    """Read a recipe by name or path, apply overrides, check the whole.

    Args:
        kind: ``FinetuneSettings`` or ``PretrainSettings``.
        recipe: a name of ``available_recipes``, or a .toml file.
        overrides: values that come before the recipe's; None counts as not given.

    Raises:
        SettingsError: no such recipe, not TOML, or values that cannot be used; every fault is named.
    """
    values = _read_recipe(recipe)
    given = {key: value for key, value in (overrides or {}).items() if value is not None}
    try:
        return kind.model_validate({**values, **given})
    except ValidationError as error:
        faults = "; ".join(_describe(fault, kind) for fault in error.errors())
        raise SettingsError(f"recipe {recipe}: {faults}") from error


def _read_recipe(recipe: str | Path, extending: tuple[str, ...] = ()) -> dict[str, Any]:
    """Read the values of a recipe and of the recipe that it ``extends``, whose values it replaces.

    Args:
        recipe: a name of ``available_recipes``, or a .toml file.
        extending: the recipes that extend this one.
    """
    path = Path(recipe)
    if path.suffix != ".toml":
        if str(recipe) not in available_recipes():
            raise SettingsError(f"no recipe named {recipe}; there are {', '.join(available_recipes())}")
        text = (resources.files("hicmae_cli") / "recipes" / f"{recipe}.toml").read_text("utf-8")
    else:
        try:
            text = path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise SettingsError(f"{path}: cannot read the recipe: {reason}") from error
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{recipe}: not valid TOML: {error}") from error
    parent = values.pop("extends", None)
    if parent is None:
        return values
    if not isinstance(parent, str):
        raise SettingsError(f"recipe {recipe}: extends: expected the name of a recipe or a .toml file, got {parent!r}")
    if parent.endswith(".toml"):
        parent = str(path.parent / parent)
    own_name = str(path.resolve()) if path.suffix == ".toml" else str(recipe)
    if own_name in extending:
        raise SettingsError(f"recipe {recipe}: extends itself")
    return {**_read_recipe(parent, (*extending, own_name)), **values}


def parse_overrides(pairs: Sequence[str]) -> dict[str, Any]:
    """``["epochs=3", "video_mask=block"]`` -> values by key, as TOML reads them; a bare word is a text.

    Raises:
        SettingsError: a pair without ``=``.
    """
    values: dict[str, Any] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals or not key.strip():
            raise SettingsError(f"--set {pair}: expected key=value, as in --set epochs=3")
        try:
            values[key.strip()] = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            values[key.strip()] = text.strip()
    return values


def _describe(fault: Any, kind: type[BaseModel]) -> str:
    """One fault, on one line; an unknown key with the known one that is most like it."""
    key = ".".join(map(str, fault["loc"]))
    if fault["type"] == "extra_forbidden":
        near = get_close_matches(key, kind.model_fields, n=1, cutoff=0.0)
        return f"{key} is not a key of {kind.__name__}; the nearest is {near[0]}"
    message = str(fault["msg"]).removeprefix("Value error, ")
    return f"{key}: {message}" if key else message
