"""Embed the prepared clips of a dataset or a manifest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hicmae_cli.bundled import DEFAULT_WEIGHT
from hicmae_cli.clips import read_prepared_clip
from hicmae_cli.corpora.clip_list import ClipList, find_clips
from hicmae_cli.corpora.manifest import Sample, describe_fault, read_manifest
from hicmae_cli.corpora.values import format_target
from hicmae_cli.embedding.extractor import FUSED, Extractor, open_extractor
from hicmae_cli.embedding.table import Embeddings, describe_making
from hicmae_cli.errors import HicmaeError, SettingsError
from hicmae_cli.evaluation.scoring import restrict_views
from hicmae_cli.labels import canonical_label
from hicmae_cli.modalities import MODALITIES


def embed_clips(
    *,
    weights: str | Path = DEFAULT_WEIGHT,
    dataset: str | None = None,
    root: str | Path | None = None,
    manifest: str | Path | None = None,
    layers: Sequence[str] = (FUSED,),
    modality: str | None = None,
    device: str = "auto",
    draw_puppets: Callable[[Path], Path] | None = None,
    on_start: Callable[[int], None] = lambda _: None,
    on_clip: Callable[[], None] = lambda: None,
) -> Embeddings:
    """Embed every prepared clip of a dataset or a manifest: the mean over the two test views of the paper.

    Args:
        weights: a name of the catalogue, a ``.safetensors`` file, or the folder of a run; fine-tuned or pre-trained.
        dataset: name of a known dataset.
        root: its folder; by default the one in ``HICMAE_DATA``.
        manifest: a list of prepared clips, instead of or of the dataset; labels may be missing.
        layers: any of ``Extractor.layers``, or ``each``.
        modality: ``av``, ``video`` or ``audio``: the streams that the model gets; by default as it was trained.
        device: ``auto``, ``cpu``, ``cuda`` …
        draw_puppets: draws the generated corpus into a folder if it is missing; see ``find_clips``.
        on_start: called with the number of clips before the first one.
        on_clip: called after each clip.

    Returns:
        A row for each clip; clips that cannot be read are in ``failures``.

    Raises:
        SettingsError: unknown layers, streams or datasets.
        ManifestError: the clips are missing or not prepared.
        WeightsError: a weight that is missing or unreadable.
        HicmaeError: no clip can be read.
    """
    if modality not in (None, *MODALITIES):
        raise SettingsError(f"modality={modality!r}: expected {', '.join(MODALITIES)}")
    clips = find_clips(dataset, root, manifest, draw_puppets=draw_puppets)
    extractor = open_extractor(str(weights), device)
    chosen = extractor.choose_layers(layers)
    streams = modality or extractor.info.modality
    samples = _read_samples(clips)
    on_start(len(samples))
    found: list[tuple[dict[str, str], dict[str, NDArray[np.float32]]]] = []
    failures: dict[str, str] = {}
    for sample in samples:
        try:
            found.append((_describe_clip(sample, streams), _embed_clip(extractor, sample, chosen, streams)))
        except (HicmaeError, ValueError) as error:
            failures[sample.id] = describe_fault(sample, error)
        on_clip()
    if not found:
        raise HicmaeError(
            f"{clips.manifest}: none of its {len(samples)} clips can be read, e.g. {samples[0].id}: "
            f"{failures[samples[0].id]}"
        )
    return Embeddings.from_rows(found, describe_making(str(weights), extractor.info, clips.name), failures)


def _read_samples(clips: ClipList) -> list[Sample]:
    """Read the clips with the names of their labels; clips without labels are kept."""
    known = clips.dataset
    if known is not None and known.task != "pretraining" and known.labels:
        return read_manifest(clips.manifest, known.labels, codes=known.codes, task=known.task)
    samples = read_manifest(clips.manifest, labelled=False)
    return [replace(sample, target=canonical_label(sample.label)) for sample in samples]


def _embed_clip(
    extractor: Extractor, sample: Sample, layers: Sequence[str], modality: str
) -> dict[str, NDArray[np.float32]]:
    prepared = read_prepared_clip(sample.video, sample.audio)
    views = restrict_views(prepared.read_evaluation_clips(extractor.info.frame_stride, modality), modality)
    if not views:
        raise ValueError(f"the clip has no {modality}")
    # A short clip's two views are one object, which is embedded once.
    values = extractor.embed(list({id(view): view for view in views}.values()), layers)
    return {layer: np.asarray(rows.mean(axis=0), np.float32) for layer, rows in values.items()}


def _describe_clip(sample: Sample, modality: str) -> dict[str, str]:
    return {
        "id": sample.id,
        "modality": modality,
        "label": format_target(sample.target),
        "fold": sample.fold,
        "split": sample.split,
        "speaker": sample.speaker,
    }
