"""Sizes of the network: four named variants, the shapes of its input, and what decides its parameters.

Everything else in the model room follows from these numbers. Torch is not imported, so an install without it can
describe weight files.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Final, Literal

from hicmae_cli.errors import WeightsError
from hicmae_cli.model_input import CLIP_FRAMES, FACE_SIZE_PX, LOG_MEL_BINS, LOG_MEL_FRAMES

# Video: 16 frames of 160 x 160, cut in tubelets of 2 x 16 x 16 -> 8 * 10 * 10 = 800 tokens.
TUBELET_FRAMES = 2
PATCH_PX = 16
VIDEO_GRID = (CLIP_FRAMES // TUBELET_FRAMES, FACE_SIZE_PX // PATCH_PX, FACE_SIZE_PX // PATCH_PX)
VIDEO_TOKENS: Final = 800  # the product of VIDEO_GRID
VideoTokens = Literal[100, 200, 400, 800]
"""How many of these a classifier reads: each place of the face once, twice, four times or all eight times."""
# Audio: 256 log-mel frames of 128 bins, cut in patches of 16 x 16 -> 16 * 8 = 128 tokens.
AUDIO_GRID = (LOG_MEL_FRAMES // PATCH_PX, LOG_MEL_BINS // PATCH_PX)
AUDIO_TOKENS = AUDIO_GRID[0] * AUDIO_GRID[1]  # 128
# Sizes of a patch, (frames, rows, columns) and (frames, bins), and its values: P.
VIDEO_PATCH = (TUBELET_FRAMES, PATCH_PX, PATCH_PX)
AUDIO_PATCH = (PATCH_PX, PATCH_PX)
VIDEO_PATCH_VALUES = 3 * TUBELET_FRAMES * PATCH_PX**2  # 1536
AUDIO_PATCH_VALUES = PATCH_PX**2  # 256

MLP_RATIO = 4
NORM_EPS = 1e-6
HEAD_WIDTH = 64
MaskKind = Literal["tube", "random", "frame", "block", "dual"]
"""How pre-training hides tokens; see ``masking.draw_mask``."""
TEMPERATURE = 0.07
"""Temperature of the contrast (HiCMAE, section 3.4)."""
# Far beyond any known model: a file that claims more is damaged or hostile.
_MAX_WIDTH = 8192
_MAX_DEPTH = 128


@dataclass(frozen=True)
class ModelDims:
    """Sizes of one network.

    Attributes:
        width: D, channels of a token.
        heads: attention heads; they divide D.
        depth: L, layers of each of the two encoders.
        fusion_depth: layers of the cross-modal fusion encoder; without any, the head alone joins the two streams.
    """

    width: int
    heads: int
    depth: int
    fusion_depth: int = 2

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            least = 0 if name == "fusion_depth" else 1
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise WeightsError(f"model dims: {name} must be a whole number of at least {least}, got {value!r}")
        if self.width > _MAX_WIDTH or max(self.depth, self.fusion_depth) > _MAX_DEPTH:
            raise WeightsError(f"model dims: at most width {_MAX_WIDTH} and depth {_MAX_DEPTH}, got {asdict(self)}")
        if self.width % self.heads:
            raise WeightsError(f"model dims: width {self.width} cannot be split into {self.heads} heads")

    def to_dict(self) -> dict[str, int]:
        """Sizes by name, as in the metadata of a weight file."""
        return asdict(self)

    @classmethod
    def from_dict(cls, dims: object) -> ModelDims:
        """Read sizes from the metadata of a weight file.

        Raises:
            WeightsError: unknown or missing keys, or impossible sizes.
        """
        expected = set(cls.__dataclass_fields__)
        if not isinstance(dims, dict) or set(dims) != expected:
            raise WeightsError(f"model dims: expected the keys {sorted(expected)}, got {dims!r}")
        return cls(**dims)


VARIANTS = {
    "nano": ModelDims(width=128, heads=2, depth=6),  # ours: for CPUs, and the bundled default
    "tiny": ModelDims(width=256, heads=4, depth=10),
    "small": ModelDims(width=384, heads=6, depth=10),
    "base": ModelDims(width=512, heads=8, depth=10),
}


@dataclass(frozen=True)
class DecoderDims:
    """Sizes of the pre-training decoders, one per modality, and which encoder layers they read.

    Attributes:
        width: channels of a decoder token.
        heads: attention heads; they divide the width.
        skip_layers: 0-based encoder layers that the decoders read, in rising order. A decoder has one layer more: its
            first layer reads none, the others read the skip layers, deepest first.
    """

    width: int
    heads: int
    skip_layers: tuple[int, ...] = (3, 6, 9)

    def __post_init__(self) -> None:
        if min(self.width, self.heads) < 1 or self.width % self.heads or self.width > _MAX_WIDTH:
            raise WeightsError(f"decoder: width {self.width} cannot be split into {self.heads} heads")
        if not self.skip_layers or list(self.skip_layers) != sorted({*self.skip_layers}):
            raise WeightsError(f"decoder: skip layers must rise, got {list(self.skip_layers)}")

    def check_layers(self, depth: int) -> None:
        """Check that encoders of a depth have the layers that the decoders read.

        Raises:
            WeightsError: they lack some.
        """
        check_layers("skip layers", self.skip_layers, depth)

    @property
    def depth(self) -> int:
        """Layers of one decoder."""
        return len(self.skip_layers) + 1


DECODERS = {
    "nano": DecoderDims(width=64, heads=1, skip_layers=(1, 3, 5)),
    "tiny": DecoderDims(width=128, heads=2),  # ours: the authors released no tiny pre-training
    "small": DecoderDims(width=192, heads=3),
    "base": DecoderDims(width=384, heads=6),
}


@dataclass(frozen=True)
class Architecture:
    """What decides a network's parameters: a model that predicts has outputs, a pre-training model has decoders.

    Attributes:
        dims: sizes of the encoders.
        outputs: classes, or targets of a regression; 0 for a pre-training model.
        layer_fusion: whether the classifier weighs all encoder layers (paper 3.5) or uses only the last one.
        decoder: sizes of the decoders; None for a model that predicts.
        skips: whether the decoders have hierarchical skip connections.
        contrast_layers: 0-based encoder layers that the contrastive loss compares; None for those the decoders read.
        one_token: whether a classifier sees a withheld stream as one token, the mean of its encoder's answer to zeros,
            and not as all of them.
        video_tokens: how many tokens of a clip a classifier reads, when it is not told which.

    Raises:
        WeightsError: both outputs and decoders or neither, or layers that the encoders do not have.
    """

    dims: ModelDims
    outputs: int = 0
    layer_fusion: bool = True
    decoder: DecoderDims | None = None
    skips: bool = True
    contrast_layers: tuple[int, ...] | None = None
    one_token: bool = False
    video_tokens: VideoTokens = VIDEO_TOKENS

    def __post_init__(self) -> None:
        if (self.outputs > 0) == (self.decoder is not None):
            raise WeightsError(f"expected either outputs or decoders, got {self.outputs} outputs and {self.decoder}")
        if self.decoder is not None:
            self.decoder.check_layers(self.dims.depth)
            check_layers("contrast layers", self.contrast_layers or (), self.dims.depth)


def check_layers(name: str, layers: Sequence[int], depth: int) -> None:
    """Check that encoders of a depth have some 0-based layers.

    Raises:
        WeightsError: they lack some; ``name`` says what the layers are for.
    """
    absent = [layer for layer in layers if not 0 <= layer < depth]
    if absent:
        raise WeightsError(
            f"{name} {', '.join(map(str, absent))} do not exist: the encoders have layers 0 to {depth - 1}"
        )


def find_variant(dims: ModelDims) -> str:
    """Name of the variant with these sizes, or ``"custom"``."""
    return next((name for name, known in VARIANTS.items() if known == dims), "custom")
