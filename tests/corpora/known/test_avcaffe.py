from __future__ import annotations

from pathlib import Path

import pytest

from hicmae_cli.corpora.known.avcaffe import AVCAFFE_AROUSAL, AVCAFFE_VALENCE
from hicmae_cli.errors import ManifestError
from tests.corpora.fake_media import put_video
from tests.corpora.fakes import make_fake


def test_what_is_decided_as_one(tmp_path: Path) -> None:
    for item in make_fake("avcaffe-valence", tmp_path, media=False):
        person, task, number = item.id.split("_")[: AVCAFFE_VALENCE.merge_by]
        assert (item.speaker, item.extra["task"]) == (person, f"{task}_{number}")


def test_twenty_people_are_tested(tmp_path: Path) -> None:
    lines = []
    for number in range(1, 109):
        person = f"aiim{number:03d}"
        put_video(
            tmp_path / "videos/shorter_segments" / person / "task_1" / f"{person}_task_1_clip_001.avi", media=False
        )
        lines.append(f"{person}_task_1, Wide-awake\n")
    (tmp_path / "ground_truths").mkdir()
    (tmp_path / "ground_truths" / "arousal.txt").write_text("id, arousal\n" + "".join(lines))
    (tmp_path / "info").mkdir()
    (tmp_path / "info" / "no_audio_files.txt").write_text("")
    items = AVCAFFE_AROUSAL.items(tmp_path)
    assert {item.label for item in items} == {"wide-awake"}
    tested = [item.speaker for item in items if item.split == "test"]
    assert len(tested) == 20
    assert tested[:4] == ["aiim001", "aiim002", "aiim013", "aiim014"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("aiim001_task_1, Sleepy", "line 2: unknown label 'Sleepy'; expected Excited, Wide-awake"),
        ("aiim001_task_1 Calm", "line 2: expected `<person>_<task>, <label>`"),
        ("aiim001_task_1, Calm, 3", "line 2: expected `<person>_<task>, <label>`"),
        ("../aiim001_task_1, Calm", "line 2: expected `<person>_<task>, <label>`"),
        ("aiim003_task_1, Calm", "line 2: aiim003_task_1 occurs twice"),
    ],
)
def test_malformed_answers(line: str, said: str, tmp_path: Path) -> None:
    make_fake("avcaffe-arousal", tmp_path, labels=1, media=False)
    path = tmp_path / "ground_truths" / "arousal.txt"
    path.write_text(f"aiim003_task_1, Excited\n{line}\n")
    with pytest.raises(ManifestError) as caught:
        AVCAFFE_AROUSAL.items(tmp_path)
    assert str(caught.value).startswith(f"{path}, {said}")


def test_a_clip_nobody_answered_for(tmp_path: Path) -> None:
    make_fake("avcaffe-arousal", tmp_path, labels=1, media=False)
    (tmp_path / "ground_truths" / "arousal.txt").write_text("aiim003_task_1, Excited\n")
    with pytest.raises(
        ManifestError, match=r"aiim001_task_1_clip_001\.avi: aiim001_task_1 has no line in .*arousal\.txt"
    ):
        AVCAFFE_AROUSAL.items(tmp_path)


@pytest.mark.parametrize("name", ["holiday", "aiim002_task_1_clip_001", "aiim001_task_2_clip_001"])
def test_a_clip_in_the_wrong_place(name: str, tmp_path: Path) -> None:
    make_fake("avcaffe-arousal", tmp_path, labels=1, media=False)
    put_video(tmp_path / "videos/shorter_segments/aiim001/task_1" / f"{name}.avi", media=False)
    with pytest.raises(ManifestError, match=rf"{name}\.avi: expected a name <person>_<task>_clip_<number>"):
        AVCAFFE_AROUSAL.items(tmp_path)
