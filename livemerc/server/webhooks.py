"""Events sent to somebody's own address as they come: signed, in order, and tried again with back-off."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import time
from collections import deque

import aiohttp

from livemerc.errors import ConfigError, cause_of, warn
from livemerc.events import EmotionEvent, Event, SessionEnd, SessionStart, UtteranceFinal

WAITING = 10_000
"""Events that wait while the address does not answer; then the oldest are given up, and that is told."""
_AT_ONCE = 100
_WITHIN_S = 10.0
_BACK_OFF_S = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
_LAST_TRY_S = 5.0


def signature(secret: bytes, timestamp: str, body: bytes) -> str:
    """What `Livemerc-Signature` says: HMAC-SHA256, in hex, of the timestamp, a full stop and the body."""
    return "sha256=" + hmac.new(secret, timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


class Webhook:
    """`give` events, `run` sends them. Both are for one loop.

    Finals, settled emotions, beginnings and ends are sent, several at once as JSON Lines of {"room", "seq", "event"}.
    Each batch is sent until it is answered with 2xx, in order; an address that answers with 4xx does not want it, and
    it is given up. `lost` counts what was given up. Raises `ConfigError` for what is no address.
    """

    def __init__(self, url: str, secret: bytes, *, back_off_s: tuple[float, ...] = _BACK_OFF_S) -> None:
        if not url.startswith(("http://", "https://")):
            raise ConfigError(f"--webhook {url}: no address; give one that begins with https:// or http://.")
        self.lost = 0
        self._url = url
        self._secret = secret
        self._back_off_s = back_off_s
        self._waiting: deque[str] = deque()
        self._news = asyncio.Event()
        self._ending = False
        self._told_lost = False

    def give(self, room: str, line: str, event: Event) -> None:
        """line: `{"seq": ..., "event": ...}`."""
        settled = isinstance(event, EmotionEvent) and event.status != "partial"
        if not settled and not isinstance(event, SessionStart | SessionEnd | UtteranceFinal):
            return
        if len(self._waiting) >= WAITING:
            self._waiting.popleft()
            self._lose(1, "it does not answer")
        self._waiting.append(f'{{"room":"{room}",{line[1:]}')  # a room's name needs no escapes
        self._news.set()

    async def run(self) -> None:
        """Until `end`."""
        timeout = aiohttp.ClientTimeout(total=_WITHIN_S)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            tries = 0
            while not (self._ending and not self._waiting):
                self._news.clear()
                if not self._waiting and not self._ending:
                    await self._news.wait()
                    continue
                lines = [self._waiting[i] for i in range(min(_AT_ONCE, len(self._waiting)))]
                why = await self._post(session, "\n".join(lines).encode() + b"\n")
                if why is None:
                    tries = 0
                    for line in lines:
                        if self._waiting and self._waiting[0] is line:
                            self._waiting.popleft()
                else:
                    await asyncio.sleep(self._back_off_s[min(tries, len(self._back_off_s) - 1)])
                    tries += 1

    async def end(self, running: asyncio.Task[None]) -> None:
        """What waits is tried for a few seconds more."""
        self._ending = True
        self._news.set()
        with contextlib.suppress(TimeoutError, asyncio.CancelledError):
            async with asyncio.timeout(_LAST_TRY_S):
                await running
        if self._waiting:
            self._lose(len(self._waiting), "the server ends")

    async def _post(self, session: aiohttp.ClientSession, body: bytes) -> str | None:
        """None = done with; else why it is to be tried again."""
        timestamp = str(int(time.time()))
        headers = {
            "Content-Type": "application/x-ndjson",
            "Livemerc-Timestamp": timestamp,
            "Livemerc-Signature": signature(self._secret, timestamp, body),
        }
        try:
            async with session.post(self._url, data=body, headers=headers, allow_redirects=False) as answer:
                status = answer.status
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            return cause_of(error)
        if 400 <= status < 500 and status not in (408, 425, 429):
            self._lose(body.count(b"\n"), f"it answers {status}")
            return None
        return None if 200 <= status < 300 else f"HTTP {status}"

    def _lose(self, events: int, why: str) -> None:
        self.lost += events
        if not self._told_lost:
            self._told_lost = True
            warn(f"webhook {self._url}: events are given up ({why}); look there.")
