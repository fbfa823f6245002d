"""The page's scripts make the timelines, texts and files of hicmae."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hicmae_cli.report.csv_writer import csv_lines
from hicmae_cli.report.html.markup import clock
from hicmae_cli.report.html.page import write_colours
from hicmae_cli.report.palette import label_colours
from hicmae_cli.report.prediction import Prediction
from hicmae_cli.runtime.outputs import FaceBox, Scores, Window
from hicmae_cli.runtime.results import FileResult, Track
from hicmae_cli.tasks import KINDS, Kind
from hicmae_cli.timeline import make_timelines
from hicmae_cli.web.about import describe_page
from tests.web.node import needs_node, run_script
from tests.weights.toys import DIMS, info_of

pytestmark = needs_node

# Not in alphabetical order, in which a set of labels is written.
INFO = info_of(DIMS, 5).model_copy(update={"labels": ("d", "b", "e", "a", "c")})


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
    mine, theirs = (list(csv.reader(io.StringIO(text))) for text in (found[1], "".join(csv_lines(loaded))))
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
