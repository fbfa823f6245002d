"""Compare the time of two ways to make a fine-tuning step: ours, and as a tutorial writes it.

The plain way has the same parameters and the same result. Its attention multiplies, scales and normalises in separate
operations, a convolution cuts its patches, its optimiser updates one parameter after the other, and torch chooses the
library for its products. It starts from normalised video; ours starts from bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from hicmae_cli.augmentation.mixing import draw_mix, mix_targets, mix_video, soft_targets
from hicmae_cli.models.build import build_classifier
from hicmae_cli.models.config import AUDIO_TOKENS, VIDEO_GRID, VIDEO_TOKENS, Architecture, ModelDims
from hicmae_cli.models.encoders import rising_rates, sine_cosine_table
from hicmae_cli.models.inputs import to_video
from hicmae_cli.models.losses import LOSSES
from hicmae_cli.models.masking import count_kept, cut_kept_faces, spread_tokens
from hicmae_cli.models.products import use_usual_products, use_wide_products
from hicmae_cli.recipes.settings import FinetuneSettings
from hicmae_cli.training.finetuning.data import LabelledBatch
from hicmae_cli.training.finetuning.step import finetune_step
from hicmae_cli.training.finetuning.task_loss import TaskLoss
from hicmae_cli.training.machine import hold_freed_memory, new_accelerator
from hicmae_cli.training.optimiser import parameter_groups

_CLASSES = 6
_RATE = 1e-5


class PlainAttention(nn.Module):
    """Attention in separate operations; its parameters have the names of ours."""

    def __init__(self, width: int, heads: int, *, cross: bool = False) -> None:
        super().__init__()
        self.heads, self.cross = heads, cross
        if cross:
            self.query = nn.Linear(width, width, bias=False)
            self.key_value = nn.Linear(width, 2 * width, bias=False)
        else:
            self.query_key_value = nn.Linear(width, 3 * width, bias=False)
        self.query_bias = nn.Parameter(torch.zeros(width))
        self.value_bias = nn.Parameter(torch.zeros(width))
        self.projection = nn.Linear(width, width)
        self.attention_dropout, self.dropout = nn.Dropout(0.0), nn.Dropout(0.0)

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """(B, N, D), and a context (B, M, D) in a cross-attention -> (B, N, D)."""
        no_bias = torch.zeros_like(self.value_bias, requires_grad=False)
        if context is not None:
            query = self._split(F.linear(x, self.query.weight, self.query_bias), 1)[0]
            bias = torch.cat((no_bias, self.value_bias))
            key, value = self._split(F.linear(context, self.key_value.weight, bias), 2)
        else:
            bias = torch.cat((self.query_bias, no_bias, self.value_bias))
            query, key, value = self._split(F.linear(x, self.query_key_value.weight, bias), 3)
        weights = (query * query.shape[-1] ** -0.5) @ key.transpose(-2, -1)
        mixed = self.attention_dropout(weights.softmax(dim=-1)) @ value
        return self.dropout(self.projection(mixed.transpose(1, 2).reshape(x.shape)))  # type: ignore[no-any-return]

    def _split(self, x: Tensor, parts: int) -> Tensor:
        """(B, N, parts * D) -> (parts, B, H, N, D / H)."""
        return x.reshape(*x.shape[:2], parts, self.heads, -1).permute(2, 0, 3, 1, 4)


class PlainMlp(nn.Module):
    """Two linear layers with a GELU between them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.expand, self.reduce = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.activation, self.dropout = nn.GELU(), nn.Dropout(0.0)

    def forward(self, x: Tensor) -> Tensor:
        """(B, N, D) -> (B, N, D)."""
        return self.dropout(self.reduce(self.activation(self.expand(x))))  # type: ignore[no-any-return]


