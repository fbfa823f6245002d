from __future__ import annotations

import shutil
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from hicmae_cli.clips import write_prepared_clip
from hicmae_cli.files import compute_sha256
from tests.cli.running import Run, hicmae
from tests.runtime.stubs import voice

pytestmark = pytest.mark.usefixtures("without_workers")


@pytest.fixture
def weight(toy: Path, tmp_path: Path) -> Path:
    """A .safetensors file on its own, in a folder whose long name looks like markup."""
    folder = tmp_path / ("[mine] " + "long " * 20)
    folder.mkdir()
    return Path(shutil.copy(toy, folder / "mine.safetensors"))


def probabilities(run: Run) -> dict[str, float]:
    assert run.code == 0, run.err
    found: dict[str, float] = run.document["files"][0]["summary"]["probabilities"]
    return found


@pytest.mark.slow
def test_an_exported_weight_lies_beside_its_source_and_says_the_same(weight: Path, tmp_path: Path) -> None:
    run = hicmae("export", "--onnx", "--weights", weight)
    assert run.code == 0, run.err
    exported = weight.with_suffix(".onnx")
    said = " ".join(run.out.split())
    assert f"wrote {exported} (" in run.out
    assert "opset 20" in said and "(limit 1e-03 in a logit)" in said
    said_aloud = voice(tmp_path / "a.wav")
    by_torch = hicmae("predict", said_aloud, "--json", "--weights", weight)
    weight.unlink()  # so that it cannot stand in
    by_onnx = hicmae("predict", said_aloud, "--json", "--weights", exported)
    assert (by_torch.document["weights"]["engine"], by_onnx.document["weights"]["engine"]) == ("torch", "onnx")
    assert probabilities(by_onnx) == pytest.approx(probabilities(by_torch), abs=1e-4)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ([], 2, "choose one of --onnx, --authors, --report and --web"),
        (["--onnx", "--authors"], 2, "choose one of --onnx, --authors, --report and --web"),
        (["--authors"], 2, "--authors needs --output FILE.pth"),
        (["--report", "--onnx"], 2, "choose one of --onnx, --authors, --report and --web"),
        (["--onnx", "--json", "x.json"], 2, "--json: is for --report"),
        (["--web", "page", "--authors"], 2, "choose one of --onnx, --authors, --report and --web"),
        (["--web", "page", "--output", "x.onnx"], 2, "--output: is for --onnx and --authors"),
        (["--onnx", "--offline"], 2, "--offline: is for --web"),
        (["--onnx", "--packages", "x"], 2, "--packages: is for --web"),
        (["--web", "page", "--offline", "-w", "mine.safetensors"], 1, "elsewhere, and name its folder with --packages"),
        (["--web", "only.onnx"], 2, "only.onnx: is not a folder"),
        (["--report", "--output", "x.onnx"], 2, "--output: is for --onnx and --authors"),
        (["--authors", "--precision", "float16"], 2, "--with-front-end, --precision and --store: are for --onnx"),
        (["--report", "--weights", "mine.safetensors"], 2, "got neither --dataset nor --manifest"),
        (["--onnx", "--precision", "int4", "-w", "mine.safetensors"], 2, "--precision int4: expected one of float32"),
        (["--onnx", "--precision", "int8", "-w", "mine.safetensors"], 2, "determine; give --manifest or --dataset"),
        (
            ["--onnx", "--manifest", "x.csv", "-w", "mine.safetensors"],
            2,
            "--manifest: only --precision int8 and --report need",
        ),
        (["--web", "page", "--split", "test"], 2, "--split: only --precision int8 and --report need clips"),
        (["--onnx", "--store", "float16", "-w", "only.onnx", "-o", "only.onnx"], 2, "only.onnx: is the weight itself"),
        (["--report", "--manifest", "x.csv", "-w", "mine.safetensors"], 1, "x.csv: cannot read the manifest"),
        (["--report", "--manifest", "x.csv", "--markdown", "."], 2, ".: is a folder; give the name of a file"),
        (["--onnx", "--store", "int4"], 2, "expected float32 or float16"),
        (["--onnx", "--output", "model.pt"], 2, "expected a name that ends in .onnx"),
        (["--onnx", "--weights", "no-such"], 1, "no weight named 'no-such'"),
        (["--onnx", "--weights", "no-such.safetensors"], 1, "no-such.safetensors: no such weight file"),
        (["--onnx", "--weights", "only.onnx"], 2, "only.onnx is an ONNX file already"),
        (["--onnx", "--weights", "bad.safetensors"], 1, "bad.safetensors: cannot be read"),
        (["--onnx", "--weights", "mine.safetensors", "-o", "bad.safetensors/x.onnx"], 1, "bad.safetensors"),
    ],
)
def test_what_cannot_be_exported_says_why(
    toy: Path, weight: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int, said: str
) -> None:
    monkeypatch.chdir(weight.parent)
    shutil.copy(toy.with_suffix(".onnx"), "only.onnx")
    Path("bad.safetensors").write_bytes(b"not a weight")
    before = sorted(Path().iterdir())
    run = hicmae("export", *arguments)
    assert run.code == code
    assert said in " ".join(run.err.replace("│", " ").split())
    assert sorted(Path().iterdir()) == before


def test_bundled_files_are_not_written_over(bundle: Path) -> None:
    before = {path.name: compute_sha256(path) for path in bundle.iterdir()}
    run = hicmae("export", "--onnx")
    assert run.code == 2
    assert "--output" in run.err
    assert {path.name: compute_sha256(path) for path in bundle.iterdir()} == before


def test_a_weight_is_written_as_the_authors_do(toy: Path, tmp_path: Path) -> None:
    run = hicmae("export", "--authors", "--weights", toy, "--output", tmp_path / "back.pth")
    assert run.code == 0 and f"{tmp_path}/back.pth: " in run.out.replace("\n", "")
    assert hicmae("weights", "import", tmp_path / "back.pth", "--name", "back", "--labels", "a,b,c").code == 0


@pytest.mark.slow
def test_the_report_is_printed_and_written(toy: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    lines = ["id,video,audio"]
    for at in range(2):
        faces = rng.integers(0, 256, (16, 160, 160, 3), np.uint8)
        write_prepared_clip(tmp_path / f"{at}.mkv", faces, Fraction(25, 4), np.zeros(40960, np.float32))
        lines.append(f"{at},{at}.mkv,{at}.mkv")
    (tmp_path / "list.csv").write_text("\n".join(lines) + "\n")
    before = sorted(toy.parent.iterdir())
    run = hicmae(
        *("export", "--report", "--weights", toy, "--manifest", tmp_path / "list.csv"),
        *("--json", "-", "--markdown", tmp_path / "report.md"),
    )
    assert run.code == 0, run.err
    assert (run.document["schema"], run.document["clips"]) == ("hicmae.export/1", 1)
    assert "int8" in run.err and "Recommended on this processor" in " ".join(run.err.split())
    assert "| int8 |" in (tmp_path / "report.md").read_text()
    assert sorted(toy.parent.iterdir()) == before
