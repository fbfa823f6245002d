"""A pulled weight is the authors' model to the last bit, or it is not there at all."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import pickle
import shutil
import signal
import subprocess
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

from hicmae_cli.errors import DiskError, NotPulledError, SettingsError, WeightsError
from hicmae_cli.evaluation.calibrate_weight import calibrate_weight
from hicmae_cli.pulling.fetch import Limits
from hicmae_cli.pulling.origins import read_origin
from hicmae_cli.pulling.pull import Pulled, pull_weight
from hicmae_cli.pulling.upkeep import locate_weight, remove_weight, verify_weights
from hicmae_cli.toml import format_toml
from hicmae_cli.weights.adding import add_weight
from hicmae_cli.weights.catalogue import find_weight, locate_store
from hicmae_cli.weights.checkpoint import load_classifier, read_authors_model
from tests.pulling.host import Host, Served
from tests.weights.test_checkpoint import toy_state

FAST = Limits(connect_s=5.0, silent_s=2.0, pause_s=0.001)
LABELS = ["anger", "disgust", "fear", "happiness", "neutral", "sadness"]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authors' checkpoint, and another one beside it."""
    folder = tmp_path_factory.mktemp("authors")
    for number, name in enumerate(("a.pth", "b.pth")):
        torch.manual_seed(number)
        torch.save({"model": toy_state(), "epoch": number}, folder / name)
    assert (folder / "a.pth").read_bytes() != (folder / "b.pth").read_bytes()
    return folder / "a.pth"


def add(*sources: str, name: str = "toy", **fields: object) -> None:
    """Add a weight to the user's catalogue."""
    entry = {"summary": "a toy", "licence": "MIT", "dataset": "toys", "labels": LABELS, "sources": sources, **fields}
    path = locate_store().parent / "catalogue.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = ["[[published]]", f"name = {format_toml(name)}"]
    lines += [f"{key} = {format_toml(value)}" for key, value in entry.items()]
    with path.open("a") as file:
        file.write("\n".join(lines) + "\n")


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def files() -> list[str]:
    """Files of the store, without locks."""
    return sorted(
        str(path.relative_to(locate_store()))
        for path in locate_store().rglob("*")
        if path.is_file() and not path.name.endswith(".lock")
    )


def pull(name: str = "toy", **more: Any) -> Pulled:
    return pull_weight(name, limits=FAST, **more)


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


def test_the_users_catalogue_adds_a_mirror_before_the_sources_of_the_package(
    host: Host, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hicmae_cli.weights.published import list_published

    known = list_published()["hicmae-crema-d-1"]
    own = tmp_path / "own.toml"
    own.write_text(f'[[published]]\nname = "hicmae-crema-d-1"\nsources = ["{host.url()}"]\n')
    monkeypatch.setenv("HICMAE_CATALOGUE", str(own))
    entry = list_published()["hicmae-crema-d-1"]
    assert entry == known.model_copy(update={"sources": (host.url(), *known.sources)})
    host.pages["/model.pth"] = Served(checkpoint.read_bytes())
    pulled = pull("hicmae-crema-d-1")
    assert load_classifier(pulled.path)[1].metrics == {"stated by its authors": {"uar": 0.8666, "war": 0.8667}}


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


def test_another_home_gets_no_other_file_than_this_one(host: Host, checkpoint: Path, tmp_path: Path) -> None:
    host.pages["/model.pth"] = Served(checkpoint.read_bytes())
    add(host.url())
    pull()
    host.pages["/model.pth"] = Served((checkpoint.parent / "b.pth").read_bytes())
    with pytest.raises(WeightsError, match="as when it was first pulled here"):
        pull(to=tmp_path / "home")


def test_a_lost_record_is_noticed(host: Host, checkpoint: Path) -> None:
    host.pages["/model.pth"] = Served(checkpoint.read_bytes())
    add(host.url())
    pulled = pull()
    (locate_store() / "toy.origin.json").write_text("{")
    assert verify_weights(["toy"])[0].detail.startswith("was pulled, but the record of it is damaged")
    remove_weight("toy")
    assert pull().origin.sha256 == pulled.origin.sha256


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


def test_replacing_a_pulled_weight_replaces_its_record(host: Host, checkpoint: Path, toy: Path) -> None:
    host.pages["/model.pth"] = Served(checkpoint.read_bytes())
    add(host.url())
    pull()
    with pytest.raises(WeightsError, match="was pulled, and pulled files are never changed: give `output`"):
        calibrate_weight("toy", manifest="a.csv")
    add_weight(toy, "toy", force=True)
    assert files() == ["first-use.json", "toy.safetensors"]
    assert [each.state for each in verify_weights(["toy"])] == ["unknown"]


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


def test_a_weight_of_ones_own_is_not_replaced(host: Host, checkpoint: Path, toy: Path) -> None:
    host.pages["/model.pth"] = Served(checkpoint.read_bytes())
    add(host.url())
    locate_store().mkdir(parents=True)
    shutil.copy(toy, locate_store() / "toy.safetensors")
    with pytest.raises(WeightsError, match="was not pulled, but stored under the name of a weight of the catalogue"):
        pull()


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


ENTRY = "[[published]]\nname = 'a'\nsummary=''\nlicence=''\n"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[[published]]\nname = 'a'\n", r"own.toml: a: summary: Field required"),
        ("[[published]]\nname = '../a'\nsummary=''\nlicence=''\nsources=[]\n", "is not a valid name"),
        (f"{ENTRY}sources=3\n", "a: sources: "),
        (f"{ENTRY}sources='https://x/y'\n", "a: sources: "),
        (f"{ENTRY}sources=['http://mirror.lan/x?key=1']\n", "a: sources: expected each as https:, hf:"),
        (
            ENTRY.replace("'a'", "'hicmae-nano'") + "sources=[]\n",
            "hicmae-nano: a weight with this name ships with hicmae",
        ),
        ("[[published]]\nname = 'a'\nsummary=''\nlicence=''\nsources=[]\nsha256='A1'\n", "64 hexadecimal digits"),
        ("published = 3\n", r"expected tables \[\[published\]\]"),
        ("[[", "the catalogue cannot be read"),
    ],
)
def test_a_broken_catalogue_of_ones_own_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, reason: str
) -> None:
    (tmp_path / "own.toml").write_text(text)
    monkeypatch.setenv("HICMAE_CATALOGUE", str(tmp_path / "own.toml"))
    with pytest.raises(WeightsError, match=reason):
        pull()
    monkeypatch.setenv("HICMAE_CATALOGUE", str(tmp_path / "none.toml"))
    with pytest.raises(WeightsError, match="no such file; the variable HICMAE_CATALOGUE names it"):
        pull()


