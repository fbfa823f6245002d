"""``hicmae pretrain`` on a few drawn clips: what it writes, how it resumes, and what it refuses."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hicmae_cli.clips.recording import Recording
from hicmae_cli.weights.reading import read_info
from tests.cli.running import Run, hicmae

pytestmark = pytest.mark.integration

RECIPE = """
variant = "nano"
encoder_width = 32
encoder_heads = 2
encoder_depth = 2
fusion_depth = 1
decoder_width = 16
decoder_heads = 1
skip_layers = [0, 1]
batch_size = 2
num_workers = 0
epochs = 1
warmup_epochs = 0
picture_every = 1
"""


@pytest.fixture(autouse=True)
def _inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("tiny.toml").write_text(RECIPE)


def pretrain(*arguments: object) -> Run:
    return hicmae("pretrain", "--recipe", "tiny.toml", "--output", "run", "--device", "cpu", *arguments)


@pytest.mark.usefixtures("without_workers")
def test_from_drawn_clips_to_a_fine_tuned_classifier(puppets: Path) -> None:
    run = pretrain("--dataset", "puppets", "--data", puppets)
    assert run.code == 0, run.err
    assert "4 recordings of puppets, custom, 1 epochs of 2 steps of 2 clips" in run.out
    assert "pre-trained weight run/last.safetensors" in run.out
    info = read_info("run/last.safetensors")
    assert (info.task, info.dataset, info.licence, info.labels) == ("pretraining", "puppets", "MIT", ())
    assert [json.loads(line)["step"] for line in Path("run/metrics.jsonl").read_text().splitlines()] == [1, 2]
    made = [
        "curves.png",
        "pictures/step-00000001.png",
        "pictures/step-00000002.png",
        "settings.json",
        "best.safetensors",
    ]
    assert all((Path("run") / name).is_file() for name in made)
    assert list(Path("run/tensorboard").glob("events*"))

    Path("fine.toml").write_text(
        'variant = "nano"\nencoder_width = 32\nencoder_heads = 2\nencoder_depth = 2\nfusion_depth = 1\n'
        "sampling_rate = 1\nbatch_size = 2\nnum_workers = 0\nepochs = 1\n"
        "drop_video_tokens = 0.9\nmixup = 0\ncutmix = 0\n"
    )
    fine = hicmae(
        "finetune",
        "--dataset",
        "puppets",
        "--data",
        puppets,
        "--recipe",
        "fine.toml",
        "--output",
        "fine",
        "--init",
        "run/last.safetensors",
        "--device",
        "cpu",
    )
    assert fine.code == 0, fine.err
    first = next(line for line in fine.out.splitlines() if "loaded" in line)
    match = re.match(r"run/last\.safetensors: loaded (\d+) of (\d+) tensors", first)
    assert match
    taken, all_ = map(int, match.groups())
    assert all_ - taken == 6
    assert "start from scratch: video_layer_weights, audio_layer_weights, feature_norm.weight" in first
    assert re.search(r"not used: audio_decoder \(\d+ tensors\), video_decoder \(\d+ tensors\)$", first)

    seen = hicmae("predict", puppets / "raw", "--weights", "run/last.safetensors", "--json")
    assert seen.code == 1
    assert "is only pre-trained and cannot predict" in seen.last_line
    shown = hicmae("weights", "show", "run/last.safetensors")
    assert shown.code == 0, shown.err
    assert "pretraining" in shown.out


def test_broken_clips_of_a_manifest_are_skipped_and_named(puppets: Path) -> None:
    good = sorted((puppets / "prepared").glob("*.mkv"))[:3]
    Path("broken.mkv").write_bytes(b"no clip")
    lines = [f"{path.stem},{path},{path}" for path in [*good, Path("broken.mkv")]]
    Path("clips.csv").write_text("\n".join(["id,video,audio", *lines]))
    run = pretrain("--manifest", "clips.csv", "--set", "picture_every=0")
    assert run.code == 0, run.err
    assert "1 broken recordings were skipped, listed in run/skipped.csv; the first: broken: " in run.out
    assert read_info("run/last.safetensors").dataset == "clips"


def test_faces_of_a_folder_of_videos_are_cut_once(puppets: Path) -> None:
    Path("videos/sub").mkdir(parents=True)
    for index, path in enumerate(sorted((puppets / "raw").glob("*.mkv"))[:2]):
        shutil.copy(path, f"videos/{'sub/' * index}{index}.mkv")
    Path("videos/notes.mp4").write_text("no video")
    run = pretrain("--videos", "videos", "--set", "picture_every=0")
    assert run.code == 0, run.err
    assert "skipped videos/notes.mp4: " in run.out
    cut = sorted(Path("data/videos-faces").rglob("*.mkv"))
    assert [path.name for path in cut] == ["0.mkv.mkv", "1.mkv.mkv"]
    before = [path.stat().st_mtime_ns for path in cut]
    again = pretrain("--videos", "videos", "--set", "picture_every=0")
    assert again.code == 0, again.err
    assert "already finished: 1 steps" in again.out
    assert [path.stat().st_mtime_ns for path in cut] == before


def test_voxceleb2_is_read_as_it_is_distributed(puppets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from hicmae_cli.corpora.known.voxceleb2 import list_recordings

    seen: list[Recording] = []

    def watched(root: Path) -> list[Recording]:
        seen.extend(list_recordings(root))
        return seen

    monkeypatch.setattr("hicmae_cli.training.pretraining.recordings.list_recordings", watched)
    for name in ("00001", "00002"):
        for kind, suffix in (("mp4", ".mp4"), ("aac", ".m4a")):
            path = Path("vox/dev") / kind / "id00012/21Uxsk56VDQ" / (name + suffix)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"not read in this test")
    run = pretrain("--dataset", "voxceleb2", "--root", "vox")  # or --data
    assert run.code == 1
    assert "none of 2 recordings that were tried can be used" in run.last_line
    assert [(r.id, r.crop) for r in seen] == [
        (f"dev/mp4/id00012/21Uxsk56VDQ/{n}", (0, 160, 32, 192)) for n in ("00001", "00002")
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "expected exactly one of them"),
        (("--dataset", "puppets", "--videos", "."), "expected exactly one of them"),
        (("--dataset", "celebs"), "the nearest is"),
        (("--dataset", "voxceleb2"), "the folder that holds its mp4 and aac folders"),
        (("--dataset", "puppets", "--set", "bach_size=3"), "did you mean batch_size?"),
        (("--dataset", "puppets", "--set", "video_mask_ratio=1"), "hides 100 of 100"),
        (("--dataset", "puppets", "--set", "skip_layers=[0, 7]"), "skip layers 7 do not exist"),
        (("--dataset", "puppets", "--set", "epochs"), "expected key=value"),
    ],
)
def test_wrong_usage_is_one_line_and_code_2(puppets: Path, arguments: tuple[str, ...], message: str) -> None:
    run = pretrain(*arguments, *(["--data", str(puppets)] if "puppets" in arguments else []))
    assert run.code == 2
    assert message in " ".join(run.err.replace("│", " ").split())
    assert not Path("run").exists()


def test_a_folder_of_another_recipe_is_refused(puppets: Path) -> None:
    choice = ("--dataset", "puppets", "--data", puppets, "--set", "picture_every=0")
    assert pretrain(*choice).code == 0
    run = pretrain(*choice, "--seed", 7)
    assert run.code == 2
    assert "seed 0 -> 7" in run.last_line
    assert "choose another" in run.last_line


@pytest.mark.slow
def test_ctrl_c_saves_and_says_how_to_resume(puppets: Path) -> None:
    # In a separate process: a signal stops all of it.
    choice = (
        "--dataset",
        "puppets",
        "--data",
        str(puppets),
        "--recipe",
        "tiny.toml",
        "--output",
        "run",
        "--epochs",
        "200",
    )
    command = [sys.executable, "-m", "hicmae_cli.cli", "pretrain", *choice, "--set", "picture_every=0"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("epoch"):
            break
    process.send_signal(signal.SIGINT)
    out, err = process.communicate()
    assert process.returncode == 130, err
    assert "saved; give the same command again to resume" in out
    assert err == ""
    assert list(Path("run/checkpoints").glob("step-*.pt"))
