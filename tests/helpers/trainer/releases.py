"""Miniature corpora in the layout and with the quirks of the releases: what their readers are tried on."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np
from helpers.wav_file import write as write_wav

from livemerc.audio.flac_writer import FlacWriter
from livemerc.emotions import LABELS

RATE_HZ = 16_000


def tone(seconds: float, frequency_hz: float = 220.0) -> np.ndarray:
    """(n,) float32."""
    return (0.3 * np.sin(2 * np.pi * frequency_hz * np.arange(round(seconds * RATE_HZ)) / RATE_HZ)).astype(np.float32)


def wav(path: Path, seconds: float = 0.5) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_wav(path, tone(seconds), RATE_HZ)


def mp4(path: Path, seconds: float = 0.5) -> Path:
    """A video with sound (H.26x is nobody's business here: MPEG-4 pictures, AAC sound)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg4", rate=5)
        video.width = video.height = 32
        video.pix_fmt = "yuv420p"
        audio = container.add_stream("aac", rate=RATE_HZ, layout="mono")
        for _ in range(max(1, round(seconds * 5))):
            container.mux(video.encode(av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), "rgb24")))
        samples = tone(seconds)
        for start in range(0, len(samples), 1024):
            frame = av.AudioFrame.from_ndarray(samples[None, start : start + 1024], "fltp", "mono")
            frame.rate, frame.pts = RATE_HZ, start
            container.mux(audio.encode(frame))
        container.mux(video.encode(None))
        container.mux(audio.encode(None))
    return path


MELD_HEADER = ["Sr No.", "Utterance", "Speaker", "Emotion", "Sentiment", "Dialogue_ID", "Utterance_ID", "Season",
               "Episode", "StartTime", "EndTime"]  # fmt: skip

Line = tuple[int, int, str, str, str, str]
"""Dialogue, utterance, speaker, text, emotion, sentiment."""

MELD: dict[str, list[Line]] = {
    "train": [
        (0, 0, "Chandler", "also I was the point person on my company\x92s transition.", "neutral", "neutral"),
        (0, 1, "The Interviewer", "You must\u2019ve had your hands full.", "neutral", "neutral"),
        # out of order, as in the release
        (2, 1, "Ross", 'No, she said "no"\x85', "sadness", "negative"),
        (2, 0, "Rachel", "Oh my God\x97he\u00e2\u20ac\u2122s lost it.", "surprise", "negative"),
        (1, 10, "Joey", "Yeah!", "joy", "positive"),
        (1, 2, "Ross", "Hi.", "neutral", "neutral"),
    ],
    "dev": [
        (0, 0, "Phoebe", "Oh my God, he\x92s lost it.", "sadness", "negative"),
        (0, 1, "Monica", "What?", "surprise", "negative"),
        (1, 0, "Ross", "Whoa!", "surprise", "positive"),
    ],
    "test": [
        (0, 0, "Mark", "Why do all you\x92re coffee mugs have numbers on the bottom?", "surprise", "positive"),
        (0, 1, "Rachel", "Oh. That\x92s so Monica can keep track.", "anger", "negative"),
    ],
}


def meld_table(path: Path, lines: list[Line]) -> Path:
    """As the release writes it: CRLF, times quoted for their decimal comma, a running number."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(MELD_HEADER)
    for number, (dialogue, turn, speaker, text, emotion, sentiment) in enumerate(lines, start=1):
        writer.writerow(
            [number, text, speaker, emotion, sentiment, dialogue, turn, 8, 21, "00:16:16,059", "00:16:21,731"]
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(out.getvalue().encode())
    return path


def meld(folder: Path) -> Path:
    """The three tables, text only."""
    for split, lines in MELD.items():
        meld_table(folder / f"{split}_sent_emo.csv", lines)
    return folder


def evaluation(dialogue: str, turns: list[tuple[float, float, str, str]], newline: str = "\r\n") -> str:
    """An EmoEvaluation file: per turn a summary and its annotators' lines. `turns`: start, end, turn, label."""
    lines = ["% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]", ""]
    for start, end, turn, label in turns:
        lines += [
            f"[{start:.4f} - {end:.4f}]\t{dialogue}_{turn}\t{label}\t[2.5000, 2.5000, 2.5000]",
            "C-E2:\tNeutral;\t()",
            "C-E3:\tFrustration; Anger;\t()",
            "C-F1:\tOther;\t(mildly [aggravated] but staying polite, attitude)",
            "A-E3:\tval 3; act 2; dom  2;\t()",
            "A-F1:\tval 3; act 2; dom  1;\t()",
            "",
        ]
    return newline.join(lines)


def iemocap_dialogue(
    root: Path, dialogue: str, turns: list[tuple[float, float, str, str]], *, audio: bool = True, extra: str = ""
) -> None:
    """One dialogue below `root/SessionN`. `extra`: more lines of its transcription."""
    session = root / f"Session{int(dialogue[3:5])}"
    for place in ("EmoEvaluation", "transcriptions"):
        (session / "dialog" / place).mkdir(parents=True, exist_ok=True)
    # what macOS left in the release
    (session / "dialog" / "EmoEvaluation" / f"._{dialogue}.txt").write_bytes(b"\x00\x05\x16\x07\xff")
    (session / "dialog" / "EmoEvaluation" / f"{dialogue}.txt").write_bytes(evaluation(dialogue, turns).encode())
    words = "".join(
        f"{dialogue}_{turn} [{start:08.4f}-{end:08.4f}]: Words of {turn}.\n" for start, end, turn, _ in turns
    )
    (session / "dialog" / "transcriptions" / f"{dialogue}.txt").write_text(words + extra)
    if audio:
        for start, end, turn, _ in turns:
            wav(session / "sentences" / "wav" / dialogue / f"{dialogue}_{turn}.wav", end - start)


