"""Weight files: round trips, strictness, and hostile ones."""

from __future__ import annotations

import argparse
import json
import os
import resource
import stat
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from hicmae_cli.errors import WeightsError
from hicmae_cli.models.classifier import Classifier
from hicmae_cli.models.config import DecoderDims, ModelDims
from hicmae_cli.models.pretraining import PretrainingModel
from hicmae_cli.weights import checkpoint
from hicmae_cli.weights.authors import infer_decoder, to_our_names
from hicmae_cli.weights.checkpoint import (
    load_classifier,
    load_pretrained,
    read_authors_model,
    read_state,
    save_classifier,
    save_pretrained,
)
from hicmae_cli.weights.info import METADATA_KEY, PretrainingFacts, WeightInfo
from tests import reference
from tests.weights.toys import save_toy

MANIFEST = reference.read_json("manifest.json")


def toy_state(phase: str = "finetune") -> dict[str, torch.Tensor]:
    """A model of the authors' in their names; ``phase`` is ``finetune`` or ``pretrain``."""
    shapes = MANIFEST[phase]["toy"]["state_dict"]
    return {k: torch.from_numpy(v) for k, v in reference.state_dict(shapes).items()}


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    return save_toy(tmp_path / "w.safetensors")


def test_round_trip(saved: Path) -> None:
    model, info = load_classifier(saved)
    again = saved.with_name("again.safetensors")
    save_classifier(again, model, info)
    assert again.read_bytes() == saved.read_bytes()
    assert not model.training
    assert sorted(p.name for p in saved.parent.iterdir()) == ["again.safetensors", "w.safetensors"]


@pytest.mark.skipif(os.name != "posix", reason="a umask is POSIX's")
@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_a_written_weight_follows_the_umask(saved: Path, umask: int, mode: int) -> None:
    model, info = load_classifier(saved)
    before = os.umask(umask)
    try:
        save_classifier(saved.with_name("again.safetensors"), model, info)
    finally:
        os.umask(before)
    assert stat.S_IMODE(saved.with_name("again.safetensors").stat().st_mode) == mode


@pytest.mark.parametrize("fault", ["missing", "misshapen"])
def test_misfit_files_are_refused_with_a_list(saved: Path, fault: str) -> None:
    with safe_open(saved, framework="pt") as file:
        metadata = file.metadata()
        state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    if fault == "missing":
        del state["head.bias"]
        del state["video_encoder.patches.weight"]
    else:
        state["head.bias"] = torch.zeros(9)
    save_file(state, saved, metadata)
    with pytest.raises(WeightsError, match=f"{fault}.*head.bias") as caught:
        load_classifier(saved)
    assert fault == "misshapen" or "missing video_encoder.patches.weight" in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"garbage" * 100, b"\xff" * 64])
def test_broken_files_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=r"w\.safetensors"):
        load_classifier(path)


def test_metadata_that_lies_about_the_size_is_refused(saved: Path) -> None:
    model, info = load_classifier(saved)
    lying = info.model_copy(update={"dims": {**info.dims, "depth": 3}})
    save_file(model.state_dict(), saved, {METADATA_KEY: lying.to_json()})
    with pytest.raises(WeightsError, match=r"missing video_encoder\.blocks\.2"):
        load_classifier(saved)


