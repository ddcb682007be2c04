"""CMU-MOSI (Zadeh et al. 2016): 93 monologues, 2,199 segments, a sentiment score from -3 to 3 each."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Literal

from livemerc.errors import InputError
from trainer.corpora.audio_index import audio_files
from trainer.corpora.corpus import Corpus, LabelledUtterance
from trainer.corpora.mosi_folds import SPLIT_OF
from trainer.corpora.rows import clean_text, duplicate, no_such_folder, one_of, read_rows, whole_number

COLUMNS = ("video_id", "clip_id", "text", "label")
LABELS = ("negative", "positive")
_NAMES = ("label.csv", "labels.csv")
_SPLIT_NAMES = {"train": "train", "valid": "dev", "val": "dev", "dev": "dev", "test": "test"}
_MEND = f"the table needs the columns {', '.join(COLUMNS)}, and may have split (or mode): train, valid or test"


def read_mosi(
    path: Path,
    *,
    audio: Path | None = None,
    zero: Literal["positive", "negative", "drop"] = "positive",
    split_file: Path | None = None,
) -> Corpus:
    """CMU-MOSI as a corpus; a video is a dialogue, its segments sorted by number, and its own speaker.

    `path`: label.csv, or the folder with it (columns video_id, clip_id, text, label; split or mode if given).
    `audio`: folder with VIDEO_CLIP.wav (Segmented, of the release) or VIDEO/CLIP.mp4, at any depth; default: `path`'s.
    `zero`: what a score of 0 is. Convention: >= 0 is positive (negative / non-negative), which keeps all 2,199.
    `split_file`: CSV of video_id,split; it overrides the table's own column, which overrides the standard folds
    (52 / 10 / 31 videos). MERITS-L trains on 49 / 13 / 31: test is the same, but no source names its 13.
    Who speaks is not published, and some people speak in two videos; folds are by video. Raises `InputError`.
    """
    table = path if path.is_file() else next((path / n for n in _NAMES if (path / n).is_file()), None)
    if table is None:
        raise no_such_folder(path, "label.csv (video_id,clip_id,text,label,...) or the folder that holds it")
    given = None if split_file is None else _split_file(split_file)
    base = audio or table.parent
    index = _index(base)
    if audio is not None and not index:
        raise no_such_folder(audio, "the folder with the segmented audio (VIDEO_CLIP.wav or VIDEO/CLIP.mp4)")
    split_column: str | None = None
    videos: dict[str, dict[int, LabelledUtterance]] = {}
    split_of: dict[str, str] = {}
    missing, zeros = [], 0
    for line, row in read_rows(table, COLUMNS, _MEND):
        where = f"{table}, line {line}"
        video, clip = row["video_id"].strip(), whole_number(row["clip_id"], where, "clip_id")
        split_column = next((c for c in ("split", "mode") if c in row), None)
        split = _split(video, row[split_column] if split_column else None, given, where)
        if split_of.setdefault(video, split) != split:
            raise InputError(f"{where}: video {video} is in {split_of[video]} and in {split}; put it in one split.")
        score = _score(row["label"], where)
        clips = videos.setdefault(video, {})
        if clip in clips:
            raise duplicate(f"clip {clip} of {video}", where, clips[clip].where)
        zeros += score == 0
        if score == 0 and zero == "drop":
            continue
        file = index.get(f"{video}_{clip}")
        if index and file is None:
            missing.append(base / f"{video}_{clip}.wav")
        sign = "negative" if score < 0 or (score == 0 and zero == "negative") else "positive"
        sentiment = "neutral" if score == 0 else sign
        clips[clip] = LabelledUtterance(
            video, f"{video}_{clip}", video, clean_text(row["text"]), file, 0.0, None, sign, sentiment, where
        )
    splits: dict[str, list[list[LabelledUtterance]]] = {"train": [], "dev": [], "test": []}
    for video, clips in videos.items():
        if clips:
            splits[split_of[video]].append([clips[c] for c in sorted(clips)])
    source = f"from {split_file}" if given is not None else "from the table" if split_column else "the standard folds"
    meant = {"drop": "left out"}.get(zero, f"counted as {zero}")
    notes = [f"splits: {source}", f"score 0: {zeros} segments {meant}"]
    if not index:
        notes.append("text only: no segmented audio was found")
    return Corpus("mosi", LABELS, splits, missing, "; ".join(notes))


def _score(text: str, where: str) -> float:
    try:
        score = float(text)
    except ValueError:
        score = math.nan
    if not -3 <= score <= 3:
        raise InputError(f"{where}: label {text!r} is no score from -3 to 3; use the official table.")
    return score


def _split(video: str, in_row: str | None, given: dict[str, str] | None, where: str) -> str:
    if not video:
        raise InputError(f"{where}: video_id is empty; fill it in.")
    if given is not None:
        if video not in given:
            raise InputError(f"{where}: video {video!r} has no split in the split file; add a line for it.")
        return given[video]
    if in_row is not None:
        return _SPLIT_NAMES[one_of(in_row.strip().lower(), _SPLIT_NAMES, where, "split")]
    if video not in SPLIT_OF:
        raise InputError(
            f"{where}: video {video!r} is none of CMU-MOSI's 93; correct it, or give a split column or a split file."
        )
    return SPLIT_OF[video]


def _split_file(path: Path) -> dict[str, str]:
    splits: dict[str, str] = {}
    for line, row in read_rows(path, ("video_id", "split"), "the split file needs the columns video_id and split"):
        where = f"{path}, line {line}"
        video = row["video_id"].strip()
        split = _SPLIT_NAMES[one_of(row["split"].strip().lower(), _SPLIT_NAMES, where, "split")]
        if splits.setdefault(video, split) != split:
            raise InputError(f"{where}: video {video} is in {splits[video]} already; put it in one split.")
    return splits


def _index(folder: Path) -> dict[str, Path]:
    """{VIDEO_CLIP: file}, from VIDEO_CLIP.wav as from VIDEO/CLIP.mp4; empty where there is no such folder."""
    index: dict[str, Path] = {}
    if folder.is_dir():
        for file in audio_files(folder, deep=True):
            index.setdefault(f"{file.parent.name}_{file.stem}" if file.stem.isdigit() else file.stem, file)
    return index
