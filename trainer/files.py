"""Files: what cannot be opened or written becomes one sentence with its mend, and what is written is whole."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from livemerc.errors import LivemercError, cause_of


@contextmanager
def told(kind: type[LivemercError], what: str, mend: str) -> Iterator[None]:
    """An OSError inside becomes a `kind`: "WHAT (the system's reason); MEND."."""
    try:
        yield
    except OSError as error:
        raise kind(f"{what} ({cause_of(error)}); {mend}.") from error


def write_whole(path: Path, write: Callable[[IO[bytes]], object], part: Path | None = None) -> None:
    """`write(file)` to `part`, a file beside `path`, which it then replaces: a process killed while it writes, or a
    full disk, leaves the one before. Folders are made. Raises what `write` raises, and OSError."""
    part = part or path.with_name(path.name + ".part")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with part.open("wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
