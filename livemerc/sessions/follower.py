"""Plays a session while it is recorded: from its newest event on, with the history behind it. No torch, no Textual."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from livemerc.errors import InputError, cause_of
from livemerc.events import Event
from livemerc.sessions.folder import EVENTS_FILE
from livemerc.sessions.journal import Journal, JournalReader
from livemerc.sessions.player import Player, ReaderLike
from livemerc.text_safety import plain_text

QUIET_AFTER_S = 5.0
"""A recorder writes a status twice a second: without a line for this long, `trouble` says so."""
_BEYOND_S = 1e9


class Follower(Player):
    """A `Player` that begins at the newest event and stays there until someone seeks back or pauses.

    What is not there yet is waited for. What goes wrong later (the recorder dies, the folder vanishes, the disk fails)
    ends the growth and is told by `trouble`; nothing is raised then. Raises `InputError` where waiting is hopeless: a
    folder of other sessions, a path whose parent is not there, a newer schema, no permission.
    """

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.at_edge = True
        self._failed: str | None = None
        self._begun = False  # from here on nothing is raised any more
        self._grown_s = clock()
        super().__init__(path, begin_s=_BEYOND_S, clock=clock)
        self._begun = True
        self._to_edge()

    @property
    def waiting(self) -> bool:
        """Whether nothing has been recorded yet."""
        return self.growing and not self.journal.events

    @property
    def behind_s(self) -> float:
        """How far the place that is shown is behind the newest event."""
        return 0.0 if self.at_edge else max(0.0, self.duration_s - self.position_s)

    @property
    def trouble(self) -> str | None:
        """Why nothing comes although the session has not ended; one sentence, None while all is well."""
        name = plain_text(str(self.path))
        if self.journal.ended:
            return None
        if not self.growing:
            if self._failed is not None:
                return plain_text(self._failed)
            if not self.path.exists():
                return f"{name} has vanished; what was read until then stays on this screen."
            return "The recording broke off: its recorder stopped or died before the session's end."
        if self.waiting:
            return None
        quiet_s = self._clock() - self._grown_s
        if quiet_s < QUIET_AFTER_S:
            return None
        return f"Nothing new for {quiet_s:.0f} s: the recorder is alive, but stopped, stuck or out of disk."

    def go_live(self) -> int:
        """Go to the newest event, and follow whatever comes. Returns `taken`, as `seek` does."""
        self.pause(False)
        self.set_speed(1.0)
        return self.seek(_BEYOND_S)

    def seek(self, to_s: float) -> int:
        taken = super().seek(to_s)
        self.at_edge = to_s >= self.duration_s
        return taken

    def pause(self, paused: bool) -> None:
        super().pause(paused)
        if paused:
            self.at_edge = False

    def set_speed(self, speed: float) -> None:
        super().set_speed(speed)
        if speed < 1.0:
            self.at_edge = False

    def take(self) -> Event | None:
        event = super().take()
        # a replay that runs at real pace or faster has caught up with the recorder
        if event is None and not self.paused and self.speed >= 1.0 and self.growing and self._at_end:
            self.at_edge = True
        return event

    # -- the journal ---------------------------------------------------------------------------------------------------

    @property
    def _at_end(self) -> bool:
        return self._next == len(self._times_s)

    def _to_edge(self) -> None:
        if self.at_edge:
            self.position_s = self.duration_s

    def _move(self) -> None:
        super()._move()
        self._to_edge()

    def _open(self) -> ReaderLike:
        try:
            return JournalReader(self.path)
        except InputError as error:
            if not isinstance(error.__cause__, FileNotFoundError):
                raise
        if self.path.is_dir():
            if found := _sessions_in(self.path):
                one = self.path / found[-1]
                raise InputError(f"{self.path}: this folder holds sessions and is none itself; name one, as {one}.")
        elif not self.path.absolute().parent.is_dir():
            raise InputError(f"{self.path}: the folder above it is not there; check the path.")
        return NoJournalYet(self.path, [])

    def _look(self) -> None:
        known = len(self._times_s)
        try:
            if isinstance(self._reader, NoJournalYet):
                events = self._reader.journal.events  # whoever holds the list sees what comes
                self._reader = self._open()
                self._reader.journal.events = events
            if isinstance(self._reader, NoJournalYet):
                self._looked_s = self._clock()
                return
            super()._look()
        except InputError as error:
            if not self._begun:
                raise
            self._failed = str(error)
            self.growing = False
            self._reader.close()
        if len(self._times_s) > known:
            self._grown_s = self._clock()
        if not self.growing and not self._times_s and self.path.is_dir() and self._failed is None:
            # a recorder is about to lock what it has just made, or died before its first word: another may come
            self._reader, self.growing = NoJournalYet(self.path, self.journal.events), True


class NoJournalYet:
    """Stands where the reader will be: a journal without a line."""

    def __init__(self, path: Path, events: list[Event]) -> None:
        self.journal = Journal(path, None, events)

    def read_new(self) -> list[Event]:
        return []

    def finish(self) -> None:
        """There is nothing that could be wrong."""

    def close(self) -> None:
        """Nothing is open."""


def _sessions_in(folder: Path) -> list[str]:
    """Names of the sessions' folders in `folder`, sorted."""
    try:
        return sorted(child.name for child in folder.iterdir() if (child / EVENTS_FILE).is_file())
    except OSError as error:
        raise InputError(f"{folder}: this folder cannot be listed ({cause_of(error)}); check the path.") from error
