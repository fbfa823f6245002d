"""Reading and writing of media files: frames and samples with their true times."""

from hicmae_cli.media.audio import read_audio, read_audio_blocks, read_audio_if_any
from hicmae_cli.media.frames import Frame, read_frames, sample_frames
from hicmae_cli.media.mixer import SAMPLE_RATE_HZ
from hicmae_cli.media.probe import MediaInfo, probe
from hicmae_cli.media.seek import frames_at, iter_frames_at, span_s
from hicmae_cli.media.source import VIDEO_SUFFIXES
from hicmae_cli.media.stills import Stills, read_stills
from hicmae_cli.media.write import write_video

__all__ = [
    "SAMPLE_RATE_HZ",
    "VIDEO_SUFFIXES",
    "Frame",
    "MediaInfo",
    "Stills",
    "frames_at",
    "iter_frames_at",
    "probe",
    "read_audio",
    "read_audio_blocks",
    "read_audio_if_any",
    "read_frames",
    "read_stills",
    "sample_frames",
    "span_s",
    "write_video",
]
