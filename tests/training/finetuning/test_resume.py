"""A run that is killed, interrupted or split over processes gives the same result; another run's folder is refused."""

from __future__ import annotations

import os
import shutil
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from hicmae_cli.corpora.manifest import Sample
from hicmae_cli.errors import SettingsError, TrainingError
from hicmae_cli.training.finetuning.progress import FinetuningProgress
from hicmae_cli.training.finetuning.transfer import Transfer
from tests.training.toys import FINETUNE_SETTINGS as SETTINGS
from tests.training.toys import LABELS, TASK, KilledError, follow, numbers, samples_in, start, together, tune, tuned

pytestmark = pytest.mark.integration


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
        pytest.param({"auxiliary_weight": 0.5, "ema_decay": 0.9, "fit_start_clips": 8}, marks=pytest.mark.slow),
        pytest.param(
            {"auxiliary_weight": 0.5, "drop_video_tokens": 0.0, "mixup": 0.8, "lora_rank": 2}, marks=pytest.mark.slow
        ),
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


SEVERAL: dict[str, Any] = {
    "epoch_clips": 12,
    "source_shares": {"puppets": 0.3, "photos": 0.4, "voices": 0.3},
    "balance": "label",
    "person_cap": 2,
    "pair_streams": 0.7,
    "pair_disagreeing": 0.3,
    "teacher_weight": 0.5,
    "loss": "symmetric_cross_entropy",
    "ema_decay": 0.5,
    "fit_start_clips": 8,
    "num_workers": 1,
}


def of_several_sources(samples: list[Sample]) -> list[Sample]:
    """The same clips: of those to train on, some with faces only, and some with sound only."""
    found = []
    for index, sample in enumerate(samples):
        source = ("puppets", "photos", "voices")[index // 2 % 3] if sample.split == "train" else "puppets"
        teacher = {"teacher_happiness": "0.9", "teacher_sadness": "0.1"} if index == 0 else {}
        changed = replace(sample, extra={"source": source, **teacher})
        kept = {"puppets": {}, "photos": {"audio": None}, "voices": {"video": None}}[source]
        found.append(replace(changed, **kept))  # type: ignore[arg-type]
    return found


@pytest.mark.slow
def test_a_killed_run_over_several_corpora_resumes_to_the_last_bit(samples: list[Sample], tmp_path: Path) -> None:
    clips, settings = of_several_sources(samples), SETTINGS.model_copy(update=SEVERAL)
    whole = tuned(tmp_path / "whole", clips, settings)
    assert len(numbers(tmp_path / "whole")) == 3 and numbers(tmp_path / "whole")[-1]["step"] == 9
    progress = killer((1, 1), (2, 1), (3, 2))
    for _ in range(3):
        with pytest.raises(KilledError):
            tuned(tmp_path / "cut", clips, settings, progress=progress)
    resumed = tuned(tmp_path / "cut", clips, settings, progress=progress)
    assert numbers(tmp_path / "cut") == numbers(tmp_path / "whole")
    assert whole.read_bytes() == resumed.read_bytes()
    with pytest.raises(SettingsError, match="corpora"):
        tuned(tmp_path / "cut", [replace(clip, extra={"source": clip.extra["source"]}) for clip in clips], settings)


@pytest.mark.slow
def test_auxiliary_targets_are_learned_and_leave_no_trace_in_the_weight(samples: list[Sample], tmp_path: Path) -> None:
    plain = tuned(tmp_path / "plain", samples)
    settings = SETTINGS.model_copy(update={"auxiliary_weight": 1.0, "epochs": 6})
    weight = tuned(tmp_path / "cues", samples, settings)
    shapes = [{name: tensor.shape for name, tensor in load_file(each).items()} for each in (plain, weight)]
    assert shapes[0] == shapes[1]
    losses = [line["auxiliary"] for line in numbers(tmp_path / "cues")]
    assert losses[-1] < losses[0] and "auxiliary" not in numbers(tmp_path / "plain")[0]
    with pytest.raises(SettingsError, match="corpora"):
        other = [replace(clip, extra={**clip.extra, "aux_face_level": "0.5"}) for clip in samples]
        tuned(tmp_path / "cues", other, settings)


@pytest.mark.slow
def test_a_regression_over_several_corpora_starts_a_classifier(samples: list[Sample], tmp_path: Path) -> None:
    clips = of_several_sources(samples)
    values = [replace(clip, target=(0.1 * (index % 2), 0.9, 0.5)) for index, clip in enumerate(clips)]
    task = replace(TASK, kind="regression", labels=("browDownLeft", "jawOpen", "mouthSmileLeft"))
    settings = SETTINGS.model_copy(update={**SEVERAL, **ALONE, "loss": "mse"})
    first = tuned(tmp_path / "values", values, settings, task)
    losses = [line["loss"] for line in numbers(tmp_path / "values")]
    assert losses[-1] < losses[0]
    taken: list[Transfer] = []
    settings = SETTINGS.model_copy(update=SEVERAL)
    tuned(tmp_path / "labels", clips, settings, init=first, progress=FinetuningProgress(on_init=taken.append))
    assert set(taken[0].fresh) == {"head.weight", "head.bias"}


ALONE = {"balance": "none", "pair_streams": 0.0, "pair_disagreeing": 0.0, "teacher_weight": 0.0}


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
@pytest.mark.parametrize("more", [{}, {"auxiliary_weight": 0.5}])
def test_two_processes_equal_one_with_the_doubled_batch(
    clips: Path, samples: list[Sample], tmp_path: Path, more: dict[str, float]
) -> None:
    keys = {**PLAIN, **more}
    done = together("finetune", tmp_path / "two", clips, *(f"{key}={value}" for key, value in keys.items()))
    assert done.returncode == 0, done.stderr
    settings = SETTINGS.model_copy(update=keys)
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
