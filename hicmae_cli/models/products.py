"""Which library multiplies matrices on a CPU."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

_SIDE = 256


def use_wide_products() -> None:
    """Let oneDNN multiply float32 matrices where MKL leaves half of the processor idle; for the whole process.

    MKL runs its AVX2 kernels on processors of other makers than Intel, even where they have AVX-512; oneDNN is twice as
    fast there (AMD Zen 5). torch hands float32 products to oneDNN only together with the permission to round to
    bfloat16. oneDNN uses it on processors with AMX alone; where it does, the permission is taken back. Products are
    float32 in any case.
    """
    processor: Mapping[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()  # older torch has none
    if not processor.get("avx512_f") or "intel" in processor.get("cpu_name", "intel").lower():
        return
    _permit("bf16")
    exact = torch.full((_SIDE, _SIDE), 1 + 2**-12)  # bfloat16 has no such number
    if not torch.equal(exact @ torch.eye(_SIDE), exact):
        use_usual_products()


def use_usual_products() -> None:
    """Leave float32 products to the library that torch chooses."""
    _permit("none")


def _permit(precision: str) -> None:
    torch.backends.mkldnn.matmul.fp32_precision = precision  # type: ignore[attr-defined]
