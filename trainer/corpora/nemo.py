"""nEMO (Christop 2024, CC BY-NC-SA 4.0): Polish, nine actors, six emotions (no disgust)."""

from __future__ import annotations

import csv
from pathlib import Path

from livemerc.emotions import LABELS
from livemerc.errors import InputError
from trainer.corpora.clips import Clip

_EMOTIONS = {
    "neutral": "neutral",
    "happiness": "joy",
    "sadness": "sadness",
    "anger": "anger",
    "surprised": "surprise",
    "fear": "fear",
}


def read_nemo(folder: Path) -> list[Clip]:
    """Clips of `folder/data.tsv` in its order; `file_id` ends in .wav, the files may be .opus.

    Raises `InputError` naming the line for an unreadable row, an unknown emotion or a missing file.
    """
    table = folder / "data.tsv"
    clips = []
    try:
        with table.open(encoding="utf-8", newline="") as lines:
            for number, row in enumerate(csv.DictReader(lines, delimiter="\t"), start=2):
                try:
                    stem = row["file_id"].strip().removesuffix(".wav")
                    speaker, gender = row["speaker_id"].strip(), row["gender"].strip()
                    label = LABELS.index(_EMOTIONS[row["emotion"].strip()])
                except (KeyError, AttributeError) as error:
                    raise InputError(f"{table}, line {number}: not a nEMO row ({error}).") from error
                path = folder / f"{stem}.opus"
                if not path.exists():
                    path = folder / f"{stem}.wav"
                if not path.exists():
                    raise InputError(f"{table}, line {number}: {stem}.opus is missing beside the table.")
                clips.append(Clip(path, "nemo", stem, speaker, gender == "male", label))
    except OSError as error:
        raise InputError(
            f"{table}: cannot be read ({error.strerror}); point --data at the folder above nemo/."
        ) from error
    return clips
