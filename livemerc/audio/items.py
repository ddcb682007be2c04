"""What the ears say, in order. Times are seconds of source audio since the session began."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Onset:
    """An utterance has opened. Ids are "u1", "u2", ... in the order of the finals.

    While several channels speak at once, the one that began first holds the lower id; whoever ends first gets it.
    """

    utterance_id: str
    start_s: float


@dataclass(frozen=True, slots=True)
class Dropped:
    """It was too short: nothing will come of it, and its id goes to the next one."""

    utterance_id: str
    t_s: float
    reason: str


@dataclass(frozen=True, slots=True, eq=False)
class Speech:
    """A snapshot of the open utterance, pre-roll included; only if asked for, in no pause that an `Ending` tells."""

    utterance_id: str
    samples: np.ndarray
    """(n,) float32 at 16 kHz."""
    start_s: float
    t_s: float
    speaker: str | None = None
    """Whose channel it came from; None = unknown."""


@dataclass(frozen=True, slots=True, eq=False)
class Utterance:
    """One endpointed stretch of speech."""

    utterance_id: str
    samples: np.ndarray
    """(n,) float32 at 16 kHz, with the pre-roll and `endpoint.tail_ms` behind the last voiced frame."""
    samples_start_s: float
    start_s: float
    """First voiced frame, or the beginning of the sound that leads to it."""
    end_s: float
    """End of the last voiced frame, or of the sound behind it; never beyond the samples."""
    decided_s: float
    """Audio time at which the endpointer decided."""
    forced_cut: bool
    """Cut at the maximum, at its quietest point: the speech goes on in the next utterance."""
    speaker: str | None = None
    """Whose channel it came from; None = unknown."""


@dataclass(frozen=True, slots=True, eq=False)
class Ending:
    """The open utterance as it will be if nobody says more; only if asked for.

    What comes of it is an `Utterance` with the very same `samples` (the same object), another `Ending` after more
    speech, or nothing: a forced cut.
    """

    utterance: Utterance
    left_s: float
    """Until it ends, if nobody says more: what is left of the hangover."""

    @property
    def utterance_id(self) -> str:
        return self.utterance.utterance_id


@dataclass(frozen=True, slots=True, eq=False)
class Recalled:
    """The voice of an utterance of long ago, for its speaker's baseline alone; only in a session that goes on."""

    samples: np.ndarray
    """(n,) float32 at 16 kHz."""
    speaker: str | None


@dataclass(frozen=True, slots=True)
class Quiet:
    """Nobody has spoken for `dialogue.freeze_after_s` since the last utterance's end; once per silence."""

    t_s: float


EarItem = Onset | Dropped | Speech | Ending | Utterance | Recalled | Quiet
