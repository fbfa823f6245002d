"""hicmae: raw video in, fused audio-visual emotion out, per person, over time."""

__version__ = "0.1.0"
