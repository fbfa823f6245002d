"""The pre-training loop on a few tiny clips: it learns and resumes exactly, in one process or two."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
import torch

from hicmae_cli.clips.recording import Recording
from hicmae_cli.errors import ManifestError, SettingsError, TrainingError
from hicmae_cli.models.masking import draw_masks
from hicmae_cli.models.objectives import reconstruction_loss
from hicmae_cli.training.pretraining import objectives
from hicmae_cli.training.pretraining.progress import PretrainingProgress
from hicmae_cli.training.pretraining.results import PretrainingOutcome
from hicmae_cli.training.pretraining.state import StepReport
from hicmae_cli.weights.checkpoint import load_pretrained
from tests.training.toys import (
    SETTINGS,
    KilledError,
    follow,
    numbers,
    recordings_in,
    run,
    start,
    together,
    write_recordings,
)

pytestmark = pytest.mark.integration

STEPS = 9  # 3 epochs of 6 clips, 2 in a step


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    write_recordings(folder)
    return folder


@pytest.fixture
def recordings(clips: Path) -> list[Recording]:
    return recordings_in(clips)


@pytest.mark.slow
def test_a_finished_run_goes_on_at_the_rates_of_a_longer_one(recordings: list[Recording], tmp_path: Path) -> None:
    folder, whole = tmp_path / "run", tmp_path / "whole"
    longer = SETTINGS.model_copy(update={"epochs": 5})
    run(folder, recordings)
    with pytest.raises(SettingsError, match=r"epochs 3 -> 5"):
        run(folder, recordings, longer)
    assert run(folder, recordings, longer, extends=True).finished
    run(whole, recordings, longer)
    rates = [[line["learning_rate"] for line in numbers(each)] for each in (folder, whole)]
    assert rates[0][STEPS:] == rates[1][STEPS:] and len(rates[0]) == 15
    assert rates[0][STEPS] > rates[0][STEPS - 1]  # it rises where the run ended
    assert load_pretrained(folder / "last.safetensors")[1].extended_from == (3,)
    stamp = (folder / "last.safetensors").stat().st_mtime_ns
    assert run(folder, recordings, longer, extends=True).finished  # resumes: nothing is left
    assert (folder / "last.safetensors").stat().st_mtime_ns == stamp


def killer(*steps: int) -> PretrainingProgress:
    """Raise after certain steps, each once."""
    left = list(steps)

    def on_step(report: StepReport) -> None:
        if report.step in left:
            left.remove(report.step)
            raise KilledError

    return PretrainingProgress(on_step=on_step)


def test_it_learns_and_writes_the_last_and_the_best_weight(recordings: list[Recording], tmp_path: Path) -> None:
    outcome = run(tmp_path, recordings, SETTINGS.model_copy(update={"epochs": 16, "warmup_epochs": 1}))
    assert outcome.finished
    losses = numbers(tmp_path)
    assert [line["step"] for line in losses] == list(range(1, 49))
    for key in ("video_loss", "audio_loss"):
        first, last = (sum(line[key] for line in part) for part in (losses[:3], losses[-3:]))
        assert last < 0.95 * first, key  # from step to step they differ by less than 1 %
    for line in losses:
        weighted = line["video_loss"] + line["audio_loss"] + 0.1 * line["contrastive_loss"]
        assert line["loss"] == pytest.approx(weighted, rel=1e-6)
    assert outcome.weight == tmp_path / "last.safetensors"
    _, info = load_pretrained(tmp_path / "best.safetensors")
    means = [sum(line["loss"] for line in losses[i : i + 3]) / 3 for i in range(0, 48, 3)]
    assert info.metrics["pretraining"]["loss"] == pytest.approx(min(means))
    assert info.metrics["pretraining"]["epoch"] == means.index(min(means)) + 1
    assert info.task == "pretraining"
    assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir()) == [
        "step-00000046.pt",
        "step-00000048.pt",
    ]


@pytest.mark.parametrize("precision", ["no", pytest.param("bf16", marks=pytest.mark.slow)])
def test_a_killed_run_resumes_to_the_last_bit(recordings: list[Recording], tmp_path: Path, precision: str) -> None:
    # Drop path draws random numbers in every step, and pictures do in some; steps 5 and 7 are between checkpoints, 3
    # ends an epoch, 8 has a checkpoint.
    settings = SETTINGS.model_copy(update={"drop_path": 0.3, "mixed_precision": precision, "checkpoint_every": 4})
    run(tmp_path / "whole", recordings, settings)
    settings = settings.model_copy(update={"picture_every": 2})
    progress = killer(3, 5, 7, 8)
    progress.on_picture = lambda _, model: model(
        torch.randn(1, 80, 1536), torch.randn(1, 26, 256), *draw_masks(("tube", "random"), (0.9, 0.8), 0)
    )
    for _ in range(4):
        with pytest.raises(KilledError):
            run(tmp_path / "cut", recordings, settings, progress)
    assert run(tmp_path / "cut", recordings, settings, progress).finished
    assert numbers(tmp_path / "cut") == numbers(tmp_path / "whole")
    for name in ("last.safetensors", "best.safetensors"):
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("kills", [(4,), (2, 3, 5, 7, 8)])
def test_sigkill_at_any_step(clips: Path, tmp_path: Path, kills: tuple[int, ...]) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    # A kill leaves workers behind, as it would on a user's machine.
    settings = ("num_workers=1", "checkpoint_every=2")
    for step in kills:
        process = start("pretrain", cut, clips, *settings)
        follow(process, step)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        (cut / "checkpoints").mkdir(exist_ok=True)
        (cut / "checkpoints" / ".hicmae-0123456789abcdef.pt").write_bytes(b"half of a checkpoint")
    for folder in (cut, whole):
        process = start("pretrain", folder, clips, *settings)
        follow(process, STEPS)
        assert process.wait() == 0
    assert numbers(cut) == numbers(whole)
    assert not list((cut / "checkpoints").glob(".*"))
    assert (cut / "last.safetensors").read_bytes() == (whole / "last.safetensors").read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("rounds", [1, 2])
def test_two_processes_equal_one_with_the_doubled_batch(
    clips: Path, recordings: list[Recording], tmp_path: Path, rounds: int
) -> None:
    # A batch of 2 is 1 clip per process. With negatives of all processes, the contrastive loss sees 2 clips too.
    done = together(
        "pretrain", tmp_path / "two", clips, "negatives=all", f"batch_size={2 * rounds}", f"accumulation={rounds}"
    )
    assert done.returncode == 0, done.stderr
    settings = SETTINGS.model_copy(update={"negatives": "all", "batch_size": 2 * rounds, "accumulation": rounds})
    run(tmp_path / "one", recordings, settings)
    one, two = numbers(tmp_path / "one"), numbers(tmp_path / "two")
    assert len(one) == len(two) == (STEPS if rounds == 1 else 3)
    for alone, both in zip(one, two, strict=True):
        assert both == pytest.approx(alone, rel=1e-5, abs=1e-5)
    with pytest.raises(SettingsError, match="processes 2 -> 1"):
        run(tmp_path / "two", recordings, settings)


@pytest.mark.slow
def test_accumulated_rounds_equal_one_large_one(recordings: list[Recording], tmp_path: Path) -> None:
    settings = SETTINGS.model_copy(update={"contrast_weight": 0.0})
    run(tmp_path / "one", recordings, settings)
    run(tmp_path / "two", recordings, settings.model_copy(update={"accumulation": 2}))
    for whole, rounds in zip(numbers(tmp_path / "one"), numbers(tmp_path / "two"), strict=True):
        assert rounds == pytest.approx(whole, rel=1e-5, abs=1e-5)
        assert whole["contrastive_loss"] == 0


@pytest.mark.slow
def test_an_interrupt_saves_and_the_run_resumes(recordings: list[Recording], tmp_path: Path) -> None:
    def interrupt(report: StepReport) -> None:
        if report.step == 4:
            os.kill(os.getpid(), signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    stopped = run(tmp_path / "cut", recordings, SETTINGS, PretrainingProgress(on_step=interrupt))
    assert not stopped.finished
    assert stopped.step in (4, 5)  # the run notices it in the same step or the next one
    assert (tmp_path / "cut" / "checkpoints" / f"step-{stopped.step:08d}.pt").exists()
    assert signal.getsignal(signal.SIGINT) is before
    assert run(tmp_path / "cut", recordings).finished
    run(tmp_path / "whole", recordings)
    assert numbers(tmp_path / "cut") == numbers(tmp_path / "whole")


@pytest.mark.parametrize("what", [pytest.param("loss", marks=pytest.mark.slow), "gradient"])
def test_a_number_that_is_not_finite_stops_the_run(
    recordings: list[Recording], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    calls = 0

    def broken(predicted: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        nonlocal calls
        calls += 1
        loss = reconstruction_loss(predicted, target)
        if calls < 9:  # two calls a step
            return loss
        if what == "loss":
            return loss * torch.nan
        return loss + (predicted * 0).abs().sqrt().sum()  # 0, with an infinite slope

    with monkeypatch.context() as patch:
        patch.setattr(objectives, "reconstruction_loss", broken)
        with pytest.raises(
            TrainingError, match=rf"the {what} became (nan|inf) in step 5; earlier checkpoints, if any,"
        ) as caught:
            run(tmp_path, recordings)
    ids = str(caught.value).split("Clips of the step: ")[1].split(", ")
    assert len(ids) == 2
    assert set(ids) <= {recording.id for recording in recordings}
    kept = sorted(path.name for path in (tmp_path / "checkpoints").iterdir())
    assert kept == ["step-00000003.pt", "step-00000004.pt"]
    assert run(tmp_path, recordings).finished


def test_broken_recordings_are_skipped_and_listed(recordings: list[Recording], tmp_path: Path) -> None:
    (tmp_path / "broken.mkv").write_bytes(b"no clip at all")
    mixed = [
        *recordings[:3],
        Recording("bad", tmp_path / "broken.mkv", None),
        *recordings[3:5],
        Recording("gone", tmp_path / "gone.mkv", None),
    ]
    outcome = run(tmp_path / "run", mixed)
    assert outcome.finished
    assert outcome.skipped.keys() == {"bad", "gone"}
    listed = (tmp_path / "run" / "skipped.csv").read_text().splitlines()
    assert listed[0] == "id,reason"
    assert [line.split(",")[0] for line in listed[1:]] == ["bad", "gone"]


def test_a_corpus_without_a_usable_recording_is_an_error(tmp_path: Path) -> None:
    gone = [Recording(str(index), tmp_path / f"{index}.mkv", None) for index in range(5)]
    with pytest.raises(
        TrainingError, match=r"none of 5 recordings that were tried can be used: .*no such file"
    ) as caught:
        run(tmp_path / "run", gone)
    assert "\n" not in str(caught.value)


def test_a_folder_of_another_run_is_refused(recordings: list[Recording], tmp_path: Path) -> None:
    run(tmp_path, recordings)
    with pytest.raises(SettingsError, match=r"video_mask tube -> block.*choose another `output`"):
        run(tmp_path, recordings, SETTINGS.model_copy(update={"video_mask": "block"}))
    with pytest.raises(SettingsError, match="clips"):
        run(tmp_path, recordings[:-1])
    assert run(tmp_path, recordings, SETTINGS.model_copy(update={"num_workers": 1})).finished


@pytest.mark.slow
def test_a_damaged_checkpoint_is_skipped(recordings: list[Recording], tmp_path: Path) -> None:
    with pytest.raises(KilledError):
        run(tmp_path / "cut", recordings, progress=killer(7))
    newest = sorted((tmp_path / "cut" / "checkpoints").iterdir())[-1]
    newest.write_bytes(newest.read_bytes()[:1000])
    warnings: list[str] = []
    starts: list[tuple[int, int]] = []
    progress = PretrainingProgress(warn=warnings.append, on_start=lambda *start: starts.append(start))
    assert run(tmp_path / "cut", recordings, progress=progress).finished
    assert starts == [(4, STEPS)]
    assert len(warnings) == 1
    assert newest.name in warnings[0]
    run(tmp_path / "whole", recordings)
    assert numbers(tmp_path / "cut") == numbers(tmp_path / "whole")


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_the_whole_group_saves(clips: Path, tmp_path: Path, number: signal.Signals) -> None:
    # As with a terminal's Ctrl-C and a scheduler's SIGTERM, the loader's workers receive it too.
    process = start("pretrain", tmp_path, clips, "num_workers=1", "epochs=50", "checkpoint_every=1000")
    follow(process, 4)
    os.killpg(process.pid, number)
    process.communicate()
    assert process.returncode == 0
    steps = [int(path.stem[5:]) for path in (tmp_path / "checkpoints").glob("step-*.pt")]
    assert max(steps) == numbers(tmp_path)[-1]["step"]
    assert max(steps) < 100


def test_the_contrastive_loss_needs_two_clips(recordings: list[Recording], tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="the contrastive loss needs at least two clips per process"):
        run(tmp_path, recordings, SETTINGS.model_copy(update={"batch_size": 2, "accumulation": 2}))


def test_a_fine_tuned_weight_is_not_overwritten(recordings: list[Recording], tmp_path: Path) -> None:
    (tmp_path / "best.safetensors").write_bytes(b"of a fine-tuning")
    with pytest.raises(SettingsError, match="holds weights of another run; choose another `output`"):
        run(tmp_path, recordings)
    assert (tmp_path / "best.safetensors").read_bytes() == b"of a fine-tuning"


def test_batches_that_do_not_fit_are_refused(recordings: list[Recording], tmp_path: Path) -> None:
    with pytest.raises(
        SettingsError, match="batch_size 2 cannot be split evenly among 1 processes with 3 accumulation rounds"
    ):
        run(tmp_path, recordings, SETTINGS.model_copy(update={"accumulation": 3}))
    with pytest.raises(ManifestError, match="got 6 training clips, expected at least batch_size 7"):
        run(tmp_path, recordings, SETTINGS.model_copy(update={"batch_size": 7}))


@pytest.fixture(scope="module")
def usual_loss(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> float:
    """Loss of the first step with the usual settings."""
    folder = tmp_path_factory.mktemp("usual")
    run(folder, recordings_in(clips), SETTINGS.model_copy(update={"epochs": 1}))
    return float(numbers(folder)[0]["loss"])


@pytest.mark.parametrize(
    "change",
    [
        {"skip_connections": False},
        {"contrast_layers": (1,)},
        {"frame_difference": False},
        {"contrast_segments": 4},
        {"rebuilt_share": 0.5},
        {"cache_clips": True},
        {"gradient_checkpointing": True},
        {"video_mask": "dual", "audio_mask": "dual"},
        pytest.param({"compile": True}, marks=pytest.mark.slow),
    ],
)
def test_every_choice_runs(
    recordings: list[Recording], tmp_path: Path, change: dict[str, object], usual_loss: float
) -> None:
    settings = SETTINGS.model_copy(update={"epochs": 1, **change})
    outcome = run(tmp_path, recordings, settings)
    assert outcome.weight is not None
    model, info = load_pretrained(outcome.weight)
    assert info.pretraining is not None
    assert model.skips == settings.skip_connections
    same = numbers(tmp_path)[0]["loss"] == pytest.approx(usual_loss, rel=1e-6)
    assert same == (not change.keys().isdisjoint({"gradient_checkpointing", "compile", "cache_clips"}))


def test_a_run_neither_reads_nor_changes_the_global_random_state(recordings: list[Recording], tmp_path: Path) -> None:
    settings = SETTINGS.model_copy(update={"drop_path": 0.3, "epochs": 1})
    for name, seed in (("one", 1), ("two", 2)):
        torch.manual_seed(seed)
        before = torch.get_rng_state()
        run(tmp_path / name, recordings, settings)
        assert torch.equal(torch.get_rng_state(), before)
    assert numbers(tmp_path / "one") == numbers(tmp_path / "two")
    one, two = ((tmp_path / name / "last.safetensors").read_bytes() for name in ("one", "two"))
    assert one == two


def test_a_run_that_ends_during_warm_up_warns(recordings: list[Recording], tmp_path: Path) -> None:
    warnings: list[str] = []
    progress = PretrainingProgress(warn=warnings.append)
    settings = SETTINGS.model_copy(update={"epochs": 1, "warmup_epochs": 4})
    run(tmp_path / "short", recordings, settings, progress)
    assert len(warnings) == 1 and "training ends during warm-up, at about 25% of the peak" in warnings[0]
    run(tmp_path / "short", recordings, settings, progress)  # nothing is left to do
    run(tmp_path / "long", recordings, SETTINGS.model_copy(update={"epochs": 1}), progress)
    assert len(warnings) == 1


def test_an_outcome_prints_itself(recordings: list[Recording], tmp_path: Path) -> None:
    outcome = run(tmp_path, [*recordings, Recording("gone", tmp_path / "gone.mkv", None)])
    assert str(outcome).splitlines() == [
        f"pre-trained for 9 steps, weight {tmp_path / 'last.safetensors'}",
        f"1 broken recordings were skipped, listed in {tmp_path / 'skipped.csv'}",
    ]
    stopped = PretrainingOutcome(tmp_path, None, 3, 9, {})
    assert str(stopped) == f"stopped after step 3 of 9 in {tmp_path}; start again to resume"
