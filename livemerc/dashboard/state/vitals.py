"""How the monitor itself is, as plain data."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Protocol

from livemerc.events import MicState, Status
from livemerc.runtime.notices import is_paused, less_pause

CLIPPING_DBFS = -3.0
"""RMS of a full-scale sine is -3 dBFS: a louder block has its peaks cut."""
CLIPPING_HELD_S = 1.5
"""How long the clipping mark stays, so that somebody who looks up still sees it."""
LAG_TROUBLE_S = 5.0
"""Lag beyond which the screen says so in red: the words on screen are no longer what is being said."""
_LATENCIES_KEPT = 500
_LEVELS_KEPT = 600  # a minute at 10 polls a second


class GaugesLike(Protocol):
    """What `monitor.gauges()` returns; the fields of `livemerc.runtime.gauges.Gauges`."""

    @property
    def t_s(self) -> float: ...
    @property
    def level_dbfs(self) -> float | None: ...
    @property
    def speaking(self) -> bool: ...
    @property
    def lag_s(self) -> float: ...
    @property
    def queued(self) -> dict[str, int]: ...
    @property
    def dropped_s(self) -> float: ...
    @property
    def overruns(self) -> int: ...
    @property
    def mic(self) -> MicState | None: ...
    @property
    def degraded(self) -> str | None: ...
    @property
    def elapsed_s(self) -> float: ...
    @property
    def loading(self) -> str | None: ...


@dataclass(slots=True)
class Health:
    """How the monitor itself is; the newest of `status` events and gauges."""

    t_s: float = 0.0
    elapsed_s: float = 0.0
    lag_s: float = 0.0
    queued: dict[str, int] = field(default_factory=dict)
    dropped_s: float = 0.0
    overruns: int = 0
    level_dbfs: float | None = None
    speaking: bool = False
    mic: MicState | None = None
    degraded: str | None = None
    loading: str | None = None
    clipped_at_s: float | None = None  # on the clock of `elapsed_s`

    @property
    def clipping(self) -> bool:
        return self.clipped_at_s is not None and self.elapsed_s - self.clipped_at_s <= CLIPPING_HELD_S

    @property
    def paused(self) -> bool:
        """Somebody has paused the session: nothing is being heard."""
        return is_paused(self.degraded)

    @property
    def given_up(self) -> str | None:
        """What is degraded, less the pause, which is somebody's wish."""
        return less_pause(self.degraded)

    def troubles(self) -> list[str]:
        """What a person must see at once, the worst first; each a plain sentence."""
        found = []
        if self.mic is not None and not self.mic.ok and not self.paused:
            found.append(f"MICROPHONE: {self.mic.why or 'nothing is being heard'}")
        if self.given_up:
            found.append(f"DEGRADED: {self.given_up}")
        if self.lag_s >= LAG_TROUBLE_S:
            found.append(f"BEHIND: what you see was said {self.lag_s:.0f} s ago")
        return found

    def note_gauges(self, gauges: GaugesLike) -> None:
        self.t_s, self.elapsed_s, self.lag_s = gauges.t_s, gauges.elapsed_s, gauges.lag_s
        self.queued, self.loading, self.speaking = gauges.queued, gauges.loading, gauges.speaking
        self.mic, self.degraded = gauges.mic, gauges.degraded
        self._lost(gauges.dropped_s, gauges.overruns)
        self._level(gauges.level_dbfs)

    def note_status(self, event: Status) -> None:
        self.t_s, self.lag_s, self.queued = max(self.t_s, event.t_s), event.lag_s, event.queued
        self.mic, self.degraded = event.mic, event.degraded
        self._lost(event.dropped_s, event.overruns)
        if event.level_dbfs is not None:
            self._level(event.level_dbfs)

    def _lost(self, dropped_s: float, overruns: int) -> None:
        self.dropped_s, self.overruns = max(self.dropped_s, dropped_s), max(self.overruns, overruns)

    def _level(self, level_dbfs: float | None) -> None:
        self.level_dbfs = level_dbfs
        if level_dbfs is not None and level_dbfs >= CLIPPING_DBFS:
            self.clipped_at_s = self.elapsed_s


class Levels:
    """How loud it was in the last minute, `dbfs`, and beside each level whether that was speech, `voiced`."""

    def __init__(self) -> None:
        self.dbfs: deque[float] = deque(maxlen=_LEVELS_KEPT)
        self.voiced: deque[bool] = deque(maxlen=_LEVELS_KEPT)

    def note(self, gauges: GaugesLike) -> None:
        self.dbfs.append(-120.0 if gauges.level_dbfs is None else gauges.level_dbfs)
        self.voiced.append(gauges.speaking)


class Latencies:
    """From the end of speech to its emotion, in ms, of the last 500 utterances."""

    def __init__(self) -> None:
        self._ms: deque[float] = deque(maxlen=_LATENCIES_KEPT)

    def add(self, ms: float) -> None:
        self._ms.append(ms)

    def quantile_ms(self, quantile: float) -> float | None:
        """Nearest rank, quantile 0 to 1; None before the first."""
        if not self._ms:
            return None
        ordered = sorted(self._ms)
        return ordered[min(len(ordered) - 1, int(quantile * len(ordered)))]

    def copy(self) -> Latencies:
        """One that changes on its own."""
        other = Latencies()
        other._ms = self._ms.copy()
        return other


@dataclass(frozen=True, slots=True)
class Playback:
    """Where a replay is. `growing`: the session is still being recorded; `ended`: nothing will follow.

    A session that is watched while it is recorded (`watched`) has more to it: at its newest event or `behind_s` behind,
    not begun yet (`waiting`), or broken off (`trouble`, a sentence).
    """

    position_s: float
    duration_s: float
    speed: float
    paused: bool
    growing: bool
    ended: bool
    watched: bool = False
    waiting: str | None = None  # for a session in this folder
    behind_s: float | None = None  # None = at the newest event
    trouble: str | None = None
