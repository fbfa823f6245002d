"""Speed on one device: the operations that are counted, and the arithmetic of rates and shares."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from hicmae_cli.bench import device
from hicmae_cli.bench.device import finetuning_flops, measure_device, measure_product
from hicmae_cli.errors import SettingsError
from hicmae_cli.models.classifier import Classifier
from hicmae_cli.recipes.settings import FinetuneSettings
from hicmae_cli.training.finetuning.adaptation import freeze_parts

CPU = torch.device("cpu")


@pytest.mark.parametrize(("dropped", "frozen"), [(0.0, False), (0.875, False), (0.5, True)])
def test_operations_of_finetuning_match_torchs_count(dropped: float, frozen: bool) -> None:
    settings = FinetuneSettings(
        encoder_width=64,
        encoder_heads=2,
        encoder_depth=3,
        mixup=0.0,
        cutmix=0.0,
        drop_video_tokens=dropped,
        freeze_patches=frozen,
    )
    model = Classifier(settings.dims, 3)
    freeze_parts(model, settings.frozen)
    count = math.ceil(800 * (1 - dropped))
    video, keep = torch.randn(1, 3, 16, 160, 160), None
    if dropped:
        video, keep = torch.randn(1, count, 1536), torch.arange(count)[None]
    # The counter can read plain attention only.
    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        model(video, torch.randn(1, 1, 256, 128), keep).sum().backward()
    # Within 3 %: torch also counts sums over the batch that are computed as products.
    assert finetuning_flops(settings) == pytest.approx(counter.get_total_flops(), rel=0.03)


def test_shares_are_rates_of_operations_over_the_product(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([[0.5], [0.25, 9.0, 0.125], [0.5, 1.0, 0.25], [0.25]])
    made: list[str] = []

    def make(name: str) -> Callable[..., Callable[[], None]]:
        def stand_in(*given: object) -> Callable[[], None]:
            made.append(name)
            return lambda: None

        return stand_in

    monkeypatch.setattr(device, "_times_s", lambda run, where, rounds: next(times))
    monkeypatch.setattr(device, "_CPU_PRODUCT_SIDE", 64)
    for name in ("make_pretraining_step", "make_finetuning_step", "make_prediction"):
        monkeypatch.setattr(device, name, make(name))
    product, *phases = measure_device("cpu", variant="nano", batch_size=4)
    peak = 2 * 64**3 / 0.5
    assert product.value == pytest.approx(peak / 1e12)
    rates, shares = phases[::2], phases[1::2]
    assert [measure.value for measure in rates] == pytest.approx([16.0, 8.0, 16.0])
    flops = finetuning_flops(FinetuneSettings(variant="nano"))
    assert shares[1].value == pytest.approx(8.0 * flops / peak)
    assert made == ["make_pretraining_step", "make_finetuning_step", "make_prediction"]
    assert all(measure.holds and measure.bound is None for measure in (product, *phases))


def test_the_product_is_timed_until_it_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "_CPU_PRODUCT_SIDE", 32)
    assert 0 < measure_product(CPU, rounds=2) < np.inf


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"variant": "huge"}, "variant='huge': expected nano"),
        ({"mixed_precision": "fp8"}, "mixed_precision='fp8': expected no, bf16, fp16"),
        ({"device": "abacus"}, "device='abacus'"),
    ],
)
def test_what_cannot_be_measured_is_named(given: dict[str, str], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        measure_device(**{"device": "cpu", **given})  # type: ignore[arg-type]
