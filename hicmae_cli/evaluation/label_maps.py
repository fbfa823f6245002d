"""What a corpus's labels are called by a model: the same by name, by a map that is given, or only some of them."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from hicmae_cli.corpora.manifest import Sample
from hicmae_cli.corpora.values import values_of
from hicmae_cli.errors import ManifestError, SettingsError, one_line
from hicmae_cli.labels import canonical_label

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

DROP = "-"
"""In the place of a model's label: leave the clips out."""
_SHOWN = 3


@dataclass(frozen=True)
class Matched:
    """Clips under the model's names.

    Attributes:
        samples: those that are scored, with the model's labels.
        classes: the labels to choose among, where not all of the model's; see ``evaluate``.
        dropped: corpus label -> clips that were left out because of it.
        mapping: corpus label -> model label, where the two differ.
    """

    samples: list[Sample]
    classes: tuple[str, ...] = ()
    dropped: Mapping[str, int] = field(default_factory=dict)
    mapping: Mapping[str, str] = field(default_factory=dict)


def read_label_map(text: str, codes: Mapping[str, str] | None = None) -> dict[str, str]:
    """``calm=neutral,surprise=-`` or the name of a ``.toml`` file of such pairs -> corpus label -> model label.

    Args:
        text: as given to ``--map``; ``-`` in the place of a model's label leaves the clips of a corpus label out.
        codes: the corpus's own codes -> canonical names.

    Raises:
        SettingsError: not readable as pairs, or one label twice.
    """
    if text.endswith(".toml"):
        pairs = _toml_pairs(Path(text))
    else:
        pairs = [(left, right) for left, _, right in (part.partition("=") for part in text.split(","))]
    known = {code.lower(): name for code, name in (codes or {}).items()}
    mapping: dict[str, str] = {}
    for left, right in pairs:
        key = known.get(left.strip().lower(), canonical_label(left))
        if not key or not right.strip():
            raise SettingsError(
                f"--map {text}: expected pairs such as calm=neutral,surprise=- (corpus label = model label), "
                f"or a .toml file of them; got {left.strip() or right.strip()!r}"
            )
        if key in mapping:
            raise SettingsError(f"--map {text}: {key} is there twice")
        mapping[key] = canonical_label(right)
    return mapping


def _toml_pairs(path: Path) -> list[tuple[str, str]]:
    try:
        pairs = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"--map {path}: cannot be read: {error}") from error
    for name, value in pairs.items():
        if not isinstance(value, str):
            raise SettingsError(f'--map {path}: {name} is {value!r}, expected a label, e.g. {name} = "neutral"')
    return list(pairs.items())


def match_labels(
    samples: Sequence[Sample],
    model: Sequence[str],
    *,
    corpus: Sequence[str] = (),
    found: Sequence[str] = (),
    mapping: Mapping[str, str] | None = None,
    name: str = "the manifest",
    manifest: Path | None = None,
) -> Matched:
    """Put a corpus's clips under a model's names; the order of labels is free.

    Args:
        samples: labelled clips.
        model: the model's labels.
        corpus: all labels of the corpus; without them those of the clips, of which a model may know more.
        found: the labels of all clips, where ``samples`` are some of them.
        mapping: corpus label -> model label or ``-``.
        name: of the corpus, for messages.
        manifest: where the clips are listed, for messages.

    Raises:
        ManifestError: labels in excess on either side and no map, or those that a map leaves unnamed.
        SettingsError: a map from what is no label of the corpus, or to what is none of the model.
    """
    labels = list(corpus) or sorted({sample.label for sample in samples}.union(found))
    _check_map(mapping or {}, labels, model, name)
    extra = [label for label in labels if (mapping or {}).get(label, label) not in (*model, DROP)]
    unused = [label for label in model if label not in labels] if corpus and mapping is None else []
    if extra or unused:
        first = next((sample for sample in samples if sample.label in extra), None)
        where = f"{manifest}, clip {first.id}: " if manifest and first else ""
        raise ManifestError(one_line(where + _excess(name, extra, unused, labels)))
    return _moved(samples, mapping or {}, model)


