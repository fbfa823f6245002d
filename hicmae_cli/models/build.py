"""Build the network that an architecture asks for; no other module of the package chooses its class."""

from __future__ import annotations

from hicmae_cli.errors import WeightsError
from hicmae_cli.models.classifier import Classifier
from hicmae_cli.models.config import Architecture
from hicmae_cli.models.pretraining import PretrainingModel

Network = Classifier | PretrainingModel


def build_model(architecture: Architecture) -> Network:
    """Build a network of either kind, with fresh parameters."""
    return build_classifier(architecture) if architecture.decoder is None else build_pretraining_model(architecture)


def build_classifier(architecture: Architecture, *, drop_path: float = 0.0, recompute: bool = False) -> Classifier:
    """Build a network that predicts classes or regression targets, with fresh parameters.

    Args:
        architecture: its sizes.
        drop_path: stochastic depth of the last layer during training.
        recompute: use gradient checkpointing: less memory for a third more time.

    Raises:
        WeightsError: the architecture is that of a pre-training model.
    """
    if architecture.decoder is not None:
        raise WeightsError("expected the architecture of a classifier, got that of a pre-training model")
    model = Classifier(
        architecture.dims,
        architecture.outputs,
        drop_path,
        layer_fusion=architecture.layer_fusion,
        one_token=architecture.one_token,
        video_tokens=architecture.video_tokens,
    )
    for encoder in (model.video_encoder, model.audio_encoder, model.fusion_encoder):
        encoder.recompute = recompute
    return model


def build_pretraining_model(
    architecture: Architecture, *, drop_path: float = 0.0, recompute: bool = False
) -> PretrainingModel:
    """Build a masked autoencoder of both streams, with fresh parameters.

    Args:
        architecture: its sizes.
        drop_path: stochastic depth of the last encoder layer during training.
        recompute: use gradient checkpointing: less memory for a third more time.

    Raises:
        WeightsError: the architecture is that of a classifier.
    """
    if architecture.decoder is None:
        raise WeightsError("expected the architecture of a pre-training model, got that of a classifier")
    return PretrainingModel(
        architecture.dims,
        architecture.decoder,
        drop_path,
        skips=architecture.skips,
        contrast_layers=architecture.contrast_layers,
        recompute=recompute,
    )