class PlainBlock(nn.Module):
    """Attention and MLP with residuals and stochastic depth; before them cross-attention, in a fusion layer."""

    def __init__(self, width: int, heads: int, drop_path: float, *, cross: bool = False) -> None:
        super().__init__()
        self.drop_path = drop_path
        if cross:
            self.cross_norm, self.context_norm = nn.LayerNorm(width, eps=1e-6), nn.LayerNorm(width, eps=1e-6)
            self.cross_attention = PlainAttention(width, heads, cross=True)
        self.attention_norm, self.mlp_norm = nn.LayerNorm(width, eps=1e-6), nn.LayerNorm(width, eps=1e-6)
        self.attention, self.mlp = PlainAttention(width, heads), PlainMlp(width)

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """(B, N, D), and a context (B, M, D) in a fusion layer -> (B, N, D)."""
        if context is not None:
            x = x + self._drop(self.cross_attention(self.cross_norm(x), self.context_norm(context)))
        x = x + self._drop(self.attention(self.attention_norm(x)))
        return x + self._drop(self.mlp(self.mlp_norm(x)))

    def _drop(self, x: Tensor) -> Tensor:
        if not self.training or not self.drop_path:
            return x
        kept = x.new_empty(len(x), 1, 1).bernoulli_(1 - self.drop_path)
        return x.div(1 - self.drop_path) * kept


class PlainEncoder(nn.Module):
    """Encoder of one stream."""

    positions: Tensor

    def __init__(self, patches: nn.Module, num_tokens: int, dims: ModelDims, drop_path: float) -> None:
        super().__init__()
        self.patches = patches
        self.register_buffer("positions", sine_cosine_table(num_tokens, dims.width), persistent=False)
        self.blocks = nn.ModuleList(
            PlainBlock(dims.width, dims.heads, rate) for rate in rising_rates(drop_path, dims.depth)
        )
        self.norm = nn.LayerNorm(dims.width, eps=1e-6)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Input (B, C, ...) -> normed outputs (B, N, D) of every layer."""
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = x + self.positions.expand(len(x), -1, -1).clone()
        outputs = []
        for block in self.blocks:
            x = block(x)
            outputs.append(self.norm(x))
        return outputs


class PlainFusion(nn.Module):
    """Layers in which each stream reads the other."""

    def __init__(self, dims: ModelDims, drop_path: float) -> None:
        super().__init__()

        def stream() -> nn.ModuleList:
            rates = rising_rates(drop_path, dims.fusion_depth)
            return nn.ModuleList(PlainBlock(dims.width, dims.heads, rate, cross=True) for rate in rates)

        self.video_blocks, self.audio_blocks = stream(), stream()
        self.video_norm, self.audio_norm = (nn.LayerNorm(dims.width, eps=1e-6) for _ in range(2))

    def forward(self, video: Tensor, audio: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens of both streams -> the same shapes."""
        for video_block, audio_block in zip(self.video_blocks, self.audio_blocks, strict=True):
            video, audio = video_block(video, audio), audio_block(audio, video)
        return self.video_norm(video), self.audio_norm(audio)


class PlainClassifier(nn.Module):
    """The classifier; it can load the state of ``Classifier``."""

    def __init__(self, dims: ModelDims, num_outputs: int, drop_path: float = 0.0) -> None:
        super().__init__()
        width = dims.width
        video, audio = nn.Conv3d(3, width, (2, 16, 16), (2, 16, 16)), nn.Conv2d(1, width, (16, 16), (16, 16))
        self.video_encoder = PlainEncoder(video, VIDEO_TOKENS, dims, drop_path)
        self.audio_encoder = PlainEncoder(audio, AUDIO_TOKENS, dims, drop_path)
        self.fusion_encoder = PlainFusion(dims, drop_path)
        self.video_layer_weights = nn.Parameter(torch.ones(dims.depth) / dims.depth)
        self.audio_layer_weights = nn.Parameter(torch.ones(dims.depth) / dims.depth)
        self.feature_norm = nn.LayerNorm(4 * width, eps=1e-6)
        self.head = nn.Linear(4 * width, num_outputs)

    def forward(self, video: Tensor, audio: Tensor) -> Tensor:
        """(B, 3, 16, 160, 160) and (B, 1, 256, 128) -> logits (B, C)."""
        video_layers, audio_layers = self.video_encoder(video), self.audio_encoder(audio)
        parts = []
        for layers, weights in ((video_layers, self.video_layer_weights), (audio_layers, self.audio_layer_weights)):
            means = torch.stack([tokens.mean(dim=1) for tokens in layers], dim=-1)  # (B, D, L)
            parts.append((means * weights.softmax(dim=-1)).sum(dim=-1))
        parts += [tokens.mean(dim=1) for tokens in self.fusion_encoder(video_layers[-1], audio_layers[-1])]
        return self.head(self.feature_norm(torch.cat(parts, dim=-1)))  # type: ignore[no-any-return]


