"""A weight that is stored under a name keeps its past: nothing in its metadata can be washed off."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open

from hicmae_cli.errors import MissingDependencyError, SettingsError, WeightsError
from hicmae_cli.weights.adding import add_weight, parse_relabel
from hicmae_cli.weights.catalogue import locate_stored
from hicmae_cli.weights.checkpoint import load_classifier, read_state
from hicmae_cli.weights.importing import import_weight
from hicmae_cli.weights.info import METADATA_KEY, WeightInfo
from hicmae_cli.weights.reading import read_info

pytestmark = pytest.mark.integration

PAST = {
    "labels": ("anger", "happiness", "sadness"),
    "dataset": "crema-d",
    "licence": "CC BY-NC 4.0",
    "selection": "test-best",
    "modality": "audio",
    "fold": "1",
    "metrics": {"validation": {"uar": 0.5}},
}


def write(path: Path, toy: Path, **fields: Any) -> Path:
    """Write the toy weight with other metadata, as safetensors or, without its tensors' meaning, as onnx."""
    info = read_info(str(toy)).model_copy(update={**PAST, **fields})
    if path.suffix == ".onnx":
        import onnx

        proto = onnx.load(toy.with_suffix(".onnx"))
        onnx.helper.set_model_props(proto, {METADATA_KEY: info.to_json(), "other": "kept"})
        onnx.save(proto, path)
        return path
    from hicmae_cli.weights.checkpoint import save_classifier

    model, _ = load_classifier(toy)
    save_classifier(path, model, info)
    return path


@pytest.fixture(params=[".safetensors", ".onnx"])
def file(request: pytest.FixtureRequest, toy: Path, tmp_path: Path) -> Path:
    return write(tmp_path / f"best{request.param}", toy)


def stored(name: str, file: Path) -> Path:
    return locate_stored(name, file.suffix)


def test_a_copy_is_the_same_file(file: Path) -> None:
    info = add_weight(file, "mine")
    assert stored("mine", file).read_bytes() == file.read_bytes()
    assert read_info("mine") == info == read_info(str(file))
    assert [path.name for path in stored("mine", file).parent.glob("mine*")] == [f"mine{file.suffix}"]


def test_the_folder_of_a_run_stands_for_its_best_weight(toy: Path, tmp_path: Path) -> None:
    write(tmp_path / "last.safetensors", toy, selection="last")
    best = write(tmp_path / "best.safetensors", toy)
    add_weight(tmp_path, "mine")
    assert stored("mine", best).read_bytes() == best.read_bytes()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"dataset": "mafw"}, "dataset='mafw': the file says crema-d"),
        ({"licence": "MIT"}, "licence='MIT': the file says CC BY-NC"),
        ({"sampling_rate": 1}, "sampling_rate=1: the file says 4"),
        ({"source": "my own"}, "source='my own': the file says a test"),
        ({"heads": 1}, "heads=1: the file says 2"),
        ({"labels": ["SAD", "HAP", "ANG"]}, r"labels='SAD,HAP,ANG': the file holds the order anger, .* use `relabel`"),
        ({"labels": ["a", "b", "c"]}, "the file holds the order anger, happiness, sadness"),
        ({"labels": ["anger"]}, "the file holds the order anger, happiness, sadness"),
        ({"relabel": {"anger": "sadness", "sadness": "anger"}}, "anger=sadness would give a label the name of another"),
        ({"relabel": {"anger": "happy"}}, "anger=happiness would give a label the name of another"),
        ({"relabel": {"disgust": "rage"}}, "has no label disgust; its labels are anger, happiness, sadness"),
        ({"relabel": {"anger": "\x1b[31m"}}, "expected distinct, short and printable label names"),
    ],
)
def test_what_contradicts_the_file_is_refused(file: Path, given: dict[str, Any], message: str) -> None:
    with pytest.raises(WeightsError, match=message) as caught:
        add_weight(file, "mine", **given)
    assert "best" in str(caught.value) and str(caught.value).isprintable()
    assert not stored("mine", file).exists()


def test_what_agrees_with_the_file_is_accepted(file: Path) -> None:
    info = add_weight(file, "mine", labels=["ANG", "HAP", "SAD"], dataset="crema-d", sampling_rate=4, heads=2)
    assert info == read_info(str(file))


def test_unknown_fields_can_be_filled_in_once(toy: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "w.safetensors", toy, dataset="unknown", licence="unknown")
    info = add_weight(path, "mine", dataset="mafw")
    assert (info.dataset, info.licence, info.filled_in) == ("mafw", "unknown", ("dataset",))
    assert read_info("mine") == info
    with pytest.raises(WeightsError, match="dataset='dfew': the file says mafw"):
        add_weight("mine", "other", dataset="dfew")
    assert add_weight("mine", "other", licence="MIT").filled_in == ("dataset", "licence")


