"""The manifest: a user's own dialogues as CSV (contract: docs/formats.md)."""

from __future__ import annotations

import csv
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from livemerc.emotions import LABELS
from livemerc.errors import InputError
from livemerc.export.training_csv import COLUMNS, CONTEXT_SPLIT
from trainer.corpora.corpus import SPLITS, Corpus, LabelledUtterance
from trainer.corpora.rows import is_file, no_such_folder, read_rows
from trainer.files import told

_MEND = f"check --manifest: a CSV in UTF-8 with the header {','.join(COLUMNS)}"


@dataclass(frozen=True, slots=True)
class ManifestRow(LabelledUtterance):
    """An utterance that stands on `line`. `audio` is absolute; `split` "" = not filled in."""

    line: int
    split: str

    @property
    def context_only(self) -> bool:
        """Whether it is heard and not judged."""
        return not self.emotion


def read_manifest_dialogues(
    path: Path, labels: Collection[str] | None, split: str | None = None, *, missing: list[Path] | None = None
) -> list[list[ManifestRow]]:
    """Dialogues in the order of their first row, rows in file order; `split` keeps the rows of one split, and the
    context of their dialogues (`CONTEXT_SPLIT`). A dialogue of context alone is left out.

    `labels` None: any emotion but an empty one. `missing` collects audio files that are not there, and their rows stay
    with `audio` None; without it such a file is an error.

    Raises `InputError` that names file and line: a column is missing, an emotion is not of `labels`, a time is no
    number, an `utterance_id` comes twice in its dialogue, an audio file is not there, nothing is left.
    """
    dialogues: dict[str, list[ManifestRow]] = {}
    seen: dict[tuple[str, str], int] = {}
    # Rows of other splits may have labels that this checkpoint lacks, and audio that is not here.
    lines = [
        (line, raw)
        for line, raw in read_rows(path, COLUMNS, _MEND, whole=False)
        if split is None or _is_context(raw) or raw["split"].strip() == split
    ]
    judged = {raw["dialogue_id"].strip() for _, raw in lines if not _is_context(raw)}
    for line, raw in lines:
        if raw["dialogue_id"].strip() not in judged:
            continue
        row = _row(path, line, raw, missing)
        if not _is_context(raw):
            _check_emotion(row, labels)
        key = (row.dialogue_id, row.utterance_id)
        if key in seen:
            raise InputError(
                f"{row.where}: utterance {row.utterance_id!r} of dialogue {row.dialogue_id!r} "
                f"stands on line {seen[key]} already; make it unique inside its dialogue."
            )
        seen[key] = row.line
        dialogues.setdefault(row.dialogue_id, []).append(row)
    if not dialogues:
        raise InputError(f"{path}: no rows{'' if split is None else f' of split {split!r}'}; nothing to evaluate.")
    return list(dialogues.values())


def write_manifest(corpus: Corpus, path: Path) -> int:
    """Writes the labelled utterances of all splits as a manifest; returns how many. Those without an emotion are left
    out: the contract's `emotion` is never empty.

    Audio below the manifest's folder is named relative to it. Times of an utterance without audio are kept: they say
    when things were said. Raises `InputError` (nothing labelled, or the file cannot be written).
    """
    base = path.resolve().parent
    rows = [
        (
            u.dialogue_id, u.utterance_id, u.speaker or "", _named_from(base, u.audio),
            "" if u.audio is None and u.end_s is None else f"{u.start_s:.3f}".rstrip("0").rstrip("."),
            "" if u.end_s is None else f"{u.end_s:.3f}".rstrip("0").rstrip("."),
            u.text, u.emotion, split,
        )
        for split in corpus.splits for u in corpus.utterances(split) if u.emotion is not None
    ]  # fmt: skip
    if not rows:
        raise InputError(f"{corpus.name}: no utterance with an emotion; there is nothing to write to {path}.")
    with (
        told(InputError, f"{path}: the manifest cannot be written", "choose another place"),
        path.open("w", encoding="utf-8", newline="") as file,
    ):
        csv.writer(file).writerows([COLUMNS, *rows])
    return len(rows)


