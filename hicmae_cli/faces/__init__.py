"""Faces: found, cut out as the model wants them, and numbered per person."""

from hicmae_cli.faces.align import CROP_PX, align_face
from hicmae_cli.faces.detector import FaceDetector, FaceFinder
from hicmae_cli.faces.face import Face
from hicmae_cli.faces.fake import FakeDetector, FakeFace, fake_face
from hicmae_cli.faces.linker import TrackLinker

__all__ = [
    "CROP_PX",
    "Face",
    "FaceDetector",
    "FaceFinder",
    "FakeDetector",
    "FakeFace",
    "TrackLinker",
    "align_face",
    "fake_face",
]
