"""``hicmae visualize reconstruction`` by its contract."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from hicmae_cli.clips import write_prepared_clip
from hicmae_cli.files import compute_sha256
from hicmae_cli.models.config import DecoderDims
from hicmae_cli.models.pretraining import PretrainingModel
from hicmae_cli.weights.checkpoint import save_pretrained
from hicmae_cli.weights.info import PretrainingFacts, WeightInfo
from tests.cli.running import Run, hicmae
from tests.embedding.toys import make_table
from tests.runtime.stubs import write_clip
from tests.weights.toys import DIMS


@pytest.fixture(scope="session")
def pretrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained model, with masks unlike the defaults."""
    torch.manual_seed(0)
    decoder = DecoderDims(16, 1, (0, 1))
    facts = PretrainingFacts(
        decoder_width=16,
        decoder_heads=1,
        skip_layers=(0, 1),
        video_mask="block",
        video_mask_ratio=0.7,
        audio_mask="frame",
        audio_mask_ratio=0.5,
    )
    info = WeightInfo(
        variant="custom",
        dims=DIMS.to_dict(),
        labels=(),
        dataset="none",
        sampling_rate=4,
        front_end="none",
        licence="MIT",
        source="a test",
        task="pretraining",
        pretraining=facts,
    )
    path = tmp_path_factory.mktemp("pretrained") / "toy.safetensors"
    save_pretrained(path, PretrainingModel(DIMS, decoder), info)
    return path


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A prepared clip of 3 s, in which every patch has contrast; read-only."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (40, 40, 3), np.uint8).repeat(4, axis=0).repeat(4, axis=1)
    faces = [np.roll(coarse, index, axis=1) for index in range(30)]
    path = tmp_path_factory.mktemp("prepared") / "clip.mkv"
    write_prepared_clip(path, faces, 10, rng.uniform(-0.5, 0.5, 48_000).astype(np.float32))
    return path


def errors(run: Run) -> dict[str, tuple[float, float]]:
    """Error of the model and of the baseline, by stream."""
    assert run.code == 0, run.err
    found = re.findall(r"error, (\w+): ([\d.]+), (?:no )?better than the mean of each patch: ([\d.]+)", run.out)
    return {name: (float(error), float(guess)) for name, error, guess in found}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_raw_video_is_rebuilt(sample: Path, pretrained: Path, here: Path) -> None:
    run = hicmae("visualize", "reconstruction", sample, "--weights", pretrained, "--device", "cpu")
    assert errors(run).keys() == {"faces", "sound"}
    assert run.out.splitlines()[0] == "hidden: 70% of the faces (block), 50% of the sound (frame)"
    assert run.out.splitlines()[-1] == "wrote speech_sample.reconstruction.png"
    assert [path.name for path in here.iterdir()] == ["speech_sample.reconstruction.png"]
    with Image.open(here / "speech_sample.reconstruction.png") as image:
        assert image.format == "PNG" and min(image.size) > 800


def test_an_untrained_model_is_no_better_than_the_mean(clip: Path, pretrained: Path, here: Path) -> None:
    run = hicmae("visualize", "reconstruction", clip, "-w", pretrained, "-o", here / "new" / "a.png")
    for error, guess in errors(run).values():
        assert error > guess > 0.1
    assert run.out.count("no better") == 2
    assert errors(run)["sound"][1] == pytest.approx(1, abs=0.05)
    assert (here / "new" / "a.png").is_file()


