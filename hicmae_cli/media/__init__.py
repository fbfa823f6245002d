"""Files in and out: frames and samples with their true time."""

from hicmae_cli.media.audio import SAMPLE_RATE_HZ, read_audio, read_audio_blocks
from hicmae_cli.media.frames import Frame, read_frames, sample_frames
from hicmae_cli.media.probe import MediaInfo, probe
from hicmae_cli.media.write import write_video

__all__ = [
    "SAMPLE_RATE_HZ",
    "Frame",
    "MediaInfo",
    "probe",
    "read_audio",
    "read_audio_blocks",
    "read_frames",
    "sample_frames",
    "write_video",
]
