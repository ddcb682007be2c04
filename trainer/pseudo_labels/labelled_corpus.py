"""The labelled corpus, a CSV: what a labelling run writes, and what the text encoder is pre-trained on (Stage 0)."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from livemerc.errors import InputError, LivemercError
from trainer.corpora.corpus import SENTIMENTS
from trainer.corpora.rows import read_rows
from trainer.files import told, write_whole

COLUMNS = ("text", "label", "source", "teacher", "prompt_sha256")


def read_pseudo_labels(path: Path) -> list[tuple[str, str]]:
    """(text, label)s of a labelled corpus in file order; label is "negative", "neutral" or "positive".

    Raises `InputError` naming file and line: columns text and label missing, an unknown label, an empty text, no rows.
    """
    pairs = []
    mend = "check the path of the pseudo-labels: `livemerc-train pseudo-label` writes such files"
    for line, row in read_rows(path, ("text", "label"), mend, whole=False):
        text, label = row["text"].strip(), row["label"].strip()
        if not text or label not in SENTIMENTS:
            raise InputError(
                f"{path}, line {line}: needs a text and one of {', '.join(SENTIMENTS)}, "
                f"not {text[:40]!r} and {label!r}."
            )
        pairs.append((text, label))
    if not pairs:
        raise InputError(f"{path}: no labelled texts; make the corpus anew with `livemerc-train pseudo-label`.")
    return pairs


def write_csv(path: Path, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """A table with a header. Raises as `write_text` does."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    write_text(path, text.getvalue())


def write_text(path: Path, text: str) -> None:
    """Replaces the file whole: a run that is killed leaves the one before. Raises `LivemercError` (a full disk)."""
    mend = "free space or change --out, and run the same command again"
    with told(LivemercError, f"{path}: cannot be written", mend):
        write_whole(path, lambda file: file.write(text.encode()))
