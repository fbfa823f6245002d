"""A smile in time: who has the photos for it, what a step says, and what counts as the right order."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hicmae_cli.evaluation.real_check.check import check_real_people
from hicmae_cli.evaluation.real_check.folders import Face, Photos
from hicmae_cli.evaluation.real_check.smiles import find_smiles, judge_smiles, score_smiles
from hicmae_cli.runtime.engine import Engine
from tests.evaluation.real_check.toys import LABELS, SixEngine, install, write_rows

# Red 160 is neutral, 120 happiness and 0 anger, see `toys`.
PHOTOS = [
    ("anna", "neutral", 160),
    ("bert", "happiness", 0),
    ("anna", "happiness", 120),
    ("anna", "neutral", 160),
    ("bert", "neutral", 160),
    ("bert", "neutral", 160),
    ("carl", "neutral", 120),
    ("carl", "happiness", 120),
    ("carl", "neutral", 120),
    ("dora", "neutral", 160),
    ("dora", "happiness", 120),
]


def make_photos(folder: Path, names: dict[str, str] | None = None) -> Photos:
    faces = []
    for row, (person, label, red) in enumerate(PHOTOS):
        Image.new("RGB", (160, 160), (red, red, red)).save(folder / f"{row}.png")
        faces.append(Face(f"{row}.png", label, person, "press", None, row))
    rows = [[face.file, face.label, (names or {}).get(face.person, face.person)] for face in faces]
    manifest = write_rows(folder / "manifest.csv", ["file", "label", "group"], rows)
    return Photos(manifest, tuple(faces), tuple(faces))


def test_a_person_needs_two_neutral_photos_and_a_happy_one(tmp_path: Path) -> None:
    photos = make_photos(tmp_path)
    assert find_smiles(photos.tested) == {"all": [(0, 2, 3), (4, 1, 5), (6, 7, 8)]}
    assert find_smiles([replace(face, person="") for face in photos.tested]) == {}


def test_people_with_three_clear_photos_are_shown_again_with_these(tmp_path: Path) -> None:
    faces = [replace(face, clear=face.row != 5) for face in make_photos(tmp_path).tested]
    faces.append(replace(faces[4], row=11))
    assert find_smiles(faces) == {"all": [(0, 2, 3), (4, 1, 5), (6, 7, 8)], "clear": [(0, 2, 3), (4, 1, 11), (6, 7, 8)]}
    nothing_clear = [replace(face, clear=False) for face in faces]
    assert set(find_smiles(nothing_clear)) == {"all"}


def test_a_smile_is_told_in_its_order(tmp_path: Path) -> None:
    photos = make_photos(tmp_path)
    smiles = find_smiles(photos.tested)["all"]
    engine: Engine = SixEngine()
    shown: list[None] = []
    table = judge_smiles(engine, photos, smiles, lambda: shown.append(None))
    assert table.shape == (3, 12, len(LABELS)) and len(shown) == 3
    assert table.sum(axis=-1) == pytest.approx(1)
    scores = score_smiles("all", table, ["anna", "bert", "carl"], LABELS)
    # Bert's smile is taken for anger, Carl smiles all the time.
    assert scores.in_order.n == 3
    assert scores.in_order.value == pytest.approx(1 / 3)
    assert scores.happiest.value == pytest.approx(1 / 3)


def test_a_step_is_the_mean_of_the_windows_that_cover_it(tmp_path: Path) -> None:
    class Counting(SixEngine):
        """The nth window is neutral with a probability that names n."""

        def __init__(self) -> None:
            super().__init__()
            self.seen = 0

        def logits(self, video: np.ndarray, audio: np.ndarray) -> np.ndarray:
            table = np.full((len(video), len(LABELS)), -99, np.float32)
            for row in table:
                row[LABELS.index("neutral")] = np.log((self.seen + 1) / 10)
                row[LABELS.index("anger")] = np.log(1 - (self.seen + 1) / 10)
                self.seen += 1
            return table

    table = judge_smiles(Counting(), make_photos(tmp_path), [(0, 2, 3)], lambda: None)
    neutral = table[0, :, LABELS.index("neutral")]
    windows = np.arange(1, 10) / 10
    by_hand = [windows[max(0, step - 3) : step + 1].mean() for step in range(12)]
    assert neutral == pytest.approx(by_hand)


def test_the_check_has_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch)
    make_photos(tmp_path, {"anna": "p5", "bert": "p8", "carl": "p11", "dora": "p1"})
    clips: list[None] = []
    announced: list[int] = []
    result = check_real_people(
        weights="six",
        faces=tmp_path,
        on_start=lambda _, count: announced.append(count),
        on_clip=lambda: clips.append(None),
    )
    assert announced == [len(clips)] == [9 + 3]
    assert [scores.in_order.n for scores in result.smiles] == [3]
    assert result.to_dict()["smiles"][0]["in_order"]["value"] == pytest.approx(1 / 3)
    assert "| all | told in this order | 0.333" in result.to_markdown()


def test_the_check_shows_clear_photos_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch)
    make_photos(tmp_path, {"anna": "p5", "bert": "p8", "carl": "p11", "dora": "p1"})
    clear = write_rows(tmp_path / "clear.csv", ["file"], [["0.png"], ["2.png"], ["3.png"], ["7.png"]])
    announced: list[int] = []
    clips: list[None] = []
    result = check_real_people(
        weights="six",
        faces=tmp_path,
        clear=clear,
        on_start=lambda _, count: announced.append(count),
        on_clip=lambda: clips.append(None),
    )
    assert announced == [len(clips)] == [9 + 3 + 1]
    assert [(scores.photos, scores.in_order.n) for scores in result.smiles] == [("all", 3), ("clear", 1)]
    assert result.smiles[1].in_order.value == 1
    assert "| clear | told in this order | 1.000" in result.to_markdown()