def iemocap(root: Path, *, audio: bool = True) -> Path:
    """Five sessions, improvised and scripted dialogues, all codes of the release."""
    (root / "Documentation").mkdir(parents=True)
    extra = "Ses01F_impro01_MXX0 [050.0000-051.0000]: Mhm.\nM: You go first.\nF: [LAUGHTER]\nSes01F_impro01 garbled\n\n"
    iemocap_dialogue(
        root,
        "Ses01F_impro01",
        [
            (6.29, 6.79, "F000", "neu"),
            (10.01, 10.31, "F001", "xxx"),
            (7.58, 8.08, "M000", "fru"),  # the release lists the woman's and the man's turns by time; do not rely on it
            (12.0, 12.5, "M001", "exc"),
            (13.0, 13.5, "F002", "oth"),
        ],
        audio=audio,
        extra=extra,
    )
    for number in range(1, 6):
        iemocap_dialogue(
            root,
            f"Ses0{number}M_script01_1b",
            [
                (0.5, 1.0, "M000", "ang"),
                (1.5, 2.0, "F000", "hap"),
                (2.5, 3.0, "F001", "sad"),
                (3.5, 4.0, "M001", "neu"),
                (4.5, 5.0, "M002", "sur"),
            ],
            audio=audio,
        )
    iemocap_dialogue(root, "Ses02F_impro02", [(1.0, 1.5, "F000", "dis"), (2.0, 2.5, "M000", "fea")], audio=audio)
    return root


MOSI_HEADER = "video_id,clip_id,text,label,label_T,label_A,label_V,annotation,mode"
MOSI_VIDEOS = {"2iD-tVS8NPw": "train", "_dI--eQ6qVU": "valid", "tmZoasNr4rU": "test"}


def mosi(folder: Path, *, mode: bool = True) -> Path:
    """One video a split, clips out of order (10 before 2, as names sort), one score of zero each."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [MOSI_HEADER if mode else "video_id,clip_id,text,label"]
    for video, split in MOSI_VIDEOS.items():
        for clip, score, text in (
            ("1", "2.4", "I LOVED IT"),
            ("10", "-1.75", "BUT, UM, THE END"),
            ("2", "0.0", "IT IS A FILM"),
        ):
            row = f'{video},{clip},"{text}",{score}'
            lines.append(f"{row},,,,Positive,{split}" if mode else row)
    (folder / "label.csv").write_text("\n".join([*lines, ""]))
    return folder


def labelled_clips(folder: Path, rows: Sequence[tuple[str, str, str]], seconds: float = 0.4) -> Path:
    """A folder with `labels.tsv` of (file, speaker, emotion), in the order given, and a tone for each."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = ["file\tspeaker\temotion\tnote", *(f"{file}\t{speaker}\t{emotion}\t" for file, speaker, emotion in rows)]
    (folder / "labels.tsv").write_text("\n".join(lines) + "\n")
    for number, (file, _, emotion) in enumerate(rows):
        # a WAV by its content: FFmpeg opens it whatever it is called
        write_wav(folder / file, tone(seconds, 150.0 + 40.0 * LABELS.index(emotion) + number % 7), RATE_HZ)
    return folder


NEMO_SPEAKERS = ("EB0", "IC0", "KD0", "KS0", "MK0", "MP0", "SM0", "TP0", "WR0")
READERS = ("1688", "1998", "2033", "2414", "2609", "3005")


def acted_clips(folder: Path) -> Path:
    """RAVDESS, nEMO and read speech as the compact recipe takes them: two classes a speaker, whose pitch tells them."""
    for actor in range(1, 25):
        for code, frequency_hz in (("05", 400.0), ("06", 200.0)):
            path = folder / "ravdess" / f"03-01-{code}-01-01-01-{actor:02d}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_wav(path, tone(0.4, frequency_hz + actor), RATE_HZ)
    rows = [["file_id", "emotion", "raw_text", "speaker_id", "gender"]]
    (folder / "nemo").mkdir()
    for number, speaker in enumerate(NEMO_SPEAKERS):
        for emotion, frequency_hz in (("anger", 420.0), ("fear", 220.0)):
            name = f"{speaker}_{emotion}.wav"
            rows.append([name, emotion, "Tak.", speaker, "female"])
            write_wav(folder / "nemo" / name, tone(0.4, frequency_hz + number), RATE_HZ)
    with (folder / "nemo" / "data.tsv").open("w", newline="") as file:
        csv.writer(file, delimiter="\t").writerows(rows)
    for place, names in (("librispeech", [f"{reader}-1-1" for reader in READERS]), ("read", ["lj_1"])):
        (folder / "speech" / place).mkdir(parents=True)
        for number, name in enumerate(names):
            with (folder / "speech" / place / f"{name}.flac").open("wb", buffering=0) as file:
                writer = FlacWriter(file, RATE_HZ)
                writer.write(tone(0.4, 150.0 + number))
                writer.close()
    return folder
