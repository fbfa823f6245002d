"""A pulled weight is the authors' model to the last bit, or it is not there at all."""

from __future__ import annotations

import json
import os
import pickle
import zipfile
from pathlib import Path

import pytest
import torch

from hicmae_cli.errors import NotPulledError, WeightsError
from hicmae_cli.pulling.origins import read_origin
from hicmae_cli.pulling.upkeep import locate_weight, remove_weight, verify_weights
from hicmae_cli.weights.adding import add_weight
from hicmae_cli.weights.catalogue import find_weight, locate_store
from hicmae_cli.weights.checkpoint import load_classifier, read_authors_model
from tests.pulling.host import Host, Served
from tests.pulling.pulls import LABELS, add, files, pull, sha256
from tests.weights.test_checkpoint import toy_state


def test_a_pulled_weight_is_the_authors_model(host: Host, checkpoint: Path) -> None:
    host.pages["/model.pth"] = Served(checkpoint.read_bytes(), cuts=[30_000, 20_000])
    add(host.url(), fold="2", scores={}, citation="Somebody 2024")
    with pytest.raises(NotPulledError, match="toy: is in the catalogue, but not on this machine; fetch it with"):
        find_weight("toy", ".safetensors")
    pulled = pull()
    assert pulled.is_new and pulled.first_use and not pulled.faults
    model, info = load_classifier(pulled.path)
    for name, tensor in read_authors_model(checkpoint).state_dict().items():
        assert torch.equal(model.state_dict()[name], tensor)
    assert (list(info.labels), info.dataset, info.fold, info.licence) == (LABELS, "toys", "2", "MIT")
    assert sha256(checkpoint) in info.source and host.url() in info.source
    assert pulled.origin == read_origin(pulled.path) and pulled.origin.sha256 == sha256(checkpoint)
    assert (pulled.origin.size_bytes, pulled.origin.citation) == (checkpoint.stat().st_size, "Somebody 2024")
    assert files() == ["first-use.json", "toy.origin.json", "toy.safetensors"]
    assert locate_weight("toy") == pulled.path == find_weight("toy", ".safetensors")


def test_what_is_there_is_not_fetched_again(host: Host, checkpoint: Path) -> None:
    host.pages["/model.pth"] = Served(checkpoint.read_bytes())
    add(host.url())
    first = pull()
    asked = len(host.asked)
    again = pull(offline=True)
    assert not again.is_new and again.origin == first.origin and len(host.asked) == asked


def test_a_wrong_hash_is_refused_and_the_next_source_is_tried(host: Host, checkpoint: Path) -> None:
    host.pages |= {"/wrong": Served((checkpoint.parent / "b.pth").read_bytes()), "/gone": Served(status=404)}
    add(host.url("/gone"), host.url("/wrong"), sha256=sha256(checkpoint))
    with pytest.raises(WeightsError, match=r"no source has it: .*HTTP 404.*the file has the sha256 \w{12}…, expected"):
        pull()
    assert files() == []
    host.pages["/right"] = Served(checkpoint.read_bytes())
    add(host.url("/gone"), host.url("/wrong"), host.url("/right"), sha256=sha256(checkpoint), name="other")
    pulled = pull("other")
    assert len(pulled.faults) == 2 and not pulled.first_use
    assert pulled.origin.source == host.url("/right")


def test_the_hash_of_the_first_use_is_compared_ever_after(host: Host, checkpoint: Path) -> None:
    host.pages["/model.pth"] = Served(checkpoint.read_bytes())
    add(host.url())
    pull()
    remove_weight("toy")
    assert files() == ["first-use.json"]
    host.pages["/model.pth"] = Served((checkpoint.parent / "b.pth").read_bytes())
    with pytest.raises(WeightsError, match=r"as when it was first pulled here.*`hicmae weights remove toy --forget`"):
        pull()
    assert files() == ["first-use.json"]
    remove_weight("toy", forget=True)
    assert pull().origin.sha256 == sha256(checkpoint.parent / "b.pth")


