"""The page's scripts find, align and link faces as hicmae does, and put the same ones into windows."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from hicmae_cli.faces.align import align_face, fit_alignment
from hicmae_cli.faces.crops import crop_around, make_coarse_crops, make_fine_crops
from hicmae_cli.faces.nets import _to_picture, build_region_around
from hicmae_cli.faces.shots import is_shot_change, make_thumbnail
from hicmae_cli.runtime.outputs import FaceBox
from hicmae_cli.runtime.windows import SampledFace, WindowAssembler
from hicmae_cli.web.about import describe_page
from tests.web.node import needs_node, run_script
from tests.weights.toys import DIMS, info_of

pytestmark = needs_node

# Not in alphabetical order, in which a set of labels is written.
INFO = info_of(DIMS, 5).model_copy(update={"labels": ("d", "b", "e", "a", "c")})

SIZES = [(320, 240), (240, 320), (1920, 1080), (150, 150), (3840, 2160), (641, 479)]


def make_face(generator: np.random.Generator, width: int, height: int, scale: float) -> NDArray[np.float32]:
    """Landmarks of a turned face: the template with the other points in the middle."""
    from hicmae_cli.faces.align import read_template

    indices, points = read_template()
    landmarks = np.full((478, 2), 80.0)
    landmarks[indices] = points + generator.normal(0, 1.5, points.shape)
    angle = generator.uniform(-0.5, 0.5)
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return np.asarray((landmarks - 80) @ turn.T + [width / 2, height / 2], np.float32)


@pytest.mark.parametrize(("width", "height", "scale"), [(120, 90, 0.4), (200, 300, 1.6), (700, 600, 4.4)])
def test_a_face_is_aligned_as_in_the_training_data(width: int, height: int, scale: float) -> None:
    """A face that is smaller, larger, and larger than a bilinear warp can read; parts are outside the picture."""
    generator = np.random.default_rng(width)
    coarse = generator.integers(0, 256, (height // 8 + 2, width // 8 + 2, 3), np.uint8)
    rgb = coarse.repeat(8, axis=0).repeat(8, axis=1)[:height, :width]
    landmarks = make_face(generator, width, height, scale)
    found = run_script(
        """
        const { alignFace, fitAlignment } = await load("alignment.js");
        const picture = { ...data, data: Uint8ClampedArray.from(data.rgba) };
        const landmarks = Float32Array.from(data.landmarks);
        return { matrix: fitAlignment(landmarks, data.template),
                 crop: Array.from(alignFace(picture, landmarks, data.template)) };
        """,
        {
            "width": width,
            "height": height,
            "rgba": np.dstack([rgb, np.full((height, width), 255, np.uint8)]).ravel().tolist(),
            "landmarks": landmarks.ravel().tolist(),
            "template": describe_page("toy", INFO, "")["template"],
        },
    )
    assert np.reshape(found["matrix"], (2, 3)) == pytest.approx(fit_alignment(landmarks, 256), abs=1e-6)
    crop = np.reshape(found["crop"], (160, 160, 3))
    difference = np.abs(crop - align_face(rgb, landmarks).astype(int))
    assert difference.mean() < 0.6 and np.quantile(difference, 0.999) <= 4


def test_a_face_without_extent_is_refused() -> None:
    said = run_script(
        """
        const { fitAlignment } = await load("alignment.js");
        try { fitAlignment(new Float32Array(956), data); } catch (error) { return error.message; }
        """,
        describe_page("toy", INFO, "")["template"],
    )
    assert said == "expected different landmarks, got equal ones only"


def test_the_same_parts_of_a_picture_are_searched() -> None:
    boxes = [[10.5, 20.25, 60.0, 90.5], [-30.0, -10.0, 20.0, 40.0], [300.0, 200.0, 330.0, 250.0]]
    found = run_script(
        """
        const { cropAround, makeCoarseCrops, makeFineCrops } = await load("boxes.js");
        return data.sizes.map(([w, h]) => [makeCoarseCrops(w, h), makeFineCrops(w, h),
                                           data.boxes.map((box) => cropAround(box, 2.5, w, h))]);
        """,
        {"sizes": SIZES, "boxes": boxes},
    )
    expected = [
        [
            [list(crop) for crop in make_coarse_crops(*size)],
            [list(crop) for crop in make_fine_crops(*size)],
            [list(crop_around((b[0], b[1], b[2], b[3]), 2.5, *size)) for b in boxes],
        ]
        for size in SIZES
    ]
    assert found == expected


@pytest.mark.parametrize(("moments", "hop"), [(1, 4), (15, 4), (16, 4), (55, 4), (40, 7)])
def test_the_same_windows_are_assembled(moments: int, hop: int) -> None:
    generator = np.random.default_rng(moments)
    seen = [[track for track in (1, 2, 3) if generator.random() < 0.5] for _ in range(moments)]
    found = run_script(
        """
        const { WindowAssembler } = await load("windows.js");
        const assembler = new WindowAssembler(data.hop);
        const windows = data.seen.flatMap((tracks, i) => assembler.add(new Map(tracks.map((t) => [t, { at: i }]))));
        return [...windows, ...assembler.finish()].map(({ start, moments, people }) =>
            [start, moments, people.map((p) => [p.track, p.coverage, p.sampled.map((face) => face && face.at)])]);
        """,
        {"hop": hop, "seen": seen},
    )
    crop, box = np.zeros((160, 160, 3), np.uint8), FaceBox(0, 0, 0, 1, 1)
    assembler = WindowAssembler(hop)
    windows = [
        window
        for number, tracks in enumerate(seen)
        for window in assembler.add({track: SampledFace(crop, box, number) for track in tracks})
    ]
    windows += assembler.finish()
    expected = [[w.start, w.num_moments, [[p.track, p.coverage, list(p.pictures)] for p in w.people]] for w in windows]
    assert found == expected


def test_faces_are_linked_by_place_until_a_cut() -> None:
    """Two people in any order keep their numbers; after a cut, and after a long gap, they get new ones."""
    found = run_script(
        """
        const { PeopleLinker } = await load("linker.js");
        const paint = (grey) => ({ width: 64, height: 36, data: Uint8ClampedArray.from({ length: 64 * 36 * 4 },
            (_, i) => grey(Math.floor(i / 4) % 64)) });
        const face = (x) => ({ box: [x, 0, x + 10, 10] });
        const linker = new PeopleLinker(), one = paint((x) => 4 * x), other = paint((x) => 255 - 4 * x);
        return [linker.update(one, [face(0), face(40)], 0), linker.update(one, [face(41), face(2)], 0.16),
                linker.update(one, [face(3)], 0.32), linker.update(one, [face(4), face(41)], 0.48),
                linker.update(other, [face(4)], 0.64), linker.update(other, [face(4)], 2.4)];
        """
    )
    assert found == [[1, 2], [2, 1], [1], [1, 2], [3], [4]]


def test_a_known_face_is_read_in_the_same_region() -> None:
    faces = np.random.default_rng(8).normal(300, 60, (4, 478, 2)).astype(np.float32)
    found = run_script(
        """
        const { buildRegion } = await load("landmarks.js");
        return data.map((face) => buildRegion(Float32Array.from(face)));
        """,
        faces.reshape(4, -1).tolist(),
    )
    expected = [_to_picture(build_region_around(face)).ravel().tolist() for face in faces]
    assert found == [pytest.approx(each, abs=1e-3) for each in expected]


def test_the_same_cuts_are_seen() -> None:
    generator = np.random.default_rng(9)
    rgb = generator.integers(0, 256, (36, 64, 3), np.uint8)
    first = generator.uniform(0, 255, (18, 32)).astype(np.float32)
    flat = np.full_like(first, 128)
    noises = [generator.normal(0, 1, first.shape).astype(np.float32) for _ in range(8)]
    pairs = [(first, first + 15 * i * noise) for i, noise in enumerate(noises)]
    pairs += [(first, 255 - first), (first, first + 40), (flat, flat + 11), (flat, flat + 13)]
    found = run_script(
        """
        const { isShotChange, makeThumbnail } = await load("linker.js");
        const picture = { width: 64, height: 36, data: Uint8ClampedArray.from(data.rgba) };
        return { thumbnail: Array.from(makeThumbnail(picture)),
                 cuts: data.pairs.map(([a, b]) => isShotChange(Float32Array.from(a), Float32Array.from(b))) };
        """,
        {
            "rgba": np.dstack([rgb, np.full((36, 64), 255, np.uint8)]).ravel().tolist(),
            "pairs": [[each.ravel().tolist() for each in pair] for pair in pairs],
        },
    )
    assert found["thumbnail"] == pytest.approx(make_thumbnail(rgb).ravel().tolist(), abs=1.5)
    expected = [is_shot_change(*pair) for pair in pairs]
    assert found["cuts"] == expected and 3 < sum(expected) < 11
