"""What a step needs, counted by hand and by torch."""

from __future__ import annotations

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from hicmae_cli.models.config import DecoderDims, ModelDims
from hicmae_cli.models.masking import draw_masks
from hicmae_cli.models.pretraining import PretrainingModel
from hicmae_cli.training.benchmark import step_flops
from hicmae_cli.training.settings import PretrainSettings


def test_operations_are_those_torch_counts() -> None:
    dims, decoder = ModelDims(width=64, heads=2, depth=3), DecoderDims(width=32, heads=1, skip_layers=(0, 2))
    model = PretrainingModel(dims, decoder)
    masks = draw_masks(("tube", "random"), (0.9, 0.8), seed=0)
    # The plain attention, which is what the counter can read.
    with (
        torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH),
        FlopCounterMode(display=False) as counter,
    ):
        outputs = model(torch.randn(1, 80, 1536), torch.randn(1, 26, 256), *masks)
        (outputs.video.sum() + outputs.audio.sum()).backward()
    # All but 3 %: torch also counts sums over the batch that are made as products.
    assert step_flops(dims, decoder, PretrainSettings()) == pytest.approx(counter.get_total_flops(), rel=0.03)
