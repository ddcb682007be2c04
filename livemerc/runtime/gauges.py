"""The instruments of a session, live or replayed, for a screen that polls."""

from __future__ import annotations

from dataclasses import dataclass, field

from livemerc.events import MicState


@dataclass(frozen=True, slots=True)
class Gauges:
    """The monitor's instruments, for a screen that polls. Times in seconds, level in dBFS."""

    t_s: float = 0.0
    level_dbfs: float | None = None
    speaking: bool = False
    lag_s: float = 0.0
    queued: dict[str, int] = field(default_factory=dict)
    dropped_s: float = 0.0
    overruns: int = 0
    mic: MicState | None = None
    degraded: str | None = None
    elapsed_s: float = 0.0
    loading: str | None = None
