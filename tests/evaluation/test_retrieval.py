"""Finding the voice of a face."""

from __future__ import annotations

import numpy as np
import pytest

from hicmae_cli.evaluation.retrieval import compare_streams, modality_gap, recall_among, recall_at_1


def test_by_hand() -> None:
    table = np.array([[0.9, 0.1, 0.0], [0.8, 0.2, 0.1], [0.0, 0.3, 0.5]])
    # Faces find voices 0 and 2 of three, voices find faces 0 and 2; voice 1 prefers face 2.
    assert recall_at_1(table) == pytest.approx(2 / 3)
    table[1, 1] = 0.85
    assert recall_at_1(table) == 1.0


def test_a_model_that_tells_nothing_apart_scores_chance() -> None:
    assert recall_at_1(np.zeros((64, 64))) == 1 / 64
    noise = np.random.default_rng(0).standard_normal((300, 300))
    assert recall_among(noise, 64, 200) == pytest.approx(1 / 64, abs=0.005)


def test_fewer_candidates_are_easier() -> None:
    rng = np.random.default_rng(0)
    table = rng.standard_normal((200, 200)) + 2 * np.eye(200)
    assert recall_among(table, 8, 50) > recall_among(table, 64, 50) > recall_at_1(table)


def test_bad_tables_are_refused() -> None:
    with pytest.raises(ValueError, match="square"):
        recall_at_1(np.zeros((2, 3)))
    with pytest.raises(ValueError, match="fewer"):
        recall_among(np.zeros((10, 10)), 64, 1)


def test_a_gap_is_the_distance_of_the_means() -> None:
    rng = np.random.default_rng(0)
    video, audio = (np.zeros((50, 4)) for _ in range(2))
    video[:, 0], audio[:, 1] = rng.uniform(1, 5, 50), rng.uniform(1, 5, 50)
    assert modality_gap(video, audio) == pytest.approx(2**0.5)
    assert modality_gap(video, 3 * video) == pytest.approx(0)


def test_streams_are_compared_without_their_means() -> None:
    own = np.random.default_rng(0).standard_normal((40, 8))
    assert recall_at_1(compare_streams(own + 30, 2 * own - 50)) == 1.0
