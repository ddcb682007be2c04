"""Corpora that lie here as a folder of clips with one table `labels.tsv`: file, speaker, emotion, note."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from livemerc.emotions import LABELS
from livemerc.errors import InputError
from trainer.corpora.clips import Clip
from trainer.corpora.corpus import Corpus, LabelledUtterance
from trainer.corpora.rows import is_file, one_of, read_rows
from trainer.corpora.sources import SOURCES

TABLE = "labels.tsv"
_COLUMNS = ("file", "speaker", "emotion", "note")
_MEND = f"give the folder with {TABLE} and the clips (a training run: --data, the folder above it)"

Dialogues = Literal["clips", "speakers"]


def read_labelled(folder: Path, corpus: str, *, missing: list[Path] | None = None) -> list[Clip]:
    """Clips of `folder/labels.tsv` in its order. Nothing is known of genders: `male` is False for all.

    `missing` collects the files that are not there (their clips stay). Raises `InputError` naming the line: an
    unreadable row, an emotion that is none of the seven, no speaker, a clip twice, and a missing file unless they are
    collected.
    """
    table = folder / TABLE
    clips: dict[str, Clip] = {}
    for line, row in read_rows(table, _COLUMNS, _MEND, delimiter="\t"):
        where = f"{table}, line {line}"
        name, speaker = row["file"].strip(), row["speaker"].strip()
        emotion = one_of(row["emotion"].strip(), LABELS, where, "emotion")
        path, stem = folder / name, Path(name).stem
        if not name or "\x00" in name or Path(name).name != name:
            raise InputError(f"{where}: file {name!r} is no name of a clip in this folder; mend the row.")
        if not speaker:
            raise InputError(f"{where}: speaker is empty; mend the row.")
        if stem in clips:
            raise InputError(f"{where}: clip {stem} is listed twice; keep one of the rows.")
        if not is_file(path):
            if missing is None:
                raise InputError(f"{where}: {name} is missing beside the table; complete the copy.")
            missing.append(path)
        clips[stem] = Clip(path, corpus, stem, speaker, False, LABELS.index(emotion))
    if not clips:
        raise InputError(f"{table}: no clip is listed; {_MEND}.")
    return list(clips.values())


def shuffled(clips: list[Clip]) -> list[Clip]:
    """The same clips in an order that depends on their names alone and not on what they express."""
    return sorted(clips, key=lambda c: hashlib.sha256(f"{c.corpus}/{c.clip_id}".encode()).digest())


def _reader(name: str) -> Callable[..., Corpus]:
    source = SOURCES[name]
    split = "train" if source.ships else "test"

    def read(path: Path, *, dialogues: Dialogues = "clips") -> Corpus:
        missing: list[Path] = []
        clips = read_labelled(path, name, missing=missing)
        absent = set(missing)
        together: dict[str, list[Clip]] = {}
        for clip in clips if dialogues == "clips" else shuffled(clips):
            together.setdefault(clip.clip_id if dialogues == "clips" else clip.speaker, []).append(clip)
        spoken = [
            [
                LabelledUtterance(
                    dialogue, clip.clip_id, f"{name}-{clip.speaker}", "", None if clip.path in absent else clip.path,
                    0.0, None, LABELS[clip.label], None, str(clip.path),
                )
                for clip in members
            ]
            for dialogue, members in together.items()
        ]  # fmt: skip
        present = {clip.label for clip in clips}
        order = "each clip a dialogue" if dialogues == "clips" else "each speaker a dialogue, clips in a random order"
        licence = f"{source.title}, {source.licence}" + ("" if source.ships else ": to select and validate on only")
        return Corpus(
            name, tuple(label for i, label in enumerate(LABELS) if i in present), {split: spoken}, missing,
            f"{order}; {licence}", single_class=source.kind == "read",
        )  # fmt: skip

    read.__doc__ = f"""{source.title} ({source.licence}), all of it in the split {split}.

    `dialogues` "clips": each clip is a dialogue of its own; "speakers": the clips of a speaker are one, in a random
    order that is always the same, so that the speaker's baseline grows. Raises `InputError`.
    """
    return read


read_emodb = _reader("emodb")
read_emovo = _reader("emovo")
read_emotiontts = _reader("emotiontts")
read_rakshak = _reader("rakshak")
read_ased = _reader("ased")
read_emogator = _reader("emogator")
read_readers = _reader("readers")
