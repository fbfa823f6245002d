"""Check a weight on real people: from folders of faces and voices to scores, beside other judges."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from hicmae_cli.bundled import DEFAULT_WEIGHT
from hicmae_cli.errors import ManifestError, SettingsError, WeightsError, one_line
from hicmae_cli.evaluation.intervals import warn_of_people
from hicmae_cli.evaluation.real_check.folders import (
    Photos,
    Sounds,
    find_manifest,
    read_faces,
    read_voices,
    select_faces,
    select_voices,
)
from hicmae_cli.evaluation.real_check.judging import Pair, draw_pairs, judge_faces, judge_pairs, judge_voices
from hicmae_cli.evaluation.real_check.measures import Table
from hicmae_cli.evaluation.real_check.others import add_baselines, add_peers
from hicmae_cli.evaluation.real_check.peers import read_peer
from hicmae_cli.evaluation.real_check.people import ALL, check_split, warn_of_seen
from hicmae_cli.evaluation.real_check.result import Judge, RealCheck
from hicmae_cli.evaluation.real_check.scores import (
    FOUR,
    CalibrationScores,
    count_choices,
    find_voice_labels,
    measure_shares,
    score_calibration,
    score_faces,
    score_pairs,
    score_voices,
)
from hicmae_cli.evaluation.real_check.smiles import Smiles, SmileScores, check_smiles, find_smiles
from hicmae_cli.runtime.engine import Engine
from hicmae_cli.runtime.opening import open_engine
from hicmae_cli.weights.info import WeightInfo
from hicmae_cli.weights.reading import read_info

_RULES: Final = {
    "test": "the 20 % of the people that the hash of their name deals to the test split",
    "validation": "the 10 % of the people that the hash of their name deals to the validation split",
    "train": "the 70 % of the people that the hash of their name deals to the training split",
    ALL: "everybody in the folders",
}


_STREAMS: Final = {"faces": "video", "voices": "audio", "pairs": "av"}


def check_real_people(
    *,
    weights: str | Path = DEFAULT_WEIGHT,
    root: str | Path | None = None,
    faces: str | Path | None = None,
    voices: str | Path | None = None,
    clear: str | Path | None = None,
    split: str = "test",
    speakers: Sequence[str] = (),
    peers: Sequence[str] = (),
    baselines: bool = False,
    engine: str = "auto",
    device: str = "auto",
    on_start: Callable[[WeightInfo, int], None] = lambda *_: None,
    on_clip: Callable[[], None] = lambda: None,
) -> RealCheck:
    """Score a weight on photos of faces and on acted voices of real people, beside other judges.

    A photo is shown to the weight as a clip of a still, without sound; a voice without faces; faces and voices of the
    same label as pairs; and a person's photos one after another.

    Args:
        weights: a name from ``hicmae weights list``, a weight file, or the folder of a training run.
        root: folder with the folders ``faces`` and ``voices``, or one of them.
        faces: folder of crops, or its ``manifest.csv`` (``file``, ``label``, ``group``, perhaps ``source`` and
            ``clear``), with the crops beside it or in ``crops.tar``.
        voices: folder of sound files, or its ``manifest.csv`` (``file``, ``label``, ``speaker``).
        clear: CSV with a column ``file``: the crops with a reviewed label.
        split: test the people of this split: ``test``, ``validation`` or ``train``, see ``deal_split``; ``all`` tests
            everybody.
        speakers: test the voices of these speakers instead.
        peers: other judges of the same files, each as ``NAME=FILE.csv``; see ``read_peer``.
        baselines: also train simple judges on people of the folders that are not tested; needs scikit-learn.
        engine: ``auto``, ``onnx`` or ``torch``.
        device: ``auto``, ``cpu``, ``cuda``, …
        on_start: called with the metadata of the weight and the number of files, pairs and people shown in time.
        on_clip: called after each of them.

    Returns:
        The scores, each with its number of files and people and its interval.

    Raises:
        SettingsError: arguments that are unknown or do not go together.
        ManifestError: folders that cannot be read, or without people of the split.
        MediaError: a file that cannot be read.
        WeightsError: a weight that is missing, unreadable, or does not choose among emotions.
        MissingDependencyError: a baseline needs scikit-learn.
    """
    check_split(split)
    if root is not None:
        faces, voices = faces or _find_part(Path(root), "faces"), voices or _find_part(Path(root), "voices")
    if faces is None and voices is None:
        raise SettingsError(
            "got neither `faces` nor `voices`; give at least one of them, or the folder that has both as `root`"
        )
    if clear is not None and faces is None:
        raise SettingsError("`clear` names photos, but `faces` is missing")
    others = [read_peer(given) for given in peers]
    info = read_info(str(weights))
    photos = None if faces is None else _find_photos(Path(faces), None if clear is None else Path(clear), split)
    sounds = None if voices is None else _find_sounds(Path(voices), split, speakers)
    _check_weight(str(weights), info, photos, sounds)
    pairs: list[Pair] = []
    if photos is not None and sounds is not None and info.modality == "av":
        pairs = draw_pairs([face.label for face in photos.tested], [voice.label for voice in sounds.tested])
    smiles: Smiles = {} if photos is None else find_smiles(photos.tested)
    files = sum(len(each.tested) for each in (photos, sounds) if each is not None)
    on_start(info, files + len(pairs) + sum(map(len, smiles.values())))
    opened = open_engine(str(weights), engine, device)
    own = _judge(opened, photos, sounds, pairs, smiles, on_clip)
    judges = add_peers(others, photos, sounds)
    if baselines:
        judges += add_baselines(photos, sounds)
    result = _score(str(weights), opened, photos, sounds, pairs, own)
    rule = _describe_rule(split, speakers, photos, sounds)
    return replace(result, rule=rule, judges=(*result.judges, *judges))


@dataclass(frozen=True)
class _Outputs:
    """Probabilities of the weight: tables (n, C), empty where a stream is not tested; and what smiles scored."""

    faces: Table
    grey: Table
    voices: Table
    changed: Mapping[str, Table]
    pairs: Table
    smiles: tuple[SmileScores, ...]


def _judge(
    engine: Engine,
    photos: Photos | None,
    sounds: Sounds | None,
    pairs: Sequence[Pair],
    smiles: Smiles,
    on_clip: Callable[[], None],
) -> _Outputs:
    nothing = np.zeros((0, len(engine.info.labels)))
    own, grey = (nothing, nothing) if photos is None else judge_faces(engine, photos, on_clip)
    clean, changed = (nothing, {}) if sounds is None else judge_voices(engine, sounds, on_clip)
    both = nothing
    if photos is not None and sounds is not None and pairs:
        both = judge_pairs(engine, photos, sounds, pairs, on_clip)
    in_time = () if photos is None else check_smiles(engine, photos, smiles, on_clip)
    return _Outputs(own, grey, clean, changed, both, in_time)


def _score(
    weights: str, engine: Engine, photos: Photos | None, sounds: Sounds | None, pairs: Sequence[Pair], own: _Outputs
) -> RealCheck:
    """Score the weight alone."""
    info = engine.info
    labels = info.labels
    faces, voices = photos.tested if photos else (), sounds.tested if sounds else ()
    spoken = score_voices(voices, own.voices, labels, own.changed) if voices else None
    judge = Judge(
        weights,
        "weight",
        score_faces(faces, own.faces, labels, own.grey) if faces else (),
        spoken.uar if spoken else None,
    )
    paired = None
    truth, people = [faces[pair.face].label for pair in pairs], [faces[pair.face].person for pair in pairs]
    if len(set(truth)) > 1:
        streams = {
            "face": own.faces[[pair.face for pair in pairs]],
            "voice": own.voices[[pair.voice for pair in pairs]],
            "both": own.pairs,
        }
        paired = score_pairs(truth, people, streams, labels, [pair.draw for pair in pairs])
    files = {
        "faces": ([face.label for face in faces], [face.person for face in faces], own.faces),
        "voices": ([voice.label for voice in voices], [voice.person for voice in voices], own.voices),
        "pairs": (truth, people, own.pairs),
    }
    errors: list[CalibrationScores] = []
    for name, (true, shown, table) in files.items():
        error = score_calibration(name, true, shown, table, labels, info.find_temperature(_STREAMS[name]))
        errors += [] if error is None else [error]
    names = [face.file for face in faces] + [voice.file for voice in voices]
    rows = [*own.faces, *own.voices]
    return RealCheck(
        weights,
        info,
        engine.name,
        "",
        (judge,),
        count_choices([face.label for face in faces], own.faces, labels) if faces else None,
        measure_shares(faces, own.faces, labels) if faces else None,
        spoken,
        paired,
        own.smiles,
        tuple(errors),
        tuple(_warn(info, photos, sounds, judge)),
        {name: tuple(row.tolist()) for name, row in zip(names, rows, strict=True)},
    )


def _warn(info: WeightInfo, photos: Photos | None, sounds: Sounds | None, own: Judge) -> list[str]:
    """List what makes the scores doubtful."""
    warnings = []
    if photos is not None:
        warnings += warn_of_seen(info, {face.person for face in photos.tested}, "photos", "photos")
        if unknown := sum(not face.person for face in photos.tested):
            warnings.append(
                f"{unknown} of {len(photos.tested)} photos name no person: the weight may have learned from them, and "
                "the intervals draw photos, not people, so they are too narrow"
            )
        for scores in own.faces:
            if missing := [label for label, count in scores.counts.items() if not count]:
                warnings.append(
                    f"{scores.photos} photos: no photo of {', '.join(missing)}, so the UAR is of the others"
                )
    if sounds is not None:
        people = [voice.person for voice in sounds.tested]
        warnings += warn_of_seen(info, set(people), "emodb", "voices")
        warnings += [f"voices: {text}" for text in warn_of_people(people)]
    return warnings


def _find_part(root: Path, name: str) -> Path | None:
    return root / name if (root / name).is_dir() else None


def _find_photos(place: Path, clear: Path | None, split: str) -> Photos:
    manifest = find_manifest(place)
    everybody = tuple(read_faces(manifest, clear))
    tested = tuple(select_faces(everybody, split))
    if len({face.label for face in tested} & set(FOUR)) < 2:
        raise ManifestError(
            one_line(
                f"{manifest}: split={split!r} has photos of fewer than two of {', '.join(FOUR)}; split='all' takes "
                "everybody"
            )
        )
    return Photos(manifest, everybody, tested)


def _find_sounds(place: Path, split: str, speakers: Sequence[str]) -> Sounds:
    manifest = find_manifest(place)
    everybody = tuple(read_voices(manifest))
    known = sorted({voice.person for voice in everybody})
    if unknown := sorted(set(speakers) - set(known)):
        raise SettingsError(f"speakers={','.join(unknown)!r}: the speakers are {', '.join(known)}")
    tested = tuple(select_voices(everybody, split, speakers))
    if not tested:
        raise ManifestError(
            one_line(
                f"{manifest}: split={split!r} has none of the speakers {', '.join(known)}; name some as `speakers`"
            )
        )
    return Sounds(manifest, everybody, tested)


def _check_weight(weights: str, info: WeightInfo, photos: Photos | None, sounds: Sounds | None) -> None:
    """Check that a weight can judge the folders.

    Raises:
        SettingsError: it lacks the stream of a folder.
        WeightsError: it does not choose among emotions, or lacks a label that is compared.
    """
    if info.task != "classification":
        raise WeightsError(f"{weights}: is a {info.task} model; the check needs one that chooses among emotions")
    for given, stream, name in ((photos, "video", "faces"), (sounds, "audio", "voices")):
        if given is not None and info.modality not in ("av", stream):
            raise SettingsError(f"{weights}: was trained on {info.modality} only; leave out `{name}`")
    if photos is not None and (missing := [label for label in FOUR if label not in info.labels]):
        raise WeightsError(
            f"{weights}: has no output for {', '.join(missing)}; the check of photos compares {', '.join(FOUR)}"
        )
    if sounds is not None and len(find_voice_labels(sounds.tested, info.labels)) < 2:
        raise WeightsError(f"{weights}: has fewer than two of the labels of the voices")


def _describe_rule(split: str, speakers: Sequence[str], photos: Photos | None, sounds: Sounds | None) -> str:
    """Say who was tested."""
    parts = []
    if photos is not None:
        people = len({face.person for face in photos.tested})
        parts.append(f"{len(photos.tested)} photos of {people} people ({_RULES[split]})")
    if sounds is not None:
        named = sorted({voice.person for voice in sounds.tested})
        who = "named" if speakers else _RULES[split]
        parts.append(f"{len(sounds.tested)} voices of the speakers {', '.join(named)} ({who})")
    return f"tested: {'; '.join(parts)}"
