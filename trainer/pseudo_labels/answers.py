"""What teachers and recognisers have said so far: SQLite beside the output, one commit an answer, safe against kill -9.

Answers lie under the content of what was asked, so a text is asked once whatever corpus it comes from, and a second
run asks only for what is missing.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from livemerc.errors import InputError, LivemercError
from trainer.files import told
from trainer.pseudo_labels.teachers import Answer, sha256

if TYPE_CHECKING:
    from collections.abc import Iterator

_SCHEMA = """
CREATE TABLE IF NOT EXISTS answers (
    key TEXT PRIMARY KEY, teacher TEXT NOT NULL, text TEXT NOT NULL, status TEXT NOT NULL, label TEXT,
    raw TEXT NOT NULL, prompt_tokens INTEGER, completion_tokens INTEGER
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS transcripts (key TEXT PRIMARY KEY, file TEXT NOT NULL, utterances TEXT NOT NULL)
WITHOUT ROWID;
"""
VERSION = 1


def answer_key(identity: str, text: str) -> str:
    """`identity`: everything beside the text that an answer depends on."""
    return sha256(f"{identity}\n{text}")


class Journal:
    """Context manager. One process at a time: a second one would ask everything twice, so it is refused.

    Raises `InputError` where the file is no journal, `LivemercError` (exit 6) where another run holds it or the disk
    is full.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> Journal:
        with self._errors():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(self.path, timeout=1.0, isolation_level=None)
            try:
                # EXCLUSIVE before WAL: the lock is held from the first write to the end, and a kill releases it.
                self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
                self._db.execute("PRAGMA journal_mode = WAL")
                # In WAL mode NORMAL loses nothing to a killed process; a power cut may cost the last commits.
                self._db.execute("PRAGMA synchronous = NORMAL")
                self._db.executescript(_SCHEMA)
                (version,) = self._db.execute("PRAGMA user_version").fetchone()
                if version not in (0, VERSION):
                    raise InputError(
                        f"{self.path}: a journal of another version ({version}, not {VERSION}); give another --journal."
                    )
                self._db.execute(f"PRAGMA user_version = {VERSION}")
            except BaseException:
                self._db.close()
                raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._db.close()

    def answers(self, keys: Iterable[str]) -> dict[str, Answer]:
        """The answers to those of `keys` that have one."""
        with self._errors():
            rows = self._db.execute(
                "SELECT key, status, label, raw, prompt_tokens, completion_tokens FROM answers "
                "WHERE key IN (SELECT value FROM json_each(?))",
                [json.dumps(list(keys))],
            )
            return {key: Answer(*rest) for key, *rest in rows}

    def add(self, teacher: str, answered: Sequence[tuple[str, str, Answer]]) -> None:
        """(key, text, answer)s in one transaction; durable against a kill when this returns."""
        with self._errors():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                self._db.executemany(
                    "INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                    [
                        (key, teacher, text.encode("utf-8", "replace").decode(), a.status, a.label,
                         a.raw.encode("utf-8", "replace").decode(), a.prompt_tokens, a.completion_tokens)
                        for key, text, a in answered
                    ],
                )  # fmt: skip
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:  # a full disk rolls back by itself
                    self._db.execute("ROLLBACK")
                raise

    def forget(self, keys: Sequence[str]) -> None:
        """Removes these answers, so that they are asked for again."""
        with self._errors():
            self._db.executemany("DELETE FROM answers WHERE key = ?", [(key,) for key in keys])

    def transcript(self, key: str) -> list[list[object]] | None:
        """What `add_transcript` kept, None if nothing."""
        with self._errors():
            row = self._db.execute("SELECT utterances FROM transcripts WHERE key = ?", (key,)).fetchone()
        return None if row is None else json.loads(row[0])

    def add_transcript(self, key: str, file: str, utterances: Sequence[Sequence[object]]) -> None:
        """The utterances of one audio file; `key` covers its content and the recogniser."""
        with self._errors():
            self._db.execute(
                "INSERT OR REPLACE INTO transcripts VALUES (?, ?, ?)",
                (key, file.encode("utf-8", "replace").decode(), json.dumps(utterances)),
            )

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            with told(LivemercError, f"{self.path}: no place for the journal", "give another --journal"):
                yield
        except sqlite3.OperationalError as error:
            what = str(error)
            if "locked" in what:
                raise LivemercError(
                    f"{self.path}: another run is writing this journal; wait for it, or give another --journal."
                ) from error
            raise LivemercError(
                f"{self.path}: the journal cannot be written ({what}); free space or give another --journal, "
                "and run the same command again: what is in it is kept."
            ) from error
        except sqlite3.DatabaseError as error:
            raise InputError(
                f"{self.path}: this is no journal of answers ({error}); give another --journal."
            ) from error
