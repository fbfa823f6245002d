"""Pages of the docs site that are made from the code; ``mkdocs.yml`` loads this file as a hook.

Nothing here is committed as Markdown: ``make docs`` makes the command reference from the Typer application, the recipe
reference from the settings classes and the shipped recipes, the Python reference from ``hicmae_cli.__all__``, and the
interactive page of each study from its record.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from typer.main import get_command

import hicmae_cli
from hicmae_cli import plugin
from hicmae_cli.recipes.recipe import available_recipes, list_keys, summarise_recipe
from hicmae_cli.recipes.settings import PHASES
from hicmae_cli.studies.page import render_page
from hicmae_cli.studies.report import PAGE, RESULT

ROOT = Path(__file__).resolve().parent.parent

_VALUES = {"str": "text", "int": "number", "int range": "number", "float": "number", "float range": "number"}
_MARKUP = re.compile(r"\[/?(?:bold|italic|dim)\]")
_REPOSITORY_LINK = re.compile(r"\[([^\]]+)\]\((?!https?://|#)([^)]+)\)")


# Commands


def iterate_commands() -> Iterator[tuple[str, Any]]:
    """Every command with its full name, a group before its own commands."""
    from hicmae_cli.cli.app import app

    root = get_command(app)
    for name in root.list_commands(None):  # type: ignore[attr-defined]
        command = root.get_command(None, name)  # type: ignore[attr-defined]
        yield f"hicmae {name}", command
        for part, inner in getattr(command, "commands", {}).items():
            yield f"hicmae {name} {part}", inner


def iterate_options(command: Any) -> Iterator[Any]:
    """The visible arguments and options of a command, in the order of its help."""
    return (option for option in command.params if not option.hidden)


def render_commands() -> str:
    """The page of all commands and options."""
    from hicmae_cli.cli.app import app

    root = get_command(app)
    parts = [
        "# Commands",
        "Made from the code by `make docs`; `hicmae COMMAND --help` prints the same.",
        "Exit codes: 0 done; 1 something failed and is named; 2 wrong usage; 130 stopped by Ctrl-C.",
        "## Options of `hicmae` itself",
        _option_table(root),
    ]
    for name, command in iterate_commands():
        level = "##" if name.count(" ") == 1 else "###"
        parts += [f"{level} {name}", _usage(name, command), _help_to_markdown(command.help or "")]
        parts += [_option_table(command)] if any(iterate_options(command)) else []
    return "\n\n".join(parts) + "\n"


def _usage(name: str, command: Any) -> str:
    words = [name]
    for option in iterate_options(command):
        if option.param_type_name == "argument":
            shown = option.metavar or option.name.upper()
            words.append(shown if option.required else f"[{shown.strip('[]')}]")
        elif option.required:
            words.append(f"{option.opts[0]} {_metavar(option)}")
    words += ["COMMAND"] if hasattr(command, "commands") else ["[OPTIONS]"]
    return f"```\n{' '.join(words)}\n```"


def _help_to_markdown(text: str) -> str:
    """Help as Typer has it -> Markdown: markup becomes emphasis, consecutive example commands one block."""
    blocks: list[str] = []
    for raw in re.split(r"\n\s*\n", text.replace("\b\n", "").replace("\f", "")):
        paragraph = "\n".join(line.strip() for line in _MARKUP.sub("", raw).strip().splitlines())
        if paragraph.startswith("hicmae "):
            if blocks and blocks[-1].startswith("```"):
                blocks[-1] = blocks[-1].removesuffix("\n```") + f"\n{paragraph}\n```"
            else:
                blocks.append(f"```sh\n{paragraph}\n```")
        elif paragraph:
            title = paragraph.rstrip(":")
            blocks.append(f"{title}:" if title in ("Example", "Examples") else _prose(paragraph))
    return "\n\n".join(blocks)


def _option_table(command: Any) -> str:
    """A row for each option; the column of defaults is skipped if it would be empty."""
    columns: dict[str, Callable[[Any], str]] = {
        "option": lambda option: "<br>".join(filter(None, [_names(option), _value(option)])),
        "default": _default,
        "meaning": lambda option: _cell(describe_option(option)),
    }
    options = list(iterate_options(command))
    cells = {title: [write(option) for option in options] for title, write in columns.items()}
    cells = {title: column for title, column in cells.items() if any(column)}
    rows = [cells, ["---"] * len(cells), *zip(*cells.values(), strict=True)]
    return _stack("\n".join(f"| {' | '.join(row)} |" for row in rows), "defaults")


def _stack(table: str, *classes: str) -> str:
    """A table whose rows ``docs/assets/site.css`` turns into blocks on a phone."""
    return f'<div class="{" ".join(("stacked", *classes))}" markdown>\n\n{table}\n\n</div>'


def _names(option: Any) -> str:
    is_argument = option.param_type_name == "argument"
    names = [option.metavar or option.name.upper()] if is_argument else [*option.opts, *option.secondary_opts]
    return ", ".join(f"`{name.strip('[]')}`" for name in names)


def describe_option(option: Any) -> str:
    """The help of an option or argument on one line; empty where it has none."""
    return " ".join(_MARKUP.sub("", option.help or "").split())


def _metavar(option: Any) -> str:
    kind = str(option.display_type(None)).strip("<>")
    return option.metavar or _VALUES.get(kind, kind)


def _value(option: Any) -> str:
    if option.param_type_name == "argument" or option.is_bool_flag:
        return ""
    low, high = getattr(option, "min", None), getattr(option, "max", None)
    bounds = {
        (True, False): f", at least {low}",
        (False, True): f", at most {high}",
        (True, True): f", {low} to {high}",
    }.get((low is not None, high is not None), "")
    return f"`{_metavar(option)}`{bounds}"


def _default(option: Any) -> str:
    if option.required:
        return "required"
    if getattr(option, "is_bool_flag", False) or option.default in (None, (), []):
        return ""
    return f"`{option.default}`"


# Recipes


def render_recipes() -> str:
    """The page of the shipped recipes and of every recipe key."""
    parts = [
        "# Recipes and their keys",
        "A recipe is a TOML file. `--recipe` takes a name from the first table or a file of yours, and "
        "`--set KEY=VALUE` changes any key. A key that a recipe does not set has the default below, which is the "
        "paper's value where the paper has one. An unknown key is an error, which suggests the nearest key.",
        "To change a few keys of another recipe, extend it; `extends` takes a name or a `.toml` file:",
        '```toml\nextends = "crema-d"\nepochs = 20\nclass_weights = "balanced"\n```',
        "To shrink or enlarge the model beyond `variant`, set `encoder_width`, `encoder_heads`, `encoder_depth` or "
        "`fusion_depth`. `hicmae recipes NAME` prints a recipe, and `hicmae recipes --keys finetune` these tables.",
        "## Shipped recipes",
        _stack(
            "\n".join(
                ["| recipe | for | summary |", "| --- | --- | --- |"]
                + [f"| `{name}` | {_phase(name)} | {_cell(summarise_recipe(name))} |" for name in available_recipes()]
            )
        ),
    ]
    for phase, kind in PHASES.items():
        rows = ["| key | default | meaning, and the values it takes |", "| --- | --- | --- |"]
        rows += [
            f"| `{key.name}`{{ #{phase}-{key.name} }} | `{key.default}` | {_cell(key.meaning)}<br>"
            f"*{_cell(key.values)}{f' ({_cell(key.unit)})' if key.unit else ''}* |"
            for key in list_keys(kind)
        ]
        parts += [f"## Keys of `hicmae {phase}`", _stack("\n".join(rows), "defaults")]
    return "\n\n".join(parts) + "\n"


def _phase(recipe: str) -> str:
    phase = "pretrain" if recipe.startswith("pretrain-") else "finetune"
    return f"[`{phase}`](commands.md#hicmae-{phase})"


# Python

RESULTS = (
    "runtime.results.FileResult",
    "runtime.results.Track",
    "runtime.outputs.Window",
    "runtime.outputs.Scores",
    "runtime.outputs.FaceBox",
    "summaries.summarize.Summary",
    "summaries.summarize.SummaryRow",
    "preparing.dataset.PreparedDataset",
    "corpora.merging.MergedList",
    "preparing.cues.MeasuredCues",
    "training.finetuning.results.FinetuningResult",
    "training.pretraining.results.PretrainingOutcome",
    "runtime.engine.Engine",
    "evaluation.score_sheet.ScoreSheet",
    "pulling.pull.Pulled",
    "pulling.origins.Origin",
    "evaluation.calibrate_weight.CalibrationReport",
    "evaluation.calibrate_weight.CalibratedStreams",
    "evaluation.comparison.result.Comparison",
    "evaluation.comparison.result.SystemScore",
    "evaluation.comparison.result.PairDifference",
    "evaluation.comparison.significance.McNemar",
    "evaluation.comparison.significance.SignedRank",
    "evaluation.comparison.reading.System",
    "evaluation.comparison.reading.SystemRun",
    "weights.info.WeightInfo",
    "weights.export.ExportReport",
    "exporting.report.PrecisionReport",
    "exporting.report.PrecisionFacts",
    "embedding.table.Embeddings",
    "embedding.probe.ProbeResult",
    "embedding.probe.LayerScore",
    "corpora.manifest.Sample",
    "records.facts.RunRecord",
    "reruns.comparison.RerunResult",
)
"""What the public functions return, and what is inside, by place in the package."""


def public_names() -> list[str]:
    """The names that ``import hicmae_cli as hicmae`` promises, in the order of ``__all__``."""
    return [name for name in getattr(hicmae_cli, "__all__", ()) if not name.startswith("_")]


def render_python() -> str:
    """The page of the public Python names, each rendered by mkdocstrings from where it is defined."""
    parts = [
        "# Python API",
        "```python\nimport hicmae_cli as hicmae\n```",
        "These names are public and stay; anything else in the package may move. Each loads when it is first used, so "
        "the import itself is fast and needs no torch. [Use from Python](../python.md) shows them at work.",
    ]
    for name in public_names():
        target = getattr(hicmae_cli, name)
        parts.append(_definition(f"{inspect.getmodule(target).__name__}.{target.__qualname__}", f"hicmae.{name}"))  # type: ignore[union-attr]
    parts += [
        "## Plug-ins",
        "`hicmae_cli.plugin` has what [a dataset in your own package](../dataset-plugins.md) needs.",
    ]
    parts += [_definition(f"{getattr(plugin, name).__module__}.{name}", name) for name in plugin.__all__]
    parts += ["## Results", "What the functions return, and what is inside."]
    parts += [_definition(f"hicmae_cli.{place}", place.rpartition(".")[2]) for place in RESULTS]
    return "\n\n".join(parts) + "\n"


def _definition(place: str, heading: str) -> str:
    """What mkdocstrings replaces by the documentation of an object."""
    level = 2 if heading.startswith("hicmae.") else 3
    options = {"heading": heading, "toc_label": heading.removeprefix("hicmae."), "heading_level": level}
    return "\n".join([f"::: {place}", "    options:", *(f"      {key}: {value}" for key, value in options.items())])


# Files of the repository's root


def render_repository_file(name: str) -> str:
    """A Markdown file of the repository's root as a page: links to pages stay, other files are named in code."""

    def mend(link: re.Match[str]) -> str:
        text, target = link.groups()
        if target.startswith("docs/"):
            return f"[{text}]({target.removeprefix('docs/')})"
        if target.lower() in GENERATED:
            return f"[{text}]({target.lower()})"
        return text if text.startswith("`") else f"{text} (`{target}`)"

    return _REPOSITORY_LINK.sub(mend, (ROOT / name).read_text("utf-8"))


