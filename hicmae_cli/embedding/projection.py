"""Project the embeddings of both streams onto a plane, layer by layer, to see how they align.

Letters: n clips, D width of an embedding.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hicmae_cli.embedding.table import Embeddings, read_embeddings
from hicmae_cli.errors import MissingDependencyError, SettingsError, install_hint
from hicmae_cli.evaluation.retrieval import compare_streams, modality_gap, recall_at_1, scale_to_units

SCHEMA: Final = "hicmae.projection/1"
METHODS: Final = {"tsne": "t-SNE", "umap": "UMAP"}
"""Each method, with its name in titles."""
_LEAST_CLIPS: Final = 4
_PERPLEXITY: Final = 30.0


@dataclass(frozen=True)
class Projection:
    """Faces and voices of the same clips as points.

    Attributes:
        method: ``tsne`` or ``umap``.
        seed: of the method.
        points: layer, from 1 -> places (2n, 2), the faces of all clips and then their voices.
        labels: of the n clips; empty where unknown.
        speakers: of the n clips; empty where unknown.
        gaps: layer -> modality gap.
        recalls: layer -> recall@1 of a face's voice and back.
    """

    method: str
    seed: int
    points: Mapping[int, NDArray[np.float64]]
    labels: tuple[str, ...]
    speakers: tuple[str, ...]
    gaps: Mapping[int, float]
    recalls: Mapping[int, float]

    @property
    def chance(self) -> float:
        """Recall@1 of a guess."""
        return 1 / len(self.labels)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        return {
            "schema": SCHEMA,
            "method": self.method,
            "seed": self.seed,
            "clips": len(self.labels),
            "recall_at_1_chance": self.chance,
            "labels": list(self.labels),
            "speakers": list(self.speakers),
            "layers": {
                str(layer): {
                    "modality_gap": self.gaps[layer],
                    "recall_at_1": self.recalls[layer],
                    "video": points[: len(self.labels)].tolist(),
                    "audio": points[len(self.labels) :].tolist(),
                }
                for layer, points in self.points.items()
            },
        }


def check_method(method: str) -> None:
    """Check that a method can be used, before embeddings are computed for it.

    Raises:
        SettingsError: an unknown method.
        MissingDependencyError: UMAP is not installed.
    """
    if method not in METHODS:
        raise SettingsError(f"method={method!r}: expected {' or '.join(METHODS)}")
    if method == "umap" and importlib.util.find_spec("umap") is None:
        raise MissingDependencyError(f"method='umap' needs umap-learn: {install_hint('umap')}")


def project(
    embeddings: Embeddings | str | Path,
    *,
    method: str = "tsne",
    layers: Sequence[int] = (),
    limit: int = 500,
    seed: int = 0,
    on_layer: Callable[[], None] = lambda: None,
) -> Projection:
    """Project faces and voices together, each scaled to length 1, and measure how they align.

    Args:
        embeddings: a table with the layers ``video_1``, ``audio_1`` and so on, or its file.
        method: ``tsne`` (van der Maaten and Hinton 2008) or ``umap`` (McInnes et al. 2018, needs umap-learn).
        layers: numbers of the layers, from 1; by default all in the table.
        limit: most clips, spread over the table.
        seed: of the method.
        on_layer: called after each layer.

    Raises:
        SettingsError: an unknown method or layer.
        MissingDependencyError: UMAP is not installed.
        HicmaeError: the file cannot be read.
    """
    check_method(method)
    table = embeddings if isinstance(embeddings, Embeddings) else read_embeddings(embeddings)
    chosen = tuple(layers) or list_layers(table)
    if not chosen:
        raise SettingsError("the table has no layers such as video_1 and audio_1; write it with layers='each'")
    if len(table) < _LEAST_CLIPS:
        raise SettingsError(f"got {len(table)} clips; a projection needs at least {_LEAST_CLIPS}")
    rows = np.unique(np.linspace(0, len(table) - 1, min(limit, len(table))).round().astype(int))
    points, gaps, recalls = {}, {}, {}
    for layer in chosen:
        video, audio = (table[f"{stream}_{layer}"][rows].astype(np.float64) for stream in ("video", "audio"))
        points[layer] = _PROJECTING[method](np.concatenate([scale_to_units(video), scale_to_units(audio)]), seed)
        gaps[layer] = modality_gap(video, audio)
        recalls[layer] = recall_at_1(compare_streams(video, audio))
        on_layer()
    labels, speakers = (tuple(map(str, table.columns[name][rows].tolist())) for name in ("label", "speaker"))
    return Projection(method, seed, points, labels, speakers, gaps, recalls)


def list_layers(table: Embeddings) -> tuple[int, ...]:
    """List the numbers of the encoder layers that a table has of both streams."""
    found = {int(name[6:]) for name in table.layers if name.startswith("video_") and name[6:].isdecimal()}
    return tuple(sorted(layer for layer in found if f"audio_{layer}" in table.layers))


def _run_tsne(rows: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    from sklearn.manifold import TSNE

    perplexity = min(_PERPLEXITY, (len(rows) - 1) / 3)
    return np.asarray(TSNE(2, perplexity=perplexity, init="pca", random_state=seed).fit_transform(rows), np.float64)


def _run_umap(rows: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    import umap  # type: ignore[import-not-found,import-untyped,unused-ignore]

    neighbours = min(15, len(rows) - 1)
    return np.asarray(umap.UMAP(n_neighbors=neighbours, random_state=seed).fit_transform(rows), np.float64)


_PROJECTING: Final = {"tsne": _run_tsne, "umap": _run_umap}