def cross_labels(
    samples: Sequence[Sample],
    model: Sequence[str],
    *,
    corpus: Sequence[str] = (),
    mapping: Mapping[str, str] | None = None,
    name: str = "the manifest",
) -> Matched:
    """Keep what a corpus and a model share: the clips whose label the model knows, and the labels the corpus has.

    Canonical names are what is shared to begin with (``HAP`` of one corpus and ``happy`` of another are both
    ``happiness``); a map adds to it or takes away.

    Raises:
        ManifestError: fewer than two labels are shared.
        SettingsError: as ``match_labels``.
    """
    labels = list(corpus) or sorted({sample.label for sample in samples})
    _check_map(mapping or {}, labels, model, name)
    reached = {(mapping or {}).get(label, label) for label in labels}
    shared = tuple(label for label in model if label in reached)
    if len(shared) < 2:
        raise ManifestError(
            f"{name} and the weight share {', '.join(shared) or 'no label'}: {', '.join(labels)} there, "
            f"{', '.join(model)} here; at least two are needed; say what stands for what, e.g. --map "
            f"{labels[0]}={model[0]}"
        )
    matched = _moved(samples, mapping or {}, shared)
    return replace(matched, classes=shared if len(shared) < len(model) else ())


def order_targets(
    samples: Sequence[Sample],
    model: Sequence[str],
    corpus: Sequence[str],
    mapping: Mapping[str, str] | None = None,
    name: str = "the manifest",
) -> list[Sample]:
    """Clips whose values stand in the order of a regression model's targets.

    Raises:
        ManifestError: the corpus has other targets, or a clip has not one value of each.
        SettingsError: as ``match_labels``.
    """
    _check_map(mapping or {}, corpus, model, name)
    named = [(mapping or {}).get(target, target) for target in corpus]
    if sorted(named) != sorted(model):
        extra, unused = [t for t in named if t not in model], [t for t in model if t not in named]
        raise ManifestError(_excess(name, extra, unused, corpus))
    places = [named.index(target) for target in model]
    ordered = []
    for sample in samples:
        values_of(sample.label, corpus, f"clip {sample.id}")  # or it says what is wrong
        words = sample.label.split()
        ordered.append(replace(sample, label=" ".join(words[place] for place in places)))
    return ordered


def _check_map(mapping: Mapping[str, str], corpus: Sequence[str], model: Sequence[str], name: str) -> None:
    strange = [label for label in mapping if label not in corpus]
    if strange:
        raise SettingsError(f"--map: {', '.join(strange)} is no label of {name}: {', '.join(corpus)}")
    unknown = [label for label in mapping.values() if label not in (*model, DROP)]
    if unknown:
        raise SettingsError(f"--map: {', '.join(unknown)} is no label of the weight: {', '.join(model)}")


def _moved(samples: Sequence[Sample], mapping: Mapping[str, str], kept: Sequence[str]) -> Matched:
    dropped: Counter[str] = Counter()
    moved = []
    for sample in samples:
        label = mapping.get(sample.label, sample.label)
        if label in kept:
            moved.append(replace(sample, label=label))
        else:
            dropped[sample.label] += 1
    if not moved:
        raise ManifestError("no clips are left: the label of every one is left out")
    differing = {left: right for left, right in mapping.items() if left != right}
    return Matched(moved, dropped=dict(sorted(dropped.items())), mapping=differing)


def _excess(name: str, extra: Sequence[str], unused: Sequence[str], corpus: Sequence[str]) -> str:
    sides = [f"only {name} has {', '.join(extra)}"] if extra else []
    sides += [f"only the weight has {', '.join(unused)}"] if unused else []
    pairs = [f"{label}={unused[i] if i < len(unused) else DROP}" for i, label in enumerate(extra[:_SHOWN])]
    example = ",".join(pairs) or f"{corpus[0]}={corpus[0]}"
    return (
        f"the labels differ: {'; '.join(sides)}. Say what stands for what, e.g. --map {example} "
        f"(corpus label = model label, {DROP} leaves clips out), or keep what both have: --cross"
    )
