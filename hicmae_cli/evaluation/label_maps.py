"""Match the labels of a corpus with those of a model: by name, by a map, or only the shared ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from hicmae_cli.corpora.manifest import Sample
from hicmae_cli.corpora.values import check_values
from hicmae_cli.errors import ManifestError, SettingsError, one_line
from hicmae_cli.labels import canonical_label
from hicmae_cli.toml import parse_toml

DROP = "-"
"""Stands in a map for no label of the model: skip these clips."""
_MAX_SHOWN = 3


@dataclass(frozen=True)
class Matched:
    """Clips with the labels of a model.

    Attributes:
        samples: the clips to score, with the model's labels.
        classes: the labels to choose among, if not all of the model's; see ``score_clips``.
        dropped: corpus label -> number of clips that are skipped because of it.
        mapping: corpus label -> model label, where the two differ.
    """

    samples: list[Sample]
    classes: tuple[str, ...] = ()
    dropped: Mapping[str, int] = field(default_factory=dict)
    mapping: Mapping[str, str] = field(default_factory=dict)


def read_label_map(given: str | Mapping[str, str], codes: Mapping[str, str] | None = None) -> dict[str, str]:
    """Read a map of labels -> corpus label -> model label, by canonical names.

    Args:
        given: pairs such as ``calm=neutral,surprise=-``, a mapping, or the name of a ``.toml`` file that holds one;
            ``-`` for a model's label skips the clips of a corpus label.
        codes: the corpus's own codes -> canonical names.

    Raises:
        SettingsError: the pairs cannot be read, or one label occurs twice.
    """
    if not isinstance(given, str):
        pairs = list(given.items())
    elif given.endswith(".toml"):
        pairs = _read_toml_pairs(Path(given))
    else:
        pairs = [(left, right) for left, _, right in (part.partition("=") for part in given.split(","))]
    known = {code.lower(): name for code, name in (codes or {}).items()}
    mapping: dict[str, str] = {}
    for left, right in pairs:
        key = known.get(left.strip().lower(), canonical_label(left))
        if not key or not right.strip():
            raise SettingsError(
                f"label_map={given!r}: expected pairs such as calm=neutral,surprise=- (corpus label = model label), "
                f"or a .toml file of such pairs; got {left.strip() or right.strip()!r}"
            )
        if key in mapping:
            raise SettingsError(f"label_map={given!r}: {key} occurs twice")
        mapping[key] = canonical_label(right)
    return mapping


def _read_toml_pairs(path: Path) -> list[tuple[str, str]]:
    try:
        pairs = parse_toml(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise SettingsError(f"label_map={str(path)!r}: cannot be read: {error}") from error
    for name, value in pairs.items():
        if not isinstance(value, str):
            raise SettingsError(
                f'label_map={str(path)!r}: {name} is {value!r}, expected a label, e.g. {name} = "neutral"'
            )
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
    """Give a corpus's clips the labels of a model; the order of the labels does not matter.

    Args:
        samples: labelled clips.
        model: the model's labels.
        corpus: all labels of the corpus; by default those of the clips, and then the model may have more.
        found: the labels of the whole list, if ``samples`` is a part of it.
        mapping: corpus label -> model label or ``-``.
        name: name of the corpus, for messages.
        manifest: the list of the clips, for messages.

    Raises:
        ManifestError: one side has labels that the other has not, and no map resolves them.
        SettingsError: the map names a label that the corpus or the model does not have.
    """
    labels = list(corpus) or sorted({sample.label for sample in samples}.union(found))
    _check_map(mapping or {}, labels, model, name)
    extra = [label for label in labels if (mapping or {}).get(label, label) not in (*model, DROP)]
    unused = [label for label in model if label not in labels] if corpus and mapping is None else []
    if extra or unused:
        first = next((sample for sample in samples if sample.label in extra), None)
        where = f"{manifest}, clip {first.id}: " if manifest and first else ""
        raise ManifestError(one_line(where + _describe_mismatch(name, extra, unused, labels)))
    return _relabel(samples, mapping or {}, model)


def cross_labels(
    samples: Sequence[Sample],
    model: Sequence[str],
    *,
    corpus: Sequence[str] = (),
    mapping: Mapping[str, str] | None = None,
    name: str = "the manifest",
) -> Matched:
    """Keep the labels that a corpus and a model share, and the clips with these labels.

    Labels with one canonical name are shared (``HAP`` of one corpus and ``happy`` of another are both ``happiness``);
    a map adds shared labels or removes them.

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
            f"{name} and the weight share {', '.join(shared) or 'no label'}, and at least two are needed: {name} has "
            f"{', '.join(labels)}, the weight has {', '.join(model)}; map labels, e.g. "
            f"label_map={f'{labels[0]}={model[0]}'!r}"
        )
    matched = _relabel(samples, mapping or {}, shared)
    return replace(matched, classes=shared if len(shared) < len(model) else ())


def order_targets(
    samples: Sequence[Sample],
    model: Sequence[str],
    corpus: Sequence[str],
    mapping: Mapping[str, str] | None = None,
    name: str = "the manifest",
) -> list[Sample]:
    """Put the values of clips in the order of a regression model's targets.

    Raises:
        ManifestError: the corpus has other targets, or a clip has not one value for each.
        SettingsError: as ``match_labels``.
    """
    _check_map(mapping or {}, corpus, model, name)
    named = [(mapping or {}).get(target, target) for target in corpus]
    if sorted(named) != sorted(model):
        extra, unused = [t for t in named if t not in model], [t for t in model if t not in named]
        raise ManifestError(_describe_mismatch(name, extra, unused, corpus))
    places = [named.index(target) for target in model]
    ordered = []
    for sample in samples:
        values = check_values(sample.target, corpus, f"clip {sample.id}")
        ordered.append(replace(sample, target=tuple(values[place] for place in places)))
    return ordered


def _check_map(mapping: Mapping[str, str], corpus: Sequence[str], model: Sequence[str], name: str) -> None:
    for unknown, owner, known in (
        ([label for label in mapping if label not in corpus], name, corpus),
        ([label for label in mapping.values() if label not in (*model, DROP)], "the weight", model),
    ):
        if unknown:
            raise SettingsError(
                f"`label_map`: {', '.join(unknown)} is not a label of {owner}, which has {', '.join(known)}"
            )


def _relabel(samples: Sequence[Sample], mapping: Mapping[str, str], kept: Sequence[str]) -> Matched:
    dropped: Counter[str] = Counter()
    moved = []
    for sample in samples:
        label = mapping.get(sample.label, sample.label)
        if label in kept:
            moved.append(replace(sample, target=label))
        else:
            dropped[sample.label] += 1
    if not moved:
        raise ManifestError("no clips are left to score: the labels of all of them are skipped")
    differing = {left: right for left, right in mapping.items() if left != right}
    return Matched(moved, dropped=dict(sorted(dropped.items())), mapping=differing)


def _describe_mismatch(name: str, extra: Sequence[str], unused: Sequence[str], corpus: Sequence[str]) -> str:
    sides = [f"only {name} has {', '.join(extra)}"] if extra else []
    sides += [f"only the weight has {', '.join(unused)}"] if unused else []
    pairs = [f"{label}={unused[i] if i < len(unused) else DROP}" for i, label in enumerate(extra[:_MAX_SHOWN])]
    example = ",".join(pairs) or f"{corpus[0]}={corpus[0]}"
    return (
        f"the labels differ: {'; '.join(sides)}. Map them, e.g. label_map={example!r} (corpus label = model label; "
        f"{DROP} skips clips), or score the shared labels only: cross=True"
    )