def test_the_hash_that_a_host_announces_is_compared_before_the_file(
    host: Host, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", host.url(""))
    linked = {"X-Linked-Etag": f'"{sha256(checkpoint)}"', "X-Linked-Size": str(checkpoint.stat().st_size)}
    path = "/a/b/resolve/main/model.pth"
    host.pages[path] = Served(checkpoint.read_bytes(), headers=linked)
    add("hf:a/b/model.pth", sha256="0" * 64)
    with pytest.raises(WeightsError, match=r"offers a file with the sha256 \w{12}…, expected 000000000000…"):
        pull()
    assert {command for command, _, _ in host.asked} == {"HEAD"}
    add("hf:a/b/model.pth", name="announced")
    host.pages[path] = Served((checkpoint.parent / "b.pth").read_bytes(), headers=linked)
    with pytest.raises(WeightsError, match=r"the file has the sha256|the file has .* bytes"):
        pull("announced")
    host.pages[path] = Served(checkpoint.read_bytes(), headers=linked)
    assert pull("announced").origin.sha256 == sha256(checkpoint)


class _Evil:
    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {self.trace}",)


@pytest.mark.parametrize("content", ["html", "pickle", "code", "cut", "other", "lying", "bomb"])
def test_hostile_and_broken_files_are_refused(host: Host, checkpoint: Path, tmp_path: Path, content: str) -> None:
    whole = checkpoint.read_bytes()
    if content == "code":
        torch.save({"model": toy_state(), "evil": _Evil(tmp_path / "trace")}, tmp_path / "evil.pth")
    header = json.dumps({"a": {"dtype": "F32", "shape": [1 << 40], "data_offsets": [0, 1 << 42]}}).encode()
    with zipfile.ZipFile(tmp_path / "bomb.pth", "w", zipfile.ZIP_DEFLATED) as bomb:
        bomb.writestr("archive/data.pkl", b"\0" * (64 << 20))
    bodies = {
        "bomb": (tmp_path / "bomb.pth").read_bytes(),
        "html": b"<html><title>Quota exceeded</title>",
        "pickle": pickle.dumps(_Evil(tmp_path / "trace")),
        "code": (tmp_path / "evil.pth").read_bytes() if content == "code" else b"",
        "cut": whole[: len(whole) // 2],
        "other": b"\x7fELF" + whole,
        "lying": len(header).to_bytes(8, "little") + header,
    }
    host.pages["/model.pth"] = Served(bodies[content])
    add(host.url())
    with pytest.raises(WeightsError, match="toy: no source has it"):
        pull()
    assert files() == [] and not (tmp_path / "trace").exists()


def test_a_hicmae_weight_is_kept_as_it_is(host: Host, toy: Path) -> None:
    host.pages["/model.pth"] = Served(toy.read_bytes())
    add(host.url(), labels=["class 0", "class 1", "class 2"])
    assert pull().path.read_bytes() == toy.read_bytes()
    add(host.url(), name="other")
    with pytest.raises(WeightsError, match="has the labels class 0, class 1, class 2, expected anger"):
        pull("other")


def test_without_a_network_only_files_of_this_machine_are_used(
    host: Host, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.pages["/model.pth"] = Served(checkpoint.read_bytes())
    add(host.url())
    monkeypatch.setenv("HICMAE_OFFLINE", "1")
    with pytest.raises(WeightsError, match=r"not tried, because the network is forbidden \(offline\)"):
        pull()
    assert not host.asked
    assert pull(source=f"file:{checkpoint}").origin.sha256 == sha256(checkpoint)


def test_a_home_for_another_machine(
    host: Host, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.pages["/model.pth"] = Served(checkpoint.read_bytes())
    add(host.url())
    pull(to=tmp_path / "home")
    assert files() == []
    monkeypatch.setenv("HICMAE_HOME", str(tmp_path / "home"))
    assert find_weight("toy", ".safetensors") == tmp_path / "home" / "weights" / "toy.safetensors"
    assert [(each.name, each.state) for each in verify_weights(["toy"])] == [("toy", "ok")]


def test_another_home_gets_no_other_file_than_this_one(host: Host, checkpoint: Path, tmp_path: Path) -> None:
    host.pages["/model.pth"] = Served(checkpoint.read_bytes())
    add(host.url())
    pull()
    host.pages["/model.pth"] = Served((checkpoint.parent / "b.pth").read_bytes())
    with pytest.raises(WeightsError, match="as when it was first pulled here"):
        pull(to=tmp_path / "home")


def test_secrets_of_an_address_are_kept_nowhere(host: Host, checkpoint: Path) -> None:
    secret = host.url("/model.pth?sig=HUSH").replace("http://", "http://user:HUSH@")
    host.pages["/model.pth?sig=HUSH"] = Served(checkpoint.read_bytes())
    add(secret)
    said: list[str] = []
    pulled = pull(on_source=said.append)
    assert said == [host.url()] == [pulled.origin.source]
    for path in locate_store().rglob("*"):
        assert not path.is_file() or b"HUSH" not in path.read_bytes(), path
    remove_weight("toy")
    host.pages.clear()
    with pytest.raises(WeightsError) as error:
        pull()
    assert "HUSH" not in str(error.value)


def test_a_catalogue_that_does_not_fit_the_right_file_says_so_at_once(host: Host, checkpoint: Path) -> None:
    host.pages["/model.pth"] = Served(checkpoint.read_bytes())
    add(host.url(), host.url(), sha256=sha256(checkpoint), labels=["a", "b"])
    with pytest.raises(WeightsError, match="toy: the catalogue does not fit the file: labels: got 2, expected 6"):
        pull()
    assert len(host.asked) == 1 and ".downloads/toy.part" in files()


def test_files_of_this_machine_that_cannot_be_read_are_named(host: Host, checkpoint: Path, tmp_path: Path) -> None:
    host.pages["/model.pth"] = Served(checkpoint.read_bytes())
    add(f"file:{tmp_path}/none.pth", f"file:{tmp_path}", host.url())
    pulled = pull()
    assert ["cannot be read: No such file" in pulled.faults[0], "cannot be read: Is a" in pulled.faults[1]] == [
        True
    ] * 2


def test_a_weight_that_is_stored_during_a_download_is_kept(host: Host, checkpoint: Path, toy: Path) -> None:
    host.pages["/model.pth"] = Served(checkpoint.read_bytes())
    add(host.url())
    with pytest.raises(WeightsError, match="another weight was stored under this name in the meantime"):
        pull(on_source=lambda _: add_weight(toy, "toy"))
    assert (locate_store() / "toy.safetensors").read_bytes() == toy.read_bytes()


def test_a_source_that_is_away_says_nothing_of_the_hash(host: Host, checkpoint: Path) -> None:
    host.pages["/model.pth"] = Served(checkpoint.read_bytes())
    add(host.url())
    pull()
    remove_weight("toy")
    host.pages["/model.pth"] = Served(status=404)
    with pytest.raises(WeightsError, match="does not have the file") as error:
        pull()
    assert "first pulled" not in str(error.value)
    host.pages["/model.pth"] = Served(checkpoint.read_bytes() + b"more")
    with pytest.raises(WeightsError, match=r"offers \d+ bytes, expected at most \d+, as when it was first pulled here"):
        pull()
