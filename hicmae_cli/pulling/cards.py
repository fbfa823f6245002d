"""The model card of a weight that ships without one, from its metadata and the record of its download."""

from __future__ import annotations

from hicmae_cli.errors import one_line
from hicmae_cli.pulling.origins import read_origin
from hicmae_cli.weights.adding import find_file
from hicmae_cli.weights.reading import read_info

_UNKNOWN = "not stated"


def build_card(name: str) -> str:
    """Build the card of a weight as Markdown, of what its file and its download say.

    Args:
        name: a name, or a weight file.

    Raises:
        WeightsError: there is no such weight, or it cannot be read.
    """
    info, origin = read_info(name), read_origin(find_file(name))
    fold = f", fold {info.fold} left out for testing" if info.fold else ""
    lines = [
        f"# {name}",
        "",
        f"- **Model**: HiCMAE {info.variant}, {info.task}",
        f"- **Trained on**: {info.trained_on or info.dataset}{fold}",
        f"- **Labels**: {', '.join(info.labels) or 'none: it is pre-trained only'}",
        f"- **Licence**: {info.licence}",
        f"- **Intended use**: {info.intended_use or _UNKNOWN}",
        f"- **Cannot judge**: {info.cannot_judge or _UNKNOWN + '; it is no judge of an individual'}",
        f"- **Source**: {info.source}",
    ]
    if origin is not None:
        lines.append(f"- **Fetched**: {origin.fetched_at}, {origin.size_bytes} bytes, SHA-256 `{origin.sha256}`")
        if origin.citation:
            lines.append(f"- **Cite**: {origin.citation}")
    if info.metrics:
        lines += ["", "| scores | metric | value |", "| --- | --- | ---: |"]
        lines += [
            f"| {where} | {metric} | {value:.4f} |"
            for where, scores in info.metrics.items()
            for metric, value in scores.items()
        ]
    # A text of the file must not steer the terminal.
    return "\n".join(map(one_line, lines)) + "\n"
