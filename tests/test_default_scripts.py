"""The scripts that prepare and train the bundled default: no test person reaches the training."""

from __future__ import annotations

import csv
import importlib.util
import itertools
import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
import soundfile
import torch

from hicmae_cli.corpora.manifest import HEADER, write_csv
from hicmae_cli.evaluation.real_check.people import deal_split

SCRIPTS = Path(__file__).parents[1] / "scripts"


def load_script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, SCRIPTS / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def varying() -> ModuleType:
    return load_script("vary_voices")


def test_variants_are_made_of_training_voices_only(
    varying: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(varying, "import_module", lambda _: SimpleNamespace())
    monkeypatch.setattr(varying, "analyse", lambda _, samples: samples)
    monkeypatch.setattr(varying, "synthesise", lambda _, samples, rng: samples / 2)
    rows = []
    for name, speaker, split in (("a", "03", ""), ("b", "08", "validation"), ("c", "11", ""), ("d", "12", "test")):
        soundfile.write(tmp_path / f"{name}.flac", np.random.default_rng(0).uniform(-0.5, 0.5, 800), 16_000)
        rows.append((name, "", f"{name}.flac", "anger", speaker, split, speaker))
    write_csv(tmp_path / "emodb.csv", HEADER, rows)

    def run(*options: str) -> list[tuple[str, str, str]]:
        monkeypatch.setattr(
            sys,
            "argv",
            ["vary", str(tmp_path / "emodb.csv"), "--output", str(tmp_path / "varied"), "--times", "1", *options],
        )
        varying.main()
        found = []
        for kind in ("originals", "variants"):
            with (tmp_path / "varied" / f"{kind}.csv").open(encoding="utf-8", newline="") as file:
                found += [(row["id"], row["speaker"], row["split"]) for row in csv.DictReader(file)]
        return found

    kept = [("b-00", "08", "validation"), ("d-00", "12", "test")]
    assert run("--test-speakers", "11") == [
        ("a-00", "03", "train"),
        ("a-00-heard", "03", "train"),
        kept[0],
        ("c-00", "11", "test"),
        kept[1],
        ("a-01", "03", "train"),
        ("a-01-heard", "03", "train"),
    ]
    written, heard = (soundfile.read(tmp_path / "varied" / f"a-01{kind}.flac")[0] for kind in ("", "-heard"))
    assert len(written) == len(heard) == 800
    assert np.abs(heard).max() == pytest.approx(1, abs=1e-3)
    assert np.abs(heard - written / np.abs(written).max()).max() > 0.01
    assert [row for row in run() if row[2] != "train"] == kept
    with pytest.raises(SystemExit):
        run("--test-speakers", "3")


def write_net(folder: Path) -> None:
    """Write the files of an expression net with drawn numbers, most of them in 8 bits."""
    rng = np.random.default_rng(0)
    sizes = (3, 32, 64, 128, 256)
    shapes: dict[str, tuple[int, ...]] = {}
    for block, (inputs, outputs) in enumerate(itertools.pairwise(sizes)):
        for layer in range(4):
            width, name = outputs if layer else inputs, f"dense{block}/conv{layer}"
            if block == layer == 0:
                shapes[f"{name}/filters"] = (3, 3, width, outputs)
            else:
                shapes[f"{name}/depthwise_filter"] = (3, 3, width, 1)
                shapes[f"{name}/pointwise_filter"] = (1, 1, width, outputs)
            shapes[f"{name}/bias"] = (outputs,)
    shapes |= {"fc/weights": (256, 7), "fc/bias": (7,)}
    entries, stored = [], b""
    for name, shape in shapes.items():
        entry: dict[str, Any] = {"name": name, "shape": shape, "dtype": "float32"}
        if name.endswith("bias"):
            stored += rng.normal(0, 0.1, shape).astype(np.float32).tobytes()
        else:
            entry["quantization"] = {"dtype": "uint8", "scale": 0.5 / 255, "min": -0.25}
            stored += rng.integers(0, 256, shape, np.uint8).tobytes()
        entries.append(entry)
    (folder / "face_expression_model.bin").write_bytes(stored)
    listed = [{"paths": ["face_expression_model.bin"], "weights": entries}]
    (folder / "face_expression_model-weights_manifest.json").write_text(json.dumps(listed), "utf-8")


def test_the_expression_net_reads_every_number_of_its_files(tmp_path: Path) -> None:
    write_net(tmp_path)
    net = load_script("face_api_net").ExpressionNet(tmp_path)
    stored = (tmp_path / "face_expression_model.bin").read_bytes()
    np.testing.assert_allclose(net.head.bias.numpy(force=True), np.frombuffer(stored[-28:], np.float32))
    first = net.blocks[0].layers[0].pointwise.weight.numpy(force=True)  # (32, 3, 3, 3)
    levels = np.frombuffer(stored, np.uint8, 864).reshape(3, 3, 3, 32)
    np.testing.assert_allclose(first, levels.transpose(3, 2, 0, 1) * (0.5 / 255) - 0.25, atol=1e-6)
    faces = [np.full((160, 160, 3), level, np.uint8) for level in (20, 120, 220)]
    said = net.judge(faces)
    np.testing.assert_allclose(said.sum(axis=1), 1, atol=1e-5)
    assert np.ptp(said, axis=0).max() > 1e-3


@pytest.fixture(scope="module")
def morphing() -> ModuleType:
    return load_script("morph_faces")


@pytest.fixture(scope="module")
def judging() -> ModuleType:
    load_script("face_api_net")
    return load_script("judge_faces")


def test_a_face_and_its_mirror_image_are_described_alike(tmp_path: Path) -> None:
    write_net(tmp_path)
    net = load_script("face_api_net").ExpressionNet(tmp_path)
    faces = [np.random.default_rng(seed).integers(0, 256, (112, 112, 3), np.uint8) for seed in range(3)]
    said, seen = net.describe(faces)
    assert said.shape == (3, 7) and seen.shape == (3, 256)
    for each, mirrored in zip((said, seen), net.describe([face[:, ::-1] for face in faces]), strict=True):
        np.testing.assert_allclose(each, mirrored, atol=1e-4)
    np.testing.assert_allclose(said[:1], (net.judge(faces[:1]) + net.judge([faces[0][:, ::-1]])) / 2, atol=1e-5)


def test_warped_points_arrive_at_their_targets(morphing: ModuleType) -> None:
    picture = np.zeros((160, 160), np.uint8)
    points = np.array([[40, 50], [100, 60], [80, 120]], np.float32)
    for x, y in points.astype(int):
        picture[y - 2 : y + 3, x - 2 : x + 3] = 255
    target = points + np.array([[6, -4], [-5, 3], [0, 7]], np.float32)
    warped = morphing.warp(picture, points, target)
    assert all(warped[y, x] > 200 for x, y in target.astype(int))
    assert all(warped[y, x] < 50 for x, y in points.astype(int))
    np.testing.assert_array_equal(morphing.warp(picture, points, points), picture)


def test_morphs_are_made_of_training_people_only(
    morphing: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng, count = np.random.default_rng(0), 40
    landmarks = rng.uniform(40, 120, (count, 478, 2)).astype(np.float16)
    rows = []
    for number in range(count):
        cv2.imwrite(str(tmp_path / f"{number:02d}.png"), rng.integers(0, 256, (160, 160, 3), np.uint8))
        label = ("neutral", "happiness", "surprise", "contempt")[number % 4]
        rows.append((f"{number:02d}.png", label, f"Person_{number}", "press"))
    write_csv(tmp_path / "manifest.csv", ("file", "label", "group", "source"), rows)
    np.savez(tmp_path / "faces.npz", landmarks=landmarks)
    trained = {row[0][:2] for row in rows if deal_split(row[2]) == "train" and row[1] != "contempt"}
    assert 0 < len(trained) < 30
    cues = [(f"photos/{row[0][:2]}", "photos", row[1], str(index / 10)) for index, row in enumerate(rows)]
    header = ("id", "source", "label", "aux_face_jawOpen", "aux_face_mouthLowerDown")
    columns = (*header, "video", "split", "speaker", "subset")
    write_csv(tmp_path / "cues.csv", columns, [(*cue, "0", "", "", "", "") for cue in cues])

    photographs = morphing.read_photographs(tmp_path, set())
    assert set(photographs.names) == trained
    np.testing.assert_allclose([photographs.first.sum(), photographs.second.sum()], 1)
    calm = [name for name in photographs.names if int(name) % 4 == 0]
    share = photographs.second[[photographs.names.index(name) for name in calm]].sum()
    assert share == pytest.approx(0.28 / (0.28 + 0.28 + 0.10))

    write_csv(
        tmp_path / "review.csv", ("file", "verdict"), [(f"{calm[-1]}.png", "wrong"), (f"{calm[0]}.png", "unsure")]
    )
    words = ["morph", str(tmp_path), "--cues", str(tmp_path / "cues.csv"), "--review", str(tmp_path / "review.csv")]
    monkeypatch.setattr(
        sys, "argv", [*words, "--output", str(tmp_path / "morphs"), "--count", "70", "--speaking", "20"]
    )
    morphing.main()
    with (tmp_path / "morphs" / "morphs.csv").open(encoding="utf-8", newline="") as file:
        made = list(csv.DictReader(file))
    assert [row["id"] for row in made] == [f"morphs/{number:06d}" for number in range(70)]
    assert {(row["split"], row["source"]) for row in made} == {("train", "morphs")}
    assert {row["speaker"] for row in made} <= {f"photos/Person_{int(name)}" for name in trained}
    # The first ones are of neutral people with an open mouth, whose label is right.
    open_mouths = {f"photos/Person_{int(name)}" for name in calm[:-1] if int(name) / 10 > 0.06}
    assert {row["speaker"] for row in made[:20]} <= open_mouths
    assert {(row["agreed"], row["agreed_share"]) for row in made[:20]} == {("neutral", "0.85")}
    assert [row["subset"] for row in made] == ["speaking"] * 20 + [""] * 50
    agreed = [row for row in made[20:] if row["agreed"]]
    assert 0 < len(agreed) < 50 and {row["agreed_share"] for row in agreed} == {"0.5"}
    assert {row["agreed"] for row in agreed} == {"neutral", "happiness"}
    wrong = f"photos/Person_{int(calm[-1])}"
    assert all(not row["agreed"] for row in made if row["speaker"] == wrong)
    mixed = [float(row["aux_face_jawOpen"]) for row in made if row["aux_face_jawOpen"]]
    assert 5 < len(mixed) < len(made)
    assert 0 <= min(mixed) < max(mixed) <= 4
    picture = cv2.imread(str(tmp_path / made[0]["video"]), cv2.IMREAD_UNCHANGED)
    assert picture is not None and picture.shape == (160, 160)

    monkeypatch.setattr(sys, "argv", [*words, "--output", str(tmp_path / "few"), "--count", "5", "--speaking", "6"])
    with pytest.raises(SystemExit):
        morphing.main()
    assert not (tmp_path / "few").exists()


def test_two_teachers_judge_photographs_and_morphs(
    judging: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((160, 160), np.uint8))
    header = ("id", "source", "label", "video")
    rows = [
        ("photos/1", "photos", "neutral", "a.png"),
        ("photos/2", "photos", "anger", "a.png"),
        ("emodb/1", "emodb", "anger", ""),
    ]
    write_csv(tmp_path / "cues.csv", header, rows)
    more = [
        ("morphs/1", "morphs", "", "a.png", "happiness", "0.5"),
        ("morphs/2", "morphs", "", "a.png", "", ""),
        ("morphs/3", "morphs", "", "a.png", "", ""),
    ]
    write_csv(tmp_path / "morphs.csv", (*header, "agreed", "agreed_share"), more)
    # neutral, happiness, sadness, anger, fear, disgust, surprise; the last face surprises.
    known = np.array([[0.2, 0, 0.2, 0.4, 0, 0, 0.2]] * 4 + [[0.1, 0, 0, 0, 0, 0, 0.9]], np.float32)
    features = np.random.default_rng(0).normal(size=(5, 256)).astype(np.float32)

    class Net:
        def __init__(self, folder: Path) -> None:
            self.said = known

        def load_state_dict(self, state: object) -> None:
            self.said = known[:, [0, 1, 3, 2, 4, 5, 6]]  # anger and sadness the other way round

        def describe(self, faces: list[object]) -> tuple[object, object]:
            assert len(faces) == len(known)
            return self.said, features

    monkeypatch.setattr(judging, "ExpressionNet", Net)
    monkeypatch.setattr(judging, "load_file", lambda path: {})
    words = ["judge", str(tmp_path / "cues.csv"), "--append", str(tmp_path / "morphs.csv"), "--face-api", "x"]
    monkeypatch.setattr(sys, "argv", [*words, "--tuned", "y", "--output", str(tmp_path / "all.csv")])
    judging.main()
    with (tmp_path / "all.csv").open(encoding="utf-8", newline="") as file:
        made = {row["id"]: row for row in csv.DictReader(file)}
    assert list(made) == ["photos/1", "photos/2", "emodb/1", "morphs/1", "morphs/2"]

    def target(name: str) -> list[float]:
        return [float(made[name][f"teacher_{label}"]) for label in ("anger", "happiness", "neutral", "sadness")]

    both = np.array([0.375, 0, 0.25, 0.375])
    assert target("photos/2") == target("morphs/2") == pytest.approx(both, abs=1e-4)
    assert target("photos/1") == pytest.approx(0.65 * both + 0.35 * np.eye(4)[2], abs=1e-4)
    assert target("morphs/1") == pytest.approx(0.5 * both + 0.5 * np.eye(4)[1], abs=1e-4)
    assert [made[name]["label"] for name in ("photos/2", "morphs/1", "morphs/2")] == ["anger", "happiness", "anger"]
    assert made["emodb/1"]["teacher_anger"] == made["emodb/1"]["aux_face_api_anger"] == ""
    odds = float(made["photos/1"]["aux_face_api_anger"]) - float(made["photos/1"]["aux_face_api_neutral"])
    assert odds == pytest.approx(np.log(2), abs=1e-3)
    assert sum(name.startswith("aux_face_feature_") for name in made["photos/1"]) == judging.COMPONENTS


def test_components_keep_the_distances_of_what_varies_most(judging: ModuleType) -> None:
    rng = np.random.default_rng(0)
    hidden = rng.normal(size=(200, 18)) * np.arange(36, 0, -2)
    features = (hidden @ np.linalg.qr(rng.normal(size=(256, 18)))[0].T + 5).astype(np.float32)
    found = judging.find_components(features)
    assert found.shape == (200, 18) and (np.diff(found.std(axis=0)) < 0).all()
    before, after = (np.linalg.norm(each[1:] - each[:-1], axis=1) for each in (features, found))
    np.testing.assert_allclose(before, after, rtol=1e-3)


def test_the_second_teacher_learns_from_people_who_are_not_tested(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    net_of = load_script("face_api_net").ExpressionNet
    load_script("morph_faces")
    tuning = load_script("tune_teacher")
    rows = []
    for number in range(40):
        label = ("neutral", "anger", "contempt", "disgust")[number % 4]
        cv2.imwrite(str(tmp_path / f"{number:02d}.png"), np.full((160, 160, 3), 60 + 120 * (number % 2), np.uint8))
        rows.append((f"{number:02d}.png", label, f"Person_{number}", "film" if number % 8 == 3 else "press"))
    write_csv(tmp_path / "manifest.csv", ("file", "label", "group", "source"), rows)
    wanted = [
        row
        for row in rows
        if deal_split(row[2]) != "test"
        and row[1] != "contempt"
        and row[1:4:2] != ("disgust", "film")
        and row[0] != "00.png"
    ]
    _, labels = tuning.read_training(tmp_path, {"00.png"})
    assert [tuning.LABELS[label] for label in labels] == [row[1] for row in wanted]

    write_net(tmp_path)
    first, net = net_of(tmp_path), net_of(tmp_path)
    for name, value in (("BATCH", 8), ("BASE_LR", 3e-3), ("OWN_SHARE", 0.0), ("WARMUP_STEPS", 1)):
        monkeypatch.setattr(tuning, name, value)
    dark, light = np.full((160, 160), 60, np.uint8), np.full((160, 160), 180, np.uint8)
    tuning.tune(net, first, [dark, light] * 20, np.array([0, 3] * 20), epochs=4, seed=0)
    with torch.no_grad():
        before, after = (
            each(tuning.to_input([dark, light])).log_softmax(dim=-1)[[0, 1], [0, 3]].sum() for each in (first, net)
        )
    assert after > before + 1
    assert torch.equal(first.head.bias, net_of(tmp_path).head.bias)