def test_options_choose_what_is_hidden(clip: Path, pretrained: Path, here: Path) -> None:
    shown = []
    for name, options in {"a": (), "seed": ("--seed", 1), "less": ("--mask-video", 0.5, "--mask-audio", 0.25)}.items():
        run = hicmae("visualize", "reconstruction", clip, "-w", pretrained, "-o", f"{name}.png", *options)
        assert run.code == 0, run.err
        with Image.open(here / f"{name}.png") as image:
            shown.append(np.asarray(image.convert("RGB")))
    assert "50% of the faces (block), 25% of the sound (frame)" in run.out
    assert (shown[0] != shown[1]).any()
    greys = [(picture == 0x80).all(axis=-1).sum() for picture in (shown[0], shown[2])]
    assert greys[1] / greys[0] == pytest.approx(0.5 / 0.7, rel=0.05)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--at", 99], 2, "got --at 99, expected 0 to"),
        (["--mask-video", 1], 2, "--mask-video 1, --mask-audio 0.5: mask 'block' with ratio 1.0 hides 100 of 100"),
        (["--mask-audio", -1], 2, "expected a ratio of 0 to 1, got -1"),
        (["--output", "a.jpg"], 2, "expected a name that ends in .png"),
        (["--device", "abacus"], 2, "--device abacus: torch cannot use it here"),
        (["--weights", "no-such"], 1, "no weight named 'no-such'"),
        (["--weights", "puppets-nano"], 1, "is a classifier"),
    ],
)
def test_impossible_requests_say_why(
    clip: Path, pretrained: Path, here: Path, arguments: list[str], code: int, said: str
) -> None:
    run = hicmae("visualize", "reconstruction", clip, "--weights", pretrained, *arguments)
    assert run.code == code
    assert said in " ".join(run.err.replace("│", " ").split())
    assert not any(here.iterdir())


def test_a_video_without_a_face_or_sound_is_an_error(pretrained: Path, here: Path) -> None:
    wall = write_clip(here / "wall.mkv", 3.0)
    run = hicmae("visualize", "reconstruction", wall, "-w", pretrained)
    assert (run.code, run.last_line) == (
        1,
        f"error: {wall}: no face was found from 0.22 to 2.78 s; choose another start time",
    )
    silent = write_clip(here / "silent.mkv", 3.0, loud=None)
    run = hicmae("visualize", "reconstruction", silent, "-w", pretrained)
    assert run.code == 1 and run.last_line.startswith(f"error: {silent}: no sound track")
    run = hicmae("visualize", "reconstruction", here / "absent.mp4", "-w", pretrained)
    assert run.code == 1 and "absent.mp4" in run.last_line
    assert sorted(path.name for path in here.iterdir()) == ["silent.mkv", "wall.mkv"]


def test_the_input_is_not_overwritten(clip: Path, pretrained: Path, here: Path) -> None:
    video = Path(shutil.copy(clip, here / "video.png"))  # the content matters, not the suffix
    before = compute_sha256(video)
    run = hicmae("visualize", "reconstruction", "video.png", "-w", pretrained, "-o", here / "x" / ".." / "video.png")
    assert run.code == 2 and "is the input" in " ".join(run.err.replace("│", " ").split())
    assert compute_sha256(video) == before


def test_embeddings_of_a_table_are_drawn(tmp_path: Path) -> None:
    layers = {"video_1": 4, "audio_1": 4, "video_2": 4, "audio_2": 4}
    make_table(12, layers, people=4, folds=2).save(tmp_path / "layers.npz")
    command = ("visualize", "embeddings", tmp_path / "layers.npz", "-o", tmp_path / "picture.png")
    run = hicmae(*command, "--json", tmp_path / "places.json")
    assert run.code == 0, run.err
    assert "modality gap" in run.out
    with Image.open(tmp_path / "picture.png") as picture:
        assert min(picture.size) > 500
    document = json.loads((tmp_path / "places.json").read_text())
    assert len(document["layers"]["2"]["audio"]) == 12
    wrong = hicmae("visualize", "embeddings", "-o", tmp_path / "other.png")
    assert (wrong.code, "give either a table of embeddings, or --weights" in wrong.err) == (2, True)
    wrong = hicmae(*command[:-1], tmp_path / "picture.gif")
    assert wrong.code == 2
    wrong = hicmae(*command, "--method", "pca")
    assert (wrong.code, "--method pca: expected tsne or umap" in wrong.err) == (2, True)
