"""Options that several commands share, written once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from hicmae_cli.runtime.engines import ENGINE_NAMES

_MOST_DIGITS: Final = 9


def parse_path(text: str) -> Path:
    """Parse a path, and refuse an empty one, which would mean the working folder.

    Raises:
        typer.BadParameter: the path is empty.
    """
    if not text:
        raise typer.BadParameter("the path is empty")
    return Path(text)


WeightsOption = Annotated[
    str,
    typer.Option(
        "--weights",
        "-w",
        metavar="NAME|FILE|RUN",
        help="A name from `hicmae weights list`, a weight file, or the folder of a training run.",
    ),
]
EngineOption = Annotated[
    str,
    typer.Option(
        "--engine",
        metavar="|".join(ENGINE_NAMES),
        help="Engine that runs the model; auto takes the format of a weight file, otherwise ONNX if available.",
    ),
]
DeviceOption = Annotated[
    str,
    typer.Option(
        "--device",
        help="Device to run the model on: auto, cpu, cuda or cuda:1; torch has mps, too, and ONNX Runtime "
        "tensorrt, coreml, directml and openvino.",
    ),
]
DatasetOption = Annotated[
    str | None, typer.Option("--dataset", metavar="NAME", help="A known dataset; `hicmae datasets` lists them.")
]
RootOption = Annotated[
    Path | None,
    typer.Option(
        "--root",
        "--data",
        metavar="DIR",
        help="Folder of the dataset; by default $HICMAE_DATA/NAME or data/NAME. Missing puppets are drawn into it.",
    ),
]
ManifestOption = Annotated[
    Path | None,
    typer.Option(
        "--manifest",
        metavar="FILE",
        help="CSV of prepared clips, or the authors' lines `<frame folder> <wav> <label>`; add --dataset if they are "
        "clips of a known dataset.",
    ),
]
RecipeOption = Annotated[
    str | None,
    typer.Option(
        "--recipe",
        metavar="NAME|FILE.toml",
        help="A recipe from `hicmae recipes`, or a .toml file; by default the dataset's recipe.",
    ),
]
ProfileOption = Annotated[
    str | None,
    typer.Option(
        "--profile",
        metavar="laptop",
        help="Values for a kind of machine, which replace those of the recipe; --set replaces them in turn.",
    ),
]
RunOption = Annotated[
    Path,
    typer.Option(
        "--output", "-o", metavar="DIR", parser=parse_path, help="Folder of the run; an unfinished run is resumed."
    ),
]
OverrideOption = Annotated[int | None, typer.Option(help="Override this key of the recipe.")]
PrecisionOption = Annotated[
    str | None,
    typer.Option(
        "--mixed-precision",
        metavar="auto|no|bf16|fp16",
        help="Compute in this type; by default as in the recipe. fp16 needs a GPU.",
    ),
]
ExtendOption = Annotated[
    int,
    typer.Option(
        "--extend-epochs",
        min=0,
        metavar="N",
        help="Train a finished run for N more epochs than the recipe has; give the same N again to resume.",
    ),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override any key of the recipe; can be repeated."),
]
TrackerOption = Annotated[
    list[str] | None,
    typer.Option(
        "--tracker",
        metavar="tensorboard|wandb|mlflow",
        help="Log to this experiment tracker; can be repeated. By default TensorBoard, if it is installed.",
    ),
]
HopOption = Annotated[
    float | None,
    typer.Option(
        help="Time between the starts of two windows, in seconds; by default a quarter of the training's window."
    ),
]
SmoothOption = Annotated[
    float | None,
    typer.Option(
        "--smooth",
        metavar="SECONDS",
        help="Smooth timelines with a centred mean of this width; 0, the default, does not.",
    ),
]
AbstainOption = Annotated[
    float | None,
    typer.Option(
        "--abstain", metavar="P", help="Leave a moment without a label if no label reaches this probability, 0 to 1."
    ),
]
FacesOption = Annotated[
    str,
    typer.Option(
        metavar="N|all|largest",
        help="Maximum number of people to follow at once; all for everybody; largest for the person with the largest "
        "face in each window.",
    ),
]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Print only results, warnings and errors.")]


def parse_faces(text: str) -> int | str:
    """Parse the value of ``FacesOption``; the settings check it.

    Raises:
        typer.BadParameter: a number of so many digits that it cannot be one of people.
    """
    if text.isdecimal() and len(text) > _MOST_DIGITS:
        raise usage_error(f"--faces: a number of {len(text)} digits; give a number of people, all or largest")
    return int(text) if text.isdecimal() else text


def usage_error(message: str) -> typer.BadParameter:
    """Make the error for wrong usage, which prints one line and exits with 2."""
    return typer.BadParameter(message)
