"""A small dataset as it could be distributed: a bright square speaks, in videos with sound inside or beside them."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType

import numpy as np
import soundfile

from hicmae_cli.corpora.dataset import Dataset, Item, SplitFacts
from hicmae_cli.faces import Face
from hicmae_cli.media import Frame, write_video
from tests.faces.fake import fake_face

FPS = 10
FRAMES = 5
LABELS = ("anger", "fear")


class SquareDetector:
    """Sees a face where the picture is bright; a red picture kills the process, as a crash in a decoder would."""

    def detect(self, frame: Frame) -> list[Face]:
        red, green, _ = frame.rgb.reshape(-1, 3).mean(axis=0)
        if red > 150 and green < 60:
            os.kill(os.getpid(), signal.SIGKILL)
        bright = np.argwhere(frame.rgb[..., 1] > 150)
        if not len(bright):
            return []
        y, x = bright.mean(axis=0)
        return [fake_face((float(x), float(y)), 40)]

    def close(self) -> None:
        pass

    def __enter__(self) -> SquareDetector:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def picture(index: int = 0, face: bool = True) -> np.ndarray:
    """96 x 64, with a bright square of 40 px on the left, whose shade tells frames apart."""
    rgb = np.full((64, 96, 3), 40, np.uint8)
    if face:
        rgb[12:52, 8:48] = 200 + index % 50
    return rgb


def tone(length_s: float, level: float = 0.2) -> np.ndarray:
    """16 kHz."""
    return (level * np.sin(np.arange(round(length_s * 16_000)) / 7)).astype(np.float32)


def film(path: Path, pictures: Sequence[np.ndarray] | None = None, sound: np.ndarray | None = None) -> Path:
    """Half a second with a face by default."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_video(path, pictures or [picture(i) for i in range(FRAMES)], FPS, sound)
    return path


def make_items(root: Path, count: int) -> list[Item]:
    """Items of two per speaker, in a fold per speaker; every third has its sound in a wav."""
    items = []
    for index in range(count):
        beside = index % 3 == 0
        shades = [picture(index + frame) for frame in range(FRAMES)]
        video = film(root / f"{index:02}.mkv", shades, None if beside else tone(0.5))
        audio = None
        if beside:
            audio = root / f"{index:02}.wav"
            soundfile.write(audio, tone(0.5), 16_000)
        items.append(
            Item(
                f"s{index // 2}/{index:02}",
                LABELS[index % 2],
                f"s{index // 2}",
                video,
                audio,
                str(index // 2),
                extra={"take": str(index)},
            )
        )
    return items


def toy_dataset(items: Sequence[Item], published: Mapping[str, SplitFacts] | None = None, name: str = "toy") -> Dataset:
    return replace(_TOY, name=name, items=lambda _: list(items), published=published or {})


def files_of(store: Path) -> dict[str, bytes]:
    """All that a store holds."""
    return {p.relative_to(store).as_posix(): p.read_bytes() for p in store.rglob("*") if p.is_file()}


_TOY = Dataset(
    name="toy",
    title="Toy",
    folder="toy",
    task="classification",
    labels=LABELS,
    codes={},
    folds=(),
    fold_rule="one speaker each",
    metric="uar",
    reported=("uar",),
    sampling_rate=4,
    recipe="toy",
    items=lambda _: [],
    layout="<clip>.mkv",
    citation="",
    licence="",
    access="",
)
