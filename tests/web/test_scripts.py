"""The page's scripts say what hicmae says: alignment, crops, windows, who speaks, timelines, files of results."""

from __future__ import annotations

import csv
import io
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from hicmae_cli.clips.log_mel import MIN_SAMPLES
from hicmae_cli.faces.align import align_face, fit_alignment
from hicmae_cli.faces.crops import crop_around, make_coarse_crops, make_fine_crops
from hicmae_cli.faces.nets import _to_picture, build_region_around
from hicmae_cli.faces.shots import is_shot_change, make_thumbnail
from hicmae_cli.report.csv_writer import windows_csv
from hicmae_cli.report.html.markup import clock
from hicmae_cli.report.html.page import write_colours
from hicmae_cli.report.palette import label_colours
from hicmae_cli.report.prediction import Prediction
from hicmae_cli.runtime.results import FaceBox, FileResult, Scores, Track, Window
from hicmae_cli.runtime.sound import SlidingSound
from hicmae_cli.runtime.windows import SampledFace, WindowAssembler
from hicmae_cli.speaking.decide import SpeakerJudge
from hicmae_cli.speaking.finder import Hearing, _compare
from hicmae_cli.speaking.mouths import MouthReading, measure_openings
from hicmae_cli.speaking.sync import measure_sync
from hicmae_cli.speaking.voice import _measure_levels
from hicmae_cli.tasks import KINDS, Kind
from hicmae_cli.timeline import make_timelines
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


def test_the_same_people_speak() -> None:
    generator = np.random.default_rng(3)
    syncs = [
        {track: None if generator.random() < 0.15 else round(generator.uniform(0, 0.9), 3) for track in (1, 2)}
        for _ in range(60)
    ]
    openings = generator.normal(0.1, 0.03, (6, 120))
    openings[generator.random(openings.shape) < 0.2] = np.nan
    openings[5, :90] = np.nan
    levels = generator.normal(-40, 12, (6, 120))
    levels[0] = np.roll(np.nan_to_num(openings[0], nan=0.1), 2) * 300 - 70
    found = run_script(
        """
        const { decide, measureSync } = await load("speakers.js");
        let last = new Map();
        const answers = data.syncs.map((each) => {
            last = decide(new Map(Object.entries(each)), last);
            return Object.fromEntries(last);
        });
        const nan = (row) => row.map((v) => v ?? NaN);
        return { answers, syncs: data.openings.map((row, i) => measureSync(nan(row), data.levels[i])) };
        """,
        {
            "syncs": syncs,
            "openings": [[None if np.isnan(v) else v for v in row] for row in openings],
            "levels": levels.tolist(),
        },
    )
    judge = SpeakerJudge()
    assert found["answers"] == [{str(track): answer for track, answer in judge.judge(each).items()} for each in syncs]
    expected = [
        measure_sync(row.astype(np.float32), level.astype(np.float32))
        for row, level in zip(openings, levels, strict=True)
    ]
    assert expected[5] is None and expected[0] is not None and expected[0] > 0.8
    for sync, wanted in zip(found["syncs"], expected, strict=True):
        assert sync == (None if wanted is None else pytest.approx(wanted, abs=1e-3))


def test_lips_and_levels_are_measured_alike() -> None:
    generator = np.random.default_rng(4)
    faces = generator.normal(100, 30, (3, 478, 2)).astype(np.float32)
    sound = (0.2 * generator.standard_normal((4, 512))).astype(np.float32)
    sound[3] = 0
    found = run_script(
        """
        const { measureLevel, measureOpening } = await load("speakers.js");
        return [data.faces.map(measureOpening), data.sound.map((row) => measureLevel(Float32Array.from(row)))];
        """,
        {"faces": faces.reshape(3, -1).tolist(), "sound": sound.tolist()},
    )
    assert found[0] == pytest.approx(measure_openings(faces).tolist(), rel=1e-5)
    assert found[1] == pytest.approx(_measure_levels(sound).tolist(), abs=1e-3)


def test_a_tone_survives_resampling_and_what_is_above_the_band_does_not() -> None:
    found = run_script(
        """
        const { DECODED_HZ, resample } = await load("resampling.js");
        return data.map((hz) => Array.from(resample(Float32Array.from({ length: DECODED_HZ / 4 },
            (_, i) => Math.sin((2 * Math.PI * hz * i) / DECODED_HZ)))));
        """,
        [1000, 9000],
    )
    times = np.arange(4000) / 16000
    inside = slice(100, -100)
    assert np.array(found[0])[inside] == pytest.approx(np.sin(2 * np.pi * 1000 * times)[inside], abs=1e-3)
    assert np.abs(np.array(found[1])[inside]).max() < 1e-3


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


