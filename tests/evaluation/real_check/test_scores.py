from __future__ import annotations

import numpy as np

from hicmae_cli.evaluation.real_check.folders import Face
from hicmae_cli.evaluation.real_check.scores import FOUR, score_faces


def test_a_source_does_not_replace_the_group_of_its_name() -> None:
    """Half of the photos are clear, and the others are from a source of the same name."""
    faces = [
        Face(f"{row}.png", FOUR[row % 4], f"p{row}", "press" if row < 4 else "clear", row < 4, row) for row in range(8)
    ]
    # All clear photos are right, and all others are wrong.
    table = np.eye(4)[[0, 1, 2, 3, 1, 2, 3, 0]]
    groups = {scores.photos: scores for scores in score_faces(faces, table, FOUR)}
    assert list(groups) == ["all", "clear", "source clear", "press"]
    values = [scores.four.value for scores in groups.values() if scores.four is not None]
    assert values == [0.5, 1.0, 0.0, 1.0]
