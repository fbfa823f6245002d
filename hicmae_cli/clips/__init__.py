"""The model's input: clips of faces and sound, how they are sampled, and where they are stored."""

from hicmae_cli.clips.clip import Clip, model_inputs
from hicmae_cli.clips.log_mel import log_mel
from hicmae_cli.clips.prepared import PreparedClip, read_prepared_clip, write_prepared_clip
from hicmae_cli.clips.recording import Recording, read_random_window
from hicmae_cli.clips.views import View, test_views, training_view
from hicmae_cli.model_input import CLIP_FRAMES, FACE_SIZE_PX, WINDOW_S

__all__ = [
    "CLIP_FRAMES",
    "FACE_SIZE_PX",
    "WINDOW_S",
    "Clip",
    "PreparedClip",
    "Recording",
    "View",
    "log_mel",
    "model_inputs",
    "read_prepared_clip",
    "read_random_window",
    "test_views",
    "training_view",
    "write_prepared_clip",
]
