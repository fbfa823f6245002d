"""Measure finished weights on the test clips; ``measures.py`` lists what there is."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from hicmae_cli.clips import read_prepared_clip
from hicmae_cli.clips.clip import stack_clips
from hicmae_cli.clips.recording import Recording
from hicmae_cli.corpora.catalogue import find_dataset
from hicmae_cli.corpora.manifest import Sample
from hicmae_cli.corpora.splits import split_by_column
from hicmae_cli.corpora.values import format_target
from hicmae_cli.embedding.clips import embed_clips
from hicmae_cli.embedding.extractor import EACH
from hicmae_cli.embedding.probe import probe
from hicmae_cli.embedding.table import Embeddings, describe_making
from hicmae_cli.errors import ManifestError, TrainingError, one_line
from hicmae_cli.evaluation.degradations import Degrade
from hicmae_cli.evaluation.retrieval import compare_streams, modality_gap, recall_at_1
from hicmae_cli.evaluation.scoring import score_clips
from hicmae_cli.models.objectives import embed_layers
from hicmae_cli.models.reconstruction import reconstruct
from hicmae_cli.recipes.settings import PretrainSettings
from hicmae_cli.runtime.torch_engine import TorchEngine, choose_device
from hicmae_cli.studies.data import StudyData
from hicmae_cli.studies.measures import MEASURES, list_conditions
from hicmae_cli.training.finetuning.task import Task, read_task
from hicmae_cli.training.pretraining.data import PretrainingClips, collate, unwrap_batch
from hicmae_cli.weights.checkpoint import load_classifier, load_pretrained

_BATCH: Final = 8
EMBEDDINGS: Final = "embeddings.npz"
"""The table of embeddings that the measure ``alignment`` leaves in its folder."""
Measured = dict[str, float]


@dataclass(frozen=True)
class Measurement:
    """What to measure, and on what.

    Attributes:
        weight: the file.
        data: the clips.
        parameters: of the measure; others have their usual values.
        folder: for the files that a measure leaves.
        device: ``cpu`` or the kind of GPU.
        on_clip: called now and then.
    """

    weight: Path
    data: StudyData
    parameters: Mapping[str, Any]
    folder: Path
    device: str = "cpu"
    on_clip: Callable[[], None] = lambda: None


def measure(name: str, of: Measurement) -> Measured:
    """Measure a weight -> numbers by name.

    Args:
        name: of the measure.
        of: what to measure.

    Raises:
        HicmaeError: the weight or the clips cannot be read.
    """
    return _MEASURING[name](replace(of, parameters={**MEASURES[name].defaults, **of.parameters}))


def read_labels(data: StudyData) -> tuple[Task, list[Sample]]:
    """Read what the clips of a study teach, and all of them, as fine-tuning reads them.

    Raises:
        HicmaeError: as for ``read_task``.
    """
    known = find_dataset(data.dataset) if data.dataset else None
    return read_task(data.manifest, known, name=data.name, source="hicmae study")


def _read_test(data: StudyData) -> tuple[Task, list[Sample]]:
    task, samples = read_labels(data)
    test = [sample for sample in samples if sample.fold == data.fold] if data.fold else split_by_column(samples).test
    return task, test


@dataclass(frozen=True)
class TransferClips:
    """Test clips of both corpora of a transfer.

    Attributes:
        own: of the corpus that the model is trained on.
        others: of the other one.
        common: the classes that both have, in the order of the model's outputs.
        merge_by: of the own corpus; see ``corpora.dataset.Dataset``.
    """

    own: list[Sample]
    others: list[Sample]
    common: list[str]
    merge_by: int


def read_transfer(data: StudyData) -> TransferClips:
    """Read the test clips of both corpora, and the classes that both have.

    Raises:
        HicmaeError: a list cannot be read, or both have fewer than two classes in common.
    """
    assert data.other is not None, "the plan checks it"
    task, own = _read_test(data)
    _, others = read_task(data.other, None, name=data.other.stem, source="hicmae study")
    others = split_by_column(others).test or others
    both = {sample.label for sample in own} & {sample.label for sample in others}
    common = [label for label in task.labels if label in both]
    if len(common) < 2:
        found = ", ".join(sorted({sample.label for sample in others}))
        raise ManifestError(
            one_line(
                f"{data.other}: the labels of its test clips are {found}; a transfer needs at least two of those of "
                f"{data.name}, {', '.join(task.labels)}"
            )
        )
    return TransferClips(own, others, common, task.merge_by)


def _list_pairs(data: StudyData, most: int) -> list[Sample]:
    """List test clips with both streams, as far apart in the list as their number allows."""
    both = [s for s in _read_test(data)[1] if s.video is not None and s.audio is not None]
    if not both:
        raise TrainingError(f"{data.manifest}: no test clip has video and sound")
    picked = np.unique(np.linspace(0, len(both) - 1, min(most, len(both))).round().astype(int))
    return [both[index] for index in picked.tolist()]


def _measure_reconstruction(of: Measurement) -> Measured:
    """Errors of rebuilt test clips, with the training's masks (``video_error``) and with common ones.

    Each is divided by the error of guessing the mean of each patch, so that 1 means nothing learned.
    """
    model, info = load_pretrained(of.weight)
    facts = info.pretraining
    assert facts is not None
    model = model.to(choose_device(of.device))
    own = (facts.video_mask, facts.audio_mask, facts.video_mask_ratio, facts.audio_mask_ratio)
    common = tuple(of.parameters[name] for name in ("video_mask", "audio_mask", "video_ratio", "audio_ratio"))
    samples = _list_pairs(of.data, of.parameters["clips"])
    recordings = [
        Recording(s.id, s.video, s.audio if s.audio != s.video else None) for s in samples if s.video is not None
    ]
    found: Measured = {}
    for masks, suffix in ((own, ""), (common, " common mask")):
        keys = ("video_mask", "audio_mask", "video_mask_ratio", "audio_mask_ratio")
        plain = {"crop_scales": (1.0,), "audio_gain": False}
        clips = PretrainingClips(
            recordings, PretrainSettings().model_copy(update={**plain, **dict(zip(keys, masks, strict=True))}), epoch=0
        )
        errors = []
        for start in range(0, len(recordings), _BATCH):
            batch = unwrap_batch(collate([clips[i] for i in range(start, min(start + _BATCH, len(recordings)))]))
            made = reconstruct(
                model,
                batch.faces,
                batch.audio,
                batch.video_mask,
                batch.audio_mask,
                frame_difference=facts.frame_difference,
            )
            size = len(batch.faces)
            errors.append(
                (
                    size * made.face_error,
                    size * made.face_guess_error,
                    size * made.log_mel_error,
                    size * made.log_mel_guess_error,
                )
            )
            of.on_clip()
        video, video_guess, audio, audio_guess = np.sum(errors, axis=0)
        found |= {
            f"video_error{suffix}": float(video / video_guess),
            f"audio_error{suffix}": float(audio / audio_guess),
        }
    return found


@torch.inference_mode()
def _measure_alignment(of: Measurement) -> Measured:
    """Modality gap and retrieval of each encoder layer, their means over layers, and those of the last layer.

    Clips are compared as the training contrasts them: part by part of their time, if it does so.
    """
    model, info = load_pretrained(of.weight)
    facts = info.pretraining
    assert facts is not None
    device = choose_device(of.device)
    model = model.to(device).eval()
    samples = _list_pairs(of.data, of.parameters["clips"])
    rows: list[tuple[dict[str, str], dict[str, NDArray[np.float32]]]] = []
    for start in range(0, len(samples), _BATCH):
        batch = samples[start : start + _BATCH]
        clips = [read_prepared_clip(s.video, s.audio).read_evaluation_clips(info.frame_stride)[0] for s in batch]
        video, audio = (torch.from_numpy(stream).to(device) for stream in stack_clips(clips))
        layers = {
            f"{stream}_{layer}": values.cpu().numpy()
            for stream, tokens in (("video", model.video_encoder(video)), ("audio", model.audio_encoder(audio)))
            for layer, values in enumerate(embed_layers(tokens, facts.contrast_segments), start=1)
        }
        for index, sample in enumerate(batch):
            columns = {"id": sample.id, "label": format_target(sample.target), "speaker": sample.speaker}
            rows.append((columns, {name: values[index] for name, values in layers.items()}))
        of.on_clip()
    table = Embeddings.from_rows(rows, describe_making(of.weight.name, info, of.data.name), {})
    table.save(of.folder / EMBEDDINGS)
    found: Measured = {}
    depth = len(table.layers) // 2
    for layer in range(1, depth + 1):
        video_rows, audio_rows = (table[f"{stream}_{layer}"].astype(np.float64) for stream in ("video", "audio"))
        found[f"modality_gap layer {layer}"] = modality_gap(video_rows, audio_rows)
        found[f"recall_at_1 layer {layer}"] = recall_at_1(compare_streams(video_rows, audio_rows))
    for kind in ("modality_gap", "recall_at_1"):
        found[kind] = statistics.mean(found[f"{kind} layer {layer}"] for layer in range(1, depth + 1))
        found[f"{kind} last layer"] = found[f"{kind} layer {depth}"]
    return found | {"recall_at_1 chance": 1 / len(table)}


def _measure_probe(of: Measurement) -> Measured:
    """UAR of a linear probe of each layer."""
    table = embed_clips(
        weights=of.weight,
        dataset=of.data.dataset,
        manifest=of.data.manifest,
        layers=(EACH,),
        device=of.device,
        on_clip=of.on_clip,
    )
    result = probe(table, fold=of.data.fold or None, on_fit=of.on_clip)
    return {f"probe {layer.layer}": layer.metrics["uar"] for layer in result.layers}


def _measure_layer_weights(of: Measurement) -> Measured:
    """Learned weights of the fused layers, which sum to 1 for each stream."""
    model, _ = load_classifier(of.weight)
    found: Measured = {}
    for stream, parameter in (("video", model.video_layer_weights), ("audio", model.audio_layer_weights)):
        shares = torch.softmax(parameter.detach().double(), dim=0).tolist()
        found |= {f"weight {stream}_{layer}": share for layer, share in enumerate(shares, start=1)}
    return found


def _measure_streams(of: Measurement) -> Measured:
    """UAR with both streams, each alone, and both with one degraded."""
    engine = TorchEngine(*load_classifier(of.weight), of.device)
    task, samples = _read_test(of.data)

    def score(modalities: Sequence[str], degrade: Degrade | None) -> dict[str, float]:
        results = score_clips(
            samples, engine, modalities=modalities, merge_by=task.merge_by, degrade=degrade, on_clip=of.on_clip
        )
        return {modality: float(result.metrics["uar"]) for modality, result in results.items()}

    clean = score(("av", "video", "audio"), None)
    if absent := [stream for stream in ("video", "audio") if stream not in clean]:
        raise TrainingError(f"{of.data.manifest}: no test clip has {' and '.join(absent)}, so no stream can be dropped")
    found = {"uar both": clean["av"], "uar video alone": clean["video"], "uar audio alone": clean["audio"]}
    return found | {name: score(("av",), step)["av"] for name, step in list_conditions(of.parameters).items()}


def _measure_transfer(of: Measurement) -> Measured:
    """UAR on the own test clips and on another corpus, over the classes that both have."""
    engine = TorchEngine(*load_classifier(of.weight), of.device)
    clips = read_transfer(of.data)

    def score(samples: Sequence[Sample], merge_by: int) -> float:
        known = [sample for sample in samples if sample.label in clips.common]
        results = score_clips(known, engine, merge_by=merge_by, classes=clips.common, on_clip=of.on_clip)
        return float(results["av"].metrics["uar"])

    here, there = score(clips.own, clips.merge_by), score(clips.others, 0)
    return {
        "uar own corpus": here,
        "uar other corpus": there,
        "uar lost": here - there,
        "uar other corpus chance": 1 / len(clips.common),
    }


_MEASURING: Final[Mapping[str, Callable[[Measurement], Measured]]] = {
    "reconstruction": _measure_reconstruction,
    "alignment": _measure_alignment,
    "probe": _measure_probe,
    "layer-weights": _measure_layer_weights,
    "streams": _measure_streams,
    "transfer": _measure_transfer,
}
