"""Texts to be labelled: tables, JSON Lines, plain text, and the corpora that the trainer reads."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from livemerc.errors import ConfigError, InputError
from livemerc.text_safety import encodable
from trainer.corpora.corpus import SENTIMENTS, Corpus
from trainer.files import told
from trainer.pseudo_labels.options import PseudoLabelOptions

DELIMITERS = {".csv": ",", ".tsv": "\t"}
JSON_LINES = (".jsonl", ".ndjson")


@dataclass(frozen=True, slots=True)
class SourceText:
    """One text; `source` is unique inside its input and says where it comes from; `gold` is a sentiment or None."""

    source: str
    text: str
    gold: str | None = None


def normalised(text: str) -> str:
    """White space folded, lone surrogates made visible: what teachers get and what counts as the same text."""
    return " ".join(encodable(text).split())


def read_texts(path: Path, options: PseudoLabelOptions) -> list[SourceText]:
    """Rows in file order. The suffix says how: .csv, .tsv, .jsonl, .txt (a text a line); --delimiter makes any a table.
    Columns are named, as JSON keys are, or numbered from 1 on in a table without a header.

    Quotes count in tables with comma or semicolon only: elsewhere (TSV, LJSpeech's pipes) they belong to the text.
    Raises `InputError` that names file and line, `ConfigError` for columns and delimiters that cannot be.
    """
    delimiter = options.delimiter
    if delimiter is not None and len(delimiter) != 1:
        raise ConfigError(f"--delimiter is one character (a tab: $'\\t'), not {delimiter!r}.")
    suffix = path.suffix.lower()
    if delimiter is None and suffix not in (*DELIMITERS, *JSON_LINES, ".txt"):
        raise InputError(
            f"{path}: not a .csv, .tsv, .jsonl or .txt file; rename it, or say what separates its columns: --delimiter."
        )
    try:
        with (
            told(InputError, f"{path}: cannot be read", "check the path"),
            path.open(encoding="utf-8-sig", newline="") as file,
        ):
            if delimiter is not None or suffix in DELIMITERS:
                rows = list(_table(path, file, options, delimiter or DELIMITERS[suffix]))
            elif suffix in JSON_LINES:
                rows = list(_json_lines(path, file, options))
            else:
                rows = [SourceText(_line(path, n), normalised(line)) for n, line in enumerate(file, start=1)]
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 ({error.reason} at byte {error.start}); save it as such.") from error
    except csv.Error as error:
        raise InputError(f"{path}: no table ({error}); check --delimiter.") from error
    _check_sources(path, rows)
    return rows


def corpus_texts(corpus: Corpus, split: str | None) -> list[SourceText]:
    """The utterances of one split, or of all, with their gold sentiment where the release gives one."""
    if split is not None and split not in corpus.splits:
        raise ConfigError(f"--split {split}: {corpus.name} has {', '.join(corpus.splits)} here.")
    return [
        SourceText(f"{corpus.name}:{name}:{u.dialogue_id}:{u.utterance_id}", normalised(u.text), u.sentiment)
        for name in ([split] if split is not None else corpus.splits)
        for u in corpus.utterances(name)
    ]


def _line(path: Path, number: int) -> str:
    return encodable(f"{path.name}:{number}")


def _columns(options: PseudoLabelOptions) -> list[str]:
    return [c for c in (options.column, options.id_column, options.gold_column) if c is not None]


def _table(path: Path, file: Iterable[str], options: PseudoLabelOptions, delimiter: str) -> Iterator[SourceText]:
    quoted = delimiter in ",;"
    reader = csv.reader(file, delimiter=delimiter, quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE)
    columns = _columns(options)
    numbered = [c.isdecimal() for c in columns]
    if any(numbered) and not all(numbered):
        raise ConfigError(
            "--column, --id-column and --gold-column are all names, or all numbers (a table without header)."
        )
    if all(numbered):
        places = {c: int(c) - 1 for c in columns}
        if min(places.values()) < 0:
            raise ConfigError("--column: columns count from 1.")
    else:
        header = [name.strip() for name in next(reader, [])]
        missing = [c for c in columns if c not in header]
        if missing:
            raise InputError(
                f"{path}: no column {', '.join(missing)}; the header is {', '.join(header) or 'empty'}. Name it with "
                "--column, or give its number if there is no header."
            )
        places = {c: header.index(c) for c in columns}
    for row in reader:
        if not row:
            continue
        if len(row) <= max(places.values()):
            raise InputError(
                f"{path}, line {reader.line_num}: {len(row)} fields, and field {max(places.values()) + 1} is asked for."
            )
        yield _row(path, reader.line_num, {c: row[i] for c, i in places.items()}, options)


def _json_lines(path: Path, file: Iterable[str], options: PseudoLabelOptions) -> Iterator[SourceText]:
    for number, line in enumerate(file, start=1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except ValueError as error:
            raise InputError(f"{path}, line {number}: not JSON ({error}).") from error
        if not isinstance(value, dict) or not isinstance(value.get(options.column), str):
            raise InputError(f"{path}, line {number}: no text under {options.column!r}; name the key with --column.")
        yield _row(path, number, {c: str(value.get(c) or "") for c in _columns(options)}, options)


def _row(path: Path, line: int, value: dict[str, str], options: PseudoLabelOptions) -> SourceText:
    gold = value[options.gold_column].strip().lower() if options.gold_column is not None else ""
    if gold and gold not in SENTIMENTS:
        raise InputError(f"{path}, line {line}: gold label {gold!r} is none of {', '.join(SENTIMENTS)}; map it first.")
    source = encodable(value[options.id_column].strip()) if options.id_column is not None else ""
    return SourceText(source or _line(path, line), normalised(value[options.column]), gold or None)


def _check_sources(path: Path, rows: list[SourceText]) -> None:
    seen: set[str] = set()
    for row in rows:
        if row.source in seen:
            raise InputError(f"{path}: id {row.source!r} comes twice; --id-column names a column of unique ids.")
        seen.add(row.source)
