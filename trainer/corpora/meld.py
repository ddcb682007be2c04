"""MELD (Poria et al. 2019): dialogues of a TV series, official CSV, with or without its video or audio."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from livemerc.emotions import LABELS
from trainer.corpora.audio_index import by_stem
from trainer.corpora.corpus import SENTIMENTS, Corpus, LabelledUtterance
from trainer.corpora.rows import clean_text, duplicate, no_such_folder, one_of, read_rows, whole_number

COLUMNS = ("Utterance", "Speaker", "Emotion", "Sentiment", "Dialogue_ID", "Utterance_ID")
# The release names its folders of video like this; the test one also holds leftovers named final_videos_test*.
_VIDEO_FOLDERS = {"train": "train_splits", "dev": "dev_splits_complete", "test": "output_repeated_splits_test"}
_MEND = "use the official CSV (data/MELD of the dataset's repository)"


def parse_meld(path: Path) -> tuple[list[list[LabelledUtterance]], int]:
    """Dialogues of one `*_sent_emo.csv` by number, utterances by number, and how many rows stood out of that order.

    The number is the order of speech: StartTime is not, it runs backwards in 27 dialogues of train and dev.
    Ids are the release's numbers, audio is None. Raises `InputError` naming file and line.
    """
    dialogues: dict[int, dict[int, LabelledUtterance]] = {}
    misplaced, last = 0, (-1, -1)
    for line, row in read_rows(path, COLUMNS, _MEND):
        where = f"{path}, line {line}"
        dialogue = whole_number(row["Dialogue_ID"], where, "Dialogue_ID")
        turn = whole_number(row["Utterance_ID"], where, "Utterance_ID")
        turns = dialogues.setdefault(dialogue, {})
        if turn in turns:
            raise duplicate(f"utterance {turn} of dialogue {dialogue}", where, turns[turn].where)
        turns[turn] = LabelledUtterance(
            dialogue_id=str(dialogue),
            utterance_id=str(turn),
            speaker=clean_text(row["Speaker"]) or None,
            text=clean_text(row["Utterance"]),
            audio=None,
            start_s=0.0,
            end_s=None,
            emotion=one_of(row["Emotion"].strip().lower(), LABELS, where, "Emotion"),
            sentiment=one_of(row["Sentiment"].strip().lower(), SENTIMENTS, where, "Sentiment"),
            where=where,
        )
        misplaced += (dialogue, turn) < last
        last = (dialogue, turn)
    return [[turns[u] for u in sorted(turns)] for _, turns in sorted(dialogues.items())], misplaced


def read_meld_corpus(path: Path, *, audio: Path | None = None) -> Corpus:
    """MELD as a corpus: the splits whose CSV is there; ids `{split}-dia{D}` and `utt{U}`, unique over all splits.

    `path`: the folder with `train_sent_emo.csv`, `dev_sent_emo.csv` and `test_sent_emo.csv` (some may be absent).
    `audio`: the folder with the release's folders of `dia{D}_utt{U}.mp4`, or of .wav / .flac files of that name
    (train_splits, dev_splits_complete, output_repeated_splits_test; or train, dev, test); default: sought in `path`;
    without any, text only. Raises `InputError`.
    """
    tables = {split: table for split in _VIDEO_FOLDERS if (table := _table(path, split)) is not None}
    if not tables:
        raise no_such_folder(
            path, "the folder with train_sent_emo.csv, dev_sent_emo.csv or test_sent_emo.csv (MELD.Raw of the release)"
        )
    indices = {split: _index(audio or path, split) for split in tables}
    if audio is not None and not any(indices.values()):
        raise no_such_folder(
            audio, "the folder that holds train_splits, dev_splits_complete, ... (dia0_utt0.mp4 or .wav)"
        )
    splits: dict[str, list[list[LabelledUtterance]]] = {}
    missing, notes = [], []
    for split, table in tables.items():
        dialogues, misplaced = parse_meld(table)
        if misplaced:
            notes.append(f"{split}: {misplaced} rows stood out of order and were sorted by dialogue and utterance")
        index = indices[split] if any(indices.values()) else None
        if index is not None and not index:
            notes.append(f"{split}: no folder of audio")
        splits[split] = []
        for dialogue in dialogues:
            turns = []
            for u in dialogue:
                stem = f"dia{u.dialogue_id}_utt{u.utterance_id}"
                file = index.get(stem) if index is not None else None
                if index is not None and file is None:
                    missing.append((audio or path) / _VIDEO_FOLDERS[split] / f"{stem}.mp4")
                turns.append(
                    replace(
                        u, dialogue_id=f"{split}-dia{u.dialogue_id}", utterance_id=f"utt{u.utterance_id}", audio=file
                    )
                )
            splits[split].append(turns)
    if not any(indices.values()):
        notes.append("text only: no folder of audio or video was found")
    return Corpus("meld", LABELS, splits, missing, "; ".join(notes), shares_speakers=True)


def _table(path: Path, split: str) -> Path | None:
    name = f"{split}_sent_emo.csv"
    candidates = (path / name, path / split / name)
    return next((p for p in candidates if p.is_file()), None)


def _index(base: Path, split: str) -> dict[str, Path]:
    """Files of one split by stem. Names repeat from split to split, so only a folder of the split's own is taken."""
    release = _VIDEO_FOLDERS[split]
    for folder in (
        base / release,
        base / split / release,
        base / split,
        base / split / "audio",
        base / f"{split}_audio",
    ):
        index = {stem: p for stem, p in by_stem(folder).items() if stem.startswith("dia")}
        if index:
            return index
    return {}
