"""Recipes: TOML files of settings that ship with the package or belong to the user, and the list of their keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import resources
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Final, Literal, TypeVar, Union, get_args, get_origin

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from hicmae_cli.errors import SettingsError
from hicmae_cli.recipes.setting_types import OneOf, Unit
from hicmae_cli.recipes.settings import PHASES
from hicmae_cli.recipes.shared_settings import Settings
from hicmae_cli.toml import parse_toml

AnySettings = TypeVar("AnySettings", bound=Settings)

ALIASES: Final[Mapping[str, str]] = {
    "learning_rate": "base_lr",
    "lr": "base_lr",
    "blr": "base_lr",
    "min_learning_rate": "min_lr",
    "warmup": "warmup_epochs",
    "num_epochs": "epochs",
    "batch": "batch_size",
    "gradient_accumulation": "accumulation",
    "update_freq": "accumulation",
    "workers": "num_workers",
    "model": "variant",
    "size": "variant",
    "dropout": "drop_path",
    "grad_clip": "clip_grad_norm",
    "clip_grad": "clip_grad_norm",
    "max_grad_norm": "clip_grad_norm",
    "precision": "mixed_precision",
    "amp": "mixed_precision",
    "ema": "ema_decay",
    "early_stopping": "patience",
    "smoothing": "label_smoothing",
    "reprob": "erase",
    "aa": "rand_augment",
    "mask_ratio": "video_mask_ratio",
    "mask_type": "video_mask",
    "contrastive_weight": "contrast_weight",
    "save_every": "checkpoint_every",
}
"""Common names of settings elsewhere -> the keys of recipes; an error suggests them."""


def available_recipes() -> list[str]:
    """List the recipes that ship with the package; those of pre-training begin with ``pretrain-``."""
    folder = resources.files("hicmae_cli") / "recipes"
    return sorted(p.name.removesuffix(".toml") for p in folder.iterdir() if p.name.endswith(".toml"))


def read_recipe(recipe: str | Path) -> str:
    """Read the text of a recipe.

    Args:
        recipe: a name of ``available_recipes``, or a .toml file.

    Raises:
        SettingsError: no such recipe, or an unreadable file.
    """
    path = Path(recipe)
    if path.suffix != ".toml":
        if str(recipe) not in available_recipes():
            raise SettingsError(f"no recipe named {recipe}; there are {', '.join(available_recipes())}")
        return (resources.files("hicmae_cli") / "recipes" / f"{recipe}.toml").read_text("utf-8")
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise SettingsError(f"{path}: cannot read the recipe: {reason}") from error


def summarise_recipe(recipe: str) -> str:
    """Read the summary of a recipe, the first sentence or line of the comment at its top."""
    first = read_recipe(recipe).partition("\n")[0]
    return first.removeprefix("#").strip()


def copy_recipe(recipe: str, target: str | Path | None = None) -> Path:
    """Copy a recipe that ships with the package to a file, to edit it.

    Args:
        recipe: a name of ``available_recipes``.
        target: the new .toml file; by default the recipe's name in the working folder.

    Returns:
        The file.

    Raises:
        SettingsError: no such recipe, the file exists, or it cannot be written.
    """
    path = Path(target if target is not None else f"{recipe}.toml")
    if Path(recipe).suffix == ".toml":
        raise SettingsError(f"{recipe}: is a file already; expected the name of a recipe")
    if path.suffix != ".toml":
        raise SettingsError(f"{path}: expected a file that ends with .toml")
    text = read_recipe(recipe)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise SettingsError(f"{path}: exists already; choose another file") from error
    except OSError as error:
        raise SettingsError(f"{path}: cannot be written: {error.strerror}") from error
    return path


def available_profiles() -> list[str]:
    """List the profiles: values for a kind of machine, which replace those of any recipe."""
    folder = resources.files("hicmae_cli") / "recipes" / "profiles"
    return sorted(p.name.removesuffix(".toml") for p in folder.iterdir() if p.name.endswith(".toml"))


def read_profile(profile: str) -> str:
    """Read the text of a profile.

    Raises:
        SettingsError: no such profile.
    """
    if profile not in available_profiles():
        raise SettingsError(f"profile={profile!r}: expected {' or '.join(available_profiles())}")
    return (resources.files("hicmae_cli") / "recipes" / "profiles" / f"{profile}.toml").read_text("utf-8")


def load_settings(
    kind: type[AnySettings],
    recipe: str | Path,
    overrides: Mapping[str, Any] | None = None,
    *,
    profile: str | None = None,
    defaults: Mapping[str, Any] | None = None,
) -> AnySettings:
    """Read a recipe by name or path, apply a profile and overrides, and check the whole.

    Args:
        kind: ``FinetuneSettings`` or ``PretrainSettings``.
        recipe: a name of ``available_recipes``, or a .toml file.
        overrides: values that replace the recipe's and the profile's; a None is ignored.
        profile: a name of ``available_profiles``; its values for the phase replace the recipe's.
        defaults: values of keys that nothing else sets, in place of the phase's own defaults.

    Raises:
        SettingsError: no such recipe or profile, not TOML, a recipe of the other phase, or values that cannot be used;
            names all mistakes.
    """
    values = read_values(recipe)
    _check_phase(kind, str(recipe), values)
    values = {**(defaults or {}), **values}
    if profile is not None:
        values |= parse_toml(read_profile(profile))[_name_command(kind)]
    values |= {key: value for key, value in (overrides or {}).items() if value is not None}
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        faults = dict.fromkeys(_describe_fault(fault, kind, values) for fault in error.errors())
        raise SettingsError(f"recipe {recipe}: {'; '.join(faults)}") from error


def read_values(recipe: str | Path, extending: tuple[str, ...] = ()) -> dict[str, Any]:
    """Read the values of a recipe and of the recipe that it ``extends``, whose values it replaces.

    Args:
        recipe: a name of ``available_recipes``, or a .toml file.
        extending: the recipes that extend this one.

    Raises:
        SettingsError: no such recipe, not TOML, or a recipe that extends itself.
    """
    text = read_recipe(recipe)
    try:
        values = parse_toml(text)
    except ValueError as error:
        raise SettingsError(f"{recipe}: not valid TOML: {error}") from error
    parent = values.pop("extends", None)
    if parent is None:
        return values
    if not isinstance(parent, str):
        raise SettingsError(f"recipe {recipe}: extends: expected the name of a recipe or a .toml file, got {parent!r}")
    path = Path(recipe)
    if parent.endswith(".toml"):
        parent = str(path.parent / parent)
    own_name = str(path.resolve()) if path.suffix == ".toml" else str(recipe)
    if own_name in extending:
        raise SettingsError(f"recipe {recipe}: extends itself")
    return {**read_values(parent, (*extending, own_name)), **values}


def parse_overrides(pairs: Sequence[str]) -> dict[str, Any]:
    """Read ``["epochs=3", "video_mask=block"]`` -> values by key, as in TOML; a bare word is a text.

    Raises:
        SettingsError: a pair without ``=``.
    """
    values: dict[str, Any] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals or not key.strip():
            raise SettingsError(f"overrides={pair!r}: expected key=value, e.g. epochs=3")
        try:
            values[key.strip()] = parse_toml(f"value = {text}")["value"]
        except ValueError:
            values[key.strip()] = text.strip()
    return values


@dataclass(frozen=True)
class RecipeKey:
    """One key of a recipe, for the command and the docs.

    Attributes:
        name: the key.
        default: the default as TOML has it; ``unset`` if there is none.
        unit: the unit; empty for a plain number or text.
        values: the allowed values in words.
        meaning: what the setting does.
    """

    name: str
    default: str
    unit: str
    values: str
    meaning: str


def list_keys(kind: type[Settings]) -> list[RecipeKey]:
    """List all keys of a phase, those of both phases first."""
    return [
        RecipeKey(
            name,
            _format_value(field.get_default()),
            next((item.name for item in _collect_metadata(field) if isinstance(item, Unit)), ""),
            describe_values(field),
            field.description or "",
        )
        for name, field in kind.model_fields.items()
    ]


def describe_values(field: FieldInfo) -> str:
    """Describe the values that a setting takes, e.g. ``a whole number, at least 1``."""
    return _describe_type(field.annotation, field.metadata)


def _collect_metadata(field: FieldInfo) -> list[Any]:
    """The metadata of a field and, for an optional one, of the type inside."""
    return [*field.metadata, *_split_annotation(field.annotation)[1]]


def _split_annotation(annotation: Any) -> tuple[Any, list[Any]]:
    """Take ``None`` and ``Annotated`` off a type -> the bare type and the metadata."""
    metadata: list[Any] = []
    while True:
        if get_origin(annotation) in (Union, UnionType):
            (annotation,) = (part for part in get_args(annotation) if part is not NoneType)
        elif hasattr(annotation, "__metadata__"):
            for item in annotation.__metadata__:
                metadata += item.metadata if isinstance(item, FieldInfo) else [item]
            annotation = get_args(annotation)[0]
        else:
            return annotation, metadata


def _describe_type(annotation: Any, outer: Sequence[Any]) -> str:
    bare, inner = _split_annotation(annotation)
    metadata = [*outer, *inner]
    names = next((item.names for item in metadata if isinstance(item, OneOf)), ())
    if get_origin(bare) is Literal:
        names = tuple(map(str, get_args(bare)))
    if names:
        return f"{', '.join(names[:-1])} or {names[-1]}"
    if get_origin(bare) is dict:
        return f"a table of names and {_describe_type(get_args(bare)[1], []).removeprefix('a ')}s"
    if get_origin(bare) is tuple:
        first, second = get_args(bare)
        noun = _describe_type(first, [])
        plural = noun.removeprefix("a ").replace("number", "numbers")
        return f"a list of {plural}" if second is Ellipsis else f"two {plural}"
    return {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}[bare] + _describe_bounds(
        metadata
    )


def _describe_bounds(metadata: Sequence[Any]) -> str:
    words = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
    bounds = [
        f"{word} {bound}"
        for name, word in words.items()
        for item in metadata
        if (bound := getattr(item, name, None)) is not None
    ]
    return f", {' and '.join(bounds)}" if bounds else ""


def _format_value(value: Any) -> str:
    """Format a value as in a recipe."""
    if value is None:
        return "unset"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(_format_value, value))}]"
    if isinstance(value, dict):
        pairs = ", ".join(f"{name} = {_format_value(each)}" for name, each in value.items())
        return f"{{{pairs}}}"
    return f'"{value}"' if isinstance(value, str) else f"{value:g}" if isinstance(value, float) else str(value)


def _check_phase(kind: type[Settings], recipe: str, values: Mapping[str, Any]) -> None:
    """Refuse a recipe of the other phase, which would give one error for each of its keys."""
    if values.keys() <= kind.model_fields.keys():
        return
    for other in PHASES.values():
        if other is not kind and values.keys() <= other.model_fields.keys():
            raise SettingsError(f"recipe={recipe!r}: this is a {other.phase} recipe; expected one for {kind.phase}")


def _describe_fault(fault: Any, kind: type[Settings], values: Mapping[str, Any]) -> str:
    """Describe one mistake in one line; pydantic's words name classes and its own types."""
    key = str(fault["loc"][0]) if fault["loc"] else ""
    if fault["type"] == "extra_forbidden":
        return _describe_unknown_key(key, kind)
    if fault["type"] == "value_error":
        message = str(fault["ctx"]["error"])
        return f"{key}: {message}" if key else message
    return f"{key}: expected {describe_values(kind.model_fields[key])}, got {_format_value(values[key])}"


def _name_command(kind: type[Settings]) -> str:
    return next(command for command, phase in PHASES.items() if phase is kind)


def _describe_unknown_key(key: str, kind: type[Settings]) -> str:
    for other in PHASES.values():
        if other is not kind and key in other.model_fields:
            return f"{key} is a key of {other.phase} recipes only"
    names = {**{name: name for name in kind.model_fields}, **ALIASES}
    near = get_close_matches(key, [name for name, known in names.items() if known in kind.model_fields], n=1)
    hint = (
        f"did you mean {names[near[0]]}?" if near else f"`hicmae recipes --keys {_name_command(kind)}` lists all keys"
    )
    return f"{key} is not a recipe key; {hint}"
