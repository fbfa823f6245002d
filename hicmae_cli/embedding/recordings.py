"""Embed raw recordings: every person, window by window, as a prediction reads them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hicmae_cli.bundled import DEFAULT_WEIGHT
from hicmae_cli.embedding.extractor import FUSED, Extractor, open_extractor
from hicmae_cli.embedding.table import Embeddings, describe_making
from hicmae_cli.errors import HicmaeError
from hicmae_cli.runtime.inputs import find_inputs
from hicmae_cli.runtime.predictor import open_detector
from hicmae_cli.runtime.reading import WindowReader
from hicmae_cli.runtime.results import VOICE_TRACK
from hicmae_cli.runtime.settings import PredictSettings
from hicmae_cli.runtime.sources import open_source

Row = tuple[dict[str, Any], dict[str, NDArray[np.float32]]]


def embed_recordings(
    source: str | Path | Sequence[str | Path],
    *,
    weights: str | Path = DEFAULT_WEIGHT,
    layers: Sequence[str] = (FUSED,),
    modality: str = "auto",
    device: str = "auto",
    window_s: float | None = None,
    hop_s: float | None = None,
    start_s: float = 0.0,
    end_s: float | None = None,
    faces: int | str = 4,
    on_start: Callable[[int], None] = lambda _: None,
    on_file: Callable[[], None] = lambda: None,
) -> Embeddings:
    """Embed videos or sounds: a row for every window of every person, with the windows of ``predict``.

    Args:
        source: files, folders or patterns such as ``"clips/*.mp4"``.
        weights: a name of the catalogue, a ``.safetensors`` file, or the folder of a run; fine-tuned or pre-trained.
        layers: any of ``Extractor.layers``, or ``each``.
        modality: ``auto`` uses the streams that are there; ``av``, ``video`` and ``audio`` require theirs.
        device: ``auto``, ``cpu``, ``cuda`` …
        window_s: length of a window in seconds; by default that of the weight's training, usually 2.56 s.
        hop_s: time between the starts of two windows; by default a quarter of the training's window, usually 0.64 s.
        start_s: where in each input to start.
        end_s: where to stop; None for its end.
        faces: largest number of people to follow at once, ``all`` or ``largest``; see ``predict``.
        on_start: called with the number of files before the first one.
        on_file: called after each file.

    Returns:
        Rows in the order of files, windows and people. ``id`` is the path and ``person`` the number that ``predict``
        gives; it is empty for sound without a face. Files that cannot be read are in ``failures``.

    Raises:
        SettingsError: a parameter out of range, or unknown layers.
        WeightsError: a weight that is missing or unreadable.
        HicmaeError: no input has a window to embed.
    """
    settings = PredictSettings(modality, window_s, hop_s, faces, start_s, end_s, sound="shared")
    extractor = open_extractor(str(weights), device)
    settings = settings.follow(extractor.info.step_s)
    chosen = extractor.choose_layers(layers)
    paths, faults = find_inputs([str(each) for each in ([source] if isinstance(source, str | Path) else source)])
    failures = dict(faults)
    on_start(len(paths))
    rows: list[Row] = []
    for path in paths:
        try:
            found = _embed_file(path, extractor, chosen, settings)
            rows += found
            if not found:
                failures[str(path)] = "nothing to embed: no face and no sound"
        except HicmaeError as error:
            # The path is the key; most messages begin with it, too.
            failures[str(path)] = str(error).removeprefix(f"{path}: ")
        on_file()
    if not rows:
        first = next(iter(failures.items()), ("", "no input"))
        raise HicmaeError(f"no input has a window to embed, e.g. {first[0]}: {first[1]}")
    return Embeddings.from_rows(rows, describe_making(str(weights), extractor.info, "recordings"), failures)


def _embed_file(path: Path, extractor: Extractor, layers: Sequence[str], settings: PredictSettings) -> list[Row]:
    opened = open_source(path)
    reader = WindowReader(
        opened,
        opened.probe(lambda: None),
        settings,
        lambda: open_detector(settings.max_faces),
        trained_step_s=extractor.info.step_s,
    )
    rows: list[Row] = []
    latest: dict[int, dict[str, NDArray[np.float32]]] = {}
    for inputs in reader.read():
        if fresh := [each for each in inputs if not each.is_repeated]:
            found = extractor.embed([each.clip for each in fresh], layers)
            latest |= {
                each.track: {layer: values[index] for layer, values in found.items()}
                for index, each in enumerate(fresh)
            }
        for each in inputs:
            person = "" if each.track == VOICE_TRACK else str(each.track)
            facts = {"id": str(path), "person": person, "modality": each.modality}
            rows.append(({**facts, "start_s": each.start_s, "end_s": each.end_s}, latest[each.track]))
    return rows
