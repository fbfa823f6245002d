"""Write the model card of a weight: Markdown, and a reliability diagram beside it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hicmae_cli.cards.front_matter import make_front_matter
from hicmae_cli.cards.sections import make_sections
from hicmae_cli.cards.subject import Scores, Subject, read_subject
from hicmae_cli.errors import HicmaeError, ManifestError, one_line
from hicmae_cli.report.files import write_text
from hicmae_cli.report.score_plots import plot_reliability
from hicmae_cli.report.scores import picture_title
from hicmae_cli.weights.reading import read_card

CARD: Final = "card.md"
"""Name of a card in a folder."""


@dataclass(frozen=True)
class WrittenCard:
    """The files of a card.

    Attributes:
        path: the card.
        picture: the reliability diagram; None without one.
    """

    path: Path
    picture: Path | None = None


def make_card(weight: str | Path, evaluation: Scores | None = None) -> str:
    """Make the model card of a weight as Markdown, without a picture.

    Args:
        weight: a name, a weight file, or the folder of a run, also of one over folds. A bundled weight has a card that
            a person wrote; it is returned unless there is an evaluation.
        evaluation: scores of `evaluate`, their JSON file or its document; by default the ``result.json`` beside the
            weight, if it is of this weight.

    Raises:
        WeightsError: there is no such weight, it cannot be read, or the scores are of another one.
        ManifestError: the scores cannot be read.
    """
    if evaluation is None and (written := read_card(str(weight))) is not None:
        return written
    return _render(read_subject(weight, evaluation), "")


def write_card(weight: str | Path, target: str | Path, evaluation: Scores | None = None) -> WrittenCard:
    """Write the model card of a weight, and beside it a reliability diagram if probabilities of classes were scored.

    Args:
        weight: as for `make_card`.
        target: a ``.md`` file, or a folder for ``card.md``. Of ``card.md``, the picture is ``card-reliability.png``.
        evaluation: as for `make_card`.

    Returns:
        The files that were written.

    Raises:
        WeightsError: as `make_card`.
        ManifestError: as `make_card`.
        HicmaeError: a file cannot be written.
    """
    path = Path(target)
    if path.suffix.lower() != ".md":
        path /= CARD
    if evaluation is None and (written := read_card(str(weight))) is not None:
        write_text(path, written)
        return WrittenCard(path)
    subject = read_subject(weight, evaluation)
    picture = path.with_name(f"{path.stem}-reliability.png")
    has_picture = bool((subject.document or {}).get("calibration"))
    text = _render(subject, picture.name if has_picture else "")
    if has_picture:
        _draw(subject, picture)
    write_text(path, text)
    return WrittenCard(path, picture if has_picture else None)


def _render(subject: Subject, picture: str) -> str:
    """Make the text of a card."""
    with _refusing_others(subject):
        return "\n".join([*make_front_matter(subject), "", *make_sections(subject, picture)])


def _draw(subject: Subject, picture: Path) -> None:
    assert subject.document is not None
    try:
        with _refusing_others(subject):
            plot_reliability(subject.document["calibration"], picture, title=picture_title(subject.document))
    except OSError as error:
        raise HicmaeError(one_line(f"{picture}: cannot be written: {error.strerror}")) from error


@contextmanager
def _refusing_others(subject: Subject) -> Iterator[None]:
    """Refuse a document of scores that lacks a part, or where a part has another form; a file may hold anything.

    Raises:
        ManifestError: it has.
    """
    try:
        yield
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise ManifestError(one_line(f"{subject.name}: its scores are not a document of scores: {error!r}")) from error
