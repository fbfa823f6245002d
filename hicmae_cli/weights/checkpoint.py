"""Models in files: safetensors with one JSON of metadata, loaded strictly or not at all."""

from __future__ import annotations

import pickle
from argparse import Namespace
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from hicmae_cli.errors import WeightsError
from hicmae_cli.files import written_whole
from hicmae_cli.models.classifier import Classifier
from hicmae_cli.models.pretraining import PretrainingModel
from hicmae_cli.weights.authors import decoder_of_shapes, dims_of_shapes, to_our_names
from hicmae_cli.weights.info import METADATA_KEY, WeightInfo

Model = TypeVar("Model", bound=torch.nn.Module)

_LISTED = 40  # tensors named in an error before it says "and N more"


def load_state(model: torch.nn.Module, state: Mapping[str, Tensor], source: Path) -> None:
    """Fill a model with tensors of exactly its names and shapes, or leave it untouched.

    Raises:
        WeightsError: tensors are missing, unknown, misshapen or hold values that are not finite; all are named.
    """
    _check_fit(model, state, source)
    model.load_state_dict(state)


def _check_fit(model: torch.nn.Module, state: Mapping[str, Tensor], source: Path) -> None:
    expected = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    faults = [f"missing {name} {shape}" for name, shape in expected.items() if name not in state]
    faults += [f"unknown {name} {tuple(state[name].shape)}" for name in state if name not in expected]
    for name in expected.keys() & state.keys():
        if tuple(state[name].shape) != expected[name]:
            faults.append(f"misshapen {name}: expected {expected[name]}, got {tuple(state[name].shape)}")
        elif not torch.isfinite(state[name]).all():
            faults.append(f"not finite {name}")
    if faults:
        more = f"\n  and {len(faults) - _LISTED} more" if len(faults) > _LISTED else ""
        listed = "".join(f"\n  {fault}" for fault in sorted(faults)[:_LISTED])
        raise WeightsError(f"{source}: the tensors do not fit the model, nothing was loaded:{listed}{more}")


def save_classifier(path: Path, model: Classifier, info: WeightInfo) -> None:
    """Write weights and metadata; the file appears whole or not at all."""
    _save(path, model, info)


def _save(path: Path, model: torch.nn.Module, info: WeightInfo) -> None:
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    with written_whole(path) as temporary:
        # Not save_file, which gives its file the mode 0600 whatever the umask.
        temporary.write_bytes(save(state, metadata={METADATA_KEY: info.to_json()}))


def load_classifier(path: Path) -> tuple[Classifier, WeightInfo]:
    """Read a ``.safetensors`` weight -> the model in evaluation mode, on the CPU, and its metadata.

    Raises:
        WeightsError: unreadable, malformed metadata, pre-trained only, or tensors that do not fit.
    """
    info, state = read_state(path)
    if info.task == "pretraining":
        raise WeightsError(
            f"{path}: is pre-trained and has no emotions to name yet; fine-tune it: hicmae finetune --init {path.name}"
        )
    dims, outputs = info.model_dims, len(info.labels)
    return _filled(lambda: Classifier(dims, outputs), state, path), info


def save_pretrained(path: Path, model: PretrainingModel, info: WeightInfo) -> None:
    """Write a pre-training model and its metadata; the file appears whole or not at all."""
    _save(path, model, info)


def load_pretrained(path: Path) -> tuple[PretrainingModel, WeightInfo]:
    """Read a pre-trained ``.safetensors`` weight -> the model in evaluation mode, on the CPU, and its metadata.

    Raises:
        WeightsError: unreadable, malformed metadata, a classifier, or tensors that do not fit.
    """
    info, state = read_state(path)
    facts = info.pretraining
    if facts is None:
        raise WeightsError(f"{path}: is a classifier without decoders; a pre-trained weight was expected")
    dims, decoder = info.model_dims, facts.decoder_dims
    if absent := [layer for layer in facts.contrast_layers or () if not 0 <= layer < dims.depth]:
        raise WeightsError(f"{path}: contrast layers {absent} do not exist in {dims.depth} layers")

    def build() -> PretrainingModel:
        return PretrainingModel(dims, decoder, skips=facts.skips, contrast_layers=facts.contrast_layers)

    return _filled(build, state, path), info


def read_state(path: Path) -> tuple[WeightInfo, dict[str, Tensor]]:
    """Metadata and tensors of a ``.safetensors`` weight of either kind.

    Raises:
        WeightsError: unreadable or malformed metadata.
    """
    try:
        with safe_open(path, framework="pt") as file:
            info = WeightInfo.from_metadata(file.metadata(), path)
            return info, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path}: cannot be read as a safetensors file: {error}") from error


def _filled(build: Callable[[], Model], state: Mapping[str, Tensor], source: Path) -> Model:
    """The model that ``build`` makes, with these tensors, in evaluation mode.

    Sizes are only what a file claims: nothing is allocated before its tensors bear them out.
    """
    with torch.device("meta"):
        _check_fit(build(), state, source)
    model = build()
    load_state(model, {name: tensor.float() for name, tensor in state.items()}, source)
    return model.eval()


def _foreign_classes(path: Path) -> list[str]:
    """Names of what a pickle would call, read without calling it; [] where they cannot be told."""
    try:
        found = torch.serialization.get_unsafe_globals_in_checkpoint(str(path))
    except Exception:  # anything at all may be in a file that is no checkpoint
        return []
    return sorted(name for name in found if name != "argparse.Namespace" and name.isprintable())[:5]


def read_authors_model(path: Path, heads: int | None = None) -> Classifier | PretrainingModel:
    """Read a ``.pth`` of the paper's authors, fine-tuned or pre-trained, without running any code it carries.

    Of all pickled classes only ``argparse.Namespace`` is let in, beside tensors: the authors keep their options
    in one. ``heads`` defaults to D / 64.

    Raises:
        WeightsError: not a checkpoint, carries other classes, or its tensors are not those of either model.
    """
    try:
        with torch.serialization.safe_globals([Namespace]):
            checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except (
        pickle.UnpicklingError,
        RuntimeError,
        EOFError,
        OSError,
        ValueError,
        KeyError,
        IndexError,
        TypeError,
        AssertionError,
        AttributeError,
    ) as error:
        carried = f"carries {names}; " if (names := ", ".join(_foreign_classes(path))) else ""
        raise WeightsError(
            f"{path}: refused: {carried}expected a PyTorch checkpoint of tensors and argparse.Namespace only"
        ) from error
    state = checkpoint.get("model", checkpoint) if isinstance(checkpoint, dict) else None
    if not isinstance(state, dict) or not all(
        isinstance(name, str) and isinstance(tensor, Tensor) for name, tensor in state.items()
    ):
        raise WeightsError(f"{path}: expected a dictionary with the tensors under 'model', found none")
    ours = {name: tensor.float() for name, tensor in to_our_names(state).items()}
    shapes = {name: tuple(tensor.shape) for name, tensor in ours.items()}
    dims = dims_of_shapes(shapes, heads)
    if "head.weight" in shapes:
        return _filled(lambda: Classifier(dims, shapes["head.weight"][0]), ours, path)
    decoder, skips = decoder_of_shapes(shapes, dims)
    return _filled(lambda: PretrainingModel(dims, decoder, skips=skips), ours, path)
