"""Reads a session's events, whole or while they are being written: `events.jsonl`, as `run --json` prints them.

One event a line, appended and handed to the system one by one (`livemerc.sessions.recorder`). What is read here may
come from anyone: a damaged line is counted, named and skipped; a newer schema is an error.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from livemerc.errors import InputError, cause_of
from livemerc.events import (
    EmotionEvent,
    Event,
    SessionEnd,
    SessionStart,
    Status,
    UtteranceFinal,
    UtterancePartial,
    UtteranceSpeaker,
    decode,
)
from livemerc.sessions.folder import (
    EVENTS_FILE,
    NewerSchemaError,
    SchemaHead,
    SessionInfo,
    check_schema,
    folder_name,
    open_plain,
    read_info,
)

LONGEST_LINE_BYTES = 1 << 20
LATEST_S = 1e8
"""Three years: a time beyond is damage, not a session."""
_MOST = 1e9
"""Counts and milliseconds beyond are damage too: a screen would print hundreds of digits."""
_WARNINGS_NAMED = 10


@dataclass(slots=True)
class Journal:
    """What `read` found. `warnings` are sentences for the user; `ended`: the session came to its `session.end`."""

    path: Path
    info: SessionInfo | None
    events: list[Event]
    warnings: list[str] = field(default_factory=list)
    damaged: int = 0
    ended: bool = False


def read(path: str | Path) -> Journal:
    """A session's folder, or an events file alone (for instance what `run --json` printed), as far as it is sound.

    Raises `InputError` (exit 5) if there is none, if it may not be read, or if a newer livemerc wrote it.
    """
    reader = JournalReader(path)
    try:
        reader.read_new()
        reader.finish()
    finally:
        reader.close()
    return reader.journal


class JournalReader:
    """Reads a journal that may still be growing: `read_new` gives what was appended, `journal` what there is so far."""

    def __init__(self, path: str | Path) -> None:
        path = Path(path)
        info, warnings = None, []
        if os.path.isdir(path):
            self._name = f"{folder_name(path)}/{EVENTS_FILE}"
            self._file = open_plain(path / EVENTS_FILE)
            try:
                info = read_info(path)
            except NewerSchemaError:
                self._file.close()
                raise
            except InputError as error:
                warnings.append(str(error))
        else:
            self._name = path.name
            self._file = open_plain(path, follow=True)
        self.journal = Journal(path, info, [], warnings)
        self._line_number = 0
        self._tail = b""
        self._skipping = False  # inside a line that is too long

    def read_new(self) -> list[Event]:
        """Events of the lines that were completed since. Raises `InputError` for a newer schema or a read error."""
        found = []
        for line in self._lines():
            self._line_number += 1
            event = self._event(line)
            if event is not None:
                found.append(event)
                self.journal.ended = self.journal.ended or isinstance(event, SessionEnd)
        self.journal.events += found
        return found

    def finish(self) -> None:
        """Take in the last line, for nothing will be appended, and warn of what is wrong with the journal as a whole.

        Raises `InputError` for a file alone that holds something, and no event.
        """
        journal, name = self.journal, self._name
        if self._tail or self._skipping:
            self._line_number += 1
            event = None if self._skipping else _decoded(self._tail)  # only the line end may be missing
            if isinstance(event, str) or event is None:
                journal.warnings.append(
                    f"{name}: the last line ({self._line_number}) is incomplete, as after a crash; it was left out."
                )
            else:
                journal.events.append(event)
                journal.ended = journal.ended or isinstance(event, SessionEnd)
            self._tail, self._skipping = b"", False
        if journal.damaged > _WARNINGS_NAMED:
            more = journal.damaged - _WARNINGS_NAMED
            journal.warnings.append(f"{name}: {more} more damaged line{'s were' if more > 1 else ' was'} skipped.")
        if journal.warnings and not journal.events and not os.path.isdir(journal.path):
            raise InputError(
                f"{name}: holds no events; give a session's folder, or a file of what `livemerc run --json` printed."
            )
        if journal.events and not any(isinstance(event, SessionStart) for event in journal.events):
            journal.warnings.append(f"{name}: its session.start is missing: model and source are unknown.")

    def close(self) -> None:
        self._file.close()

    def _lines(self) -> Iterator[bytes]:
        """Whole lines without their line ends; an incomplete one waits for its rest."""
        while True:
            try:
                piece = self._file.readline(LONGEST_LINE_BYTES)
            except OSError as error:
                raise InputError(
                    f"{self._name}: cannot be read further ({cause_of(error)}); check the disk."
                ) from error
            if not piece:
                return
            whole = piece.endswith(b"\n")
            if self._skipping:
                self._skipping = not whole
                continue
            line = self._tail + piece
            if whole:
                self._tail = b""
                yield line.rstrip(b"\r\n")
            elif len(line) >= LONGEST_LINE_BYTES:
                self._tail, self._skipping = b"", True
                self._line_number += 1
                self._damage(f"it is longer than {LONGEST_LINE_BYTES} bytes")
            else:
                self._tail = line

    def _event(self, line: bytes) -> Event | None:
        if not line.strip():
            return None
        event = _decoded(line)
        if isinstance(event, SessionStart):
            check_schema(event.schema, self._name)
        if not isinstance(event, str):
            return event
        with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            head = msgspec.json.decode(line, type=SchemaHead)
            if head.type == "session.start":
                check_schema(head.schema, self._name)
        self._damage(event)
        return None

    def _damage(self, why: str) -> None:
        self.journal.damaged += 1
        if self.journal.damaged <= _WARNINGS_NAMED:
            self.journal.warnings.append(f"{self._name}, line {self._line_number}: damaged ({why}); it was skipped.")


def _decoded(line: bytes) -> Event | str:
    """The event, or what is wrong with the line."""
    try:
        event = decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return str(error)
    except RecursionError:
        return "nested too deeply"
    return _implausible(event) or event


def _implausible(event: Event) -> str | None:
    """Why no session can hold this event; None = plausible.

    Whoever reckons with it would trip: over times before the begin, or a probability of 7.
    """
    times: list[float] = []
    counts: list[float | None] = []
    shares: list[float | None] = []
    if isinstance(event, UtterancePartial):
        times = [event.start_s]
    elif isinstance(event, UtteranceFinal):
        times, shares = [event.start_s, event.end_s], [event.asr.confidence]
    elif isinstance(event, EmotionEvent):
        if not event.probabilities:
            return "an emotion without probabilities"
        spreads = (event.probabilities, event.modality.text or {}, event.modality.speech or {})
        shares = [event.confidence, *(p for spread in spreads for p in spread.values())]
        counts = [event.revision, *(msgspec.structs.astuple(event.timing) if event.timing else ())]
    elif isinstance(event, UtteranceSpeaker):
        shares, counts = [event.confidence], [event.revision]
    elif isinstance(event, Status):
        times = [event.t_s, event.dropped_s]
        counts = [event.lag_s, event.overruns, event.level_dbfs, *event.queued.values()]
    elif isinstance(event, SessionEnd):
        times, counts = [event.duration_s, event.dropped_s], [event.utterances, event.overruns]
    if not all(0 <= t <= LATEST_S for t in times):
        return "a time that no session has"
    if not all(p is None or -1e-6 <= p <= 1 + 1e-6 for p in shares):
        return "a probability outside 0 to 1"
    if not all(n is None or -_MOST <= n <= _MOST for n in counts):
        return "a figure that no session has"
    return None
