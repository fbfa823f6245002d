"""Pre-training by one call: which recordings it finds, and what it writes beside the weight."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
import torch

from hicmae_cli.clips.recording import Recording
from hicmae_cli.errors import ManifestError, SettingsError, WeightsError
from hicmae_cli.media.listing import Listing
from hicmae_cli.models.build import build_pretraining_model
from hicmae_cli.recipes.settings import PretrainSettings
from hicmae_cli.records.seen import ScoredClips, find_overlap
from hicmae_cli.training.machine import seeded
from hicmae_cli.training.pretraining.loop import pretrain_recordings
from hicmae_cli.training.pretraining.progress import PretrainingProgress
from hicmae_cli.training.pretraining.recordings import RecordingList, find_recordings
from hicmae_cli.training.pretraining.run import pretrain
from hicmae_cli.training.pretraining.state import make_weight_info
from hicmae_cli.weights.checkpoint import read_state, save_pretrained
from hicmae_cli.weights.info import FRAME_FOLDERS, OUR_FRONT_END, VOXCELEB2_FRONT_END
from hicmae_cli.weights.reading import read_info
from hicmae_cli.weights.record import read_record
from tests.training.toys import SETTINGS, numbers, recordings_in, run, write_recordings

pytestmark = pytest.mark.integration

CHANGES = {key: value for key, value in SETTINGS.model_dump(mode="json").items() if value is not None}
INFO = make_weight_info(SETTINGS, "toys", "MIT", "none", "a test")


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    write_recordings(folder, 4)
    return folder


@pytest.fixture
def manifest(clips: Path, tmp_path: Path) -> Path:
    path = tmp_path / "mine.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("id", "video", "audio"))
        writer.writerows((clip.stem, clip, clip) for clip in sorted(clips.glob("*.mkv")))
        writer.writerow(("silent", next(clips.glob("*.mkv")), ""))
    return path


@pytest.mark.slow
def test_without_hooks_warnings_are_python_warnings(manifest: Path, tmp_path: Path) -> None:
    overrides = {**CHANGES, "fit_start_clips": 0}
    with pytest.warns(UserWarning, match="skipped silent"):
        pretrain(
            manifest=manifest,
            recipe="pretrain-puppets-nano",
            overrides=overrides,
            output=tmp_path / "run",
            device="cpu",
        )


def test_one_call_does_what_the_command_does(manifest: Path, clips: Path, tmp_path: Path) -> None:
    warnings: list[str] = []
    found: list[tuple[RecordingList, PretrainSettings]] = []
    pictures: list[int] = []
    progress = PretrainingProgress(
        on_recordings=lambda *each: found.append(each),
        on_picture=lambda step, _: pictures.append(step),
        warn=warnings.append,
    )
    outcome = pretrain(
        manifest=str(manifest),
        recipe="pretrain-puppets-nano",
        overrides={**CHANGES, "fit_start_clips": 0, "picture_every": 3, "epochs": 2},
        seed=5,
        output=str(tmp_path / "run"),
        licence="CC0",
        device="cpu",
        progress=progress,
    )
    assert outcome.finished and outcome.weight == tmp_path / "run" / "last.safetensors"
    assert warnings == ["skipped silent: the manifest names no sound"]
    ((recordings, settings),) = found
    assert len(recordings.recordings) == 4 and settings.seed == 5
    assert pictures == [3]
    files = {path.name for path in (tmp_path / "run").rglob("*.png")}
    assert files == {"step-00000003.png", "curves.png"}
    info = read_info(str(outcome.weight))
    assert (info.dataset, info.licence, info.front_end) == ("mine", "CC0", OUR_FRONT_END)
    assert info.source.startswith("hicmae pretrain --manifest mine.csv --recipe pretrain-puppets-nano --set ")
    assert "--set seed=5" in info.source and str(tmp_path) not in info.source

    record = read_record(tmp_path / "run")
    assert record.finished and record.run.recipe == settings.model_dump(mode="json")
    assert record.manifest == str(manifest) and record.run.data is not None and record.run.data.clips == 4
    assert record.scores == info.metrics["pretraining"]
    assert [(each.from_step, each.to_step, each.outcome) for each in record.sessions] == [(0, 4, "finished")]
    assert info.run is not None and info.run.recipe == record.run.recipe and info.run.data == record.run.data
    assert str(tmp_path) not in info.to_json() and record.sessions[0].host not in info.to_json()
    assert [(entry.dataset, entry.phase, entry.clips) for entry in info.seen] == [("mine", "pre-training", 4)]

    direct = run(tmp_path / "direct", list(recordings.recordings), settings)
    assert direct.finished
    assert numbers(tmp_path / "direct") == numbers(tmp_path / "run")


def test_a_run_that_learns_nothing_keeps_its_start(clips: Path, tmp_path: Path) -> None:
    """``init`` gives every tensor, no fold's people are trained on, and the weight lists both trainings."""
    rows = [f"{c.stem},{c},{c},{1 + index // 3},p{index}" for index, c in enumerate(sorted(clips.glob("*.mkv")))]
    (tmp_path / "list.csv").write_text("\n".join(["id,video,audio,fold,speaker", *rows]))
    before = tmp_path / "start.safetensors"
    with seeded(7, torch.device("cpu")):
        save_pretrained(before, build_pretraining_model(SETTINGS.architecture), INFO)
    outcome = pretrain(
        manifest=tmp_path / "list.csv",
        recipe="pretrain-puppets-nano",
        overrides={**CHANGES, "epochs": 1, "batch_size": 3, "base_lr": 1e-30, "picture_every": 0},
        init=before,
        fold="2",
        output=tmp_path / "run",
        device="cpu",
        progress=PretrainingProgress(),
    )
    (info, after), (_, start) = read_state(outcome.weight or pytest.fail()), read_state(before)
    assert all(torch.equal(after[name], start[name]) for name in start)
    assert [(each.dataset, each.fold, each.clips) for each in info.seen] == [("toys", "", 0), ("list", "2", 3)]
    assert info.fold == "2" and " --fold 2 --init start.safetensors" in info.source
    for fold, overlaps in (("1", True), ("2", False)):
        tested = ScoredClips("list", fold, [("p3" if fold == "2" else "p0", "x")], info.seen[1].manifest_sha256)
        assert bool(find_overlap(info.seen[1], tested, None)) is overlaps
    other = SETTINGS.model_copy(update={"decoder_width": 32})
    with pytest.raises(WeightsError, match="another architecture than the recipe: decoder "):
        pretrain_recordings(
            tmp_path / "other",
            recordings=recordings_in(clips),
            dataset="toys",
            licence="",
            front_end="",
            source="",
            settings=other,
            init=before,
            device="cpu",
        )


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "got 0 of `dataset`, `manifest` and `videos`, expected exactly one"),
        ({"dataset": "puppets", "videos": "here"}, "got 2 of"),
        ({"dataset": "crema"}, "no dataset named crema; the nearest is crema-d"),
        ({"dataset": "crema-d"}, "got no `recipe`, which only the datasets puppets and voxceleb2 imply"),
        ({"videos": "here", "recipe": "pretrain-puppets-nano", "fold": "1"}, "fold='1': only a labelled dataset"),
        ({"manifest": "a.csv"}, "got no `recipe`"),
        ({"dataset": "voxceleb2", "overrides": {"mixed_precision": "no"}}, "dataset='voxceleb2' needs `root`"),
        (
            {"dataset": "voxceleb2", "root": "here", "overrides": {"mixed_precision": "fp16"}},
            "mixed_precision='fp16' needs a GPU",
        ),
        ({"dataset": "puppets", "device": "abacus"}, "abacus"),
        ({"dataset": "puppets", "overrides": {"epoch": 3}}, "epoch"),
    ],
)
def test_parameters_that_cannot_be_used_are_refused(given: dict[str, str], message: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=message):
        pretrain(**{"device": "cpu", "output": tmp_path / "run", **given})  # type: ignore[arg-type]
    assert not any(tmp_path.iterdir())


