"""Measure how often `--people` names the right person, a wrong one or a stranger, on photographs of real people.

    python scripts/name_rates.py --faces DIR [--source press]

DIR is a folder as of `docs/real-check.md`: `manifest.csv` with `file` and `group` (the person), and the aligned crops
of 160 x 160 pixels beside it or in `crops.tar`. The photographs of one person are of different days, cameras and ages,
which is the hardest case. In each of 40 draws, ten people are known by photographs; who is named: ten others of their
photographs, and ten strangers. Prints rates, and the similarity of photographs of different people.
"""

from __future__ import annotations

import argparse
import csv
import io
import tarfile
from collections import defaultdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hicmae_cli.faces.people import match_name
from hicmae_cli.faces.texture import describe_texture

DRAWS, KNOWN, MOST = 40, 10, 6
Textures = dict[str, list[NDArray[np.float32]]]


def read_textures(folder: Path, source: str | None) -> Textures:
    """Read at most six photographs of each person."""
    with (folder / "manifest.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if source is None or row.get("source") == source]
    packed = tarfile.open(folder / "crops.tar") if (folder / "crops.tar").exists() else None  # noqa: SIM115
    people: Textures = defaultdict(list)
    for row in rows:
        if len(people[row["group"]]) == MOST:
            continue
        member = packed.extractfile(row["file"]) if packed else None
        data = member.read() if member else (folder / row["file"]).read_bytes()
        with Image.open(io.BytesIO(data)) as image:
            people[row["group"]].append(describe_texture(np.asarray(image.convert("RGB"))))
    return people


def draw_rates(people: Textures, photographs: int, looks: int) -> tuple[float, float, float]:
    """Return the shares of known people with the right and with a wrong name, and of strangers with a name."""
    rng = np.random.default_rng(0)
    names = sorted(people)
    enough = [name for name in names if len(people[name]) >= photographs + looks]
    right = wrong = tested = named = strangers = 0
    for _ in range(DRAWS):
        known = {
            name: people[name][:photographs] for name in rng.choice(enough, min(KNOWN, len(enough)), replace=False)
        }
        for name in known:
            found = match_name(people[name][photographs : photographs + looks], known)
            tested += 1
            right += found is not None and found[0] == name
            wrong += found is not None and found[0] != name
        for name in rng.choice([name for name in names if name not in known], KNOWN, replace=False):
            strangers += 1
            named += match_name(people[name][:looks], known) is not None
    return right / tested, wrong / tested, named / strangers


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faces", type=Path, required=True)
    parser.add_argument("--source", help="only photographs with this value in the column `source`")
    options = parser.parse_args()
    people = read_textures(options.faces, options.source)
    print(f"{sum(map(len, people.values()))} photographs of {len(people)} people")
    textures = np.stack([texture for some in people.values() for texture in some])
    owners = np.repeat(np.arange(len(people)), [len(some) for some in people.values()])
    first, second = np.triu_indices(len(textures), 1)
    similarity, same = (textures @ textures.T)[first, second], owners[first] == owners[second]
    for title, some in (("different people", similarity[~same]), ("one person", similarity[same])):
        shares = (0.5, 0.9, 0.99, 0.999, 0.9999)
        print(f"{title}:", ", ".join(f"{q:.2%} below {np.quantile(some, q):.2f}" for q in shares))
    for photographs, looks in ((1, 1), (3, 1), (3, 3)):
        right, wrong, named = draw_rates(people, photographs, looks)
        print(f"{photographs} photographs, {looks} looks: right {right:.1%}, wrong {wrong:.1%}, strangers {named:.1%}")


if __name__ == "__main__":
    main()
