"""Who speaks: where the sound has a voice, how mouths move, and whose movement fits the voice. Imports no torch."""

from hicmae_cli.speaking.finder import Hearing, SpeakerFinder

__all__ = ["Hearing", "SpeakerFinder"]
