from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from hicmae_cli.corpora.known.meld import MELD
from hicmae_cli.errors import ManifestError
from hicmae_cli.preparing.check import check_folds
from hicmae_cli.training.finetuning.parts import check_splits
from hicmae_cli.training.finetuning.task import read_task
from tests.corpora.fakes import make_fake

HEADER = "Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,Episode"


def test_published_counts() -> None:
    """9,989, 1,109 and 2,610 utterances; one of train cannot be decoded."""
    facts = MELD.published[""]
    assert (facts.train, facts.test) == (9989 - 1, 2610)
    assert sum(facts.train_counts) == facts.train


def test_broken_clips_are_skipped_and_named(tmp_path: Path) -> None:
    make_fake("meld", tmp_path, media=False)
    assert "dia125_utt3" not in {item.video.stem for item in MELD.items(tmp_path)}
    for name in ("train_sent_emo.csv", "dev_sent_emo.csv"):  # they are only excluded from their own part
        text = (tmp_path / name).read_text()
        (tmp_path / name).write_text(text.replace(",125,3,", ",110,7,") if "125,3" in text else text)
    assert "train_dia110_utt7" in {item.id for item in MELD.items(tmp_path)}
    assert set(MELD.excluded) == {"train_dia125_utt3", "dev_dia110_utt7"}


def test_the_archives_as_they_unpack(tmp_path: Path) -> None:
    items = make_fake("meld", tmp_path, media=False)
    for part, folder in (("train", "train_splits"), ("dev", "dev_splits_complete")):
        (tmp_path / part).mkdir()
        (tmp_path / folder).rename(tmp_path / part / folder)
    (tmp_path / "train_sent_emo.csv").rename(tmp_path / "train" / "train_sent_emo.csv")
    unpacked = MELD.items(tmp_path)
    assert [item.id for item in unpacked] == [item.id for item in items]
    assert all(item.video.is_file() for item in unpacked)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("Joey,bored,neutral,0,0,1,1", "unknown label 'bored'; expected anger, disgust, fear, joy, neutral"),
        ("Joey,joy,neutral,../0,0,1,1", "expected two numbers, got '../0' and '0'"),
        ("Joey,joy,neutral,0,0,1,1\nJoey,joy,neutral,0,00,1,1", "dia0_utt0 occurs twice"),
    ],
)
def test_malformed_lists(row: str, said: str, tmp_path: Path) -> None:
    make_fake("meld", tmp_path, labels=1, media=False)
    path = tmp_path / "dev_sent_emo.csv"
    path.write_text(f"{HEADER}\n{row}\n")
    with pytest.raises(ManifestError) as caught:
        MELD.items(tmp_path)
    assert said in str(caught.value)
    assert str(caught.value).startswith(f"{path}, line ")


def test_shared_speakers_are_a_fact_and_not_a_fault(tmp_path: Path) -> None:
    items = make_fake("meld", tmp_path, media=False)
    (fold,) = check_folds(replace(MELD, published={}), items)
    assert (fold.leaks, fold.is_good, fold.leaks_allowed) == (("Joey",), True, MELD.shares_people)
    (strict,) = check_folds(replace(MELD, published={}, shares_people=""), items)
    assert not strict.is_good


def test_training_accepts_them(tmp_path: Path) -> None:
    rows = [
        f"{split}{n},,a.wav,{label},{split},Joey" for split in ("train", "val") for n, label in enumerate(MELD.labels)
    ]
    (tmp_path / "meld.csv").write_text("\n".join(["id,video,audio,label,split,speaker", *rows]))
    (tmp_path / "a.wav").touch()
    for dataset in (MELD, replace(MELD, shares_people="")):
        task, samples = read_task(tmp_path / "meld.csv", dataset, name="meld", source="")
        train, validation = samples[: len(MELD.labels)], samples[len(MELD.labels) :]
        if dataset is MELD:
            check_splits(train, validation, task)
            with pytest.raises(ManifestError, match="1 people are in both"):
                check_splits(train, validation, replace(task, protocol="kfold:5"))
        else:
            with pytest.raises(ManifestError, match="1 people are in both the training and the validation split"):
                check_splits(train, validation, task)
