"""Compare the time of two ways to make a fine-tuning item: ours, and step by step with the field's usual libraries.

The plain way reads 16 face pictures (256 x 256 JPEG) of a folder with PIL and resizes them, augments each with timm and
the same draw, crops, flips and erases them as tensors with torchvision and timm, reads the sound with soundfile, and
computes the spectrogram with torchaudio. Both ways end with the model's input, and draw their own random numbers.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np
import soundfile
import torch
import torchvision.transforms.functional as TF  # noqa: N812
from numpy.typing import NDArray
from PIL import Image
from timm.data.auto_augment import rand_augment_transform
from timm.data.random_erasing import RandomErasing
from torch import Tensor
from torchaudio.compliance.kaldi import fbank
from torchvision.transforms import RandomResizedCrop

from hicmae_cli.augmentation.rand_augment import FILL
from hicmae_cli.augmentation.sound import random_gain
from hicmae_cli.bench.pretraining import hold_to_one_core
from hicmae_cli.bundled import find_sample_clip
from hicmae_cli.clips import draw_training_view, write_prepared_clip
from hicmae_cli.clips.log_mel import LOG_MEL_MEAN, LOG_MEL_STD
from hicmae_cli.corpora.manifest import Sample
from hicmae_cli.media import read_audio, read_frames
from hicmae_cli.model_input import (
    FACE_SIZE_PX,
    IMAGENET_MEAN,
    IMAGENET_STD,
    LOG_MEL_BINS,
    LOG_MEL_FRAMES,
    SAMPLE_RATE_HZ,
)
from hicmae_cli.models.inputs import to_video
from hicmae_cli.recipes.settings import FinetuneSettings
from hicmae_cli.training.finetuning.data import TrainingClips, unpack_batch
from hicmae_cli.training.machine import hold_freed_memory

# As a clip of CREMA-D: 2.5 s at 30 frames/s.
_FRAMES, _FPS, _SAMPLES = 75, 30, SAMPLE_RATE_HZ * 5 // 2
_FILE_SIZE_PX = 256  # of the face pictures that OpenFace writes
_PRODUCT_SIDE = 2048


def item_times_s(items: int = 60) -> list[float]:
    """Measure seconds of our item and of a plain one, and operations per second of a float32 product, all on one core.

    The two ways take turns; the first item of each does not count. Processor time is measured, because other programs
    disturb it less.
    """
    hold_to_one_core()
    hold_freed_memory()  # for both ways: zeroing fresh pages would take a good part of either
    with tempfile.TemporaryDirectory() as folder:
        sample, pictures, wav = write_clip(Path(folder))
        settings = FinetuneSettings()
        ours_s = plain_s = 0.0
        for index in range(items + 1):
            taken_s = _time_s(partial(our_item, sample, settings, index))
            plain_taken_s = _time_s(partial(plain_item, pictures, wav, settings, index))
            if index:
                ours_s, plain_s = ours_s + taken_s, plain_s + plain_taken_s
    left, right = (torch.randn(_PRODUCT_SIDE, _PRODUCT_SIDE) for _ in range(2))
    product_s = min(_time_s(lambda: left @ right) for _ in range(5))
    return [ours_s / items, plain_s / items, 2 * _PRODUCT_SIDE**3 / product_s]


def _time_s(run: Callable[[], object]) -> float:
    started = time.process_time()
    run()
    return time.process_time() - started


def write_clip(folder: Path) -> tuple[Sample, list[Path], Path]:
    """Write a clip of a face and its sound, both as a prepared clip and as single files."""
    pictures = [frame.rgb for frame in read_frames(find_sample_clip())][:_FRAMES]
    sides = range(FACE_SIZE_PX, 2 * FACE_SIZE_PX)  # the person on the right
    faces = [np.ascontiguousarray(picture[20 : 20 + FACE_SIZE_PX, sides]) for picture in pictures]
    sound = read_audio(find_sample_clip())[:_SAMPLES]
    write_prepared_clip(folder / "clip.mkv", faces, Fraction(_FPS), sound)
    files = []
    for index, face in enumerate(faces):
        files.append(folder / f"{index:05d}.jpg")
        large = Image.fromarray(face).resize((_FILE_SIZE_PX, _FILE_SIZE_PX), Image.Resampling.BICUBIC)
        large.save(files[-1], quality=95)
    soundfile.write(folder / "clip.wav", sound, SAMPLE_RATE_HZ)
    return Sample("clip", folder / "clip.mkv", folder / "clip.mkv", "a"), files, folder / "clip.wav"


def our_item(sample: Sample, settings: FinetuneSettings, seed: int) -> tuple[Tensor, Tensor]:
    """Make video (1, 3, 16, 160, 160) and log-mel (1, 1, 256, 128) from a prepared clip."""
    item = TrainingClips([sample], ("a",), settings, epoch=seed)[0]
    faces, has_faces, audio, *_ = unpack_batch([item] if isinstance(item, str) else [part[None] for part in item])
    return to_video(faces, has_faces), audio


def plain_item(pictures: list[Path], wav: Path, settings: FinetuneSettings, seed: int) -> tuple[Tensor, Tensor]:
    """Make the same from picture files and a sound file."""
    rng = np.random.default_rng(seed)
    sound, _ = soundfile.read(wav, dtype="float32")
    view = draw_training_view(len(pictures), len(sound), settings.sampling_rate, rng)
    size = (FACE_SIZE_PX, FACE_SIZE_PX)
    frames = [Image.open(pictures[i]).convert("RGB").resize(size, Image.Resampling.BILINEAR) for i in view.frames]
    change = rand_augment_transform(settings.rand_augment, {"img_mean": FILL})
    for index, frame in enumerate(frames):
        random.seed(seed)
        np.random.seed(seed)  # noqa: NPY002 (timm draws from it: the same for every frame)
        frames[index] = change(frame)
    video = torch.stack(
        [TF.normalize(TF.to_tensor(frame), IMAGENET_MEAN, IMAGENET_STD) for frame in frames]
    )  # (16, 3, 160, 160)
    torch.manual_seed(seed)
    box = RandomResizedCrop.get_params(video, list(settings.crop_area), [3 / 4, 4 / 3])
    video = TF.resized_crop(video, *box, list(size), antialias=False)
    if rng.random() < settings.flip:
        video = video.flip(-1)
    erase = RandomErasing(settings.erase, mode="pixel", device="cpu")
    video = erase(video.flatten(0, 1).contiguous()).view(video.shape)  # one box in all frames
    gain = random_gain(rng) if settings.audio_gain else np.float32(1)
    return video.transpose(0, 1)[None], _plain_log_mel(view.cut_audio(sound) * gain)


def _plain_log_mel(sound: NDArray[np.float32]) -> Tensor:
    """Compute the log-mel (1, 1, 256, 128) of a cut (n,)."""
    wave = torch.from_numpy(sound)[None]
    mel = fbank(
        wave - wave.mean(),
        htk_compat=True,
        sample_frequency=SAMPLE_RATE_HZ,
        use_energy=False,
        window_type="hanning",
        num_mel_bins=LOG_MEL_BINS,
        dither=0.0,
        frame_shift=10,
    )[:LOG_MEL_FRAMES]
    mel = torch.nn.functional.pad(mel, (0, 0, 0, LOG_MEL_FRAMES - len(mel)))
    return ((mel - LOG_MEL_MEAN) / (2 * LOG_MEL_STD))[None, None]
