"""Checkpoints of PyTorch, ordinary and hostile ones."""

from __future__ import annotations

import argparse
import io
import pickle
import resource
import struct
import sys
import time
import tracemalloc
import warnings
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hicmae_cli.errors import WeightsError
from hicmae_cli.weights.checkpoint import read_authors_model
from hicmae_cli.weights.checkpoint_archive import read_archive
from hicmae_cli.weights.checkpoint_pickle import StoredTensor, unpickle
from tests.cli.running import hicmae
from tests.weights.test_checkpoint import Intruder, toy_state

HEAD, PATCHES = "head.weight", "encoder.patch_embed.proj.weight"


def save(path: Path, content: Any, *, legacy: bool = False) -> Path:
    with warnings.catch_warnings():  # of kinds that PyTorch calls beta
        warnings.simplefilter("ignore")
        torch.save(content, path, _use_new_zipfile_serialization=not legacy)
    return path


def repacked(
    source: Path,
    target: Path,
    change: Callable[[str, bytes], bytes | None] = lambda _, data: data,
    compression: int = zipfile.ZIP_STORED,
) -> Path:
    """The same archive with other contents, or packed in another way."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", compression) as new:
        for name in old.namelist():
            if (data := change(name, old.read(name))) is not None:
                new.writestr(name, data)
    return target


def read(path: Path) -> dict[str, torch.Tensor]:
    checkpoint = read_archive(path)
    return checkpoint.load(checkpoint.content)


@pytest.mark.parametrize("legacy", [False, True])
def test_tensors_are_those_that_torch_reads(tmp_path: Path, legacy: bool) -> None:
    numbers = torch.randn(6, 5, generator=torch.Generator().manual_seed(0))
    state = OrderedDict(
        plain=numbers,
        half=numbers.half(),
        brain=numbers.bfloat16(),
        double=numbers.double(),
        view=numbers[1:, ::2],
        turned=numbers.T,
        scalar=numbers[3, 2],
        none=numbers[:0],
        parameter=torch.nn.Parameter(numbers.clone()),
    )
    path = save(tmp_path / "c.pth", state, legacy=legacy)
    got, expected = read(path), torch.load(path, weights_only=True)
    assert got.keys() == expected.keys()
    for name, tensor in got.items():
        assert tensor.dtype == expected[name].dtype
        assert torch.equal(tensor, expected[name].detach()), name


@pytest.mark.parametrize("legacy", [False, True])
def test_what_authors_keep_beside_the_tensors_is_passed_over(tmp_path: Path, legacy: bool) -> None:
    model = torch.nn.Linear(3, 2)
    optimiser = torch.optim.AdamW(model.parameters())
    model(torch.ones(3)).sum().backward()
    optimiser.step()
    content = {
        "model": model.state_dict(),
        "optimizer": optimiser.state_dict(),
        "epoch": 3,
        "scaler": {"scale": 65536.0},
        "lr": np.float64(0.001),
        "args": argparse.Namespace(lr=1e-3, device=torch.device("cpu"), sizes=(1, [2]), raw=b"x", names={"a"}),
    }
    checkpoint = read_archive(save(tmp_path / "c.pth", content, legacy=legacy))
    state = checkpoint.content["model"]
    assert all(isinstance(tensor, StoredTensor) for tensor in state.values())
    assert torch.equal(checkpoint.load(state)["weight"], model.weight.detach())


def test_a_changed_bit_is_found(tmp_path: Path) -> None:
    path = save(tmp_path / "c.pth", {"w": torch.full((64,), 3.25)})
    content = bytearray(path.read_bytes())
    content[content.index(struct.pack("<f", 3.25) * 8) + 5] ^= 1
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=r"c\.pth: w: its numbers are damaged"):
        read(path)


@pytest.mark.parametrize("legacy", [False, True])
def test_a_file_that_was_cut_off_is_refused(tmp_path: Path, legacy: bool) -> None:
    whole = save(tmp_path / "c.pth", {"w": torch.ones(1000)}, legacy=legacy).read_bytes()
    for length in range(0, len(whole), 97):
        (tmp_path / "cut.pth").write_bytes(whole[:length])
        with pytest.raises(WeightsError, match=r"cut\.pth"):
            read(tmp_path / "cut.pth")


@pytest.fixture
def limited() -> Any:
    """A bound on the memory a test takes: 0.5 GB more than now."""
    if sys.platform != "linux":
        yield
        return
    now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (now + (512 << 20), hard))
    started_s = time.process_time()
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
    assert time.process_time() - started_s < 10


def refuse(path: Path, *parts: str) -> None:
    with pytest.raises(WeightsError) as caught:
        read_authors_model(path)
    for part in (str(path), *parts):
        assert part in str(caught.value)
    assert str(caught.value).isprintable()


TEXT = b"X" + struct.pack("<I", 1 << 20) + b"a" * (1 << 20) + b"q\0"
"""One text of 1 MB, kept under the number 0."""
DOUBLED = b")q\0" + b"".join(b"h%ch%c\x86q%c" % (level, level, level + 1) for level in range(60))
"""A tuple of two tuples, which are one and the same, and so on, 60 levels deep."""


@pytest.mark.usefixtures("limited")
class TestBombs:
    @pytest.mark.parametrize("entry", ["data.pkl", "data/0"])
    def test_a_compressed_entry(self, tmp_path: Path, entry: str) -> None:
        path = save(tmp_path / "c.pth", {"model": toy_state()})
        with zipfile.ZipFile(tmp_path / "bomb.pth", "w") as new, zipfile.ZipFile(path) as old:
            for name in old.namelist():
                bomb = name.endswith(f"/{entry}")
                with new.open(zipfile.ZipInfo(name), "w") if not bomb else new.open(deflated(name), "w") as file:
                    for _ in range(100 if bomb else 0):
                        file.write(bytes(1 << 20))
                    file.write(b"" if bomb else old.read(name))
        assert (tmp_path / "bomb.pth").stat().st_size < 4_000_000
        refuse(tmp_path / "bomb.pth", f"the entry c/{entry} is compressed")

    def test_entries_that_claim_more_than_the_file(self, tmp_path: Path) -> None:
        path = save(tmp_path / "c.pth", {"model": toy_state()})
        content, size = path.read_bytes(), 3_000_000_000
        directory = content.rindex(b"PK\1\2")  # the last entry of the directory
        claim = content[: directory + 20] + struct.pack("<II", size, size) + content[directory + 28 :]
        path.write_bytes(claim)
        refuse(path, "its entries claim 30", "but the file has only")

    def test_too_many_entries(self, tmp_path: Path) -> None:
        with zipfile.ZipFile(tmp_path / "c.pth", "w") as archive:
            for index in range(20_001):
                archive.writestr(f"c/{index}", b"")
        refuse(tmp_path / "c.pth", "20001 entries; expected at most 20000 with unique names")

    def test_a_directory_of_gigabytes(self, tmp_path: Path) -> None:
        size = 3 << 30
        with (tmp_path / "c.pth").open("wb") as file:
            file.truncate(size)
            file.seek(size)
            file.write(b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, 60_000, 60_000, size, 0, 0))
        refuse(tmp_path / "c.pth", "refused")

    def test_a_pickle_of_gigabytes(self, tmp_path: Path) -> None:
        path = save(tmp_path / "c.pth", {"model": toy_state()})
        repacked(path, tmp_path / "p.pth", lambda n, data: b"N" * 5_000_000 if n.endswith("data.pkl") else data)
        refuse(tmp_path / "p.pth", "its data.pkl has 5000000 bytes")

    @pytest.mark.parametrize(
        "text",
        [
            b"]" * 2_000_000 + b".",  # a list for each byte
            b"N" + b"2" * 2_000_000 + b".",
            b"Nr\xff\xff\xff\x7f.",  # a memo of 2^31 entries
            b"\x8e" + struct.pack("<Q", 1 << 40) + b".",  # bytes of 1 TB
            b"\x96" + struct.pack("<Q", 1 << 40) + b".",
            b"\x95" + struct.pack("<Q", 1 << 40) + b".",
            # one string of 1 MB, encoded 30,000 times
            b"(X"
            + struct.pack("<I", 1 << 20)
            + b"a" * (1 << 20)
            + b"q\0"
            + b"c_codecs\nencode\nh\0X\6\0\0\0latin1\x86R" * 30_000
            + b"t.",
            # one list of 500,000, made a set, a table and a buffer again and again
            b"(" + b"]q\0(" + b"N" * 500_000 + b"e" + b"ccollections\nOrderedDict\nh\0\x85R" * 50_000 + b"t.",
            b"(" + b"]q\0(" + b"N" * 500_000 + b"e" + b"cbuiltins\nset\nh\0\x85R" * 50_000 + b"t.",
            b"c__builtin__\nbytearray\nJ\xff\xff\xff\x7f\x85R.",
            b"ctorch\nFloatStorage\nJ\xff\xff\xff\x7f\x85R.",
            b"(" * 2_000_000 + b".",
            # one name of 1 MB in thousands of classes, in thousands of storage types
            TEXT + b"0" + b"".join(b"h\0X\4\0\0\0%04d\x930" % index for index in range(9000)) + b"N.",
            b"X\7\0\10\0" + b"a" * (1 << 19) + b"Storageq\0" + b"(" + b"X\5\0\0\0torchh\0\x93" * 9000 + b"t.",
            # a type of 1 MB in each of many tensors
            b"(" + TEXT + b"(NNNNNNh\0tq\1ctorch._utils\n_rebuild_tensor_v3\nq\2" + b"h\2h\1R" * 9000 + b"t.",
            b"\x96" + struct.pack("<Q", 400_000_000) + b".",  # a buffer of zeros
            # a key whose hash takes 2^60 steps
            b"}" + DOUBLED + b"Ns.",
            b"}(" + DOUBLED + b"Nu.",
            b"\x8f(" + DOUBLED + b"\x90.",
            # one tuple of 500,000 as the arguments of many calls, and as many storages
            b"(" + b"N" * 500_000 + b"tq\0cbuiltins\nset\nq\1" + b"h\1h\0R0" * 200_000 + b"N.",
            b"(X\7\0\0\0storagectorch\nFloatStorage\nX\1\0\0\0"
            b"0NK\1" + b"N" * 500_000 + b"tq\0" + b"h\0Q0" * 300_000 + b"N.",
        ],
    )
    @pytest.mark.parametrize("legacy", [False, pytest.param(True, marks=pytest.mark.slow)])
    def test_a_pickle_that_multiplies(self, tmp_path: Path, text: bytes, legacy: bool) -> None:
        path = tmp_path / "c.pth"
        if legacy:
            head = [pickle.dumps(value, 2) for value in (0x1950A86A20F9469CFC6C, 1001, None)]
            path.write_bytes(b"".join(head) + b"\x80\x02" + text + pickle.dumps([], 2))
        else:
            save(tmp_path / "plain.pth", {})
            repacked(tmp_path / "plain.pth", path, lambda n, d: b"\x80\x02" + text if n.endswith("data.pkl") else d)
        refuse(path)

    def test_a_text_that_is_encoded_a_thousand_times_is_kept_once(self, tmp_path: Path) -> None:
        text = b"(" + TEXT + b"c_codecs\nencode\nq\1h\0X\6\0\0\0latin1\x86q\2R" + b"h\1h\2R" * 1000 + b"t."
        tracemalloc.start()
        content = unpickle(tmp_path, io.BytesIO(b"\x80\2" + text))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert len(content) == 1002
        assert peak < 4 * len(text)

    def test_a_list_of_storages_with_a_key_that_never_ends(self, tmp_path: Path) -> None:
        values: list[Any] = [0x1950A86A20F9469CFC6C, 1001, None, {}]
        head = [pickle.dumps(value, 2) for value in values]
        (tmp_path / "c.pth").write_bytes(b"".join(head) + b"\x80\2]" + DOUBLED + b"a.")
        refuse(tmp_path / "c.pth")

    @pytest.mark.parametrize("legacy", [False, True])
    @pytest.mark.parametrize("shape", [(32768, 32768), (10**6, 10**7), (2**40, 2**40)])
    @pytest.mark.parametrize("name", [HEAD, PATCHES, "more"])
    def test_one_number_that_is_expanded(self, tmp_path: Path, shape: tuple[int, int], name: str, legacy: bool) -> None:
        one = torch.ones(1, dtype=torch.float16).as_strided((2, 3), (0, 0))
        path = save(tmp_path / "plain.pth", {"model": {**toy_state(), name: one}}, legacy=legacy)
        old, new = (b"".join(pickled_int(size) for size in sizes) + b"\x86" for sizes in ((2, 3), shape))
        assert path.read_bytes().count(old) == 1
        if legacy:
            (tmp_path / "c.pth").write_bytes(path.read_bytes().replace(old, new))
        else:
            repacked(path, tmp_path / "c.pth", lambda _, data: data.replace(old, new))
        refuse(tmp_path / "c.pth", name, f"claims {shape[0] * shape[1]} numbers", "its storage has 1")

    def test_one_storage_for_many_tensors(self, tmp_path: Path) -> None:
        numbers = torch.ones(1_000_000)
        path = save(tmp_path / "c.pth", {"model": {str(index): numbers[index:] for index in range(5000)}})
        refuse(path, "its tensors claim 19", "but the file has only 4")

    def test_a_legacy_file_that_claims_more_than_it_has(self, tmp_path: Path) -> None:
        path = save(tmp_path / "c.pth", {"model": {"w": torch.ones(7)}}, legacy=True)
        content = path.read_bytes()
        path.write_bytes(content[:-36] + struct.pack("<q", 1 << 50) + content[-28:])
        refuse(path, "claim more bytes than")

    def test_numbers_that_a_sparse_archive_does_not_hold(self, tmp_path: Path) -> None:
        path = save(tmp_path / "c.pth", {"model": toy_state()})
        repacked(path, tmp_path / "s.pth", lambda n, data: b"" if n.endswith("/data/1") else data)
        with pytest.raises(WeightsError, match="its numbers are not all in the file"):
            read_authors_model(tmp_path / "s.pth", heads=4)


def pickled_int(value: int) -> bytes:
    """As pickle's protocol 2 writes it."""
    return pickle.dumps(value, 2)[2:-1]


