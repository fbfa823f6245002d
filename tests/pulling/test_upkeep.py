"""What was pulled is known again, and what has changed is found."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from hicmae_cli.errors import NotPulledError, SettingsError, WeightsError
from hicmae_cli.evaluation.calibrate_weight import calibrate_weight
from hicmae_cli.pulling.upkeep import locate_weight, remove_weight, verify_weights
from hicmae_cli.weights.adding import add_weight
from hicmae_cli.weights.catalogue import locate_store
from tests.pulling.host import Host, Served
from tests.pulling.pulls import add, files, pull


def test_what_has_changed_is_found(host: Host, checkpoint: Path, toy: Path) -> None:
    host.pages["/model.pth"] = Served(checkpoint.read_bytes())
    add(host.url())
    path = pull().path
    assert {each.state for each in verify_weights()} == {"ok"}
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    (found,) = verify_weights(["toy"])
    assert found.state == "broken" and "has changed since it was pulled" in found.detail
    with pytest.raises(WeightsError, match="has changed since it was pulled; `hicmae weights remove toy` and"):
        pull()
    shutil.copy(toy, locate_store() / "mine.safetensors")
    assert [each.state for each in verify_weights(["mine"])] == ["unknown"]


def test_a_hash_that_is_published_later_is_compared(host: Host, checkpoint: Path, tmp_path: Path) -> None:
    host.pages["/model.pth"] = Served(checkpoint.read_bytes())
    add(host.url())
    pull()
    (locate_store().parent / "catalogue.toml").unlink()
    add(host.url(), sha256="0" * 64)
    with pytest.raises(WeightsError, match=r"was made of a file with the sha256 \w{12}…, expected 000000000000…"):
        pull()
    assert verify_weights(["toy"])[0].state == "broken"


def test_a_lost_record_is_noticed(host: Host, checkpoint: Path) -> None:
    host.pages["/model.pth"] = Served(checkpoint.read_bytes())
    add(host.url())
    pulled = pull()
    (locate_store() / "toy.origin.json").write_text("{")
    assert verify_weights(["toy"])[0].detail.startswith("was pulled, but the record of it is damaged")
    remove_weight("toy")
    assert pull().origin.sha256 == pulled.origin.sha256


def test_replacing_a_pulled_weight_replaces_its_record(host: Host, checkpoint: Path, toy: Path) -> None:
    host.pages["/model.pth"] = Served(checkpoint.read_bytes())
    add(host.url())
    pull()
    with pytest.raises(WeightsError, match="was pulled, and pulled files are never changed: give `output`"):
        calibrate_weight("toy", manifest="a.csv")
    add_weight(toy, "toy", force=True)
    assert files() == ["first-use.json", "toy.safetensors"]
    assert [each.state for each in verify_weights(["toy"])] == ["unknown"]


def test_a_weight_of_ones_own_is_not_replaced(host: Host, checkpoint: Path, toy: Path) -> None:
    host.pages["/model.pth"] = Served(checkpoint.read_bytes())
    add(host.url())
    locate_store().mkdir(parents=True)
    shutil.copy(toy, locate_store() / "toy.safetensors")
    with pytest.raises(WeightsError, match="was not pulled, but stored under the name of a weight of the catalogue"):
        pull()


def test_removing_an_unfinished_download(host: Host, checkpoint: Path) -> None:
    host.pages["/model.pth"] = Served(checkpoint.read_bytes())
    add(host.url())

    def stop(_there: int, _total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pull(on_bytes=stop)
    assert files() == [".downloads/toy.part", ".downloads/toy.part.json"]
    remove_weight("toy")
    assert files() == []


@pytest.mark.parametrize("act", [verify_weights, locate_weight, remove_weight])
def test_names_that_are_not_here(act: Any) -> None:
    there = WeightsError if act is remove_weight else NotPulledError
    for name, error in (("hicmae-mafw-1", there), ("nobody", WeightsError)):
        with pytest.raises(error, match=name):
            act([name] if act is verify_weights else name)


def test_names_that_cannot_be_pulled_or_removed() -> None:
    with pytest.raises(WeightsError, match="ships with hicmae, so there is nothing to pull"):
        pull("hicmae-nano")
    with pytest.raises(
        WeightsError, match=r"no weight named '\.\./x' can be pulled; the catalogue has hicmae-voxceleb2, "
    ):
        pull("../x")
    with pytest.raises(WeightsError, match="so it cannot be removed"):
        remove_weight("hicmae-nano")
    with pytest.raises(SettingsError, match="source='x'"):
        pull("hicmae-mafw-1", source="x")
