"""What `status.degraded` of a recorded session says of a pause, apart from trouble.

The sentence is that of `livemerc.runtime`, where several of them are joined by a semicolon.
"""

from __future__ import annotations

from livemerc.runtime.gauges import PAUSED

_BETWEEN = "; "


def is_paused(degraded: str) -> bool:
    """Whether somebody had paused the session."""
    return PAUSED in degraded.split(_BETWEEN)


def less_pause(degraded: str) -> str | None:
    """What it says of trouble: all but the pause, which is somebody's wish."""
    return _BETWEEN.join(reason for reason in degraded.split(_BETWEEN) if reason != PAUSED) or None
