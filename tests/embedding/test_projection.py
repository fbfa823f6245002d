"""Faces and voices on a plane."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import numpy as np
import pytest

from hicmae_cli.embedding.projection import project
from hicmae_cli.errors import MissingDependencyError, SettingsError
from tests.embedding.toys import make_table


def test_aligned_streams_are_told_from_others() -> None:
    table = make_table(24, {"video_1": 8, "audio_1": 8, "video_2": 8, "audio_2": 8, "fused": 8}, people=6, folds=2)
    table.layers["audio_2"][:] = 3 * table.layers["video_2"]
    found = project(table, limit=20)
    assert list(found.points) == [1, 2]
    assert found.points[1].shape == (40, 2)
    assert found.recalls[2] == 1.0
    assert found.gaps[2] == pytest.approx(0, abs=1e-6)
    assert found.recalls[1] < 0.5
    faces, voices = found.points[2][:20], found.points[2][20:]
    nearest = np.linalg.norm(faces[:, None] - voices[None], axis=-1).argmin(axis=1)
    assert np.mean(nearest == np.arange(20)) > 0.5
    assert np.array_equal(project(table, limit=20).points[2], found.points[2])
    assert found.to_dict()["layers"]["2"]["recall_at_1"] == 1.0


def test_what_cannot_be_drawn_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    table = make_table(8, {"video_1": 4, "audio_1": 4}, people=4, folds=2)
    with pytest.raises(SettingsError, match="method='pca': expected tsne or umap"):
        project(table, method="pca")
    with pytest.raises(SettingsError, match="layers='video_7'"):
        project(table, layers=[7])
    with pytest.raises(SettingsError, match="has no layers such as video_1"):
        project(make_table(8, {"fused": 4}, people=4, folds=2))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match=r"method='umap' needs umap-learn: pip install '.\[umap\]'"):
        project(table, method="umap")


def test_umap_gets_unit_rows_and_the_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    class Fake:
        def __init__(self, n_neighbors: int, random_state: int) -> None:
            assert (n_neighbors, random_state) == (15, 3)

        def fit_transform(self, rows: np.ndarray) -> np.ndarray:
            assert np.allclose(np.linalg.norm(rows, axis=1), 1)
            return rows[:, :2]

    monkeypatch.setitem(sys.modules, "umap", SimpleNamespace(UMAP=Fake, __spec__=SimpleNamespace()))
    table = make_table(8, {"video_1": 4, "audio_1": 4}, people=4, folds=2)
    assert project(table, method="umap", seed=3).points[1].shape == (16, 2)
