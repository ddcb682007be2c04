"""Journals of rooms, in a folder that every server of them sees.

Each room has a folder. Who holds the lock of its `journal` owns the room; a process that dies, however it dies, lets go
of it. `owner` says where the owner is reached. When the session is over the folder goes.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from livemerc.errors import ConfigError, cause_of
from livemerc.protocol import ROOM
from livemerc.server.journal import RoomJournal, append_whole, open_own

_JOURNAL, _OWNER, _SERVERS = "journal", "owner", ".servers"
_PATIENCE_S = 2.0


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Another server owns the room, or is about to; it is reached at `address` (http://HOST:PORT, "" = not known)."""

    address: str


class Journals:
    """folder: all servers of these rooms see it, and its file system knows locks. address: where this one is reached.

    Raises `ConfigError` where that cannot be.
    """

    def __init__(self, folder: Path, address: str) -> None:
        try:
            import fcntl
        except ImportError as error:
            raise ConfigError("journals: this system has no locks of files; run rooms on Linux or macOS.") from error
        self._lock = fcntl.flock
        self._exclusive = fcntl.LOCK_EX | fcntl.LOCK_NB
        self.folder = folder
        self.address = address
        self._entry: BinaryIO | None = None
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            with open_own(folder / ".locks") as probe:
                self._lock(probe, self._exclusive | fcntl.LOCK_NB)
        except BlockingIOError:
            pass  # another server tries the same in this moment: there are locks
        except OSError as error:
            raise ConfigError(
                f"journals {folder}: no place for journals ({cause_of(error)}); give a folder that can be written to, "
                "on a file system with locks."
            ) from error

    def enter(self) -> None:
        """This server is there, for whoever asks for `servers`."""
        folder = self.folder / _SERVERS
        folder.mkdir(mode=0o700, exist_ok=True)
        self._entry = open_own(folder / hashlib.sha256(self.address.encode()).hexdigest()[:16])
        self._lock(self._entry, self._exclusive)
        self._entry.truncate(0)
        append_whole(self._entry, self.address.encode())

    def leave(self) -> None:
        """It is no more."""
        if self._entry is not None:
            self._entry.close()

    def servers(self) -> list[str]:
        """Addresses of the servers of these journals, in order. What those that have died left behind goes."""
        found = []
        for path in (self.folder / _SERVERS).glob("*"):
            with contextlib.suppress(OSError):
                if self._is_locked(path):
                    found.append(path.read_text())
                else:
                    path.unlink()
        return sorted(found)

    def claim(self, room: str) -> RoomJournal | Elsewhere:
        """The room's journal, which is ours from now on, or who has it. Raises `OSError` where the disk does."""
        folder = self.folder / room
        until_s = time.monotonic() + _PATIENCE_S
        while True:
            folder.mkdir(mode=0o700, exist_ok=True)
            try:
                file = open_own(folder / _JOURNAL)
            except FileNotFoundError:
                continue  # its session has just come to its end elsewhere
            try:
                self._lock(file, self._exclusive)
            except BlockingIOError:
                file.close()
                address = self.owner(room)
                if time.monotonic() > until_s or address not in (None, self.address):
                    return Elsewhere(address or "")
                time.sleep(0.02)  # somebody looks, or takes it in this moment
                continue
            except OSError:
                file.close()
                raise
            if not _is_there(file, folder / _JOURNAL):
                file.close()
                continue
            try:
                new = folder / f".{_OWNER}"
                new.write_text(self.address)
                os.replace(new, folder / _OWNER)
                return RoomJournal(folder, file)
            except OSError:
                file.close()
                raise

    def owner(self, room: str) -> str | None:
        """The address of whoever owns it now; None = nobody."""
        if not self._is_locked(self.folder / room / _JOURNAL):
            return None
        with contextlib.suppress(OSError):
            return (self.folder / room / _OWNER).read_text() or None
        return None

    def waits(self, room: str) -> bool:
        """Whether there is a session in it that nobody owns: its owner has died, or handed it over."""
        journal = self.folder / room / _JOURNAL
        with contextlib.suppress(OSError):
            return journal.stat().st_size > 0 and not self._is_locked(journal)
        return False

    def orphans(self, older_s: float) -> list[str]:
        """Rooms that nobody owns, and nobody has come back to for so long."""
        found = []
        for journal in self.folder.glob(f"*/{_JOURNAL}"):
            with contextlib.suppress(OSError):
                quiet_s = time.time() - journal.stat().st_mtime
                if quiet_s > older_s and not self._is_locked(journal) and ROOM.fullmatch(journal.parent.name):
                    found.append(journal.parent.name)
        return found

    def _is_locked(self, path: Path) -> bool:
        """A look costs nothing but this moment: who claims it then tries again."""
        import fcntl

        try:
            with path.open("rb") as file:
                self._lock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False


def _is_there(file: BinaryIO, path: Path) -> bool:
    """Whether it is still the file of that name."""
    with contextlib.suppress(OSError):
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    return False
