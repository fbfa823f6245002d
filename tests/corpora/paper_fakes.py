"""Fakes of the datasets of the paper; `fakes.py` lists them. Each takes a root, a number of folds and one of labels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from hicmae_cli.corpora.dataset import Item, RecordingPart
from tests.corpora.fake_media import put_sound, put_video
from tests.corpora.fake_text import write


def fake_crema_d(
    root: Path, folds: int | None, labels: int | None, codes: str = "ANG DIS FEA HAP NEU SAD"
) -> list[Item]:
    names = {"ANG": "anger", "DIS": "disgust", "FEA": "fear", "HAP": "happiness", "NEU": "neutral", "SAD": "sadness"}
    for broken in ("1076_MTI_NEU_XX", "1064_IEO_DIS_MD"):
        put_video(root / "VideoFlash" / f"{broken}.flv", media=False)
    put_sound(root / "AudioWAV" / "1040_ITH_SAD_X.wav", media=False)
    put_video(root / "VideoFlash" / "1040_ITH_SAD_XX.flv", media=False)
    items = []
    for fold, actor in list(zip("12345", (1001, 1019, 1037, 1055, 1091), strict=True))[:folds]:
        for code in names:
            clip = f"{actor}_DFA_{code}_XX"
            item = Item(
                id=clip,
                label=names[code],
                speaker=str(actor),
                video=root / "VideoFlash" / f"{clip}.flv",
                audio=root / "AudioWAV" / f"{clip}.wav",
                fold=fold,
                extra={"sentence": "DFA", "intensity": "XX"},
            )
            if code in codes.split()[:labels]:
                items.append(item)
            elif labels is None:  # of the four classes: the other two are there too
                put_video(item.video, media=False)
    return items


def fake_crema_d_4(root: Path, folds: int | None, labels: int | None) -> list[Item]:
    return fake_crema_d(root, folds, labels, "ANG HAP NEU SAD")


def fake_ravdess(root: Path, folds: int | None, labels: int | None) -> list[Item]:
    names = ("neutral", "calm", "happiness", "sadness", "anger", "fear", "disgust", "surprise")
    items = []
    for fold, actor in list(zip("123456", ("01", "08", "09", "13", "20", "24"), strict=True))[:folds]:
        folder = root / f"Actor_{actor}"
        for number, label in list(enumerate(names, 1))[:labels]:
            rest = f"01-{number:02d}-01-02-01-{actor}"
            items.append(
                Item(
                    id=f"02-{rest}",
                    label=label,
                    speaker=actor,
                    video=folder / f"02-{rest}.mp4",
                    audio=folder / f"03-{rest}.wav",
                    fold=fold,
                    extra={
                        "intensity": "01",
                        "statement": "02",
                        "repetition": "01",
                        "sex": "male" if int(actor) % 2 else "female",
                    },
                )
            )
            put_video(folder / f"01-{rest}.mp4", media=False)  # with sound, not used
        put_video(folder / f"02-02-03-01-01-01-{actor}.mp4", media=False)  # a song
    return items


def _official_lists(root: Path, folds: int | None, labels: Sequence[str], first: int) -> Iterator[tuple[str, int, str]]:
    """Fold, clip number, label; a clip of every label in every fold."""
    number = first
    for fold in "12345"[:folds]:
        for label in labels:
            yield fold, number, label
            number += 1


_MAFW = (
    "anger",
    "disgust",
    "fear",
    "happiness",
    "neutral",
    "sadness",
    "surprise",
    "contempt",
    "anxiety",
    "helplessness",
    "disappointment",
)


def fake_mafw(
    root: Path, folds: int | None, labels: int | None, kind: str = "single", more: Sequence[str] = ()
) -> list[Item]:
    chosen = (*_MAFW, *more)[:labels] if kind == "single" else (*more, *_MAFW)[:labels]
    clips = root / "data" / "clips"
    items = [
        Item(id=f"{number:05d}", label=label, speaker="", video=clips / f"{number:05d}.mp4", fold=fold)
        for fold, number, label in _official_lists(root, folds, chosen, 25)
    ]
    for fold in "12345":
        folder = root / "Train & Test Set" / kind / "no_caption" / f"set_{fold}"
        silent = ["00903.mp4 anger"] if fold == "1" else []
        write(folder / "test.txt", [f"{i.id}.mp4 {i.label}" for i in items if i.fold == fold] + silent)
        write(folder / "train.txt", [f"{i.id}.mp4 {i.label}" for i in items if i.fold != fold])
    return items


def fake_mafw_43(root: Path, folds: int | None, labels: int | None) -> list[Item]:
    more = ("anger_disgust", "sadness_helplessness", "fear_surprise_anxiety")
    return fake_mafw(root, folds, labels, "compound", more)


def fake_dfew(root: Path, folds: int | None, labels: int | None) -> list[Item]:
    names = ("happiness", "sadness", "neutral", "anger", "surprise", "disgust", "fear")
    clips = root / "Clip" / "original"
    items = [
        Item(
            id=f"{number:05d}", label=label, speaker="", fold=fold, video=clips / f"part_{number % 2}" / f"{number}.mp4"
        )
        for fold, number, label in _official_lists(root, folds, names[:labels], 8)
    ]
    lists = root / "EmoLabel_DataSplit"
    for fold in "12345":
        for part in ("test", "train"):
            rows = [
                f"{int(item.id)},{names.index(item.label) + 1}"
                for item in items
                if (item.fold == fold) == (part == "test")
            ]
            write(lists / f"{part}(single-labeled)" / f"set_{fold}.csv", ["video_name,label", *rows])
    return items


def fake_mer2023(root: Path, folds: int | None, labels: int | None) -> list[Item]:
    codes = {
        "neutral": "neutral",
        "angry": "anger",
        "happy": "happiness",
        "sad": "sadness",
        "worried": "worry",
        "surprise": "surprise",
    }
    items = []
    for part, split, each in (("train", "train", 2), ("test1", "test", 1)):
        rows = []
        for number, code in enumerate(list(codes)[:labels] * each):
            name = f"sample_0000{number:04d}" if split == "train" else f"sample_0001{number:04d}"
            rows.append(f"{name},{code},{-0.5 * number}")
            items.append(Item(id=name, label=codes[code], speaker="", video=root / part / f"{name}.avi", split=split))
        write(root / f"{part}-label.csv", ["name,discrete,valence", *rows])
    return items


def fake_msp_improv(root: Path, folds: int | None, labels: int | None) -> list[Item]:
    codes = {"A": "anger", "H": "happiness", "N": "neutral", "S": "sadness"}
    ratings = "A:3.000000; V:2.600000; D:3.200000 ; N:3.500000;"
    items, lines = [], []
    for session in "123456"[:folds]:
        for number, code in enumerate([*list(codes)[:labels], "X", "O"], 1):
            speaks, listens = ("F", "M") if number % 2 else ("M", "F")
            turn = f"S01A-F0{session}-P-{speaks}{listens}{number:02d}"
            # The first line of a turn is what counts; those of single listeners follow.
            lines += [f"UTD-IMPROV-{turn}.avi; {code}; {ratings}", f"WORKER0000{number}; Sad; Sad; {ratings}", ""]
            if code in codes:
                folder = root / f"session{session}" / "S01A" / "P"
                items.append(
                    Item(
                        id=f"MSP-IMPROV-{turn}",
                        label=codes[code],
                        speaker=f"{speaks}0{session}",
                        fold=session,
                        video=folder / f"MSP-IMPROV-{turn}.avi",
                        audio=folder / f"MSP-IMPROV-{turn}.wav",
                        extra={"scene": "S01A", "type": "P"},
                    )
                )
    write(root / "Evalution.txt", lines)
    return items


def fake_iemocap(root: Path, folds: int | None, labels: int | None) -> list[Item]:
    codes = {"ang": "anger", "exc": "happiness", "neu": "neutral", "sad": "sadness", "hap": "happiness"}
    items = []
    for session in "12345"[:folds]:
        for marked in "FM":
            lines = ["% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]", ""]
            dialogue = f"Ses0{session}{marked}_impro0{1 + 'FM'.index(marked)}"
            base = root / f"Session{session}"
            for number, code in enumerate(
                [*[c for c in codes if codes[c] in list(codes.values())[:labels]], "fru", "xxx"]
            ):
                who = "FM"[number % 2]
                start, end = (0.0, 1.0) if who == "F" else (1.0, 1.75)
                id_ = f"{dialogue}_{who}{number:03d}"
                lines += [
                    f"[{start:.4f} - {end:.4f}]\t{id_}\t{code}\t[2.5000, 2.5000, 2.5000]",
                    "C-E2:\tNeutral;\t()",
                    "A-E3:\tval 3; act 2; dom  2;\t()",
                    "",
                ]
                if code in codes:
                    side = (0.0, 0.5) if who == marked else (0.5, 1.0)
                    items.append(
                        Item(
                            id=id_,
                            label=codes[code],
                            speaker=f"Ses0{session}{who}",
                            video=base / "dialog" / "avi" / "DivX" / f"{dialogue}.avi",
                            audio=base / "sentences" / "wav" / dialogue / f"{id_}.wav",
                            fold=session,
                            part=RecordingPart(start, end, side),
                            extra={"code": code},
                        )
                    )
            write(base / "dialog" / "EmoEvaluation" / f"{dialogue}.txt", lines)
            (base / "dialog" / "EmoEvaluation" / f"._{dialogue}.txt").write_bytes(b"\x00\x05\x16\x07\xb0")
    return items


def fake_werewolf_xl(root: Path, folds: int | None, labels: int | None) -> list[Item]:
    items, rows = [], []
    for fold, game in list(zip("12345", ("01", "12", "13", "24", "30"), strict=True))[:folds]:
        for player in ("01", "09"):
            for number in range(1, 4):
                id_ = f"{game}_{player}_{number}"
                arousal, valence, dominance = 0.5 * (number - 1), 0.25 * number - 0.75, 0.5 * int(fold) - 1.5
                rows.append(f"{int(game)},{id_},{valence},{arousal},{dominance}")
                items.append(
                    Item(
                        id=id_,
                        label=f"{arousal!r} {valence!r} {dominance!r}",
                        speaker=f"{game}_{player}",
                        video=root / "Speaker_Video" / f"{id_}.mp4",
                        fold=fold,
                    )
                )
    write(root / "labels.csv", ["Session,VideoName,Mean_P_1_2_3_4,Mean_A_1_2,Mean_D_1_2_4", *rows])
    return items


def fake_avcaffe(root: Path, folds: int | None, labels: int | None, scale: str = "arousal") -> list[Item]:
    names = {
        "arousal": ("excited", "wide-awake", "neutral", "dull", "calm"),
        "valence": ("pleasant", "pleased", "neutral", "unsatisfied", "unpleasant"),
    }[scale]
    items, answers, silent = [], [], []
    for person, split in (("aiim001", "test"), ("aiim003", "train"), ("aiim004", "train")):
        for number, label in enumerate(names[:labels], 1):
            session = f"{person}_task_{number}"
            answers.append(f"{session}, {label.capitalize()}")
            folder = root / "videos" / "shorter_segments" / person / f"task_{number}"
            items += [
                Item(
                    id=f"{session}_clip_{clip:03d}",
                    label=label,
                    speaker=person,
                    video=folder / f"{session}_clip_{clip:03d}.avi",
                    split=split,
                    extra={"task": f"task_{number}"},
                )
                for clip in (1, 2)
            ]
            silent.append(f"{session}_clip_003.avi")
            put_video(folder / silent[-1], media=False)
    write(root / "ground_truths" / f"{scale}.txt", answers)
    write(root / "info" / "no_audio_files.txt", silent)
    return items


def fake_avcaffe_valence(root: Path, folds: int | None, labels: int | None) -> list[Item]:
    return fake_avcaffe(root, folds, labels, "valence")
