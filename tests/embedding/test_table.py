"""Tables of embeddings keep what they were given, and read nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from hicmae_cli.embedding import table
from hicmae_cli.embedding.table import COLUMNS, Embeddings, read_embeddings
from hicmae_cli.errors import HicmaeError, SettingsError
from tests.embedding.toys import make_table


@pytest.mark.parametrize("suffix", [".npz", ".parquet"])
def test_a_table_is_read_as_it_was_written(tmp_path: Path, suffix: str) -> None:
    written = make_table(5, {"fused": 8, "video_1": 3}, about={"data": "älter"})
    written.save(tmp_path / f"table{suffix}")
    found = read_embeddings(tmp_path / f"table{suffix}")
    assert found.about == {"data": "älter"}
    assert list(found.layers) == ["fused", "video_1"]
    for name, values in written.layers.items():
        np.testing.assert_array_equal(found[name], values)
        assert found[name].dtype == np.float32
    for name in COLUMNS:
        np.testing.assert_array_equal(found.columns[name], written.columns[name])
    assert len(found) == 5


def test_numpy_and_pandas_read_them_without_us(tmp_path: Path) -> None:
    import pandas

    written = make_table(4, {"fused": 6})
    written.save(tmp_path / "table.npz")
    written.save(tmp_path / "table.parquet")
    with np.load(tmp_path / "table.npz", allow_pickle=False) as found:
        assert found["label"].tolist() == written.columns["label"].tolist()
        np.testing.assert_array_equal(found["fused"], written["fused"])
    frame = pandas.read_parquet(tmp_path / "table.parquet")
    np.testing.assert_array_equal(np.stack(frame["fused"].to_list()), written["fused"])
    assert frame["speaker"].tolist() == written.columns["speaker"].tolist()


def test_other_files_are_refused_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "text.npz").write_text("no")
    np.savez(tmp_path / "other.npz", about=np.array(json.dumps({"schema": "other/1"})))
    np.savez(tmp_path / "code.npz", about=np.array([{"a": 1}], dtype=object))
    (tmp_path / "text.parquet").write_text("no")
    for name in ("text.npz", "other.npz", "code.npz", "text.parquet"):
        with pytest.raises(HicmaeError, match=f"{name}: is not a table of embeddings"):
            read_embeddings(tmp_path / name)
    with pytest.raises(HicmaeError, match="no such file"):
        read_embeddings(tmp_path / "absent.npz")
    with pytest.raises(SettingsError, match=r"\.npz or \.parquet"):
        make_table(1, {"fused": 2}).save(tmp_path / "table.csv")
    assert not (tmp_path / "table.csv").exists()


def test_a_file_that_claims_too_much_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_table(50, {"fused": 40}).save(tmp_path / "table.npz")
    monkeypatch.setattr(table, "_LARGEST_BYTES", 8000)
    with pytest.raises(HicmaeError, match="claims more than"):
        read_embeddings(tmp_path / "table.npz")


def test_rows_and_columns_must_fit(tmp_path: Path) -> None:
    good = make_table(3, {"fused": 2})
    with pytest.raises(ValueError, match="one row per clip"):
        Embeddings(good.columns, {"fused": np.zeros((2, 2), np.float32)})
    with pytest.raises(ValueError, match="expected the columns"):
        Embeddings({**good.columns, "more": good.columns["id"]}, good.layers)
    with pytest.raises(SettingsError, match="the embeddings have fused"):
        good["video"]
