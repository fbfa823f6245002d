"""Import a checkpoint of the paper's authors into the user's weights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from hicmae_cli.errors import WeightsError, one_line
from hicmae_cli.models.build import Network
from hicmae_cli.models.classifier import Classifier
from hicmae_cli.models.config import find_variant
from hicmae_cli.weights.catalogue import check_name
from hicmae_cli.weights.checkpoint import has_average, read_authors_model, save_classifier, save_pretrained
from hicmae_cli.weights.info import AUTHORS_FRONT_END, UNKNOWN, PretrainingFacts, WeightInfo
from hicmae_cli.weights.storing import store_weight
from hicmae_cli.weights.suffixes import SAFETENSORS, WEIGHT_SUFFIXES


def import_weight(
    file: Path,
    name: str,
    labels: Sequence[str] = (),
    *,
    heads: int | None = None,
    dataset: str = UNKNOWN,
    fold: str = "",
    sampling_rate: int = 4,
    licence: str = UNKNOWN,
    source: str | None = None,
    force: bool = False,
) -> tuple[Network, WeightInfo]:
    """Import an authors' checkpoint under a name, without running any code in it.

    Args:
        file: the ``.pth``.
        name: the weight's new name.
        labels: class names in the order of the outputs; none for a pre-trained model.
        heads: number of attention heads; D / 64 by default.
        dataset: training dataset.
        fold: its fold that was left out of the training, to test on; empty without folds.
        sampling_rate: n, if the model samples every n-th frame at 25 frames/s.
        licence: licence of the weight.
        source: origin of the weight; the file's name by default. Which weights were taken is added if the file has a
            moving average of them, too.
        force: replace a weight of the same name.

    Returns:
        The model in evaluation mode, and its metadata.

    Raises:
        WeightsError: the name is taken or not valid, the file is not an authors' checkpoint, or the number of labels
            differs from that of the outputs.
        OSError: the weight cannot be written; names the file.
    """
    check_name(name, force=force)
    if file.suffix in WEIGHT_SUFFIXES:
        raise WeightsError(f"{file}: is a hicmae weight, not an authors' checkpoint; add it with `add_weight`")
    model = read_authors_model(file, heads)
    info = describe_model(
        model,
        labels,
        dataset=dataset,
        sampling_rate=sampling_rate,
        licence=licence,
        source=name_weights(file, source or f"imported from {file.name}"),
        fold=fold,
    )
    store_weight(name, SAFETENSORS, lambda target: save_model(target, model, info), force=force)
    return model, info


def name_weights(file: Path, source: str) -> str:
    """Add to the source of an authors' checkpoint which weights were read, if it has a moving average of them, too."""
    return (
        f"{source} (the trained weights `model`, not their moving average `model_ema`)" if has_average(file) else source
    )


def save_model(target: Path, model: Network, info: WeightInfo) -> None:
    """Write a model, fine-tuned or pre-trained, and its metadata; the file appears complete or not at all."""
    if isinstance(model, Classifier):
        save_classifier(target, model, info)
    else:
        save_pretrained(target, model, info)


def describe_model(
    model: Network, labels: Sequence[str], *, dataset: str, sampling_rate: int, licence: str, source: str, **more: Any
) -> WeightInfo:
    """Make the metadata of an authors' model.

    Args:
        model: see `read_authors_model`.
        labels: see `import_weight`, as the following ones.
        dataset: training dataset.
        sampling_rate: n, if the model samples every n-th frame at 25 frames/s.
        licence: licence of the weight.
        source: origin of the weight.
        more: other fields of `WeightInfo`.

    Raises:
        WeightsError: the number of labels differs from that of the outputs, or a field is not valid.
    """
    outputs = model.head.out_features if isinstance(model, Classifier) else 0
    if len(labels) != outputs:
        reason = "one per output of the model" if outputs else "a pre-trained model has no outputs"
        raise WeightsError(f"labels: got {len(labels)}, expected {outputs} ({reason})")
    facts = None
    if not isinstance(model, Classifier):
        decoder = model.decoder_dims
        facts = PretrainingFacts(
            decoder_width=decoder.width, decoder_heads=decoder.heads, skip_layers=decoder.skip_layers, skips=model.skips
        )
    try:
        return WeightInfo(
            variant=find_variant(model.dims),
            dims=model.dims.to_dict(),
            labels=tuple(labels),
            dataset=dataset,
            sampling_rate=sampling_rate,
            front_end=AUTHORS_FRONT_END,
            licence=licence,
            source=one_line(source),
            task="pretraining" if facts else "classification",
            pretraining=facts,
            **more,
        )
    except ValidationError as error:
        raise WeightsError("; ".join(fault["msg"] for fault in error.errors())) from error
