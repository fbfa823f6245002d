"""The model's input: clips of faces and sound, how they are sampled, and how they are stored."""

from hicmae_cli.clips.clip import Clip, stack_clips
from hicmae_cli.clips.log_mel import compute_log_mel
from hicmae_cli.clips.prepared import PreparedClip, read_prepared_clip, write_prepared_clip
from hicmae_cli.clips.recording import Recording, read_random_window
from hicmae_cli.clips.views import View, draw_training_view, select_evaluation_views
from hicmae_cli.model_input import CLIP_FRAMES, FACE_SIZE_PX, WINDOW_S

__all__ = [
    "CLIP_FRAMES",
    "FACE_SIZE_PX",
    "WINDOW_S",
    "Clip",
    "PreparedClip",
    "Recording",
    "View",
    "compute_log_mel",
    "draw_training_view",
    "read_prepared_clip",
    "read_random_window",
    "select_evaluation_views",
    "stack_clips",
    "write_prepared_clip",
]