def _escape(text: str, characters: Mapping[str, str]) -> str:
    """Replace characters outside of code."""
    parts = re.split(r"(`[^`]*`)", text)
    table = str.maketrans(dict(characters))
    return "".join(part if part.startswith("`") else part.translate(table) for part in parts)


def _prose(text: str) -> str:
    """A text whose angle brackets Markdown does not take for HTML."""
    return _escape(text, {"<": "&lt;"})


def _cell(text: str) -> str:
    """A text in a table, where a bar would end the cell."""
    return _escape(text, {"<": "&lt;", "|": "\\|"})


GENERATED: dict[str, Callable[[], str]] = {
    "reference/commands.md": render_commands,
    "reference/recipes.md": render_recipes,
    "reference/python.md": render_python,
    "contributing.md": lambda: render_repository_file("CONTRIBUTING.md"),
    "changelog.md": lambda: render_repository_file("CHANGELOG.md"),
}
"""Pages by their place in the site."""


def iterate_studies() -> Iterator[tuple[str, str]]:
    """The interactive page of each study in the docs, by its place in the site; made from the study's record."""
    for record in sorted((ROOT / "docs" / "studies").glob(f"*/{RESULT}")):
        yield f"studies/{record.parent.name}/{PAGE}", render_page(json.loads(record.read_text("utf-8")), record.parent)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages; MkDocs calls this hook."""
    for place, render in GENERATED.items():
        files.append(File.generated(config, place, content=render()))
    for place, page in iterate_studies():
        files.append(File.generated(config, place, content=page))
    return files
