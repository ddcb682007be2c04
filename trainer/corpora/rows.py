"""What the readers share: tables whose bad rows are named by file and line, and text without mojibake."""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from livemerc.errors import InputError, cause_of
from trainer.files import told

# MELD's CSV was written as Windows-1252 and read as Latin-1 once: these control characters are its punctuation.
_MOJIBAKE = {0x85: "...", 0x91: "'", 0x92: "'", 0x93: '"', 0x94: '"', 0x96: "-", 0x97: " - ", 0xA0: " ",
             0x2018: "'", 0x2019: "'", 0x201C: '"', 0x201D: '"', 0x2026: "...", 0x2013: "-", 0x2014: " - "}  # fmt: skip
# The same punctuation as UTF-8 that was read as Windows-1252 once: copies saved by a spreadsheet hold it.
_TWICE = {"â€™": "'", "â€˜": "'", "â€œ": '"', "â€\x9d": '"', "â€¦": "...", "â€“": "-", "â€”": " - ", "Â\xa0": " "}


def clean_text(text: str) -> str:
    """Undoes MELD's mojibake, makes punctuation plain and folds white space."""
    if "â€" in text or "Â" in text:
        for written, meant in _TWICE.items():
            text = text.replace(written, meant)
    return " ".join(text.translate(_MOJIBAKE).split())


def read_text(path: Path, mend: str, *, latin: bool = False) -> str:
    """The file as text. `latin`: what is no UTF-8 is taken as Windows-1252's superset Latin-1 (old releases).

    Raises `InputError` with the mend.
    """
    with told(InputError, f"{path}: cannot be read", mend):
        raw = path.read_bytes()
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if latin:
            return raw.decode("latin-1")
        raise InputError(f"{path}: is not UTF-8 text ({error}); {mend}.") from error


def read_rows(
    path: Path, columns: Sequence[str], mend: str, *, delimiter: str = ",", whole: bool = True
) -> Iterator[tuple[int, dict[str, str]]]:
    """(line, row) of a table with a header; all fields are strings. The line is the row's last, as editors count.

    `whole`: a row may lack none of the header's fields; else none of `columns`. Raises `InputError`: the file cannot
    be read, a column is missing, a row has too few or too many fields.
    """
    try:
        with told(InputError, f"{path}: cannot be read", mend), path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, delimiter=delimiter)
            header = reader.fieldnames or ()
            missing = [c for c in columns if c not in header]
            if missing:
                raise InputError(f"{path}, line 1: column {', '.join(missing)} is missing; {mend}.")
            for row in reader:
                if None in row or any(row[c] is None for c in (header if whole else columns)):
                    raise InputError(
                        f"{path}, line {reader.line_num}: not {len(header)} fields as in the header; quote what holds "
                        "a separator, and mend a row cut short."
                    )
                yield reader.line_num, row
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: is no UTF-8 table ({error}); {mend}.") from error


def whole_number(text: str, where: str, column: str) -> int:
    """A number 0, 1, ... as the releases count dialogues and utterances. Raises `InputError` naming `where`."""
    digits = text.strip()
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 9):
        raise InputError(f"{where}: {column} {text!r} is no whole number; use the official file.")
    return int(digits)


def one_of(text: str, known: Collection[str], where: str, column: str) -> str:
    """`text`, which must be one of `known`. Raises `InputError` naming `where`."""
    if text not in known:
        raise InputError(f"{where}: {column} {text!r} is not one of {', '.join(known)}; mend the row or leave it out.")
    return text


def is_file(path: Path) -> bool:
    """Whether a file lies there; a name that no file can have (too long, a NUL in it) is none."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def duplicate(what: str, where: str, before: str) -> InputError:
    """The error for an id at `where` that stood at `before` ("file, line n" both) already."""
    return InputError(f"{where}: {what} stands on {before.rpartition(', ')[2]} already; keep one of them.")


def no_such_folder(path: Path, expected: str) -> InputError:
    """The error for a path that is not the corpus: says which folder (or file) is meant."""
    if not path.exists():
        state = "does not exist"
    elif not path.is_dir():
        state = "is a file of another kind"
    else:
        try:
            state = "is another folder" if any(path.iterdir()) else "is empty"
        except OSError as error:
            state = f"cannot be listed ({cause_of(error)})"
    return InputError(f"{path}: {state}; give {expected}.")
