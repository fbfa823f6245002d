"""Check what a prediction needs: the codecs in PyAV, OpenGL for puppets, and a prediction from start to end."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal

from hicmae_cli.doctor.apart import run_apart
from hicmae_cli.doctor.results import Check
from hicmae_cli.errors import HicmaeError, first_line
from hicmae_cli.workers import Report, WorkerDiedError

_FORMATS: Final = ("mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "avi", "mpegts", "wav", "flac", "mp3", "ogg")
_DECODERS: Final = (
    *("h264", "hevc", "vp8", "vp9", "av1", "mpeg4", "mjpeg", "prores"),
    *("aac", "mp3", "opus", "vorbis", "flac", "ac3", "pcm_s16le"),
)
_ENCODERS: Final = ("libx264", "mjpeg", "flac", "aac")
"""Those of ``media.write``."""
_LENGTH_S: Final = 2.56
_FPS: Final = 25


def check_media() -> Iterator[Check]:
    """Check the formats and codecs of the ffmpeg libraries inside PyAV; a program ``ffmpeg`` is not needed."""
    version, lacking = run_apart(find_lacking_codecs, "")
    yield Check("media", "ffmpeg libraries in PyAV", "ok", f"{version}; no program ffmpeg is needed")
    for kind, names in lacking.items():
        count = {"formats": _FORMATS, "decoders": _DECODERS, "encoders": _ENCODERS}[kind]
        if not names:
            yield Check("media", kind, "ok", f"all {len(count)} that matter")
            continue
        advice = "run `pip install --force-reinstall --only-binary av av`: the wheels on PyPI have them"
        yield Check("media", kind, "note" if kind == "decoders" else "broken", f"missing: {', '.join(names)}", advice)


def find_lacking_codecs(job: str, report: Report) -> tuple[str, dict[str, list[str]]]:
    """Return ffmpeg's version, and the formats, decoders and encoders that PyAV lacks."""
    import av
    from av.codec.codec import Codec

    def lacks(name: str, mode: Literal["r", "w"]) -> bool:
        try:
            Codec(name, mode)
        except ValueError:
            return True
        return False

    lacking = {
        "formats": [name.partition(",")[0] for name in _FORMATS if name not in av.formats_available],
        "decoders": [name for name in _DECODERS if lacks(name, "r")],
        "encoders": [name for name in _ENCODERS if lacks(name, "w")],
    }
    return str(av.ffmpeg_version_info), lacking


def check_drawing() -> Iterator[Check]:
    """Check that puppets can be drawn, if their extra is installed."""
    import importlib.util

    if importlib.util.find_spec("moderngl") is None:
        return
    try:
        problem = run_apart(try_drawing, "")
    except WorkerDiedError as error:
        problem = str(error)
    if problem is None:
        yield Check("puppets", "OpenGL 3.3 through EGL", "ok", "draws")
        return
    from hicmae_cli.doctor.libraries import advise_installing

    advice = advise_installing(("libEGL.so.1", "libGL.so.1")) + ", and Mesa's drivers (on Debian: libgl1-mesa-dri)"
    yield Check("puppets", "OpenGL 3.3 through EGL", "note", problem, f"to draw puppets: {advice}")


def try_drawing(job: str, report: Report) -> str | None:
    """Open the renderer of the puppets -> None if that works, or the reason why not."""
    from hicmae_cli.puppets.render import Renderer

    try:
        with Renderer(16):
            return None
    except (HicmaeError, ImportError, OSError) as error:
        return first_line(error)


def check_prediction() -> Iterator[Check]:
    """Predict a clip that is made here, and two and a half seconds of the sample clip, in a process of its own."""
    try:
        found = run_apart(try_predicting, "")
    except WorkerDiedError as error:
        found = [Check("trial", "prediction", "broken", str(error))]
    yield from found


def try_predicting(job: str, report: Report) -> list[Check]:
    """Predict with the bundled weight: a generated clip by its sound, and the sample clip by faces and sound."""
    from hicmae_cli.bundled import DEFAULT_WEIGHT, find_sample_clip
    from hicmae_cli.runtime.opening import open_engine
    from hicmae_cli.runtime.predictor import Predictor
    from hicmae_cli.runtime.results import VOICE_TRACK, FileResult
    from hicmae_cli.runtime.settings import PredictSettings

    engine = open_engine(DEFAULT_WEIGHT)

    def judge(name: str, path: Path, wants_face: bool) -> Check:
        # The tone of the generated clip is no voice.
        sound = "speaker" if wants_face else "shared"
        predictor = Predictor(engine, PredictSettings(end_s=_LENGTH_S, sound=sound))
        started_s = time.perf_counter()
        result: FileResult = predictor.predict(path)
        took_s = time.perf_counter() - started_s
        people = [track for track in result.tracks if track.id != VOICE_TRACK]
        if result.failed or bool(people) != wants_face:
            expected = "faces" if wants_face else "a voice and no face"
            message = result.message or f"{len(people)} people"
            return Check("trial", name, "broken", f"expected {expected}, got {result.status}: {message}")
        seen = f"{len(people)} people" if wants_face else "the sound"
        return Check(
            "trial",
            name,
            "ok",
            f"predicted {seen} in {took_s:.1f} s with {predictor.engine.name} on {predictor.engine.device}",
        )

    checks = []
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder) / "trial.mp4"
        _write_clip(clip)
        checks.append(judge("generated clip", clip, wants_face=False))
    try:
        sample = find_sample_clip()
    except HicmaeError:
        return checks  # the row of the models says so
    return [*checks, judge("faces of the sample clip", sample, wants_face=True)]


def _write_clip(path: Path) -> None:
    """Write a grey video that changes, with a tone, of one window."""
    import numpy as np

    from hicmae_cli.media import write_video
    from hicmae_cli.model_input import SAMPLE_RATE_HZ

    count = round(_LENGTH_S * _FPS)
    time_s = np.arange(round(_LENGTH_S * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    frames = (np.full((96, 128, 3), 64 + index, np.uint8) for index in range(count))
    write_video(path, frames, _FPS, (0.1 * np.sin(2 * np.pi * 220 * time_s)).astype(np.float32), audio_codec="aac")
