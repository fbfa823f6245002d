"""The expression net of `@vladmandic/face-api` (npm, MIT) in torch, read from the files of the package.

Its files are `face_expression_model-weights_manifest.json` and `face_expression_model.bin` in the folder `model`. The
net is a small convolutional one with dense connections; on the photographs of the check, it gives the probabilities of
the package itself to within 1e-3.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from numpy.typing import NDArray
from torch import Tensor, nn

LABELS = ("neutral", "happiness", "sadness", "anger", "fear", "disgust", "surprise")
# In the names of columns: the net as it is, and the one that scripts/tune_teacher.py made of it.
TEACHERS = ("api", "tuned")
CHANNELS = (3, 32, 64, 128, 256)
SIDE_PX = 112
MEAN = (122.782, 117.001, 104.298)
BATCH = 64


class Convolution(nn.Module):
    """A convolution of 3 x 3 pixels, padded as TensorFlow does: a dense one, or by channel and then across channels."""

    def __init__(self, inputs: int, outputs: int, stride: int, *, dense: bool) -> None:
        super().__init__()
        self.stride = stride
        self.depthwise = None if dense else nn.Conv2d(inputs, inputs, 3, stride, groups=inputs, bias=False)
        self.pointwise = nn.Conv2d(inputs, outputs, 3, stride) if dense else nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, S, S) -> (B, outputs, S / stride, S / stride)."""
        size = x.shape[-1]
        pad = (math.ceil(size / self.stride) - 1) * self.stride + 3 - size
        x = F.pad(x, (pad // 2, pad - pad // 2) * 2)
        return self.pointwise(x if self.depthwise is None else self.depthwise(x))  # type: ignore[no-any-return]


class Block(nn.Module):
    """Four convolutions; each one after the first reads the sum of all before it."""

    def __init__(self, inputs: int, outputs: int, *, first: bool) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            [
                Convolution(inputs, outputs, 2, dense=first),
                *(Convolution(outputs, outputs, 1, dense=False) for _ in range(3)),
            ]
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, S, S) -> (B, outputs, S / 2, S / 2)."""
        total = F.relu(self.layers[0](x))
        for layer in self.layers[1:]:
            total = total + layer(F.relu(total))
        return F.relu(total)


class ExpressionNet(nn.Module):
    """Faces in, probabilities of ``LABELS`` out.

    Args:
        folder: has the two files of the package.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            Block(inputs, outputs, first=inputs == CHANNELS[0]) for inputs, outputs in pairwise(CHANNELS)
        )
        self.head = nn.Linear(CHANNELS[-1], len(LABELS))
        self.load_state_dict(_rename(_read_tensors(folder)))
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, 112, 112), the mean subtracted, in 255ths -> logits (B, 7)."""
        return self.head(self.features(x))  # type: ignore[no-any-return]

    def features(self, x: Tensor) -> Tensor:
        """The same -> the input of the last layer (B, 256)."""
        for block in self.blocks:
            x = block(x)
        return x.mean(dim=(2, 3))

    @torch.inference_mode()
    def describe(self, faces: Sequence[NDArray[np.uint8]]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Judge square faces (H, H, 3) of one size -> probabilities (n, 7), and features (n, 256).

        Both are means over the face and its mirror image, which is steadier.
        """
        said, seen = [np.empty((0, len(LABELS)), np.float32)], [np.empty((0, CHANNELS[-1]), np.float32)]
        for start in range(0, len(faces), BATCH):
            x = prepare(np.stack(faces[start : start + BATCH]))
            both = [self.features(x), self.features(x.flip(-1))]
            said.append(torch.stack([self.head(each).softmax(dim=-1) for each in both]).mean(dim=0).numpy())
            seen.append(torch.stack(both).mean(dim=0).numpy())
        return np.concatenate(said), np.concatenate(seen)

    @torch.inference_mode()
    def judge(self, faces: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Judge square faces (H, H, 3) of one size as the package does -> (n, 7)."""
        said = [
            self(prepare(np.stack(faces[start : start + BATCH]))).softmax(dim=-1)
            for start in range(0, len(faces), BATCH)
        ]
        return torch.cat(said).numpy() if said else np.empty((0, len(LABELS)), np.float32)


def prepare(faces: NDArray[np.uint8]) -> Tensor:
    """Resize (B, H, H, 3) uint8 as TensorFlow does, without centring the pixels, and normalise."""
    x = torch.from_numpy(faces).permute(0, 3, 1, 2).float()
    at = torch.arange(SIDE_PX) * (x.shape[-1] / SIDE_PX)
    low = at.long()
    high, share = (low + 1).clamp(max=x.shape[-1] - 1), at - low
    x = x[..., low] * (1 - share) + x[..., high] * share
    x = x[:, :, low] * (1 - share[:, None]) + x[:, :, high] * share[:, None]
    return ((x - torch.tensor(MEAN)[:, None, None]) / 255).to(memory_format=torch.channels_last)


def _read_tensors(folder: Path) -> dict[str, Tensor]:
    """Read the tensors of the package's files by name; most are stored in 8 bits."""
    manifest = json.loads((folder / "face_expression_model-weights_manifest.json").read_text("utf-8"))
    stored = (folder / "face_expression_model.bin").read_bytes()
    tensors, offset = {}, 0
    for entry in (entry for group in manifest for entry in group["weights"]):
        coding = entry.get("quantization")
        kind = np.dtype(coding["dtype"] if coding else entry["dtype"])
        count = math.prod(entry["shape"])
        numbers = np.frombuffer(stored, kind, count, offset).astype(np.float32)
        if coding:
            numbers = numbers * coding["scale"] + coding["min"]
        offset += count * kind.itemsize
        tensors[entry["name"]] = torch.from_numpy(numbers.reshape(entry["shape"]).copy())
    return tensors


def _rename(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Give the tensors the names and the order of dimensions of torch."""
    state = {"head.weight": tensors.pop("fc/weights").T, "head.bias": tensors.pop("fc/bias")}
    kinds = {"filters": "pointwise.weight", "pointwise_filter": "pointwise.weight", "bias": "pointwise.bias"}
    for name, tensor in tensors.items():
        block, layer, part = name.split("/")
        target = f"blocks.{block.removeprefix('dense')}.layers.{layer.removeprefix('conv')}"
        if part == "depthwise_filter":
            state[f"{target}.depthwise.weight"] = tensor.permute(2, 3, 0, 1)
        else:
            state[f"{target}.{kinds[part]}"] = tensor if tensor.ndim == 1 else tensor.permute(3, 2, 0, 1)
    return state
