"""Datasets of other packages are found, checked, and cost nothing where they are not used."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from hicmae_cli.corpora.catalogue import DATASETS, find_dataset, list_datasets, same_clips
from hicmae_cli.corpora.facts import check_dataset
from hicmae_cli.corpora.plugins import read_plugins
from hicmae_cli.errors import PluginWarning, SettingsError
from hicmae_cli.recipes.recipe import load_settings
from hicmae_cli.recipes.settings import FinetuneSettings
from tests.cli.running import hicmae
from tests.conftest import SAMPLE
from tests.corpora.fake_media import put_video
from tests.corpora.plugin_packages import install, install_example, read_example, use

VARIANT = """
from dataclasses import replace
from hicmae_cli.corpora.known.ravdess import RAVDESS
from hicmae_cli.corpora.known.dfew import DFEW
NEW = replace(RAVDESS, name="ravdess-new")
SEVERAL = (replace(RAVDESS, name="one"), replace(DFEW, name="two"))
SHADOW = [replace(RAVDESS, name="crema-d"), replace(RAVDESS, name="other")]
WRONG = replace(RAVDESS, name="Wrong Name", labels=("angry",))
"""


def test_the_example_of_the_docs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_example(tmp_path)
    use(tmp_path, monkeypatch)
    found = find_dataset("My-Corpus")
    assert (found.package, found.folds) == ("my-corpus", ("p1", "p2", "p3", "p4"))
    assert load_settings(FinetuneSettings, found.recipe).epochs == 30
    assert list(list_datasets()) == [*DATASETS, "my-corpus"]
    namespace: dict[str, object] = {}
    exec(compile(read_example()["test_my_corpus.py"], "test_my_corpus.py", "exec"), namespace)
    (tmp_path / "data").mkdir()
    namespace["test_my_corpus"](tmp_path / "data")  # type: ignore[operator]

    monkeypatch.setenv("COLUMNS", "200")
    rows = {
        cells[1].strip(): cells for line in hicmae("datasets").out.splitlines() if len(cells := line.split("│")) > 6
    }
    assert (rows["my-corpus"][6].strip(), rows["dfew"][6].strip()) == ("my-corpus", "hicmae")
    shown = hicmae("datasets", "my-corpus")
    assert (shown.code, shown.err) == (0, "")
    assert "Package" in shown.out
    (facts,) = hicmae("datasets", "my-corpus", "--json").document["datasets"]
    assert (facts["package"], facts["recipe"]) == ("my-corpus", found.recipe)


def test_without_plugins_the_list_names_no_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert "from" not in hicmae("datasets").out.splitlines()[1]


def test_a_value_may_be_several_datasets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, "variants", {"variants_a.py": VARIANT}, {"n": "variants_a:NEW", "s": "variants_a:SEVERAL"})
    use(tmp_path, monkeypatch)
    found = read_plugins(DATASETS)
    assert (list(found.datasets), found.faults) == (["ravdess-new", "one", "two"], ())
    assert same_clips("one", "ravdess") is True
    assert same_clips("one", "two") is False


def test_a_name_belongs_to_one_dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, "b-package", {"variants_b.py": VARIANT}, {"s": "variants_b:SHADOW", "n": "variants_b:NEW"})
    install(tmp_path, "a-package", {"variants_c.py": VARIANT}, {"n": "variants_c:NEW"})
    use(tmp_path, monkeypatch)
    found = read_plugins(DATASETS)
    assert {name: dataset.package for name, dataset in found.datasets.items()} == {
        "ravdess-new": "a-package",
        "other": "b-package",
    }
    assert found.faults == (
        "package b-package: its dataset ravdess-new is skipped, because package a-package has a dataset of this name; "
        "rename one of them",
        "package b-package: its dataset crema-d is skipped, because hicmae has a dataset of this name; rename it",
    )
    with pytest.warns(PluginWarning, match="is skipped, because"):
        assert list_datasets()["crema-d"] is DATASETS["crema-d"]


@pytest.mark.parametrize(
    ("text", "point", "said"),
    [
        ("import nothing_like_this\n", "broken_a:X", r"ModuleNotFoundError: No module named 'nothing_like_this'"),
        ("raise SystemExit(3)\n", "broken_b:X", "SystemExit: 3"),
        ("X = 1 +\n", "broken_c:X", "SyntaxError"),
        ("Y = 1\n", "broken_d:X", "AttributeError"),
        ("X = 3\n", "broken_e:X", "TypeError"),
        ("X = ['crema-d']\n", "broken_f:X", "expected a Dataset or an iterable of them, got str"),
        (VARIANT, "broken_g:WRONG", "name='Wrong Name': expected lower-case .*; labels: got 'angry', expected 'anger'"),
    ],
)
def test_a_broken_package_is_one_warning(
    text: str, point: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, "broken-package", {f"{point.partition(':')[0]}.py": text}, {"x": point})
    use(tmp_path, monkeypatch)
    with pytest.warns(
        PluginWarning, match=f"^package broken-package: its datasets? .*skipped, because .*{said}"
    ) as given:
        assert list_datasets() == DATASETS
    assert len(given) == 1


@pytest.mark.parametrize("group", ["hicmae.datasets", "another.group"])
def test_a_malformed_package_stops_nothing(group: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, "malformed-package", {}, {})
    (tmp_path / "malformed_package-1.0.dist-info" / "entry_points.txt").write_text(f"[{group}]\nno value\n")
    install(tmp_path, "unreadable-package", {}, {})
    (tmp_path / "unreadable_package-1.0.dist-info" / "entry_points.txt").write_bytes(b"[hicmae.datasets]\n\xff = a:b\n")
    install(tmp_path, "variants", {"variants_d.py": VARIANT}, {"n": "variants_d:NEW"})
    use(tmp_path, monkeypatch)
    found = read_plugins(DATASETS)
    assert list(found.datasets) == ["ravdess-new"]
    named = [fault for fault in found.faults if fault.startswith("package malformed-package: its datasets are skipped")]
    assert (len(named), len(found.faults)) == ((1, 1) if group == "hicmae.datasets" else (0, 0))


def test_commands_work_beside_a_broken_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, "broken-package", {"broken_h.py": "import nothing_like_this\n"}, {"x": "broken_h:X"})
    use(tmp_path, monkeypatch)
    run = hicmae("datasets", "--json")
    assert (run.code, len(run.document["datasets"])) == (0, len(DATASETS))
    assert run.err.startswith("warning: package broken-package: its datasets are skipped, because broken_h:X cannot be")
    assert run.err.count("\n") == 1
    with pytest.warns(PluginWarning), pytest.raises(SettingsError, match="no dataset named crema"):
        find_dataset("crema")


def test_plugins_are_imported_only_when_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, "lazy-package", {"lazy_a.py": "X = ()\n"}, {"x": "lazy_a:X"})
    use(tmp_path, monkeypatch)
    assert hicmae("--help").code == hicmae("datasets", "crema-d").code == 0
    assert same_clips("crema-d", "crema-d-4") is True
    assert "lazy_a" not in sys.modules
    list_datasets()
    assert "lazy_a" in sys.modules


@pytest.mark.slow
def test_predict_imports_no_plugin(tmp_path: Path) -> None:
    install(tmp_path, "loud-package", {"loud.py": "print('imported')\nX = ()\n"}, {"x": "loud:X"})
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from hicmae_cli.cli import main; main(sys.argv[1:])"
    said = {}
    for command in (["predict", str(SAMPLE), "--end", "3"], ["datasets", "--json"]):
        done = subprocess.run([sys.executable, "-c", code, *command], capture_output=True, text=True, check=True)
        said[command[0]] = "imported" in done.stdout
    assert said == {"predict": False, "datasets": True}


@pytest.mark.slow
def test_a_plugin_is_prepared_like_any_dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_example(tmp_path / "site")
    use(tmp_path / "site", monkeypatch)
    for name in ("p1_ang_1", "p2_hap_1", "p3_neu_1", "p4_ang_1"):
        put_video(tmp_path / "data" / f"{name}.mp4")
    found = find_dataset("my-corpus")
    check_dataset(found, found.items(tmp_path / "data"))
    run = hicmae("prepare", "my-corpus", "--root", tmp_path / "data", "--workers", 1)
    assert (run.code, "4 clips of My corpus" in run.out) == (0, True), run.err
