"""The fine-tuned model: hierarchical feature fusion over two encoders (HiCMAE, section 3.5).

Letters: B batch, N tokens, D width, L encoder layers, C classes.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hicmae_cli.modalities import Modality
from hicmae_cli.models.config import VIDEO_TOKENS, ModelDims, VideoTokens
from hicmae_cli.models.encoders import Encoded, Encoder, FusionEncoder, audio_encoder, video_encoder
from hicmae_cli.models.layers import initialise, layer_norm


def pool_layers(means: Tensor, weights: Tensor) -> Tensor:
    """Softmax-weighted sum over layers of their mean tokens: (B, L, D), (L,) -> (B, D)."""
    return torch.einsum("bld,l->bd", means, weights.softmax(0))


def is_saturated(layer_weights: Tensor) -> bool:
    """Whether the softmax of layer weights (L,) leaves all layers but one at 0, so that no gradient reaches them.

    Earlier versions turned the fusion over layers off by such weights.
    """
    return len(layer_weights) > 1 and int(layer_weights.softmax(0).count_nonzero()) == 1


class Classifier(nn.Module):
    """Video and log-mel in, class logits (or regression values) out.

    Args:
        dims: sizes of the encoders.
        num_outputs: C, classes or regression targets.
        drop_path: stochastic depth of the last layer, rising linearly from 0.
        layer_fusion: whether to weigh all encoder layers; without, only the last one is used, and the layer weights
            are frozen.
        one_token: whether a withheld stream is one token, the mean of its encoder's answer to zeros, and not all of
            them. A model of one stream is many times faster so.
        video_tokens: how many tokens of a clip to read, when it is not told which.
    """

    skips_absent = False  # encode zeros once for all clips of a batch that lack a stream

    def __init__(
        self,
        dims: ModelDims,
        num_outputs: int,
        drop_path: float = 0.0,
        *,
        layer_fusion: bool = True,
        one_token: bool = False,
        video_tokens: VideoTokens = VIDEO_TOKENS,
    ) -> None:
        super().__init__()
        self.dims, self.layer_fusion, self.one_token = dims, layer_fusion, one_token
        self.video_encoder = video_encoder(dims, drop_path, video_tokens)
        self.audio_encoder = audio_encoder(dims, drop_path)
        self.fusion_encoder = FusionEncoder(dims, drop_path)
        # Without layer fusion they stay in the state, so that a file has the same tensors either way.
        self.video_layer_weights, self.audio_layer_weights = (
            nn.Parameter(torch.full((dims.depth,), 1 / dims.depth), requires_grad=layer_fusion) for _ in range(2)
        )
        self.feature_norm = layer_norm(4 * dims.width)
        self.head = nn.Linear(4 * dims.width, num_outputs)
        self.apply(initialise)

    def features(
        self,
        video: Tensor | None,
        audio: Tensor | None,
        keep_video: Tensor | None = None,
        keep_audio: Tensor | None = None,
    ) -> Tensor:
        """Compute the head's input: (B, 3, 16, 160, 160) and (B, 1, 256, 128) -> (B, 4D), normed.

        With ``keep_video`` (B, K), the indices of some tokens, ``video`` holds only their patches (B, K, P), and
        likewise for audio; training drops the other tokens to spend less time on each clip.

        A stream that is None is withheld from all clips. It counts as zeros (or, with ``one_token``, as the mean of
        what zeros become), for which its encoder does not run; see ``Encoder.encode_zeros``.

        With ``skips_absent``, the clips of a batch that lack a stream share the first one's encoded zeros: its kept
        tokens and, in training, its stochastic depth. Without both, the answer is the same.

        Raises:
            ValueError: both streams are None.
        """
        encoded_video = self.encode(self.video_encoder, video, keep_video)
        encoded_audio = self.encode(self.audio_encoder, audio, keep_audio)
        return self.fuse(encoded_video, encoded_audio, batch=_count_clips(video, audio))

    def encode(self, encoder: Encoder, x: Tensor | None, keep: Tensor | None = None) -> Encoded:
        """Encode one stream for ``fuse``; None for a withheld stream."""
        if x is not None and not self.skips_absent:
            return Encoded.summarise(encoder(x, keep))
        if x is not None:
            rows, place = _list_distinct(x)
            found = Encoded.summarise(encoder(x[rows], None if keep is None else keep[rows]))
            return Encoded(found.means[place], found.tokens[place])
        zeros = encoder.encode_zeros()
        if self.one_token:
            return zeros._replace(tokens=zeros.tokens.mean(dim=1, keepdim=True))
        # Zeros of an encoder that reads some tokens by itself are these tokens.
        return zeros if keep is None or encoder.read is not None else zeros._replace(tokens=zeros.tokens[0][keep])

    def fuse(self, video: Encoded, audio: Encoded, *, batch: int | None = None) -> Tensor:
        """Compute the head's input (B, 4D) from both encoded streams; with the number B, one of them may have B = 1."""
        parts = self._summarise(video, audio)
        return self._join(parts if batch is None else tuple(part.expand(batch, -1) for part in parts))

    def embeddings(self, video: Tensor | None, audio: Tensor | None) -> dict[str, Tensor]:
        """Compute what each layer says about a clip: the arguments of ``forward`` -> embeddings by layer.

        Returns:
            ``fused`` (B, 4D) is the head's input. Its four parts before the norm are ``video`` and ``audio`` (the
            layers of a stream, weighed), ``video_fusion`` and ``audio_fusion``, (B, D) each. ``video_1`` to ``video_L``
            and ``audio_1`` to ``audio_L`` are the means over the tokens of single layers, (B, D) each.
        """
        batch = _count_clips(video, audio)
        encoded = self.encode(self.video_encoder, video), self.encode(self.audio_encoder, audio)
        parts = self._summarise(*encoded)
        parts = parts if batch is None else tuple(part.expand(batch, -1) for part in parts)
        names = ("video", "audio", "video_fusion", "audio_fusion")
        found = {"fused": self._join(parts), **dict(zip(names, parts, strict=True))}
        for stream, (means, _) in zip(("video", "audio"), encoded, strict=True):
            means = means if batch is None else means.expand(batch, -1, -1)
            found |= {f"{stream}_{layer}": mean for layer, mean in enumerate(means.unbind(dim=1), start=1)}
        return found

    def _summarise(self, video: Encoded, audio: Encoded) -> tuple[Tensor, ...]:
        """Summarise both encoded streams -> four parts (B, D)."""
        fused_video, fused_audio = self.fusion_encoder(video.tokens, audio.tokens)
        return (
            self._pool(video.means, self.video_layer_weights),
            self._pool(audio.means, self.audio_layer_weights),
            fused_video.mean(dim=1),
            fused_audio.mean(dim=1),
        )

    def _join(self, parts: tuple[Tensor, ...]) -> Tensor:
        return self.feature_norm(torch.cat(parts, dim=-1))  # type: ignore[no-any-return]

    def forward(
        self,
        video: Tensor | None,
        audio: Tensor | None,
        keep_video: Tensor | None = None,
        keep_audio: Tensor | None = None,
    ) -> Tensor:
        """(B, 3, 16, 160, 160) and (B, 1, 256, 128) -> logits (B, C); one of the streams may be None."""
        return self.head(self.features(video, audio, keep_video, keep_audio))  # type: ignore[no-any-return]

    def _pool(self, means: Tensor, weights: Tensor) -> Tensor:
        return pool_layers(means, weights) if self.layer_fusion else means[:, -1]

    def withhold(self, modality: Modality) -> None:
        """Freeze the encoder of the stream that a modality leaves out, so that it need not run in training either."""
        if modality != "av":
            (self.video_encoder if modality == "audio" else self.audio_encoder).requires_grad_(False)

    def list_depths(self) -> dict[str, int]:
        """Depth of every parameter by its name, for layer-wise learning rates.

        Returns:
            0 for patch embeddings, 1 to L for encoder layers, then the fusion layers, then one more for the rest.
        """
        first_fused = self.dims.depth + 1
        modules: dict[nn.Module, int] = {}
        for encoder in (self.video_encoder, self.audio_encoder):
            modules |= {encoder.patches: 0, **{block: 1 + index for index, block in enumerate(encoder.blocks)}}
        for blocks in (self.fusion_encoder.video_blocks, self.fusion_encoder.audio_blocks):
            modules |= {block: first_fused + index for index, block in enumerate(blocks)}
        depths = {parameter: depth for module, depth in modules.items() for parameter in module.parameters()}
        top = first_fused + self.dims.fusion_depth
        return {name: depths.get(parameter, top) for name, parameter in self.named_parameters()}


def _list_distinct(x: Tensor) -> tuple[Tensor, Tensor]:
    """List the clips of a batch (B, ...) to encode: those that are not zeros, and the first one of zeros.

    Returns:
        Indices of these clips, and for each clip of the batch (B,) the place of its own or its zeros among them.
    """
    absent = ~x.flatten(1).any(dim=1)
    chosen = ~absent | (absent.cumsum(dim=0) == 1)
    place = chosen.cumsum(dim=0) - 1
    first = (absent & chosen).int().argmax()
    return chosen.nonzero()[:, 0], torch.where(absent, place[first], place)


def _count_clips(video: Tensor | None, audio: Tensor | None) -> int | None:
    """Return the number of clips if one stream is withheld, None if both are there.

    Raises:
        ValueError: both are withheld.
    """
    if video is not None and audio is not None:
        return None
    present = audio if video is None else video
    if present is None:
        raise ValueError("the classifier needs video or audio, got neither")
    return present.shape[0]