def read_manifest_corpus(path: Path, *, labels: list[str] | None = None) -> Corpus:
    """A manifest as a corpus, split as its column says. `path`: the CSV.

    `labels`: the classes in their order (any other emotion is an error); default: those of the file, the seven of
    `emotions.LABELS` first and in their order. An empty speaker is unknown. Audio that is not there is collected.
    Context rows are unlabelled utterances of their dialogue's split.
    Raises `InputError`: see `read_manifest_dialogues`; also a row without a split, and a dialogue in two of them.
    """
    if path.is_dir() or not path.exists():
        raise no_such_folder(path, f"the manifest, a CSV file with the columns {','.join(COLUMNS)}")
    missing: list[Path] = []
    dialogues = read_manifest_dialogues(path, labels, missing=missing)
    splits: dict[str, list[list[LabelledUtterance]]] = {}
    for rows in dialogues:
        first = next(row for row in rows if not row.context_only)
        split = first.split
        for row in rows:
            if row.context_only:
                continue
            if not row.split:
                raise InputError(f"{row.where}: split is empty; write train, dev or test there.")
            if row.split != split:
                raise InputError(
                    f"{row.where}: dialogue {row.dialogue_id!r} is in {split} (line {first.line}) and in "
                    f"{row.split}; put it in one split."
                )
        splits.setdefault(split, []).append([*rows])
    if labels is None:
        used = dict.fromkeys(row.emotion for rows in dialogues for row in rows if row.emotion)
        labels = [label for label in LABELS if label in used] + sorted(used.keys() - set(LABELS))
    order = [s for s in SPLITS if s in splits] + [s for s in splits if s not in SPLITS]
    return Corpus(path.stem, tuple(labels), {split: splits[split] for split in order}, missing)


def _is_context(raw: dict[str, str]) -> bool:
    return raw["split"].strip() == CONTEXT_SPLIT and not raw["emotion"].strip()


def _check_emotion(row: ManifestRow, labels: Collection[str] | None) -> None:
    if labels is None:
        if not row.emotion:
            raise InputError(
                f"{row.where}: emotion is empty; fill it in, leave the row out, or make {CONTEXT_SPLIT} its split."
            )
    elif row.emotion not in labels:
        raise InputError(
            f"{row.where} (dialogue {row.dialogue_id}, utterance {row.utterance_id}): emotion "
            f"{row.emotion or ''!r} is not one of the checkpoint's ({', '.join(labels)}); map it or leave it out."
        )


def _named_from(base: Path, audio: Path | None) -> str:
    if audio is None:
        return ""
    absolute = audio.resolve()
    return str(absolute.relative_to(base) if absolute.is_relative_to(base) else absolute)


def _row(path: Path, line: int, raw: dict[str, str], missing: list[Path] | None) -> ManifestRow:
    value = {c: raw[c].strip() for c in COLUMNS}
    audio = path.parent / value["audio"] if value["audio"] else None
    if audio is not None and not is_file(audio):
        if missing is None:
            raise InputError(
                f"{path}, line {line}: audio {audio} is not there; paths are absolute or relative to the CSV."
            )
        missing.append(audio)
        audio = None
    start_s = _time(path, line, "start_s", value["start_s"]) or 0.0
    end_s = _time(path, line, "end_s", value["end_s"])
    if end_s is not None and end_s <= start_s:
        raise InputError(f"{path}, line {line}: end_s ({end_s:g}) is not after start_s ({start_s:g}).")
    return ManifestRow(
        value["dialogue_id"], value["utterance_id"], value["speaker"] or None, value["text"], audio, start_s, end_s,
        value["emotion"] or None, None, f"{path}, line {line}", line, value["split"],
    )  # fmt: skip


def _time(path: Path, line: int, column: str, text: str) -> float | None:
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError as error:
        raise InputError(f"{path}, line {line}: {column} {text!r} is no number of seconds.") from error
    if not 0 <= seconds < float("inf"):
        raise InputError(f"{path}, line {line}: {column} {text!r} is no time in a file.")
    return seconds
