"""Fakes of the other datasets, and of a user's own; see `paper_fakes.py`."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

from hicmae_cli.corpora.dataset import Item, RecordingPart
from tests.corpora.fake_media import put_video
from tests.corpora.fake_text import write


def fake_meld(root: Path, folds: int | None, labels: int | None) -> list[Item]:
    codes = {"anger": "anger", "disgust": "disgust", "fear": "fear", "joy": "happiness", "neutral": "neutral"}
    codes |= {"sadness": "sadness", "surprise": "surprise"}
    header = "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,Episode,StartTime,EndTime"
    videos = {"train": "train_splits", "dev": "dev_splits_complete", "test": "output_repeated_splits_test"}
    items = []
    for part, folder in videos.items():
        rows = [header]
        broken = {"train": (125, 3), "dev": (110, 7)}.get(part)
        if broken and labels is None:
            rows.append(f'1,"Yes, yes I do.",Monica,neutral,neutral,{broken[0]},{broken[1]},6,11,"0:06:52","0:06:54"')
        for number, code in enumerate(list(codes)[:labels]):
            for utterance in range(2):
                rows.append(
                    f'{number},"Hey, what up?",Joey,{code},positive,{number},{utterance},8,21,"00:16:16,059",'
                    '"00:16:21,731"'
                )
                items.append(
                    Item(
                        id=f"{part}_dia{number}_utt{utterance}",
                        label=codes[code],
                        speaker="Joey",
                        video=root / folder / f"dia{number}_utt{utterance}.mp4",
                        split="validation" if part == "dev" else part,
                        extra={
                            "sentiment": "positive",
                            "dialogue": str(number),
                            "utterance": str(utterance),
                            "season": "8",
                            "episode": "21",
                        },
                    )
                )
        write(root / f"{part}_sent_emo.csv", rows)
    return items


def fake_emodb(root: Path, folds: int | None, labels: int | None) -> list[Item]:
    codes = {
        "W": "anger",
        "L": "boredom",
        "E": "disgust",
        "A": "fear",
        "F": "happiness",
        "N": "neutral",
        "T": "sadness",
    }
    return [
        Item(
            id=f"{speaker}{text}{code}a",
            label=codes[code],
            speaker=speaker,
            video=root / "wav" / f"{speaker}{text}{code}a.wav",
            fold=speaker,
            extra={"text": text, "version": "a"},
        )
        for speaker in ("03", "08", "09", "10", "11", "12", "13", "14", "15", "16")[:folds]
        for code in list(codes)[:labels]
        for text in ("a01", "b10")
    ]


def fake_blemore(root: Path, folds: int | None, labels: int | None) -> list[Item]:
    names = {"ang": "anger", "disg": "disgust", "fea": "fear", "hap": "happiness", "sad": "sadness", "neu": "neutral"}
    pairs = [(one, other) for one, other in combinations(list(names)[:5], 2)]
    rows = [
        "filename,video_id,gender,mix,emotion_1,version,intensity_level,situation,emotion_2,emotion_1_salience,"
        "emotion_2_salience,fold"
    ]
    items = []
    for fold, actor in list(zip("01234", ("A102", "A411", "A200", "A26", "A303"), strict=True))[:folds]:
        found = []
        for code in list(names)[:labels]:
            kind = "sit1" if code == "neu" else "int1"
            rows.append(f"{actor}_{code}_{kind}_ver1,{actor},f,0,{code},1,1.0,,,,,{fold}")
            found.append((f"{actor}_{code}_{kind}_ver1", names[code], "100"))
        for one, other in pairs if labels is None else []:
            # The second emotion of the label is the first of the name.
            name = f"{actor}_mix_{other}_{one}_70_30_ver1"
            rows.append(f"{name},{actor},f,1,{other},1,,,{one},70.0,30.0,{fold}")
            found.append((name, f"{names[one]}+{names[other]}", "30/70"))
        items += [
            Item(
                id=name,
                label=label,
                speaker=actor,
                video=root / "videos" / f"{name}.mp4",
                fold=fold,
                extra={"gender": "f", "salience": salience},
            )
            for name, label, salience in found
        ]
    write(root / "train_metadata.csv", rows)
    return items


def fake_folder(root: Path, folds: int | None, labels: int | None) -> list[Item]:
    names = {"happy": "happiness", "sad": "sadness", "bored stiff": "bored stiff"}
    (root / "prepared").mkdir(parents=True, exist_ok=True)
    put_video(root / "prepared" / "clips" / "old.mp4", media=False)
    return [
        Item(
            id=f"{folder}/day {day}/{n}.mp4",
            label=names[folder],
            speaker="",
            video=root / folder / f"day {day}" / f"{n}.mp4",
        )
        for folder in list(names)[:labels]
        for day in (1, 2)
        for n in range(5)
    ]


def fake_manifest(root: Path, folds: int | None, labels: int | None) -> list[Item]:
    names = {"happy": "happiness", "SAD": "sadness", "bored": "bored"}
    items, rows = [], []
    for fold in ("a", "b", "c")[:folds]:
        for code in list(names)[:labels]:
            id_ = f"{fold}/{code}"
            sound = f"sound/{fold}-{code}.wav" if code == "happy" else ""
            rows.append(f"{id_},raw/{fold}-{code}.mp4,{sound},{code},{fold},,person {fold},{code} day")
            items.append(
                Item(
                    id=id_,
                    label=names[code],
                    speaker=f"person {fold}",
                    video=root / f"raw/{fold}-{code}.mp4",
                    audio=root / sound if sound else None,
                    fold=fold,
                    extra={"when": f"{code} day"},
                )
            )
    write(root / "manifest.csv", ["id,video,audio,label,fold,split,speaker,when", *rows])
    write(root / "labels.txt", ["bored", "happy", "sad"])
    return items


def fake_photos(root: Path, folds: int | None, labels: int | None) -> list[Item]:
    names = {"happy": "happiness", "SAD": "sadness", "contempt": "contempt"}
    items, rows = [], []
    for person in range(folds or 5):
        for code in list(names)[:labels]:
            file = f"{code}/{person}.jpg"
            rows.append(f"{file},{code},person {person},press")
            items.append(
                Item(
                    id=file, label=names[code], speaker=f"person {person}", video=root / file, extra={"source": "press"}
                )
            )
    write(root / "manifest.csv", ["file,label,group,source", *rows])
    return items


def fake_annotations(root: Path, folds: int | None, labels: int | None) -> list[Item]:
    """One interval in each file: of the person who is seen, as nothing says where the people are."""
    names = {"happy": "happiness", "SAD": "sadness", "calm": "calm"}
    items = []
    for person in range(folds or 5):
        for number, code in enumerate(list(names)[:labels]):
            recording = f"{person}/{number}.mp4"
            rows = [
                "Time\tMedia file path\tSubject\tBehavior\tStatus",
                f"0.1\t/home/lab/{number}.mp4\tanna {person}\t{code}\tSTART",
                f"0.9\t/home/lab/{number}.mp4\tanna {person}\t{code}\tSTOP",
                f"0.9\t/home/lab/{number}.mp4\tanna {person}\tlooks away\tPOINT",
            ]
            write(root / str(person) / f"{number}.tsv", rows)
            extra = {"tier": f"anna {person}", "start_s": "0.100", "end_s": "0.900", "recording": recording}
            items.append(
                Item(
                    id=f"{recording}/anna-{person}-0000100",
                    label=names[code],
                    speaker=f"anna {person}",
                    video=root / recording,
                    part=RecordingPart(0.1, 0.9),
                    extra=extra,
                )
            )
    return items