def test_renamed_labels_are_recorded_and_all_else_stays(file: Path) -> None:
    info = add_weight(file, "mine", relabel={"ANG": "Rage", "sadness": "sorrow"})
    assert info.labels == ("rage", "happiness", "sorrow")
    assert info.relabelled == {"rage": "anger", "sorrow": "sadness"}
    kept = {"labels", "relabelled"}
    assert info.model_dump(exclude=kept) == read_info(str(file)).model_dump(exclude=kept)
    assert read_info("mine") == info
    if file.suffix == ".safetensors":
        before, after = (read_state(path)[1] for path in (file, stored("mine", file)))
        assert before.keys() == after.keys() and all(torch.equal(before[name], after[name]) for name in before)
    else:
        import onnx

        protos = [onnx.load(path) for path in (file, stored("mine", file))]
        assert protos[0].graph == protos[1].graph
        assert {entry.key: entry.value for entry in protos[1].metadata_props}["other"] == "kept"


def test_labels_cannot_be_permuted_step_by_step(toy: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "w.safetensors", toy)
    add_weight(path, "one", relabel={"anger": "rage"})
    with pytest.raises(WeightsError, match="sadness=anger would give a label the name of another"):
        add_weight("one", "two", relabel={"sadness": "anger"})
    assert add_weight("one", "two", relabel={"rage": "fury"}).relabelled == {"fury": "anger"}
    assert add_weight("two", "three", relabel={"fury": "anger"}) == read_info(str(path))


def test_a_record_of_renaming_that_cannot_be_is_refused(toy: Path) -> None:
    info = {**read_info(str(toy)).to_dict(), "relabelled": {"nobody": "anger"}}
    with pytest.raises(WeightsError, match="relabelled: expected present labels"):
        WeightInfo.from_metadata({METADATA_KEY: json.dumps(info)}, toy)


def test_the_header_stays_aligned(toy: Path, tmp_path: Path) -> None:
    """Readers map the numbers into memory, where they must start at a multiple of 8."""
    path = write(tmp_path / "w.safetensors", toy)
    for length in range(1, 9):
        add_weight(path, "mine", relabel={"anger": "x" * length}, force=True)
        copy = stored("mine", path)
        assert int.from_bytes(copy.read_bytes()[:8], "little") % 8 == 0
        with safe_open(copy, framework="np") as opened:
            assert opened.metadata().keys() == {METADATA_KEY}


def test_a_new_weight_replaces_every_file_of_the_name(toy: Path, tmp_path: Path) -> None:
    onnx, torch_file = (write(tmp_path / f"w{suffix}", toy) for suffix in (".onnx", ".safetensors"))
    add_weight(onnx, "mine")
    with pytest.raises(WeightsError, match="a weight with this name exists"):
        add_weight(torch_file, "mine")
    add_weight(torch_file, "mine", force=True)
    assert not stored("mine", onnx).exists() and stored("mine", torch_file).exists()


def test_a_hicmae_weight_is_no_authors_checkpoint(toy: Path, tmp_path: Path) -> None:
    """Neither under its own name, nor renamed, nor as the bare tensors of a training checkpoint."""
    path = write(tmp_path / "w.safetensors", toy)
    renamed = tmp_path / "w.pth"
    renamed.write_bytes(path.read_bytes())
    bare = tmp_path / "step-00000010.pt"
    torch.save({"model": read_state(path)[1]}, bare)
    for washed, why in ((path, "is a hicmae weight"), (renamed, "w.pth"), (bare, "the tensors of a hicmae model")):
        with pytest.raises(WeightsError, match=why):
            import_weight(washed, "mine", ("a", "b", "c"), heads=2)
    assert not stored("mine", path).exists()


def test_changed_metadata_of_an_onnx_file_need_onnx(
    toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hide: Callable[[str], None]
) -> None:
    path = write(tmp_path / "w.onnx", toy)
    hide("onnx")
    add_weight(path, "mine")
    with pytest.raises(MissingDependencyError, match="changing its metadata needs onnx"):
        add_weight(path, "other", relabel={"anger": "rage"})


@pytest.fixture
def hide(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    import sys

    return lambda name: monkeypatch.setitem(sys.modules, name, None)


def test_pairs_are_read(tmp_path: Path) -> None:
    assert parse_relabel("ANG=rage, sad = sorrow") == {"anger": "rage", "sadness": "sorrow"}
    for text in ("", "anger", "anger=", "=rage", "anger=rage,ANG=fury", "anger=rage,"):
        with pytest.raises(SettingsError, match=r"relabel=.*expected distinct pairs old=new"):
            parse_relabel(text)
