"""A run that is killed, interrupted or split over processes gives the same result; another run's folder is refused."""

from __future__ import annotations

import os
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from hicmae_cli.corpora.manifest import Sample
from hicmae_cli.errors import SettingsError, TrainingError
from hicmae_cli.training.finetuning.progress import FinetuningProgress
from tests.training.toys import FINETUNE_SETTINGS as SETTINGS
from tests.training.toys import LABELS, TASK, KilledError, follow, numbers, samples_in, start, together, tune, tuned


def killer(*steps: tuple[int, int]) -> FinetuningProgress:
    """Raise after certain (epoch, step), each once."""
    left = list(steps)

    def on_step(epoch: int, step: int, *_: object) -> None:
        if (epoch, step) in left:
            left.remove((epoch, step))
            raise KilledError

    return FinetuningProgress(on_step=on_step)


@pytest.mark.parametrize(
    "change",
    [
        {"checkpoint_every": 1},
        pytest.param({"mixed_precision": "bf16", "ema_decay": 0.9}, marks=pytest.mark.slow),
        pytest.param(
            {"drop_video_tokens": 0.0, "mixup": 0.8, "cutmix": 1.0, "mix_audio": True, "fit_start_clips": 8},
            marks=pytest.mark.slow,
        ),
        pytest.param(
            {"modality": "audio", "mixed_precision": "bf16", "ema_decay": 0.9, "fit_start_clips": 8},
            marks=pytest.mark.slow,
        ),
        pytest.param({"modality": "video", "drop_video_tokens": 0.0, "mixup": 0.8}, marks=pytest.mark.slow),
    ],
)
def test_a_killed_run_resumes_to_the_last_bit(samples: list[Sample], tmp_path: Path, change: dict[str, object]) -> None:
    settings = SETTINGS.model_copy(update=change)
    whole = tuned(tmp_path / "whole", samples, settings)
    progress = killer((1, 1), (2, 1), (3, 2))
    for _ in range(3):
        with pytest.raises(KilledError):
            tuned(tmp_path / "cut", samples, settings, progress=progress)
    resumed = tuned(tmp_path / "cut", samples, settings, progress=progress)
    assert numbers(tmp_path / "cut") == numbers(tmp_path / "whole")
    assert whole.read_bytes() == resumed.read_bytes()


@pytest.mark.slow
def test_sigkill_between_checkpoints(clips: Path, tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    process = start("finetune", cut, clips, "num_workers=1", "checkpoint_every=1")
    follow(process, 3)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    for folder in (cut, whole):
        process = start("finetune", folder, clips, "num_workers=1", "checkpoint_every=1")
        follow(process, 6)
        assert process.wait() == 0
    assert numbers(cut) == numbers(whole)
    assert (cut / "best.safetensors").read_bytes() == (whole / "best.safetensors").read_bytes()


# Without the random draws that differ between processes, and without dropped tokens.
PLAIN = {"drop_path": 0.0, "drop_video_tokens": 0.0, "drop_audio_tokens": 0.0}


@pytest.mark.slow
def test_two_processes_equal_one_with_the_doubled_batch(clips: Path, samples: list[Sample], tmp_path: Path) -> None:
    done = together("finetune", tmp_path / "two", clips, *(f"{key}={value}" for key, value in PLAIN.items()))
    assert done.returncode == 0, done.stderr
    settings = SETTINGS.model_copy(update=PLAIN)
    tuned(tmp_path / "one", samples, settings)
    one, two = numbers(tmp_path / "one"), numbers(tmp_path / "two")
    assert len(one) == len(two) == 3
    for alone, both in zip(one, two, strict=True):
        assert both == pytest.approx(alone, rel=1e-4, abs=1e-5)
    with pytest.raises(SettingsError, match="processes 2 -> 1"):
        tuned(tmp_path / "two", samples, settings)


@pytest.mark.slow
def test_accumulated_rounds_equal_one_large_one(samples: list[Sample], tmp_path: Path) -> None:
    settings = SETTINGS.model_copy(update=PLAIN)
    tuned(tmp_path / "one", samples, settings)
    tuned(tmp_path / "two", samples, settings.model_copy(update={"accumulation": 2}))
    for whole, rounds in zip(numbers(tmp_path / "one"), numbers(tmp_path / "two"), strict=True):
        assert rounds == pytest.approx(whole, rel=1e-4, abs=1e-5)


@pytest.mark.slow
def test_an_interrupted_run_is_saved_and_resumes(samples: list[Sample], tmp_path: Path) -> None:
    def interrupt(epoch: int, step: int, *_: object) -> None:
        if (epoch, step) == (2, 1):
            os.kill(os.getpid(), signal.SIGINT)

    stopped = tune(tmp_path / "cut", samples, SETTINGS, progress=FinetuningProgress(on_step=interrupt))
    assert not stopped.finished
    assert stopped.step in (3, 4)  # it stops after the step in which the signal comes, or after the next
    assert tune(tmp_path / "cut", samples).finished
    tuned(tmp_path / "whole", samples)
    assert numbers(tmp_path / "cut") == numbers(tmp_path / "whole")


@pytest.fixture(scope="module")
def finished_run(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run, to copy."""
    return tuned(tmp_path_factory.mktemp("finished") / "run", samples_in(clips)).parent


@pytest.fixture
def finished(finished_run: Path, tmp_path: Path) -> Path:
    """A finished run in ``run``, to change -> its weight."""
    shutil.copytree(finished_run, tmp_path / "run")
    return next((tmp_path / "run").glob("*.safetensors"))


def test_a_finished_run_does_nothing_more(samples: list[Sample], finished: Path, tmp_path: Path) -> None:
    first = finished.read_bytes()
    epochs: list[int] = []
    again = tuned(tmp_path / "run", samples, progress=FinetuningProgress(on_epoch=lambda r: epochs.append(r.epoch)))
    assert epochs == []
    assert again.read_bytes() == first


@pytest.mark.usefixtures("finished")
def test_other_settings_in_the_same_folder_are_refused(samples: list[Sample], tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="seed 0 -> 1"):
        tuned(tmp_path / "run", samples, SETTINGS.model_copy(update={"seed": 1}))


def test_other_labels_clips_or_starts_in_the_same_folder_are_refused(
    samples: list[Sample], finished: Path, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError, match="clips"):
        tuned(tmp_path / "run", [s for s in samples if s.id != "00"])
    with pytest.raises(SettingsError, match="init None -> "):
        tuned(tmp_path / "run", samples, init=finished)
    with pytest.raises(SettingsError, match="labels"):
        tuned(tmp_path / "run", samples, task=replace(TASK, labels=LABELS[::-1]))


def test_an_export_of_an_earlier_epoch_is_not_kept(samples: list[Sample], tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    stale = tmp_path / "run" / "best.onnx"
    stale.write_bytes(b"of another run")
    tuned(tmp_path / "run", samples)
    assert not stale.exists()


def test_a_finished_folder_without_its_weight_is_refused(samples: list[Sample], tmp_path: Path) -> None:
    short = SETTINGS.model_copy(update={"epochs": 1})
    tuned(tmp_path / "run", samples, short).unlink()
    with pytest.raises(TrainingError, match="choose another `output`, or remove the folder"):
        tuned(tmp_path / "run", samples, short)
