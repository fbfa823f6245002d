"""One pass over clips: views, values, clips decided as one, a choice of classes."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import soundfile

from hicmae_cli.clips import write_prepared_clip
from hicmae_cli.corpora.manifest import Sample
from hicmae_cli.corpora.values import Target
from hicmae_cli.errors import ManifestError, SettingsError
from hicmae_cli.evaluation.protocol import Protocol
from hicmae_cli.evaluation.results import Evaluation
from hicmae_cli.evaluation.score_sheet import ScoreSheet
from hicmae_cli.evaluation.scoring import score_clips
from tests.evaluation.toys import ValueEngine, write_grey
from tests.runtime.stubs import ToyEngine

RISING = tuple(range(0, 250, 10))  # 25 pictures: two views of 16


def test_values_are_the_mean_of_the_views_and_no_softmax(tmp_path: Path) -> None:
    sample = write_grey(tmp_path, "a", *RISING, target=(0.25, -1.0))
    result = score_clips([sample], ValueEngine())["av"]
    # The first view shows pictures 0 to 15, the last 9 to 24.
    views = np.array([[0, 150], [90, 240]]) / 255
    assert result.samples[0].views == pytest.approx(views, abs=1e-3)
    assert result.samples[0].outputs == pytest.approx(views.mean(axis=0), abs=1e-3)
    assert result.samples[0].prediction == result.samples[0].outputs
    assert result.metrics["mae_arousal"] == pytest.approx(0.25 - 45 / 255, abs=1e-3)
    document = result.to_dict()
    assert document["samples"][0]["label"] == [0.25, -1.0]
    assert document["labels"] == ["arousal", "valence"] and "confusion" not in document


@pytest.mark.parametrize("target", [(0.5,), "high", (0.5, 0.5, 0.5), ()])
def test_a_target_that_is_not_one_value_each_names_the_clip(tmp_path: Path, target: Target) -> None:
    sample = write_grey(tmp_path, "a", 0, target=target)
    with pytest.raises(ManifestError, match=r"clip a: .*expected 2 numbers .*arousal, valence"):
        score_clips([sample], ValueEngine())


def test_clips_of_a_group_are_one_decision(tmp_path: Path) -> None:
    """Two dark clips are outvoted by a very bright one: the mean of probabilities decides, not a count of votes."""
    clips = [
        write_grey(tmp_path, f"p1_task_1_clip_{index}", grey, speaker="p1") for index, grey in enumerate((90, 90, 255))
    ]
    other = write_grey(tmp_path, "p2_task_1_clip_0", 0, target="neutral", speaker="p2")
    alone = score_clips([*clips, other], ToyEngine())["av"]
    merged = score_clips([clips[0], other, *clips[1:]], ToyEngine(), merge_by=3)["av"]
    assert [sample.id for sample in merged.samples] == ["p1_task_1", "p2_task_1"]
    first = merged.samples[0]
    assert first.clips == tuple(clip.id for clip in clips) and len(first.views) == 6
    assert first.outputs == pytest.approx(np.mean([sample.outputs for sample in alone.samples[:3]], axis=0))
    assert merged.to_dict()["samples"][0]["clips"] == list(first.clips)
    assert (merged.clips, len(merged.samples)) == (4, 2)


def test_a_group_of_two_labels_is_refused_before_anything_is_run(tmp_path: Path) -> None:
    clips = [
        write_grey(tmp_path, f"p1_task_1_clip_{index}", 0, target=label)
        for index, label in enumerate(("anger", "anger", "neutral"))
    ]
    engine = ToyEngine()
    with pytest.raises(ManifestError, match=r"p1_task_1_clip_0 and p1_task_1_clip_2 .* anger and neutral"):
        score_clips(clips, engine, merge_by=3)
    assert engine.batches == []


def test_a_choice_of_classes_shares_out_their_probabilities(tmp_path: Path) -> None:
    sample = write_grey(tmp_path, "a", 200, target="anger")
    whole = score_clips([sample], ToyEngine())["av"]
    some = score_clips([sample], ToyEngine(), classes=("anger", "neutral"))["av"]
    kept = np.array(whole.samples[0].outputs)[[0, 2]]
    assert whole.samples[0].prediction == "happiness"
    assert some.samples[0].outputs == pytest.approx(kept / kept.sum())
    assert some.samples[0].prediction == "anger"
    assert some.labels == ("anger", "neutral") and some.confusion == [[1, 0], [0, 0]]
    with pytest.raises(ManifestError, match="labels happiness are not among the model's: anger, neutral"):
        score_clips([replace(sample, target="happiness")], ToyEngine(), classes=("anger", "neutral"))


def test_a_second_run_and_other_neighbours_change_nothing(tmp_path: Path) -> None:
    samples = [write_grey(tmp_path, name, *RISING[index:], target="anger") for index, name in enumerate("abc")]
    whole, again = (score_clips(samples, ToyEngine())["av"] for _ in range(2))
    assert whole == again
    assert score_clips(samples[1:2], ToyEngine())["av"].samples[0] == whole.samples[1]


def test_equal_views_are_run_once(tmp_path: Path) -> None:
    engine = ToyEngine()
    score_clips([write_grey(tmp_path, "a", 10, 20), write_grey(tmp_path, "b", *RISING)], engine)
    assert engine.batches == [1, 1, 1]


def test_who_is_heard_and_the_fold_stay_with_a_decision(tmp_path: Path) -> None:
    sample = write_grey(tmp_path, "a", 0, speaker="s", fold="3")
    (told,) = score_clips([sample], ToyEngine())["av"].to_dict()["samples"]
    assert (told["speaker"], told["fold"]) == ("s", "3")


@pytest.fixture(scope="module")
def versions(tmp_path_factory: pytest.TempPathFactory) -> list[Sample]:
    """One recording at four frame rates: 5 s that get brighter with time."""
    folder = tmp_path_factory.mktemp("versions")
    found = []
    for fps in (Fraction(12), Fraction(25), Fraction(30000, 1001), Fraction(60)):
        greys = [round(40 + 40 * float(index / fps)) for index in range(int(5 * fps))]
        path = folder / f"{float(fps):.0f}.mkv"
        faces = (np.full((160, 160, 3), grey, np.uint8) for grey in greys)
        write_prepared_clip(path, faces, fps, np.full(80000, 0.01, np.float32))
        found.append(Sample(path.stem, path, path, (0.0, 0.0)))
    return found


class TimedEngine(ValueEngine):
    info = ValueEngine.info.model_copy(update={"sampling": "time", "sampling_rate": 4})


def test_a_weight_by_time_sees_the_same_at_every_frame_rate(versions: list[Sample]) -> None:
    """The values are the brightness of the first picture and of the last."""
    counting, timed = ValueEngine(), TimedEngine()
    counting.info = counting.info.model_copy(update={"sampling_rate": 4})
    shown = {
        engine: np.array([s.views for s in score_clips(versions, engine)["av"].samples]) for engine in (counting, timed)
    }
    brightness_s = 40 / 255
    expected = (40 / 255) + brightness_s * np.array([[0, 2.4], [2.44, 4.84]])
    np.testing.assert_allclose(shown[timed], np.broadcast_to(expected, (4, 2, 2)), atol=brightness_s * 0.5 / 12 + 0.01)
    assert np.ptp(shown[counting][:, 0, 1]) > brightness_s * 2.5  # the first view ends after 1.0 to 4.9 s


def test_a_sampling_rate_is_only_for_weights_that_count_frames(versions: list[Sample]) -> None:
    with pytest.raises(SettingsError, match=r"sampling_rate=4: this weight samples clips by time"):
        score_clips(versions, TimedEngine(), sampling_rate=4)
    result = score_clips(versions[:1], TimedEngine())["av"]
    assert result.sampling_rate is None
    document = json.loads(json.dumps(result.to_dict()))
    assert (document["sampling"], document["sampling_rate"]) == ("time", None)
    assert Evaluation.from_record(document) == result
    explained = " ".join(Protocol("clips", None, "", "", None).explain(result))
    assert "16 frames, one every 0.16 s" in explained


def test_sound_alone_needs_no_pictures(tmp_path: Path) -> None:
    """Broken pictures fail a clip only if a model gets them."""
    sample = write_grey(tmp_path, "a", 200, 200)
    (result,) = score_clips([sample], ToyEngine(), modalities=("av", "audio"))["audio"].samples
    for picture in (tmp_path / "a").iterdir():
        picture.write_bytes(b"no picture")
    assert score_clips([sample], ToyEngine(), modalities=("audio",))["audio"].samples == (result,)
    with pytest.raises(ManifestError, match="nothing could be evaluated"):
        score_clips([sample], ToyEngine(), modalities=("video",))


def test_clips_without_the_stream_are_skipped_and_counted(tmp_path: Path) -> None:
    face = replace(write_grey(tmp_path, "face", 90), audio=None)
    soundfile.write(tmp_path / "voice.wav", np.full(32000, 0.1, np.float32), 16000)
    voice = Sample("voice", None, tmp_path / "voice.wav", "neutral")
    found = score_clips([face, voice], ToyEngine(), modalities=("av", "video", "audio"))
    assert {name: [clip.id for clip in one.samples] for name, one in found.items()} == {
        "av": ["face", "voice"],
        "video": ["face"],
        "audio": ["voice"],
    }
    assert {name: (one.skipped, one.failures) for name, one in found.items()} == {
        "av": (0, ()),
        "video": (1, ()),
        "audio": (1, ()),
    }
    sheet = ScoreSheet("toy", Protocol("mine"), found)
    assert [w for w in sheet.warnings if "skipped" in w] == [
        f"{name}: skipped 1 clips that have no {name}; scores of other streams are over other clips"
        for name in ("video", "audio")
    ]
    assert sheet.to_dict()["by_modality"]["video"]["skipped"] == 1
    with pytest.raises(ManifestError, match="nothing could be evaluated: none of the 1 clips has video"):
        score_clips([voice], ToyEngine(), modalities=("video",))
