"""Give a hicmae weight a name. Its metadata stay: what a file says about itself can be completed, but not replaced."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from hicmae_cli.errors import MissingDependencyError, SettingsError, WeightsError, install_hint, one_line
from hicmae_cli.files import write_atomically
from hicmae_cli.labels import canonical_label
from hicmae_cli.weights.catalogue import check_name, find_weight
from hicmae_cli.weights.info import METADATA_KEY, UNKNOWN, WeightInfo
from hicmae_cli.weights.reading import read_info
from hicmae_cli.weights.storing import store_weight
from hicmae_cli.weights.suffixes import ONNX, SAFETENSORS, WEIGHT_SUFFIXES


def add_weight(
    weight: str | Path,
    name: str,
    *,
    relabel: Mapping[str, str] | None = None,
    labels: Sequence[str] = (),
    dataset: str | None = None,
    sampling_rate: int | None = None,
    licence: str | None = None,
    source: str | None = None,
    heads: int | None = None,
    force: bool = False,
) -> WeightInfo:
    """Copy a hicmae weight into the user's store under a name.

    The copy keeps the metadata, and is the same to the last byte unless ``relabel`` renames labels or an unknown
    dataset or licence is filled in; both are recorded in the copy. All other arguments only check the file.

    Args:
        weight: a ``.safetensors`` or ``.onnx`` file of hicmae, the folder of a training run, or a name.
        name: the new name.
        relabel: old name = new name of some labels. Two labels cannot be exchanged.
        labels: names of the labels in the order of the outputs.
        dataset: training dataset.
        sampling_rate: n, if the model samples every n-th frame.
        licence: licence of the weight.
        source: origin of the weight.
        heads: number of attention heads.
        force: replace a weight of the same name.

    Returns:
        The metadata of the copy.

    Raises:
        WeightsError: the name is taken or not valid, the weight is missing or not readable, or an argument contradicts
            its metadata.
        MissingDependencyError: metadata of an ``.onnx`` file change, and the package ``onnx`` is not installed.
        OSError: the copy cannot be written; names the file.
    """
    check_name(name, force=force)
    file = find_file(str(weight))
    held = read_info(str(file))
    info = _rename_labels(held, relabel or {}, file)
    _check_labels(held, labels, file)
    given = {"dataset": dataset, "licence": licence, "source": source, "sampling_rate": sampling_rate}
    info = _fill_in(info, {**given, "heads": heads}, file)
    write = partial(_copy, file) if info == held else partial(_WRITERS[file.suffix], file, info)
    store_weight(name, file.suffix, write, force=force)
    return info


def parse_relabel(text: str) -> dict[str, str]:
    """Parse pairs such as ``"old=new,other=another"``.

    Raises:
        SettingsError: a part is not a pair, or an old name occurs twice.
    """
    pairs: dict[str, str] = {}
    for part in text.split(","):
        old, sign, new = (piece.strip() for piece in part.partition("="))
        if not (old and sign and new) or canonical_label(old) in pairs:
            raise SettingsError(f"relabel={text!r}: expected distinct pairs old=new, e.g. 'sorrow=sadness'")
        pairs[canonical_label(old)] = new
    return pairs


def write_with_metadata(file: Path, info: WeightInfo, target: Path) -> None:
    """Write a copy of a weight file with other metadata; its tensors are the same.

    Raises:
        MissingDependencyError: it is an ``.onnx`` file, and the package ``onnx`` is not installed.
        OSError: the copy cannot be written; names the file.
    """
    _WRITERS[file.suffix](file, info, target)


def find_file(weight: str) -> Path:
    """Find the file of a weight: a given file itself, or the first format that a name or run has.

    Raises:
        WeightsError: see `find_weight`.
    """
    given = Path(weight).suffix
    for suffix in sorted(WEIGHT_SUFFIXES, key=lambda suffix: suffix != given):
        if file := find_weight(weight, suffix):
            return file
    raise AssertionError("find_weight raises for unknown weights")


def _rename_labels(info: WeightInfo, relabel: Mapping[str, str], file: Path) -> WeightInfo:
    """Rename labels, and record their first names.

    No label gets the present or the first name of another one: in several steps, that could permute them.
    """
    renames = {canonical_label(old): canonical_label(new) for old, new in relabel.items()}
    if unknown := [old for old in renames if old not in info.labels]:
        raise WeightsError(
            one_line(f"{file}: `relabel`: has no label {', '.join(unknown)}; its labels are {', '.join(info.labels)}")
        )
    first_names = {label: info.relabelled.get(label, label) for label in info.labels}
    for old, new in renames.items():
        others = {name for label, first in first_names.items() if label != old for name in (label, first)}
        if new in others:
            raise WeightsError(
                one_line(
                    f"{file}: `relabel`: {old}={new} would give a label the name of another one; the order of the "
                    "outputs is that of the training and cannot be changed"
                )
            )
    labels = tuple(renames.get(label, label) for label in info.labels)
    firsts = {new: first_names[old] for old, new in zip(info.labels, labels, strict=True)}
    renamed = {label: first for label, first in firsts.items() if label != first}
    return _replace(info, {"labels": labels, "relabelled": renamed}, file)


def _check_labels(held: WeightInfo, labels: Sequence[str], file: Path) -> None:
    given = tuple(map(canonical_label, labels))
    if given and given != held.labels:
        order = f"holds the order {', '.join(held.labels)}" if held.labels else "is pre-trained and has no labels"
        hint = "; to rename labels, use `relabel` (old=new)" if held.labels else ""
        raise WeightsError(one_line(f"{file}: labels={','.join(labels)!r}: the file {order}{hint}"))


def _fill_in(info: WeightInfo, given: Mapping[str, object], file: Path) -> WeightInfo:
    """Fill in fields that are unknown, and record which ones.

    Raises:
        WeightsError: a field is known and differs.
    """
    known = {"heads": info.model_dims.heads, **{name: getattr(info, name) for name in given if name != "heads"}}
    new = {name: value for name, value in given.items() if value is not None and value != known[name]}
    if wrong := [name for name in new if known[name] != UNKNOWN]:
        faults = "; ".join(f"{name}={new[name]!r}: the file says {known[name]}" for name in wrong)
        raise WeightsError(one_line(f"{file}: {faults}; a hicmae weight keeps what it says about itself"))
    return _replace(info, {**new, "filled_in": tuple(dict.fromkeys((*info.filled_in, *new)))}, file)


def _replace(info: WeightInfo, fields: Mapping[str, object], file: Path) -> WeightInfo:
    """Return the metadata with other fields, checked."""
    try:
        return WeightInfo.model_validate({**info.model_dump(), **fields})
    except ValidationError as error:
        raise WeightsError(one_line(f"{file}: {'; '.join(fault['msg'] for fault in error.errors())}")) from error


def _copy(file: Path, target: Path) -> None:
    with write_atomically(target) as temporary:
        shutil.copyfile(file, temporary)


def _write_safetensors(file: Path, info: WeightInfo, target: Path) -> None:
    """Copy a ``.safetensors`` file with other metadata; its tensors are copied as they are, without torch."""
    with write_atomically(target) as temporary, file.open("rb") as read, temporary.open("wb") as written:
        # The file begins with the length of its header (8 bytes) and the header as JSON, padded to 8 bytes.
        header: dict[str, Any] = json.loads(read.read(int.from_bytes(read.read(8), "little")))
        header["__metadata__"] = {**header["__metadata__"], METADATA_KEY: info.to_json()}
        text = json.dumps(header, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)
        written.write(len(text).to_bytes(8, "little") + text)
        shutil.copyfileobj(read, written)


def _write_onnx(file: Path, info: WeightInfo, target: Path) -> None:
    """Copy an ``.onnx`` file with other metadata."""
    try:
        import onnx
    except ModuleNotFoundError as error:
        raise MissingDependencyError(f"{file}: changing its metadata needs onnx: {install_hint('train')}") from error
    proto = onnx.load(file, load_external_data=False)
    kept = {entry.key: entry.value for entry in proto.metadata_props}
    onnx.helper.set_model_props(proto, {**kept, METADATA_KEY: info.to_json()})
    with write_atomically(target) as temporary:
        onnx.save(proto, temporary)


_WRITERS = {SAFETENSORS: _write_safetensors, ONNX: _write_onnx}
