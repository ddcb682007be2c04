"""What is degraded while a session goes on: a board that any thread writes, and its two edges to `status.degraded`."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto


class Notice(Enum):
    """What may be other than it should be. The board holds at most one sentence for each."""

    PAUSED = auto()
    """A person asked for it: no loss and no trouble."""
    RECORDING = auto()
    JOURNAL = auto()
    """Another server could not go on with this session."""
    OVERLOAD = auto()
    ASR_FAILED = auto()
    ASR_HANGS = auto()
    ASR_ON_CPU = auto()
    ASR_WINDOW = auto()
    """A Whisper's short window is too short for most utterances."""
    ECHO = auto()
    """A microphone hears what another channel says."""
    ASR_LANGUAGE = auto()
    """An English-only Whisper hears what does not sound like English."""
    MODEL_FAILED = auto()
    MODEL_HANGS = auto()
    MODEL_BEHIND = auto()
    MODEL_ON_CPU = auto()


PAUSED = "paused: nothing is being heard"
"""What `status.degraded` says while somebody has paused the session."""

_BETWEEN = "; "

Tell = Callable[[Notice, str | None], None]
"""Puts a sentence on the board, or takes it off with None."""


def tell_nobody(notice: Notice, sentence: str | None) -> None:
    """For parts that work where nobody looks."""


class Notices:
    """The board. `tell` from any thread; sentences stand in the order in which their trouble began."""

    def __init__(self) -> None:
        self._sentences: dict[Notice, str] = {}

    def tell(self, notice: Notice, sentence: str | None) -> None:
        """`status.degraded` says `sentence` from now on, until None takes it off."""
        if sentence is None:
            self._sentences.pop(notice, None)
        else:
            self._sentences[notice] = sentence

    def degraded(self) -> str | None:
        """All of it as `status.degraded` says it; None while all is well."""
        return _BETWEEN.join(list(self._sentences.values())) or None


def is_paused(degraded: str | None) -> bool:
    """Whether `status.degraded`, live or recorded, says that somebody has paused the session."""
    return degraded is not None and PAUSED in degraded.split(_BETWEEN)


def less_pause(degraded: str | None) -> str | None:
    """What `status.degraded` says of trouble: all but the pause, which is somebody's wish."""
    if degraded is None:
        return None
    return _BETWEEN.join(reason for reason in degraded.split(_BETWEEN) if reason != PAUSED) or None
