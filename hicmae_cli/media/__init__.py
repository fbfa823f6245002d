"""Read and write media files: frames and samples with their true times."""

from hicmae_cli.media.audio import iterate_audio, read_audio, read_audio_blocks, read_audio_if_any
from hicmae_cli.media.frames import Frame, read_frames, sample_frames
from hicmae_cli.media.listing import MEDIA_SUFFIXES, PICTURE_SUFFIXES, SOUND_SUFFIXES, VIDEO_SUFFIXES, list_media
from hicmae_cli.media.photographs import find_photograph_format, read_photograph
from hicmae_cli.media.probe import MediaInfo, probe
from hicmae_cli.media.seek import iterate_frames_at, read_frames_at, read_length_s
from hicmae_cli.media.stills import Stills, read_stills
from hicmae_cli.media.write import write_video

__all__ = [
    "MEDIA_SUFFIXES",
    "PICTURE_SUFFIXES",
    "SOUND_SUFFIXES",
    "VIDEO_SUFFIXES",
    "Frame",
    "MediaInfo",
    "Stills",
    "find_photograph_format",
    "iterate_audio",
    "iterate_frames_at",
    "list_media",
    "probe",
    "read_audio",
    "read_audio_blocks",
    "read_audio_if_any",
    "read_frames",
    "read_frames_at",
    "read_length_s",
    "read_photograph",
    "read_stills",
    "sample_frames",
    "write_video",
]
