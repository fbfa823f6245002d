"""Sizes and constants of the model's input: 16 aligned faces and the log-mel of the same 2.56 s (paper, section 4.1).

Other modules import these numbers and do not repeat them. This one imports nothing, so a command's defaults need no
NumPy.
"""

from __future__ import annotations

from typing import Final

WINDOW_S: Final = 2.56
CLIP_FRAMES: Final = 16
FRAME_STEP_S: Final = WINDOW_S / CLIP_FRAMES  # 0.16
FACE_SIZE_PX: Final = 160
IMAGENET_MEAN: Final = (0.485, 0.456, 0.406)
IMAGENET_STD: Final = (0.229, 0.224, 0.225)
"""Mean and standard deviation of red, green and blue in 0..1, to normalise faces."""

SAMPLE_RATE_HZ: Final = 16_000
WINDOW_SAMPLES: Final = round(WINDOW_S * SAMPLE_RATE_HZ)  # 40960
LOG_MEL_FRAMES: Final = 256
LOG_MEL_BINS: Final = 128

RAW_INPUTS: Final = ("faces", "sound", "use_faces", "use_sound")
"""Inputs of an ONNX file that has the steps above inside: 8-bit faces and samples, and which of the two to use."""