def test_puppets_are_drawn_by_the_given_function(manifest: Path, tmp_path: Path) -> None:
    asked: list[Path] = []

    def draw(folder: Path) -> Path:
        asked.append(folder)
        return manifest

    found = find_recordings(dataset="puppets", root=tmp_path, manifest=None, videos=None, draw_puppets=draw)
    assert asked == [tmp_path]
    assert (found.name, found.licence, len(found.recordings)) == ("puppets", "MIT", 4)
    with pytest.raises(ManifestError, match="puppets make"):
        find_recordings(dataset="puppets", root=tmp_path / "none", manifest=None, videos=None)


def test_voxceleb2_is_listed_as_it_is_distributed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    video = tmp_path / "voxceleb2/dev/mp4/id1/session/00001.mp4"
    video.parent.mkdir(parents=True)
    video.touch()
    found = find_recordings(dataset="voxceleb2", root=tmp_path / "voxceleb2", manifest=None, videos=None)
    assert (found.name, found.front_end) == ("voxceleb2", VOXCELEB2_FRONT_END)
    assert found.licence.startswith("CC-BY-4.0")
    assert [recording.video for recording in found.recordings] == [video]
    monkeypatch.setenv("HICMAE_DATA", str(tmp_path))
    assert find_recordings(dataset="voxceleb2", root=None, manifest=None, videos=None) == found


def test_clips_that_are_no_prepared_files_have_an_unknown_front_end(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("id,video,audio\na,frames,a.wav\n")
    found = find_recordings(dataset=None, root=None, manifest=tmp_path / "list.csv", videos=None)
    assert (found.front_end, found.licence) == (FRAME_FOLDERS, "unknown")


def test_faces_of_videos_are_cut_into_the_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[Path, Path]] = []
    listings: list[Listing] = []

    def cut(
        folder: Path, store: Path, *, on_listing: object, **_: object
    ) -> tuple[list[Recording], list[tuple[Path, str]]]:
        calls.append((folder, store))
        on_listing(Listing([], [], []))  # type: ignore[operator]
        return [Recording("a", store / "a.mkv", None)], [(folder / "b.mp4", "no face")]

    monkeypatch.setattr("hicmae_cli.training.pretraining.recordings.prepare_videos", cut)
    folder = tmp_path / "interviews"
    for root, store in ((None, Path("data/interviews-faces")), (tmp_path / "faces", tmp_path / "faces")):
        found = find_recordings(dataset=None, root=root, manifest=None, videos=folder, on_listing=listings.append)
        assert calls[-1] == (folder, store)
        assert found.skipped == ((str(folder / "b.mp4"), "no face"),)
        assert (found.name, found.front_end) == ("interviews", OUR_FRONT_END)
    assert len(listings) == 2
