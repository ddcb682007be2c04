"""RAVDESS speech (Livingstone & Russo 2018, CC BY-NC-SA 4.0): 24 actors, two sentences, eight emotions."""

from __future__ import annotations

import re
from pathlib import Path

from livemerc.emotions import LABELS
from livemerc.errors import InputError
from trainer.corpora.audio_index import audio_files
from trainer.corpora.clips import Clip
from trainer.corpora.rows import no_such_folder

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
STATEMENTS = {"01": "Kids are talking by the door.", "02": "Dogs are sitting by the door."}
_NAME = re.compile(r"\d\d-01-0[1-8]-\d\d-0[12]-\d\d-(?P<actor>\d\d)", re.ASCII)


def read_ravdess(folder: Path) -> list[Clip]:
    """Clips of `folder/*.flac` (or .wav), named modality-channel-EMOTION-INTENSITY-STATEMENT-REPETITION-ACTOR.

    The release's folders Actor_01 ... Actor_24 are looked into. Speakers are "1" .. "24"; odd actors are male.
    Raises `InputError` for a name of another form, a clip that is there twice and an empty folder.
    """
    paths: list[Path] = []
    if folder.is_dir():
        for place in (folder, *sorted(p for p in folder.glob("Actor_*") if p.is_dir())):
            paths += sorted(p for p in audio_files(place) if p.suffix in (".flac", ".wav"))
    clips: dict[str, Clip] = {}
    for path in paths:
        match = _NAME.fullmatch(path.stem)
        if match is None or not 1 <= int(match["actor"]) <= 24:
            raise InputError(
                f"{path}: no RAVDESS speech clip (seven numbers joined by '-', the second 01); leave only those there."
            )
        if path.stem in clips:
            raise InputError(f"{path}: the clip lies at {clips[path.stem].path} too; keep one of them.")
        actor, emotion = int(match["actor"]), _EMOTIONS[path.stem.split("-")[2]]
        clips[path.stem] = Clip(path, "ravdess", path.stem, str(actor), actor % 2 == 1, LABELS.index(emotion))
    if not clips:
        raise no_such_folder(
            folder,
            "the folder of RAVDESS's speech clips, .flac or .wav (a training run: --data, the folder above it)",
        )
    return list(clips.values())