def test_authors_checkpoints_are_taken_in(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint-best.pth"
    torch.save({"model": toy_state(), "epoch": 3, "args": argparse.Namespace(lr=1e-3, model="x"), "scaler": {}}, path)
    model = read_authors_model(path, heads=4)
    assert isinstance(model, Classifier)
    assert model.dims == ModelDims(width=64, heads=4, depth=4)
    for name, tensor in to_our_names(toy_state()).items():
        assert torch.equal(model.state_dict()[name], tensor)


def test_authors_pretrained_checkpoints_are_taken_in(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint-99.pth"
    torch.save({"model": toy_state("pretrain"), "epoch": 99, "args": argparse.Namespace(mask_ratio=0.9)}, path)
    model = read_authors_model(path, heads=4)
    assert isinstance(model, PretrainingModel)
    assert model.dims == ModelDims(width=64, heads=4, depth=4)
    assert (model.decoder_dims.width, model.decoder_dims.skip_layers, model.skips) == (48, (1, 3), True)
    ours = to_our_names(toy_state("pretrain"))
    assert ours.keys() == model.state_dict().keys()
    assert all(torch.equal(model.state_dict()[name], tensor) for name, tensor in ours.items())


@pytest.mark.parametrize(("depth", "layers"), [(10, (3, 6, 9)), (6, (1, 3, 5))])
def test_the_layers_decoders_read_are_the_papers(depth: int, layers: tuple[int, ...]) -> None:
    shapes: dict[str, tuple[int, ...]] = {f"video_decoder.blocks.{i}.mlp_norm.weight": (384,) for i in range(4)}
    shapes["video_decoder.entry.weight"] = (384, 512)
    decoder, skips = infer_decoder(shapes, ModelDims(512, 8, depth))
    assert decoder == DecoderDims(384, 6, layers)
    assert not skips


def pretrained(path: Path, **changes: object) -> PretrainingModel:
    model = PretrainingModel(ModelDims(32, 1, 2, 1), DecoderDims(16, 1, (0, 1)))
    facts = PretrainingFacts(decoder_width=16, decoder_heads=1, skip_layers=(0, 1))
    info = {
        "variant": "custom",
        "dims": model.dims.to_dict(),
        "labels": (),
        "dataset": "toys",
        "sampling_rate": 4,
        "front_end": "none",
        "licence": "MIT",
        "source": "a test",
        "task": "pretraining",
        "pretraining": facts,
    }
    save_pretrained(path, model, WeightInfo.model_validate({**info, **changes}))
    return model


def test_a_pretrained_weight_makes_the_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "p.safetensors"
    model = pretrained(path)
    loaded, info = load_pretrained(path)
    assert all(torch.equal(loaded.state_dict()[name], tensor) for name, tensor in model.state_dict().items())
    assert (info.task, info.labels) == ("pretraining", ())
    assert info.pretraining is not None
    assert info.pretraining.decoder_dims == model.decoder_dims


def test_the_two_kinds_of_weight_are_told_apart(saved: Path, tmp_path: Path) -> None:
    pretrained(tmp_path / "p.safetensors")
    with pytest.raises(WeightsError, match="is only pre-trained and cannot predict; fine-tune it first"):
        load_classifier(tmp_path / "p.safetensors")
    with pytest.raises(WeightsError, match="is a classifier without decoders"):
        load_pretrained(saved)


@pytest.mark.parametrize("changes", [{"labels": ("joy",)}, {"pretraining": None}, {"task": "classification"}])
def test_metadata_that_mixes_the_kinds_is_refused(tmp_path: Path, changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"labels|pre-trained weight"):
        pretrained(tmp_path / "p.safetensors", **changes)


class Intruder:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {self.marker}",)


def test_pickled_code_is_not_run(tmp_path: Path) -> None:
    path, marker = tmp_path / "evil.pth", tmp_path / "pwned"
    torch.save({"model": toy_state(), "args": Intruder(marker)}, path)
    with pytest.raises(WeightsError, match=r"refused: contains posix\.system; expected") as refusal:
        read_authors_model(path)
    assert "weights_only" not in str(refusal.value)  # no advice to switch the protection off
    assert not marker.exists()


def test_other_classes_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.pth"
    torch.save({"model": toy_state(), "args": torch.nn.Linear(1, 1)}, path)
    with pytest.raises(WeightsError, match="refused"):
        read_authors_model(path)


@pytest.mark.parametrize("change", ["missing", "misshapen", "pretrained", "empty", "list"])
def test_authors_checkpoints_that_do_not_fit_are_refused(tmp_path: Path, change: str) -> None:
    state = toy_state()
    if change == "missing":
        del state["encoder.blocks.0.attn.q_bias"]
    elif change == "misshapen":
        state["fc_norm.weight"] = torch.zeros(7)
    elif change == "pretrained":
        del state["head.weight"], state["head.bias"]
    elif change == "empty":
        state = {}
    path = tmp_path / "c.pth"
    torch.save([1, 2] if change == "list" else {"model": state}, path)
    with pytest.raises(WeightsError, match=r"c\.pth|not an authors"):
        read_authors_model(path, heads=4)


def test_sizes_are_not_believed_before_the_tensors_bear_them_out(saved: Path) -> None:
    """A small file that claims a network of many GB is refused at once, by the list of what it lacks."""
    with safe_open(saved, framework="pt") as file:
        state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        facts = json.loads(file.metadata()[METADATA_KEY])
    facts["dims"] = {"width": 8192, "heads": 1, "depth": 128, "fusion_depth": 2}
    save_file(state, saved, metadata={METADATA_KEY: json.dumps(facts)})
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(WeightsError, match="nothing was loaded"):
        load_classifier(saved)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb < 500_000


def test_a_scalar_in_the_place_of_a_tensor_is_refused(tmp_path: Path) -> None:
    state = toy_state() | {"encoder.patch_embed.proj.weight": torch.tensor(1.0)}
    torch.save({"model": state}, tmp_path / "c.pth")
    with pytest.raises(WeightsError, match="not an authors"):
        read_authors_model(tmp_path / "c.pth")


@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.int64, torch.bool, torch.complex64])
def test_only_floats_are_taken(saved: Path, dtype: torch.dtype) -> None:
    with safe_open(saved, framework="pt") as file:
        metadata = file.metadata()
        state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    save_file({**state, "head.bias": state["head.bias"].to(dtype)}, saved, metadata)
    for load in (load_classifier, read_state):
        with pytest.raises(WeightsError, match=r"w\.safetensors: head\.bias has the type .*, expected F32, F16"):
            load(saved)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_all_floats_are_taken(saved: Path, dtype: torch.dtype) -> None:
    with safe_open(saved, framework="pt") as file:
        metadata = file.metadata()
        state = {name: file.get_tensor(name).to(dtype) for name in file.keys()}  # noqa: SIM118
    save_file(state, saved, metadata)
    loaded = load_classifier(saved)[0].state_dict()
    assert all(torch.equal(loaded[name], tensor.float()) for name, tensor in state.items())


def test_a_tensor_that_does_not_belong_is_not_even_read(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with safe_open(saved, framework="pt") as file:
        metadata = file.metadata()
        state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    save_file({**state, "\x1b[31mlarge": torch.zeros(1_000_000)}, saved, metadata)
    monkeypatch.setattr(checkpoint, "read_state", lambda _: pytest.fail("the tensors were read"))
    with pytest.raises(WeightsError, match=r"unknown \\x1b\[31mlarge \(1000000,\)"):
        load_classifier(saved)
