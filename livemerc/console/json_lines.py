"""Events as JSON Lines, for other programs: one event a line, as `livemerc.events` encodes it."""

from __future__ import annotations

from typing import BinaryIO

from livemerc.errors import say
from livemerc.events import Event, Status, encode
from livemerc.notation import clock


class JsonLines:
    """`write(event)` for every event of a session.

    tells_degraded: say on standard error when a degraded part begins, changes or ends. A closed pipe raises
    `BrokenPipeError` to the caller.
    """

    def __init__(self, stream: BinaryIO, *, tells_degraded: bool) -> None:
        self._stream = stream
        self._tells_degraded = tells_degraded
        self._degraded: str | None = None

    def write(self, event: Event) -> None:
        self._stream.write(encode(event) + b"\n")
        if self._tells_degraded and isinstance(event, Status) and event.degraded != self._degraded:
            self._degraded = event.degraded
            what = f"degraded: {event.degraded}" if event.degraded else "well again"
            say(f"{clock(event.t_s)}  {what}")
