"""Add a weight to the folder of the bundled ones: half precision, ONNX, and its entry in the catalogue."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from hicmae_cli.errors import WeightsError
from hicmae_cli.files import compute_sha256, write_text_atomically
from hicmae_cli.toml import parse_toml
from hicmae_cli.weights.catalogue import CATALOGUE, CatalogueEntry, CatalogueFile, read_catalogue
from hicmae_cli.weights.checkpoint import load_classifier, save_classifier
from hicmae_cli.weights.export import write_onnx
from hicmae_cli.weights.facts import WeightFacts
from hicmae_cli.weights.info import Precision, WeightInfo
from hicmae_cli.weights.suffixes import ONNX, SAFETENSORS, WEIGHT_SUFFIXES

MAX_BUNDLE_BYTES: Final = 25_000_000
"""Largest size of all weights in the catalogue together."""
_PUBLISHED: Final = "\n# Weights of others"
_HEADER = "# Weights that ship with hicmae. `hicmae weights list` reads this; every file is checked against its sha256."
_NAME = re.compile(r"[a-z0-9][a-z0-9-]*")


def bundle_weight(
    source: str | Path,
    folder: str | Path,
    name: str,
    *,
    summary: str = "",
    facts: WeightFacts | None = None,
    metrics: Mapping[str, Mapping[str, float]] | None = None,
    suffixes: Sequence[str] = WEIGHT_SUFFIXES,
    store: Precision = "float16",
) -> WeightInfo:
    """Write a weight into a folder of bundled weights, and its entry into the catalogue; other entries stay.

    Args:
        source: a fine-tuned weight, ``.safetensors`` or an ``.onnx`` file that holds the parameters by name.
        folder: the folder with ``catalogue.toml``.
        name: the weight's name: lower-case letters, digits and ``-``. A weight of this name is replaced.
        summary: one line about the weight; by default that of the replaced entry.
        facts: what a reader must know about it; by default what the source says.
        metrics: scores by name of the data; they are added to those of the source.
        suffixes: formats to write. Without ``.safetensors``, torch reads the ``.onnx`` file; a weight of one stream
            needs both.
        store: precision of the files.

    Returns:
        The metadata of the bundled files.

    Raises:
        WeightsError: the name or a suffix is not valid, there is no summary, the source cannot be read or exported, or
            the bundled weights would be too large together. Then the folder stays as it was.
    """
    folder = Path(folder)
    if not _NAME.fullmatch(name):
        raise WeightsError(f"{name!r} is not a valid name: use lower-case letters, digits and '-'")
    if ONNX not in suffixes or not set(suffixes) <= set(WEIGHT_SUFFIXES):
        raise WeightsError(f"suffixes={list(suffixes)}: expected {ONNX}, which needs no torch, or both formats")
    entries = {entry.name: entry for entry in read_catalogue(folder)}
    summary = summary or (entries[name].summary if name in entries else "")
    if not summary:
        raise WeightsError(f"{name}: is new in {folder / CATALOGUE}; give it a summary")
    text = (folder / CATALOGUE).read_text("utf-8")
    others = [entry.get("name") for entry in parse_toml(text).get("published", ())]
    if name in others:
        raise WeightsError(f"{name}: is the name of a weight of others in {folder / CATALOGUE}; choose another name")
    _, mark, published = text.partition(_PUBLISHED)
    if others and not mark:
        line = _PUBLISHED.strip()
        raise WeightsError(f"{folder / CATALOGUE}: expected the line {line!r} before the weights of others")
    model, info = load_classifier(Path(source))
    if SAFETENSORS not in suffixes and info.modality != "av":
        raise WeightsError(
            f"{source}: uses {info.modality} alone, so torch cannot read its parameters from an {ONNX} file; write "
            "both formats"
        )
    fields = {**(facts.to_fields() if facts else {}), "metrics": {**info.metrics, **(metrics or {})}}
    info = WeightInfo.model_validate({**info.model_dump(), **fields})
    # Only a bundle that is complete and small enough replaces files: the catalogue has their hashes.
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        made = Path(temporary) / f"{name}{SAFETENSORS}"
        save_classifier(made, model, info, store=store)
        write_onnx(made, made.with_suffix(ONNX), store=store)
        files = [_describe_file(made.with_suffix(suffix)) for suffix in WEIGHT_SUFFIXES if suffix in suffixes]
        entries[name] = CatalogueEntry(
            name=name, summary=summary, licence=info.licence, card=f"{name}.md", files=tuple(files)
        )
        size = sum(file.size_bytes for entry in entries.values() for file in entry.files)
        if size > MAX_BUNDLE_BYTES:
            raise WeightsError(
                f"{folder}: the bundled weights would have {size / 1e6:.1f} MB, more than "
                f"{MAX_BUNDLE_BYTES / 1e6:.0f} MB"
            )
        for suffix in WEIGHT_SUFFIXES:
            target = folder / f"{name}{suffix}"
            if suffix in suffixes:
                made.with_suffix(suffix).replace(target)
            else:
                target.unlink(missing_ok=True)
    write_text_atomically(folder / CATALOGUE, _write_catalogue(list(entries.values())) + mark + published)
    return info


def _describe_file(path: Path) -> CatalogueFile:
    return CatalogueFile(name=path.name, sha256=compute_sha256(path), size_bytes=path.stat().st_size)


def _write_catalogue(entries: Sequence[CatalogueEntry]) -> str:
    """Return the catalogue as TOML, which shares the quoting of JSON texts."""
    lines = [_HEADER]
    for entry in entries:
        lines += ["", "[[weight]]"]
        lines += [
            f"{key} = {json.dumps(value, ensure_ascii=False)}"
            for key in ("name", "summary", "licence", "card")
            if (value := getattr(entry, key)) is not None
        ]
        for file in entry.files:
            lines += ["", "[[weight.files]]", f'name = "{file.name}"', f'sha256 = "{file.sha256}"']
            lines += [f"size_bytes = {file.size_bytes}"]
    return "\n".join(lines) + "\n"
