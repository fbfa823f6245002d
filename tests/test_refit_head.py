"""The script that fits the head of the default again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from hicmae_cli.corpora.manifest import Sample
from tests.test_default_scripts import load_script


@pytest.fixture(scope="module")
def refitting() -> ModuleType:
    load_script("face_api_net")
    return load_script("refit_head")


def make(name: str, label: str, source: str, split: str = "train") -> Sample:
    return Sample(name, Path(f"{name}.png"), Path(f"{name}.flac"), label, split=split, extra={"source": source})


def make_head(inputs: int, classes: int) -> torch.nn.Linear:
    head = torch.nn.Linear(inputs, classes)
    torch.nn.init.zeros_(head.weight)
    return head


def test_a_refitted_head_sees_rare_classes_and_keeps_the_rest(refitting: ModuleType) -> None:
    rng = np.random.default_rng(0)
    labels = ["calm"] * 190 + ["angry"] * 10
    photos = refitting.Part(
        [make(str(i), label, "photos") for i, label in enumerate(labels)], "video", 0.5, learned=True
    )
    voices = refitting.Part([make(str(i), "angry", "emodb") for i in range(50)], "audio", 0.5)
    # Faces and voices use features of their own.
    faces = np.hstack([rng.normal(size=(200, 3)) + np.repeat([0.0, 1.0], [190, 10])[:, None], np.zeros((200, 3))])
    sounds = np.hstack([np.zeros((50, 3)), rng.normal(size=(50, 3)) + 3])
    recalls = {}
    for power in (0.0, 1.0):
        head = make_head(6, 2)
        with torch.no_grad():
            head.weight[1, 3:] = -1.0
        before = head(torch.tensor(sounds, dtype=torch.float32)).softmax(dim=1)
        features = [values.astype(np.float32) for values in (faces, sounds)]
        aims = [
            refitting.aim(part, values, ["calm", "angry"], head, power)
            for part, values in zip((photos, voices), features, strict=True)
        ]
        targets, weights = (np.concatenate(each) for each in zip(*aims, strict=True))
        assert weights.sum() == pytest.approx(1.0)
        refitting.fit_head(np.concatenate(features), targets, weights, head, hold=1e-4)
        said = head(torch.from_numpy(features[0])).argmax(dim=1).numpy()
        recalls[power] = np.mean(said[190:] == 1)
        after = head(torch.from_numpy(features[1])).softmax(dim=1)
        torch.testing.assert_close(after, before, atol=0.1, rtol=0)
    assert recalls[0.0] < 0.5 < 0.7 < recalls[1.0]


def test_a_held_head_keeps_its_weights(refitting: ModuleType) -> None:
    rng = np.random.default_rng(1)
    head = torch.nn.Linear(4, 3)
    before = head.weight.detach().clone()
    targets = np.eye(3)[rng.integers(3, size=60)]
    refitting.fit_head(rng.normal(size=(60, 4)).astype(np.float32), targets, np.full(60, 1 / 60), head, hold=1e4)
    torch.testing.assert_close(head.weight, before, atol=1e-4, rtol=0)


def test_pairs_have_one_emotion_and_test_clips_are_left_out(refitting: ModuleType) -> None:
    faces = [make(f"face-{label}", label, "photos") for label in ("anger", "fear", "neutral")]
    samples = [
        *faces,
        make("tested", "anger", "photos", "test"),
        make("a", "anger", "emodb"),
        make("b", "fear", "varied"),
    ]
    parts = refitting.choose_parts(samples, clips=5, speaking=5, pairs=8, seed=0)
    photos, sounds, pairs = parts[:3]
    assert [sample.id for sample in photos.samples] == [sample.id for sample in faces]
    assert {sample.id for sample in sounds.samples} == {"a", "b"}
    assert [sample.label for sample in pairs.samples] == ["anger", "fear"] * 4
    assert {(sample.video, sample.audio) for sample in pairs.samples} == {
        (Path("face-anger.png"), Path("a.flac")),
        (Path("face-fear.png"), Path("b.flac")),
    }


def test_morphs_are_learned_where_both_teachers_are_sure_or_a_person_speaks(refitting: ModuleType) -> None:
    def judge(name: str, label: str, odds: tuple[float, float], subset: str = "") -> Sample:
        sample = make(name, label, "morphs")
        said = {
            f"aux_face_{teacher}_{each}": str(value if each == label else 0.0)
            for teacher, value in zip(("api", "tuned"), odds, strict=True)
            for each in ("neutral", "happiness", "sadness", "anger", "fear", "disgust", "surprise")
        }
        return replace(sample, extra=sample.extra | said | {"subset": subset})

    # Seven labels: log-odds of 3.2 beside zeros are a probability of 0.80, of 3.1 one of 0.79.
    samples = [
        judge("angry", "anger", (3.2, 5.0)),
        judge("sad", "sadness", (5.0, 3.2)),
        judge("sadder", "sadness", (5.0, 5.0)),
        judge("perhaps", "anger", (5.0, 3.1)),
        judge("happy", "happiness", (5.0, 5.0)),
        # Both of its photographs are labelled neutral.
        replace(judge("agreed", "anger", (5.0, 5.0)), target="neutral"),
        # What the teachers see in the face of a speaker is not learned.
        judge("talker", "neutral", (0.0, 0.0), "speaking"),
        replace(judge("loud", "anger", (5.0, 5.0), "speaking"), target="neutral"),
        make("voice", "anger", "emodb"),
    ]
    parts = refitting.choose_parts(samples, clips=5, speaking=2, pairs=8, seed=0)
    sure, speaking = parts[:2]
    assert [sample.id for sample in sure.samples] == ["angry", "sad", "sadder"] and sure.learned
    assert [sample.id for sample in speaking.samples] == ["talker", "loud"] and speaking.learned
    sure, speaking = refitting.choose_parts(samples, clips=5, speaking=1, pairs=8, seed=0)[:2]
    assert len(sure.samples) == 3 and len(speaking.samples) == 1
    assert all("morphs" not in {sample.extra["source"] for sample in part.samples} for part in parts[2:])


def test_a_face_counts_more_than_a_voice_that_disagrees(refitting: ModuleType) -> None:
    faces = [make(f"face-{label}", label, "photos") for label in ("anger", "happiness", "neutral")]
    voices = [make(f"voice-{label}", label, "emodb") for label in ("anger", "happiness")]
    part = refitting.disagree(faces, voices, 20, np.random.default_rng(0))
    assert {sample.label for sample in part.samples} == {"happiness", "neutral"} and part.modality == "av"
    said = [(sample.label, label) for sample, label in zip(part.samples, part.heard, strict=True)]
    assert set(said) == {("happiness", "anger"), ("neutral", "anger"), ("neutral", "happiness")}
    assert all(
        sample.audio == Path(f"voice-{label}.flac") for sample, (_, label) in zip(part.samples, said, strict=True)
    )
    labels = ["anger", "happiness", "neutral"]
    targets, weights = refitting.aim(part, np.zeros((20, 2), np.float32), labels, make_head(2, 3), 1.0)
    first = targets[said.index(("neutral", "anger"))]
    assert first == pytest.approx([0.25 * 0.9 + 0.1 / 3, 0.1 / 3, 0.75 * 0.9 + 0.1 / 3])
    assert weights.sum() == pytest.approx(part.share)
