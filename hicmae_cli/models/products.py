"""Choose the library that multiplies matrices on a CPU."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

_SIDE = 256


def use_wide_products() -> None:
    """Let oneDNN multiply float32 matrices where MKL leaves half of the processor idle; affects the whole process.

    On processors that are not Intel's, MKL runs its AVX2 kernels even where AVX-512 is available; oneDNN is twice as
    fast there (AMD Zen 5). Torch gives float32 products to oneDNN only together with the permission to round to
    bfloat16. OneDNN rounds on processors with AMX only; if this one does, the function withdraws the permission.
    Products are float32 in any case.
    """
    processor: Mapping[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()  # older torch has none
    if not processor.get("avx512_f") or "intel" in processor.get("cpu_name", "intel").lower():
        return
    _permit("bf16")
    exact = torch.full((_SIDE, _SIDE), 1 + 2**-12)  # bfloat16 cannot represent it
    if not torch.equal(exact @ torch.eye(_SIDE), exact):
        use_usual_products()


def use_usual_products() -> None:
    """Let torch choose the library for float32 products."""
    _permit("none")


def _permit(precision: str) -> None:
    torch.backends.mkldnn.matmul.fp32_precision = precision  # type: ignore[attr-defined]
