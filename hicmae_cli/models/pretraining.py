"""The pre-training model: reconstruction of masked patches, and layers for the contrastive loss (HiCMAE, section 3).

Letters: B batch, K visible and M masked tokens, D encoder and E decoder width, P values of a patch.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hicmae_cli.models.config import (
    AUDIO_PATCH_VALUES,
    AUDIO_TOKENS,
    VIDEO_PATCH_VALUES,
    VIDEO_TOKENS,
    DecoderDims,
    ModelDims,
)
from hicmae_cli.models.encoders import FusionEncoder, audio_encoder, sine_cosine_table, video_encoder
from hicmae_cli.models.layers import Block, CrossBlock, initialise, layer_norm, run_block


@dataclass(frozen=True)
class Pretrained:
    """Outputs of one forward pass.

    Attributes:
        video: predictions of the masked video tokens (B, M, P), for all clips or only for the first ones.
        audio: predictions of the masked audio tokens.
        video_layers: layers of the video encoder for the contrastive loss, (B, K, D) each, normed; empty without it.
        audio_layers: layers of the audio encoder.
    """

    video: Tensor
    audio: Tensor
    video_layers: tuple[Tensor, ...]
    audio_layers: tuple[Tensor, ...]


class Decoder(nn.Module):
    """Predict the masked tokens of one modality; deeper layers read shallower encoder layers.

    Args:
        dims: sizes.
        width: D of the encoder.
        num_tokens: tokens of the whole input.
        patch_values: P.
        skips: whether layers read the encoder's skip layers; without, all layers are plain.
    """

    positions: Tensor
    recompute = False  # gradient checkpointing

    def __init__(self, dims: DecoderDims, width: int, num_tokens: int, patch_values: int, *, skips: bool) -> None:
        super().__init__()
        self.register_buffer("positions", sine_cosine_table(num_tokens, dims.width), persistent=False)
        self.entry = nn.Linear(width, dims.width, bias=False)
        self.mask_token = nn.Parameter(torch.zeros(1, 1, dims.width))
        block = CrossBlock if skips else Block
        self.blocks = nn.ModuleList((block if layer else Block)(dims.width, dims.heads) for layer in range(dims.depth))
        self.norm = layer_norm(dims.width)
        self.head = nn.Linear(dims.width, patch_values)

    def forward(self, fused: Tensor, kept: tuple[Tensor, ...], visible: Tensor, masked: Tensor) -> Tensor:
        """Predict masked patches.

        Args:
            fused: visible tokens after fusion (B, K, D).
            kept: encoder layers, shallowest first, (B, K, D) each.
            visible: (B, K) indices.
            masked: (B, M) indices.

        Returns:
            (B, M, P).
        """
        place = self.positions[0][visible]  # (B, K, E)
        tokens = torch.cat((self.entry(fused) + place, self.mask_token + self.positions[0][masked]), dim=1)
        first, *others = self.blocks
        tokens = run_block(first, tokens, recompute=self.recompute)
        for block, layer in zip(others, reversed(kept), strict=True):
            read = (self.entry(layer) + place,) if isinstance(block, CrossBlock) else ()
            tokens = run_block(block, tokens, *read, recompute=self.recompute)
        return self.head(self.norm(tokens[:, visible.shape[1] :]))  # type: ignore[no-any-return]


class PretrainingModel(nn.Module):
    """Masked audio-visual autoencoder with hierarchical skip connections.

    Args:
        dims: sizes of the encoders, as in the classifier.
        decoder: sizes of the decoders.
        drop_path: stochastic depth of the encoders.
        skips: whether the decoders have hierarchical skip connections.
        contrast_layers: 0-based encoder layers to return for the contrastive loss; by default those the decoders read.
        recompute: use gradient checkpointing: less memory for a third more time.
    """

    def __init__(
        self,
        dims: ModelDims,
        decoder: DecoderDims,
        drop_path: float = 0.0,
        *,
        skips: bool = True,
        contrast_layers: tuple[int, ...] | None = None,
        recompute: bool = False,
    ) -> None:
        super().__init__()
        decoder.check_layers(dims.depth)
        self.dims, self.decoder_dims, self.skips = dims, decoder, skips
        self.contrast_layers = decoder.skip_layers if contrast_layers is None else contrast_layers
        self.video_encoder = video_encoder(dims, drop_path)
        self.audio_encoder = audio_encoder(dims, drop_path)
        self.fusion_encoder = FusionEncoder(dims, drop_path)
        self.video_decoder = Decoder(decoder, dims.width, VIDEO_TOKENS, VIDEO_PATCH_VALUES, skips=skips)
        self.audio_decoder = Decoder(decoder, dims.width, AUDIO_TOKENS, AUDIO_PATCH_VALUES, skips=skips)
        self.apply(initialise)
        for decoder_ in (self.video_decoder, self.audio_decoder):
            nn.init.trunc_normal_(decoder_.mask_token, std=0.02)
        self.video_encoder.recompute = self.audio_encoder.recompute = self.fusion_encoder.recompute = recompute
        self.video_decoder.recompute = self.audio_decoder.recompute = recompute

    def encode(self, video: Tensor, audio: Tensor) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        """Encode whole clips for the contrastive loss.

        Args:
            video: (B, 3, 16, 160, 160).
            audio: (B, 1, 256, 128).

        Returns:
            Layers of the video encoder and of the audio encoder, (B, N, D) each.
        """
        outputs = self.video_encoder(video), self.audio_encoder(audio)
        video_layers, audio_layers = (tuple(layers[index] for index in self.contrast_layers) for layers in outputs)
        return video_layers, audio_layers

    def forward(
        self,
        video: Tensor,
        audio: Tensor,
        video_mask: tuple[Tensor, Tensor],
        audio_mask: tuple[Tensor, Tensor],
        rebuilt: int | None = None,
    ) -> Pretrained:
        """Encode the visible tokens and predict the masked ones.

        Args:
            video: visible patches of the normalised clip (B, K, P).
            audio: visible patches of the log-mel (B, K, P).
            video_mask: indices of visible (B, K) and masked (B, M) tokens.
            audio_mask: indices of the audio tokens.
            rebuilt: number of clips, from the first on, to fuse and rebuild; None for all.
        """
        layers = tuple(
            encoder(patches, visible)
            for encoder, patches, (visible, _) in (
                (self.video_encoder, video, video_mask),
                (self.audio_encoder, audio, audio_mask),
            )
        )
        fused = self.fusion_encoder(layers[0][-1][:rebuilt], layers[1][-1][:rebuilt])
        kept = [tuple(outputs[layer][:rebuilt] for layer in self.decoder_dims.skip_layers) for outputs in layers]
        contrasted = [tuple(outputs[layer] for layer in self.contrast_layers) for outputs in layers]
        video_places, audio_places = (
            (visible[:rebuilt], masked[:rebuilt]) for visible, masked in (video_mask, audio_mask)
        )
        return Pretrained(
            self.video_decoder(fused[0], kept[0], *video_places),
            self.audio_decoder(fused[1], kept[1], *audio_places),
            *contrasted,
        )
