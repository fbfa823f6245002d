"""The faster library multiplies in float32; if it rounds, it is not used."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch

from hicmae_cli.models.products import use_usual_products, use_wide_products

ZEN = {"avx512_f": True, "cpu_name": "AMD EPYC"}


@pytest.fixture(autouse=True)
def usual() -> Iterator[None]:
    use_usual_products()
    yield
    use_usual_products()


def permission() -> str:
    return str(torch.backends.mkldnn.matmul.fp32_precision)  # type: ignore[attr-defined]


def pretend(monkeypatch: pytest.MonkeyPatch, processor: dict[str, Any]) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: processor, raising=False)


@pytest.mark.parametrize("shape", [(640, 256, 1024), (17, 1536, 33), (800, 64, 800), (1, 4096, 1)])
def test_products_keep_all_bits_of_float32(shape: tuple[int, int, int]) -> None:
    rows, inner, columns = shape
    generator = torch.Generator().manual_seed(0)
    left, right = (torch.randn(size, generator=generator) for size in ((rows, inner), (inner, columns)))
    exact = left.double() @ right.double()
    use_wide_products()
    limit = 3 * inner**0.5 * torch.finfo(torch.float32).eps * inner**0.5
    for got in (left @ right, torch.nn.functional.linear(left, right.T), (left[None] @ right[None])[0]):
        assert (got - exact).abs().max() < limit  # one rounding to bfloat16 alone would cost 2**-9 of a factor


@pytest.mark.parametrize(
    "processor", [{}, {"avx512_f": False, "cpu_name": "AMD EPYC"}, {"avx512_f": True, "cpu_name": "Intel(R) Xeon(R)"}]
)
def test_other_processors_keep_their_library(monkeypatch: pytest.MonkeyPatch, processor: dict[str, Any]) -> None:
    pretend(monkeypatch, processor)
    before = permission()
    use_wide_products()
    assert permission() == before


def test_a_library_that_rounds_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, ZEN)
    usual = permission()
    multiply = torch.Tensor.__matmul__
    monkeypatch.setattr(torch.Tensor, "__matmul__", lambda a, b: multiply(a.bfloat16(), b.bfloat16()).float())
    use_wide_products()
    assert permission() == usual
    # Written out, because a processor with AMX does round.
    monkeypatch.setattr(torch.Tensor, "__matmul__", lambda a, b: multiply(a.double(), b.double()).float())
    use_wide_products()
    assert permission() == "bf16"
