"""Linear probes find what was planted, and nothing where nothing is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.preprocessing import StandardScaler

import hicmae_cli as hicmae
from hicmae_cli.embedding import probe as module
from hicmae_cli.embedding.table import Embeddings
from hicmae_cli.errors import ManifestError
from tests.embedding.toys import make_table


@pytest.fixture(autouse=True)
def _few_strengths(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STRENGTHS", (0.01, 1.0))


def plant(table: Embeddings, layer: str, strength: float) -> Embeddings:
    """Write the label into some values of a layer."""
    names = sorted(set(table.columns["label"].tolist()))
    values = table[layer].copy()
    values[np.arange(len(table)), [names.index(label) for label in table.columns["label"]]] += strength
    return Embeddings(table.columns, {**table.layers, layer: values}, table.about)


def test_the_planted_layer_is_found_on_people_unseen(tmp_path: Path) -> None:
    table = make_table(120, {f"video_{layer}": 8 for layer in range(1, 6)}, people=12, folds=2)
    planted = plant(table, "video_4", 3.0)
    planted.save(tmp_path / "layers.npz")
    fits: list[int] = []
    result = hicmae.probe(tmp_path / "layers.npz", on_start=fits.append, on_fit=lambda: fits.append(1))
    assert fits == [10] + [1] * 10
    assert result.best.layer == "video_4"
    assert result.best.metrics["uar"] > 0.9
    others = [layer.metrics["uar"] for layer in result.layers if layer.layer != "video_4"]
    # A third is right by chance; the standard deviation of 120 guesses is 0.043.
    assert max(others) < 1 / 3 + 3 * 0.043
    low, high = result.best.intervals.bounds["uar"]
    assert low <= result.best.metrics["uar"] <= high and result.best.intervals.resampled == "speaker"
    assert (result.clips, result.people, result.folds) == (120, 12, ("1", "2"))
    document = result.to_dict()
    assert document["schema"] == "hicmae.probe/1"
    assert np.sum(document["layers"]["video_4"]["confusion"]) == 120
    assert document["layers"]["video_4"]["predictions"].keys() == {f"clip {index}" for index in range(120)}


def test_one_fold_is_what_scikit_learn_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STRENGTHS", (0.1,))
    table = plant(make_table(90, {"fused": 8}, people=6, folds=3), "fused", 1.0)
    test = table.columns["fold"] == "2"
    scaler = StandardScaler().fit(table["fused"][~test])
    fitted = LogisticRegression(C=0.1, class_weight="balanced", max_iter=2000).fit(
        scaler.transform(table["fused"][~test]), table.columns["label"][~test]
    )
    expected = balanced_accuracy_score(
        table.columns["label"][test], fitted.predict(scaler.transform(table["fused"][test]))
    )
    assert hicmae.probe(table, fold="2").layers[0].metrics["uar"] == pytest.approx(expected)


def test_clips_that_cannot_be_probed_are_refused() -> None:
    table = make_table(30, {"fused": 4}, people=3)
    columns = dict(table.columns)
    with pytest.raises(ManifestError, match="0 to test on"):
        hicmae.probe(table)
    leaking = Embeddings({**columns, "fold": np.array(["1", "2"] * 15)}, table.layers)
    with pytest.raises(ManifestError, match="3 people are in both the fitted and the test clips"):
        hicmae.probe(leaking)
    unlabelled = Embeddings({**columns, "label": np.array(["", *columns["label"][1:]])}, table.layers)
    with pytest.raises(ManifestError, match="1 of 30 embeddings have no label"):
        hicmae.probe(unlabelled)
    with pytest.raises(ManifestError, match="at least two classes"):
        hicmae.probe(make_table(9, {"fused": 2}, labels=("joy",), folds=2))
