"""The labelled corpus, a CSV: what a labelling run writes, and what the text encoder is pre-trained on (Stage 0)."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from livemerc.errors import ConfigError, InputError, LivemercError
from trainer.corpora.corpus import SENTIMENTS

COLUMNS = ("text", "label", "source", "teacher", "prompt_sha256")


@dataclass(frozen=True, slots=True)
class Outputs:
    """Files of one run, beside each other: `x.csv`, `x.apart.csv`, `x.json`, and the journal of its answers."""

    corpus: Path
    apart: Path
    summary: Path
    journal: Path

    @classmethod
    def of(cls, out: Path, journal: Path | None) -> Outputs:
        if out.suffix != ".csv":
            raise ConfigError(f"--out {out}: the corpus is a .csv file; name it so.")
        return cls(
            out,
            out.with_suffix(".apart.csv"),
            out.with_suffix(".json"),
            journal or out.with_suffix(".answers.sqlite"),
        )


def read_pseudo_labels(path: Path) -> list[tuple[str, str]]:
    """(text, label)s of a labelled corpus in file order; label is "negative", "neutral" or "positive".

    Raises `InputError` naming file and line: columns text and label missing, an unknown label, an empty text, no rows.
    """
    pairs = []
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            missing = [c for c in ("text", "label") if c not in (reader.fieldnames or ())]
            if missing:
                raise InputError(
                    f"{path}: column {', '.join(missing)} is missing; `livemerc-train pseudo-label` writes such files."
                )
            for row in reader:
                text, label = (row["text"] or "").strip(), (row["label"] or "").strip()
                if not text or label not in SENTIMENTS:
                    raise InputError(
                        f"{path}, line {reader.line_num}: needs a text and one of {', '.join(SENTIMENTS)}, "
                        f"not {text[:40]!r} and {label!r}."
                    )
                pairs.append((text, label))
    except OSError as error:
        raise InputError(f"{path}: the pseudo-labels cannot be read ({error.strerror}); check the path.") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: not UTF-8 CSV ({error}); make it with `livemerc-train pseudo-label`.") from error
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
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise LivemercError(
            f"{path}: cannot be written ({error.strerror}); free space or change --out, and run the same command again."
        ) from error