def make_results(seed: int, task: Kind = "classification") -> tuple[FileResult, list[dict[str, Any]]]:
    """The same windows for both sides."""
    generator, labels = np.random.default_rng(seed), INFO.labels
    draw = {
        "classification": lambda: generator.dirichlet(np.ones(len(labels))),
        "multilabel": lambda: generator.uniform(0, 0.9, len(labels)),
        "regression": lambda: generator.normal(0, 1000, len(labels)),
    }
    windows, tracks = [], []
    for track in (1, 2):
        own = []
        for number in range(8):
            if track == 2 and number in (3, 4, 5, 6):
                continue
            scores = draw[task]().tolist()
            start_s, end_s = 0.64 * number, 0.64 * number + 2.56
            speaker = str(generator.choice(["yes", "no", "unsure"]))
            box = [round(start_s, 3), 10.0, 20.0, 30.0, 40.0]
            windows.append(
                {
                    "track": track, "startS": start_s, "endS": end_s, "scores": scores, "coverage": 1, "modality": "av",
                    "boxes": [box], "voice": 0.5, "speaker": speaker,
                }
            )  # fmt: skip
            own.append(
                Window(
                    start_s, end_s, Scores.of(labels, np.array(scores), task), 1, "av", (FaceBox(*box),), 0.5, speaker
                )
            )
        tracks.append(Track(track, tuple(own), 1, 40))
    return FileResult(Path('a, "b".mp4'), "ok", "", 7.2, None, tuple(tracks), width_px=320, height_px=240), windows


def test_a_timeline_is_that_of_hicmae() -> None:
    file, windows = make_results(1)
    found = run_script(
        """
        const { groupByTrack, joinSpans, makeTimeline } = await load("timeline.js");
        return [...groupByTrack(data.windows).values()].map((own) => {
            const { edges, means, led } = makeTimeline(own, data.endS, "classification");
            return { edges, means, spans: joinSpans(edges, led) };
        });
        """,
        {"windows": windows, "endS": 7.2},
    )
    for mine, theirs in zip(found, make_timelines(file), strict=True):
        labels = [mine_label for *_, mine_label in mine["spans"]]
        assert [theirs.names[i] for i in labels] == [episode.label for episode in theirs.episodes]
        assert [[a / 1000, b / 1000] for a, b, _ in mine["spans"]] == [[e.start_s, e.end_s] for e in theirs.episodes]
        at = dict(zip(mine["edges"], mine["means"], strict=False))
        for edge, mean in zip(theirs.edges_s, theirs.means, strict=False):
            mine_mean = at[round(1000 * edge)]
            assert np.isnan(mean).all() if mine_mean is None else mine_mean == pytest.approx(mean.tolist())


@pytest.mark.parametrize("task", KINDS)
def test_the_saved_files_are_read_by_hicmae(tmp_path: Path, task: Kind) -> None:
    file, windows = make_results(2, task)
    about = describe_page("toy", INFO.model_copy(update={"task": task}), "ab" * 32)
    found = run_script(
        """
        const { toCsv, toDocument } = await load("results.js");
        return [JSON.stringify(toDocument(data.about, data.input, data.windows, data.settings)),
                toCsv(data.about, data.input, data.windows)];
        """,
        {
            "about": about,
            "windows": windows,
            "settings": {"mostFaces": 2, "sound": "speaker"},
            "input": {
                "name": 'a, "b".mp4',
                "durationS": 7.2,
                "width": 320,
                "height": 240,
                "coverages": {"1": 1, "2": 1},
                "message": "",
            },
        },
    )
    path = tmp_path / "predictions.json"
    path.write_text(found[0])
    loaded = Prediction.load(path)
    assert loaded.files == (FileResult.from_dict(file.to_dict()),)
    assert (loaded.model.engine, loaded.settings.faces, loaded.settings.sound) == ("onnxruntime-web", 2, "speaker")
    mine, theirs = (list(csv.reader(io.StringIO(text))) for text in (found[1], windows_csv(loaded)))
    assert mine[0] == theirs[0] and len(mine) == len(theirs)
    for row, wanted in zip(mine[1:], theirs[1:], strict=True):
        for cell, other in zip(row, wanted, strict=True):
            assert cell == other or float(cell) == pytest.approx(float(other))


def test_only_a_picture_can_lack_a_face() -> None:
    _, windows = make_results(3)
    found = run_script(
        """
        const { toDocument } = await load("results.js");
        const windows = data.windows.map((window) => ({ ...window, track: 0, boxes: [] }));
        return [320, 0].map((width) => toDocument(data.about, { name: "a", durationS: 7, width, coverages: {} },
                                                  windows, { mostFaces: 2, sound: "shared" }).files[0].status);
        """,
        {"about": describe_page("toy", INFO, ""), "windows": windows},
    )
    assert found == ["no-face", "ok"]


def test_the_saved_settings_name_the_stream_of_the_weight() -> None:
    settings = [
        describe_page("toy", INFO.model_copy(update={"modality": modality}), "")["settings"]["modality"]
        for modality in ("av", "video", "audio")
    ]
    assert settings == ["auto", "video", "audio"]