def make_finetuning_step(settings: FinetuneSettings, device: str = "cpu") -> Callable[[], object]:
    """Return a function that makes one step on a batch of random clips: loss, gradients and optimiser."""
    hold_freed_memory()
    use_wide_products()
    accelerator = new_accelerator(settings.mixed_precision, device)
    ours = build_classifier(Architecture(settings.dims, outputs=_CLASSES), drop_path=settings.drop_path)
    groups = _group_parameters(ours, ours.list_depths(), settings)
    model, optimiser = accelerator.prepare(ours, torch.optim.AdamW(groups, lr=_RATE, fused=True))
    batch = _make_batch(settings.batch_size, settings.drop_video_tokens).to(accelerator.device)
    task_loss = TaskLoss(LOSSES["cross_entropy"]).to(accelerator.device)
    rng, generator = np.random.default_rng(0), torch.Generator(accelerator.device)
    return lambda: finetune_step(
        accelerator, model, optimiser, [batch], settings, task_loss, rng=rng, generator=generator
    )


def _group_parameters(
    model: nn.Module, depths: Mapping[str, int], settings: FinetuneSettings
) -> list[dict[str, object]]:
    return parameter_groups(model, depths, layer_decay=settings.layer_decay, weight_decay=settings.weight_decay)


def _make_batch(clips: int, dropped: float = 0.0) -> LabelledBatch:
    """Draw a batch of noise, of which a share of the video tokens is dropped."""
    faces, kept = torch.randint(0, 256, (clips, 16, 160, 160, 3), dtype=torch.uint8), None
    if dropped:
        kept = spread_tokens(clips, VIDEO_GRID, count_kept(VIDEO_GRID, dropped), generator=torch.Generator())
        faces = cut_kept_faces(faces, kept)
    return LabelledBatch(
        faces,
        torch.ones(clips, dtype=torch.bool),
        torch.randn(clips, 1, 256, 128),
        torch.arange(clips) % _CLASSES,
        kept=kept,
    )


def finetune_steps(
    clips: int, variant: str = "tiny", choose: Callable[[], None] = use_wide_products
) -> tuple[Callable[[], object], Callable[[], object]]:
    """Return two functions that make one step on one batch: ours and the plain one; for both, freed memory is held.

    Args:
        clips: size of the batch.
        variant: of the model.
        choose: chooses the library for the products of our step.
    """
    settings = FinetuneSettings(variant=variant, batch_size=clips)
    step = make_finetuning_step(settings)

    def our_step() -> None:
        choose()
        step()

    dims, batch = settings.dims, _make_batch(clips)
    plain = PlainClassifier(dims, _CLASSES, settings.drop_path)
    depths = build_classifier(Architecture(dims, outputs=_CLASSES)).list_depths()
    plain_optimiser = torch.optim.AdamW(_group_parameters(plain, depths, settings), lr=_RATE, foreach=False)
    video, plain_rng = to_video(batch.faces, batch.has_faces), np.random.default_rng(0)

    def plain_step() -> None:
        use_usual_products()
        plain.train()
        mixture = draw_mix(settings, plain_rng)
        targets = mix_targets(soft_targets(batch.targets, _CLASSES, settings.label_smoothing), mixture)
        loss = F.cross_entropy(plain(mix_video(video, mixture), batch.audio), targets)
        plain_optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        plain_optimiser.step()
        loss.item()

    return our_step, plain_step
