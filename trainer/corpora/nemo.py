"""nEMO (Christop 2024, CC BY-NC-SA 4.0): Polish, nine actors, six emotions (no disgust)."""

from __future__ import annotations

from pathlib import Path

from livemerc.emotions import LABELS
from livemerc.errors import InputError
from trainer.corpora.clips import Clip
from trainer.corpora.rows import is_file, one_of, read_rows

_EMOTIONS = {
    "neutral": "neutral",
    "happiness": "joy",
    "sadness": "sadness",
    "anger": "anger",
    "surprised": "surprise",
    "fear": "fear",
}
_COLUMNS = ("file_id", "emotion", "raw_text", "speaker_id", "gender")
_MEND = "give the folder with nEMO's own data.tsv (a training run: --data, the folder above it)"


def read_nemo(folder: Path, *, missing: list[Path] | None = None, texts: dict[str, str] | None = None) -> list[Clip]:
    """Clips of `folder/data.tsv` in its order; `file_id` ends in .wav, the files may be .opus, here or in samples/.

    `missing` collects the files that are not there (their clips stay), `texts` {clip_id: transcript}.
    Raises `InputError` naming the line: an unreadable row, an unknown emotion, a clip twice, and a missing file unless
    they are collected.
    """
    table = folder / "data.tsv"
    clips: dict[str, Clip] = {}
    for line, row in read_rows(table, _COLUMNS, _MEND, delimiter="\t"):
        where = f"{table}, line {line}"
        stem = row["file_id"].strip().removesuffix(".wav")
        speaker, gender = row["speaker_id"].strip(), row["gender"].strip()
        emotion = _EMOTIONS[one_of(row["emotion"].strip(), _EMOTIONS, where, "emotion")]
        if not stem or stem in clips:
            raise InputError(f"{where}: clip {stem!r} is {'listed twice' if stem else 'nameless'}; mend the row.")
        candidates = [folder / place / f"{stem}{end}" for place in ("", "samples") for end in (".opus", ".wav")]
        path = next((p for p in candidates if is_file(p)), None)
        if path is None:
            path = candidates[0]
            if missing is None:
                raise InputError(f"{where}: {stem}.opus is missing beside the table; complete the copy.")
            missing.append(path)
        if texts is not None:
            texts[stem] = " ".join(row["raw_text"].split())
        clips[stem] = Clip(path, "nemo", stem, speaker, gender == "male", LABELS.index(emotion))
    return list(clips.values())