def test_the_same_sound_reaches_the_model() -> None:
    """Also at the end of a sound, where it is silent, and where it is shorter than a spectrum."""
    sound = np.random.default_rng(6).normal(0, 0.1, 30000).astype(np.float32)
    sound[8000:20000] = 1 / 40000
    times = [(0.0, 0.64), (0.16, 0.4), (0.55, 1.2), (0.64, 3.2), (1.86, 4.0), (1.87, 4.0), (2.5, 3.0)]
    found = run_script(
        """
        const { cutSound } = await load("model.js");
        const sound = Float32Array.from(data.sound);
        return data.times.map(([start, end]) => cutSound(sound, start, end)).map((cut) => cut && [cut.length, cut[0]]);
        """,
        {"sound": sound.tolist(), "times": times},
    )
    sliding = SlidingSound([sound])
    cuts = [sliding.cut(*each) for each in times]
    expected = [[len(cut), float(cut[0])] if cut is not None and len(cut) >= MIN_SAMPLES else None for cut in cuts]
    assert found == expected and None in found[2:-1] and found[-1] is None


def test_the_voice_is_given_to_the_same_people() -> None:
    hearings = [
        (voice, dict(zip((1, 2), speakers, strict=True)))
        for voice in (0.09, 0.1)
        for speakers in itertools.product(("yes", "no", "unsure"), repeat=2)
    ]
    found = run_script(
        """
        const { isVoiceOf } = await load("speakers.js");
        return data.map(([voice, speakers]) => [1, 2, 0].map((track) => isVoiceOf(
            { voice, speakers: new Map(Object.entries(speakers).map(([each, answer]) => [Number(each), answer])) },
            track)));
        """,
        hearings,
    )
    assert found == [[Hearing(*each).is_voice_of(track) for track in (1, 2, None)] for each in hearings]


def test_a_mouth_is_compared_with_the_sound_alike() -> None:
    """Read often; with a gap; on few pictures; too late."""
    generator, readings = np.random.default_rng(7), list[list[MouthReading]]()
    times = (np.arange(120) + 0.5) * 0.032
    levels = (20 * np.sin(3 * times) - 40).astype(np.float32)
    for step, rate in ((0.04, 1), (0.09, 1), (0.04, 8), (0.2, 1)):
        moments = np.arange(0, 4, step)
        openings = 0.1 + 0.05 * np.sin(3 * moments) + generator.normal(0, 0.1, len(moments))
        readings.append(
            [MouthReading(1, t, o, i // rate) for i, (t, o) in enumerate(zip(moments, openings, strict=True))]
        )
    readings += [readings[0][:40] + readings[0][60:], [MouthReading(1, 9.0, 0.1, 1)] * 2, readings[0][:1]]
    found = run_script(
        """
        const { compare } = await load("speakers.js");
        return data.readings.map((each) =>
            compare(each.map(([timeS, opening, picture]) => ({ timeS, opening, picture })), data.times, data.levels));
        """,
        {
            "readings": [[(float(r.time_s), float(r.opening), r.picture) for r in each] for each in readings],
            "times": times.tolist(),
            "levels": levels.tolist(),
        },
    )
    expected = [_compare(each, times, levels) for each in readings]
    assert expected[3] is None and sum(each is not None for each in expected) >= 3
    assert found == [None if each is None else pytest.approx(each, abs=1e-3) for each in expected]


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


def test_times_are_written_alike() -> None:
    times = [0, 40, 960, 9960, 59960, 60040, 3599960, 3600040, 12345678]
    found = run_script(
        """
        const { clock } = await load("timeline.js");
        return data.map((time) => [clock(time), clock(time, false)]);
        """,
        times,
    )
    assert found == [[clock(time / 1000), clock(time / 1000, tenths=False)] for time in times]


@pytest.mark.parametrize("modality", ["av", "video", "audio"])
def test_the_camera_is_asked_for_what_the_model_uses(modality: str) -> None:
    """Of a microphone, a weight of faces would judge sound alone; a weight of voices would judge silent faces."""
    asked, calls = run_script(
        """
        const { watchCamera } = await load("camera.js");
        const asked = [], calls = [], stop = new AbortController();
        const stream = { getAudioTracks: () => [], getTracks: () => [] };
        const mediaDevices = { getUserMedia: async (wanted) => (asked.push(wanted), stream) };
        Object.defineProperty(globalThis, "navigator", { value: { mediaDevices } });
        globalThis.createImageBitmap = async () => "picture";
        const call = async (method, argument) => {
            calls.push([method, argument]);
            if (method === "moment") stop.abort();
            return method === "finish" ? { windows: [], coverages: {} } : [];
        };
        const on = { windows() {}, progress() {} }, element = { async play() {}, videoWidth: 320, videoHeight: 240 };
        const about = { modality: data, step_s: 0.16 };
        const input = await watchCamera(call, about, element, { sound: "speaker" }, on, stop.signal);
        return [asked[0], [...calls, input.width]];
        """,
        modality,
    )
    assert [bool(asked["video"]), bool(asked["audio"])] == [modality != "audio", modality != "video"]
    (_, moment), width = calls[1], calls[-1]
    assert (moment["bitmap"], width) == ((None, 0) if modality == "audio" else ("picture", 320))


def test_each_label_has_its_colour_in_the_style() -> None:
    style = write_colours(label_colours(("anger", "neutral")))
    assert ".l0{" in style and ".o1{" in style and "prefers-color-scheme:dark" in style
