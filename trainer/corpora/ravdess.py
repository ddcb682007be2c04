"""RAVDESS speech (Livingstone & Russo 2018, CC BY-NC-SA 4.0): 24 actors, two sentences, eight emotions."""

from __future__ import annotations

from pathlib import Path

from livemerc.emotions import LABELS
from livemerc.errors import InputError
from trainer.corpora.clips import Clip

_EMOTIONS = {
    "01": "neutral",
    "02": "neutral",  # calm: the seven classes have no calm, and listeners take it for neutral
    "03": "joy",
    "04": "sadness",
    "05": "anger",
    "06": "fear",
    "07": "disgust",
    "08": "surprise",
}


def read_ravdess(folder: Path) -> list[Clip]:
    """Clips of `folder/*.flac` (or .wav), named modality-channel-EMOTION-INTENSITY-STATEMENT-REPETITION-ACTOR.

    Speakers are "1" .. "24"; odd actors are male. Raises `InputError` for a name of another form and an empty folder.
    """
    clips = []
    for path in sorted(p for p in folder.glob("*") if p.suffix in (".flac", ".wav")):
        parts = path.stem.split("-")
        if len(parts) != 7 or parts[2] not in _EMOTIONS or not parts[6].isdigit():
            raise InputError(f"{path}: not a RAVDESS name (seven numbers joined by '-'); leave only its clips there.")
        actor = int(parts[6])
        clips.append(Clip(path, "ravdess", path.stem, str(actor), actor % 2 == 1, LABELS.index(_EMOTIONS[parts[2]])))
    if not clips:
        raise InputError(f"{folder}: no RAVDESS clips (.flac or .wav) here; point --data at the folder above ravdess/.")
    return clips
