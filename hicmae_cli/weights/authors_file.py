"""Write a weight as a checkpoint that the programs of the paper's authors read."""

from __future__ import annotations

from pathlib import Path

import torch

from hicmae_cli.errors import SettingsError, WeightsError
from hicmae_cli.files import write_atomically
from hicmae_cli.weights.authors import to_their_name
from hicmae_cli.weights.checkpoint import read_state

SUFFIX = ".pth"


def export_authors(source: str | Path, target: str | Path) -> int:
    """Write the tensors of a weight under the authors' names -> their number.

    The file is a PyTorch zip archive with a dictionary of tensors under ``model``. Tensors of a checkpoint of float32
    that was imported come out as they went in, to the last bit. It has neither an optimiser nor options.

    Args:
        source: a ``.safetensors`` weight, or an ``.onnx`` file that holds the parameters by name.
        target: the ``.pth`` file.

    Raises:
        SettingsError: ``target`` has another suffix.
        WeightsError: the weight cannot be read, uses one stream alone, or knows a stream that is absent from a mean
            token, which the authors' model does not have.
        OSError: the file cannot be written; names it.
    """
    source, target = Path(source), Path(target)
    if target.suffix != SUFFIX:
        raise SettingsError(f"output={str(target)!r}: expected a name that ends in {SUFFIX}")
    info, state = read_state(source)
    if info.modality != "av":
        raise WeightsError(f"{source}: uses {info.modality} alone; the authors' model has both streams")
    if info.withheld != "zeros":
        raise WeightsError(f"{source}: replaces an absent stream by a {info.withheld}, which the authors' model lacks")
    theirs = {to_their_name(name): tensor.float().contiguous() for name, tensor in state.items()}
    with write_atomically(target) as temporary:
        torch.save({"model": theirs}, temporary)
    return len(theirs)