def deflated(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.compress_type = zipfile.ZIP_DEFLATED
    return info


def odd_heads() -> dict[str, Callable[[torch.Tensor], Any]]:
    return {
        "is sparse": lambda head: head.to_sparse(),
        "is sparse,": lambda head: head.to_sparse_csr(),
        "is quantised": lambda head: torch.quantize_per_tensor(head, 0.1, 0, torch.qint8),
        "is nested": lambda head: torch.nested.nested_tensor([head, head[:1]]),
        "is without numbers": lambda head: head.to("meta"),
        "has the type float8_e4m3fn": lambda head: head.to(torch.float8_e4m3fn),
        "has the type complexfloat": lambda head: head.to(torch.complex64),
        "has the type bool": lambda head: head > 0,
        "has the type int": lambda head: head.int(),
        "has the type long": lambda head: head.long(),
        "is a conjugated": lambda head: head.to(torch.complex64).conj(),
        "one row per class, got the shape ()": lambda head: torch.tensor(1.0),
        "one row per class, got the shape (6,)": lambda head: torch.ones(6),
    }


@pytest.mark.filterwarnings("ignore::UserWarning")  # of kinds that PyTorch calls beta or old
@pytest.mark.parametrize("said", odd_heads())
def test_odd_tensors_are_named(tmp_path: Path, said: str) -> None:
    state = toy_state()
    path = save(tmp_path / "c.pth", {"model": {**state, HEAD: odd_heads()[said](state[HEAD])}})
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # none of which may come of reading
        refuse(path, HEAD, said)


def test_nothing_but_the_sentence_reaches_the_terminal(tmp_path: Path) -> None:
    state = toy_state() | {"\x1b[31mred\x1b]0;title\a\n": torch.ones(1)}
    path = save(tmp_path / "c.pth", {"model": {**state, HEAD: state[HEAD].to(torch.complex64)}})
    run = hicmae("weights", "import", path, "--name", "odd", "--labels", "a,b,c,d,e,f")
    assert run.code == 1
    assert run.err.count("\n") == 1
    path = save(tmp_path / "c.pth", {"model": state})
    run = hicmae("weights", "import", path, "--name", "odd", "--labels", "a,b,c,d,e,f")
    assert run.code == 1
    assert "unknown \\x1b[31mred" in run.err
    assert all(line.isprintable() for line in run.err.splitlines())


@pytest.mark.parametrize("legacy", [False, True])
def test_foreign_classes_are_named_and_not_called(tmp_path: Path, legacy: bool) -> None:
    marker = tmp_path / "pwned"
    path = save(tmp_path / "c.pth", {"model": toy_state(), "args": Intruder(marker)}, legacy=legacy)
    refuse(path, "refused: contains posix.system; expected")
    assert not marker.exists()


class Called:
    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize("function", [torch.load, torch.hub.load, eval, getattr, torch.tensor, pickle.loads, io.open])
def test_functions_are_no_classes_of_ours(tmp_path: Path, function: Callable[..., Any]) -> None:
    path = save(tmp_path / "c.pth", {"model": toy_state(), "args": Called(function, "x")})
    refuse(path, "refused", "contains")


def test_a_byte_order_that_is_not_ours_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "plain.pth", {"model": toy_state()})
    repacked(path, tmp_path / "c.pth", lambda name, data: b"big" if name.endswith("byteorder") else data)
    refuse(tmp_path / "c.pth", "another byte order")
