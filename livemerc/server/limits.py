"""What one server bears. Whoever asks for more is refused, or slowed down; nobody else notices."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    rooms: int = 16
    """At once; `serve --rooms`."""
    sources: int = 8
    """That speak in one room at once."""
    joins: int = 64
    """Sources of one session, those that have left included."""
    connections: int = 256
    """WebSockets and event streams at once."""
    room_s: float = 12 * 3600.0
    """Audio of one session; then it ends."""
    ring_s: float = 150.0
    """Audio that waits for a room's ears: more than comes at once after a cut, for ears that hear a minute again first.
    More is dropped and counted; a source of pace `file` waits instead."""
    file_ring_s: float = 2.0
    ahead_s: float = 120.0
    """So far a live source may run ahead of the world (after a cut); then it is read no faster than it is spoken."""
    hello_within_s: float = 30.0
    """Through a proxy on a busy machine it takes its time."""
    send_within_s: float = 10.0
    """A reader that takes nothing for so long loses its connection."""
    log_events: int = 20_000
    """Of one session that a late reader can still have, beside those that are superseded; a reader that is so far
    behind loses its connection."""
    idle_s: float = 10.0
    """A connection on which nobody has asked for anything is closed after so long, twice as long at most."""
    kept_s: float = 60.0
    """How long a session that is over can still be read."""
