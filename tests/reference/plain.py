"""The pre-training step once more, as the specification words it and as plainly as can be.

Nothing of the package is used, and parameters have the authors' names. It is checked against their numbers where there
are any, and stands in for them where there are none, as for another seed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

State = Mapping[str, Tensor]
MEAN = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1, 1)
STD = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1, 1)


def table(tokens: int, width: int) -> Tensor:
    """Sines and cosines of every position, one number at a time."""
    rows = [
        [(math.cos if c % 2 else math.sin)(position / 10000 ** (2 * (c // 2) / width)) for c in range(width)]
        for position in range(tokens)
    ]
    return torch.tensor(rows)


def norm(x: Tensor, state: State, name: str) -> Tensor:
    centred = x - x.mean(-1, keepdim=True)
    scaled = centred / (centred.square().mean(-1, keepdim=True) + 1e-6).sqrt()
    return scaled * state[f"{name}.weight"] + state[f"{name}.bias"]


def linear(x: Tensor, state: State, name: str) -> Tensor:
    out = x @ state[f"{name}.weight"].T
    return out + state[f"{name}.bias"] if f"{name}.bias" in state else out


def attend(q: Tensor, k: Tensor, v: Tensor, heads: int) -> Tensor:
    """One clip: (N, D), (M, D), (M, D) -> (N, D), head by head."""
    outputs = []
    for q_, k_, v_ in zip(q.chunk(heads, -1), k.chunk(heads, -1), v.chunk(heads, -1), strict=True):
        weights = (q_ @ k_.T / math.sqrt(q_.shape[-1])).softmax(-1)
        outputs.append(weights @ v_)
    return torch.cat(outputs, -1)


def block(x: Tensor, state: State, name: str, heads: int, context: Tensor | None = None) -> Tensor:
    """A layer of one clip (N, D); with a context it reads that first."""
    if context is not None:
        at, of = norm(x, state, f"{name}.cross_norm1"), norm(context, state, f"{name}.cross_norm2")
        q = at @ state[f"{name}.cross_attn.q.weight"].T + state[f"{name}.cross_attn.q_bias"]
        k, v = (of @ state[f"{name}.cross_attn.kv.weight"].T).chunk(2, -1)
        v = v + state[f"{name}.cross_attn.v_bias"]
        x = x + linear(attend(q, k, v, heads), state, f"{name}.cross_attn.proj")
    q, k, v = (norm(x, state, f"{name}.norm1") @ state[f"{name}.attn.qkv.weight"].T).chunk(3, -1)
    q, v = q + state[f"{name}.attn.q_bias"], v + state[f"{name}.attn.v_bias"]
    x = x + linear(attend(q, k, v, heads), state, f"{name}.attn.proj")
    hidden = linear(norm(x, state, f"{name}.norm2"), state, f"{name}.mlp.fc1")
    hidden = hidden * 0.5 * (1 + torch.erf(hidden / math.sqrt(2)))
    return x + linear(hidden, state, f"{name}.mlp.fc2")


def encode(pixels: Tensor, kept: Tensor, state: State, name: str, depth: int, heads: int) -> list[Tensor]:
    """Outputs of every layer on the kept tokens of one clip (C, ...), normed."""
    weight = state[f"{name}.patch_embed.proj.weight"]
    convolve = torch.nn.functional.conv3d if weight.ndim == 5 else torch.nn.functional.conv2d
    cut = convolve(pixels[None], weight, state[f"{name}.patch_embed.proj.bias"], stride=weight.shape[2:])
    tokens = cut[0].flatten(1).T
    x = (tokens + table(*tokens.shape))[kept]
    outputs = []
    for layer in range(depth):
        x = block(x, state, f"{name}.blocks.{layer}", heads)
        outputs.append(norm(x, state, f"{name}.norm"))
    return outputs


def decode(fused: Tensor, layers: list[Tensor], hidden: Tensor, state: State, suffix: str, heads: int) -> Tensor:
    """Predictions of the masked tokens of one clip."""
    enter, name = state[f"encoder_to_decoder{suffix}.weight"], f"decoder{suffix}"
    places = table(len(hidden), len(enter))
    masked = state[f"mask_token{suffix}"][0] + places[hidden]
    x = torch.cat((fused @ enter.T + places[~hidden], masked))
    x = block(x, state, f"{name}.blocks.0", heads)
    for index, layer in enumerate(reversed(layers), 1):
        x = block(x, state, f"{name}.blocks.{index}", heads, layer @ enter.T + places[~hidden])
    return linear(norm(x, state, f"{name}.norm")[int((~hidden).sum()) :], state, f"{name}.head")


def video_target(pixels: Tensor, hidden: Tensor) -> Tensor:
    """Patches of one clip (3, 16, 160, 160) in 0..1, each on its own."""
    rows = []
    for token in hidden.nonzero()[:, 0].tolist():
        t, y, x = token // 100, token // 10 % 10, token % 10
        patch = pixels[:, 2 * t : 2 * t + 2, 16 * y : 16 * y + 16, 16 * x : 16 * x + 16].flatten(1)
        patch = (patch - patch.mean(1, keepdim=True)) / (patch.std(1, keepdim=True) + 1e-6)
        frames = patch.view(3, 2, 256)
        rows.append(torch.stack((frames[:, 0].T, (frames[:, 1] - frames[:, 0]).T)).flatten())
    return torch.stack(rows)


def audio_target(mel: Tensor, hidden: Tensor) -> Tensor:
    rows = []
    for token in hidden.nonzero()[:, 0].tolist():
        y, x = token // 8, token % 8
        patch = mel[0, 16 * y : 16 * y + 16, 16 * x : 16 * x + 16].flatten()
        rows.append((patch - patch.mean()) / (patch.std() + 1e-6))
    return torch.stack(rows)


def loss(
    state: State, video: Tensor, audio: Tensor, hidden_video: Tensor, hidden_audio: Tensor, facts: Mapping[str, int]
) -> Tensor:
    """The whole loss, weight 0.0025 and temperature 0.07, of clips one by one."""
    depth, heads = facts["encoder_depth"], facts["encoder_num_heads"]
    kept: list[int] = facts["skip_layers"]  # type: ignore[assignment]
    errors, pooled = [], []
    for clip in range(len(video)):
        hidden = hidden_video[clip], hidden_audio[clip]
        v = encode(video[clip], ~hidden[0], state, "encoder", depth, heads)
        a = encode(audio[clip], ~hidden[1], state, "encoder_audio", depth, heads)
        x, y = v[-1], a[-1]
        for layer in range(facts["fusion_depth"]):
            x, y = (
                block(x, state, f"encoder_fusion.blocks.{layer}", heads, y),
                block(y, state, f"encoder_fusion.blocks_audio.{layer}", heads, x),
            )
        x, y = norm(x, state, "encoder_fusion.norm"), norm(y, state, "encoder_fusion.norm_audio")
        h = facts["decoder_num_heads"]
        seen, heard = [v[i] for i in kept], [a[i] for i in kept]
        off_v = decode(x, seen, hidden[0], state, "", h) - video_target(video[clip] * STD + MEAN, hidden[0])
        off_a = decode(y, heard, hidden[1], state, "_audio", h) - audio_target(audio[clip], hidden[1])
        errors.append(off_v.square().mean() + off_a.square().mean())
        pooled.append([torch.stack([t.mean(0) for t in layers]) for layers in (seen, heard)])
    contrast = torch.zeros(())
    for layer in range(len(kept)):
        v, a = (torch.stack([clip[i][layer] for clip in pooled]) for i in (0, 1))  # type: ignore[assignment]
        cosines = (v / v.norm(dim=1, keepdim=True)) @ (a / a.norm(dim=1, keepdim=True)).T / 0.07  # type: ignore[attr-defined]
        for logits in (cosines, cosines.T):
            contrast = contrast - logits.log_softmax(1).diagonal().mean() / 2
    return torch.stack(errors).mean() + 0.0025 * contrast