def _in_a_process(results: Any = None) -> None:
    torch.set_num_threads(1)
    pulled = pull()
    if results is not None:
        results.put((pulled.is_new, pulled.origin.sha256))


@pytest.mark.integration
def test_two_processes_pull_it_once(host: Host, checkpoint: Path) -> None:
    host.pages["/model.pth"] = Served(checkpoint.read_bytes())
    add(host.url())
    forking = multiprocessing.get_context("fork")
    results = forking.Queue()
    both = [forking.Process(target=_in_a_process, args=(results,)) for _ in range(2)]
    for process in both:
        process.start()
    found = sorted(results.get(timeout=60) for _ in both)
    for process in both:
        process.join(60)
    assert found == [(False, sha256(checkpoint)), (True, sha256(checkpoint))]
    assert len(host.asked) == 1


@pytest.mark.integration
def test_a_process_that_is_killed_at_any_moment_leaves_the_right_weight_or_none(host: Host, checkpoint: Path) -> None:
    host.pages["/model.pth"] = Served(checkpoint.read_bytes())
    add(host.url())
    forking, states = multiprocessing.get_context("fork"), []
    started = time.monotonic()
    whole = forking.Process(target=_in_a_process)
    whole.start()
    whole.join(60)
    takes_s = time.monotonic() - started
    for moment in range(20):
        if "toy.safetensors" in files():
            remove_weight("toy")
        process = forking.Process(target=_in_a_process)
        process.start()
        time.sleep(takes_s * moment / 12)
        os.kill(process.pid or 0, signal.SIGKILL)
        process.join(60)
        if "toy.safetensors" in files():
            (found,) = verify_weights(["toy"])
            assert found.state == "ok", found
        states.append("toy.safetensors" in files())
    assert pull().origin.sha256 == sha256(checkpoint)
    (found,) = verify_weights(["toy"])
    assert found.state == "ok"
    assert files() == ["first-use.json", "toy.origin.json", "toy.safetensors"]
    assert any(states) and not all(states)


def test_a_full_disk_is_one_clear_line(host: Host, checkpoint: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    size = checkpoint.stat().st_size // 2
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", disk], check=False)
    if mounted.returncode:
        pytest.skip("mounting a small disk needs rights that this process lacks")
    try:
        host.pages["/model.pth"] = Served(checkpoint.read_bytes())
        add(host.url())
        with pytest.raises(DiskError, match=r"the disk is full; free some space and pull again, which resumes"):
            pull(to=disk)
    finally:
        subprocess.run(["umount", disk], check=True)
