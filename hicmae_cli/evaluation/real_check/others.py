"""Add the judges beside the weight: peers, and baselines that learn from people who are not tested."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hicmae_cli.errors import ManifestError
from hicmae_cli.evaluation.real_check.baselines import (
    BLENDSHAPES,
    FUNCTIONALS,
    describe_voice,
    judge_blendshapes,
    judge_functionals,
)
from hicmae_cli.evaluation.real_check.folders import Photos, Sounds, read_blendshapes, read_voice
from hicmae_cli.evaluation.real_check.peers import Peer
from hicmae_cli.evaluation.real_check.people import deal_split
from hicmae_cli.evaluation.real_check.result import Judge
from hicmae_cli.evaluation.real_check.scores import FOUR, find_voice_labels, measure_voices, score_faces
from hicmae_cli.labels import CREMA_D_LABELS


def add_peers(peers: Sequence[Peer], photos: Photos | None, sounds: Sounds | None) -> list[Judge]:
    """Score peers on the files that they have judged.

    Raises:
        ManifestError: a peer has judged none of the files, or only some, or lacks a label.
    """
    return [_add_peer(peer, photos, sounds) for peer in peers]


def _add_peer(peer: Peer, photos: Photos | None, sounds: Sounds | None) -> Judge:
    faces = None if photos is None else peer.find_rows([face.file for face in photos.tested])
    voices = None if sounds is None else peer.find_rows([voice.file for voice in sounds.tested])
    if faces is None and voices is None:
        raise ManifestError(f"peer {peer.name}: has judged none of the files")
    if faces is not None and (missing := [label for label in FOUR if label not in peer.labels]):
        raise ManifestError(f"peer {peer.name}: has no column {', '.join(missing)}")
    return Judge(
        peer.name,
        "peer",
        score_faces(photos.tested, faces, peer.labels) if photos is not None and faces is not None else (),
        measure_voices(sounds.tested, voices, peer.labels, find_voice_labels(sounds.tested, peer.labels))
        if sounds is not None and voices is not None
        else None,
    )


def add_baselines(photos: Photos | None, sounds: Sounds | None) -> list[Judge]:
    """Train and score the baselines of the folders.

    That of photos learns from the people of the training split, that of voices from all speakers but the tested one.

    Raises:
        SettingsError: nobody is left to learn from.
        ManifestError: the photos have no blendshapes.
        MissingDependencyError: scikit-learn is not installed.
    """
    judges = []
    if photos is not None:
        tested = {face.person for face in photos.tested}
        others = [face for face in photos.everybody if face.person not in tested and deal_split(face.person) == "train"]
        learned = read_blendshapes(photos.manifest, others) if others else np.zeros((0, 0))
        shown = read_blendshapes(photos.manifest, photos.tested)
        table = judge_blendshapes(learned, [face.label for face in others], shown, FOUR)
        judges.append(Judge(BLENDSHAPES, "baseline", score_faces(photos.tested, table, FOUR)))
    if sounds is not None:
        labels = find_voice_labels(sounds.everybody, CREMA_D_LABELS)
        described = {voice: describe_voice(read_voice(sounds.manifest, voice)) for voice in sounds.everybody}
        table = np.zeros((len(sounds.tested), len(labels)))
        people = [voice.person for voice in sounds.tested]
        for speaker in sorted(set(people)):
            others_spoken = [voice for voice in sounds.everybody if voice.person != speaker]
            own = [row for row, person in enumerate(people) if person == speaker]
            table[own] = judge_functionals(
                np.array([described[voice] for voice in others_spoken]),
                [voice.label for voice in others_spoken],
                np.array([described[sounds.tested[row]] for row in own]),
                labels,
            )
        measure = measure_voices(sounds.tested, table, labels, labels)
        judges.append(Judge(FUNCTIONALS, "baseline", voices=measure))
    return judges
