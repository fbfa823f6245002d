"""Find faces, align them for the model, and link them to persons."""

from hicmae_cli.faces.align import align_face
from hicmae_cli.faces.detector import FaceDetector, FaceFinder
from hicmae_cli.faces.face import Face
from hicmae_cli.faces.linker import TrackLinker
from hicmae_cli.faces.stills import detect_in_photograph

__all__ = ["Face", "FaceDetector", "FaceFinder", "TrackLinker", "align_face", "detect_in_photograph"]
