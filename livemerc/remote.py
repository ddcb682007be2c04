"""A session that another machine judges, shown here like one of this machine's own: no model is needed."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from livemerc import client
from livemerc.audio.source import JUMP_S, Holdable, Source, Switchable, speakers_of
from livemerc.config import Config
from livemerc.errors import ConfigError, LivemercError
from livemerc.events import Event, SessionEnd, Status, UtteranceFinal, UtterancePartial
from livemerc.runtime.gauges import Gauges
from livemerc.runtime.notices import PAUSED
from livemerc.sessions.bookmarks import Bookmark
from livemerc.sessions.follower import QUIET_AFTER_S, Follower
from livemerc.sessions.journal import Journal
from livemerc.sessions.player import ReaderLike
from livemerc.sessions.recorder import Recorder

_CLOSE_WITHIN_S = 5.0
_NOT_HERE = "The server records, where it was started with --record; nothing is recorded here"


class RemoteMonitor:
    """What `livemerc run --to` shows: this machine listens, a server judges. `events()` once; the rest from any thread.

    Raises `ConfigError` for a wrong address, and for a source with several speakers.
    """

    def __init__(self, source: Source, config: Config, url: str, *, token: str | None = None) -> None:
        self.target = client.target_of(url, token)
        speakers = speakers_of(source)
        if len(speakers) > 1:
            raise ConfigError(
                f"--to: a room takes one channel of each source, and there are {len(speakers)}; start one `livemerc "
                "run --to` for each speaker, in the same room."
            )
        self.source = source
        self.config = config
        self.announcements = [f"judged by {self.target.shown}"]
        self.recorders: list[Recorder] = []
        self.recording: str | None = None
        self.recording_folder: Path | None = None
        self.paused = False
        self._url, self._token = url, token
        self._speaker = speakers[0] if speakers else None
        self._asked_language = config.asr.language
        self._sent_s = 0.0
        self._status: Status | None = None
        self._speaking = False
        self._began_s = time.monotonic()

    def events(self) -> Iterator[Event]:
        """Those of the room, to its `session.end`. Raises `LivemercError`, and what the source raises."""
        purpose = None if self.config.purpose == "personal" else self.config.purpose
        events = client.speak(
            self._url, self._pcm(), self.source.rate_hz, speaker=self._speaker, purpose=purpose,
            language=self._asked_language, pace="live" if self.source.live else "file", token=self._token,
        )  # fmt: skip
        try:
            for _, event in events:
                self._see(event)
                yield event
        finally:
            self.source.close()  # first: whoever waits for its next block waits no longer
            events.close()

    def _pcm(self) -> Iterator[client.Audio]:
        rate_hz, done = self.source.rate_hz, 0
        for block in self.source.blocks():
            ahead_s = block.start_s - done / rate_hz
            if ahead_s > JUMP_S or block.gap_s > 0:
                lost = max(0, round(ahead_s * rate_hz))
                done += lost
                yield lost
            samples = block.samples
            if self.paused:
                samples = np.zeros_like(samples)
            done += len(samples)
            self._sent_s = done / rate_hz
            if len(samples):
                yield np.clip(np.rint(samples * 32768.0), -32768, 32767).astype("<i2").tobytes()

    def _see(self, event: Event) -> None:
        if isinstance(event, Status):
            self._status = event
        elif isinstance(event, UtterancePartial | UtteranceFinal):
            self._speaking = isinstance(event, UtterancePartial)

    def stop(self) -> None:
        """Stop listening; what was heard is still judged."""
        self.source.close()

    def gauges(self) -> Gauges:
        """As the server told them last."""
        status, health = self._status, self.source.health()
        elapsed_s = time.monotonic() - self._began_s
        degraded = PAUSED if self.paused else None
        if status is None:
            return Gauges(
                t_s=self._sent_s, mic=health.mic, degraded=degraded, elapsed_s=elapsed_s, loading="the server"
            )
        return Gauges(
            t_s=max(self._sent_s, status.t_s), level_dbfs=status.level_dbfs, speaking=self._speaking,
            lag_s=status.lag_s, queued=status.queued, dropped_s=status.dropped_s, overruns=status.overruns,
            mic=health.mic, degraded=degraded or status.degraded, elapsed_s=elapsed_s,
        )  # fmt: skip

    def pause(self, paused: bool) -> None:
        """The server hears silence from now on, or hears again; a source that can wait waits."""
        if isinstance(self.source, Holdable):
            self.source.hold(paused)
        self.paused = paused

    def switch(self, device: str | int) -> None:
        """Raises `MicrophoneError`."""
        if isinstance(self.source, Switchable):
            self.source.switch(device)

    def toggle_recording(self) -> str:
        return _NOT_HERE

    def bookmark(self, bookmark: Bookmark) -> str:
        return f"Marked on this screen alone. {_NOT_HERE}"

    def notice_shown(self) -> str:
        return f"The notice is shown. {_NOT_HERE}"


class RemoteFollower(Follower):
    """A room of a server, followed as a recording is. Raises `ConfigError` for a wrong address; what goes wrong later
    is told by `trouble`."""

    def __init__(self, url: str, *, token: str | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        target = client.target_of(url, token)
        self._room = RoomReader(url, token, Path(target.shown))
        super().__init__(Path(target.shown), clock=clock)

    @property
    def failure(self) -> LivemercError | None:
        """Why it broke off."""
        return self._room.failure

    @property
    def trouble(self) -> str | None:
        if self.journal.ended or self.waiting:
            return None
        if not self.growing:
            return str(self.failure or "The server has ended.")
        quiet_s = self._clock() - self._grown_s
        return None if quiet_s < QUIET_AFTER_S else f"Nothing new for {quiet_s:.0f} s: the connection is tried again."

    def _open(self) -> ReaderLike:
        return self._room

    def _grows(self) -> bool:
        return self._room.alive


class RoomReader:
    """Takes a room's events in a thread of its own; `read_new` hands over those that have come."""

    def __init__(self, url: str, token: str | None, path: Path) -> None:
        self.journal = Journal(path, None, [])
        self.failure: LivemercError | None = None
        self._events = client.watch(url, token=token)
        self._came: deque[Event] = deque()
        self._thread = threading.Thread(target=self._run, name="livemerc-watch", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether events may still come."""
        return self._thread.is_alive()

    def read_new(self) -> list[Event]:
        came = [self._came.popleft() for _ in range(len(self._came))]
        self.journal.events += came
        self.journal.ended = self.journal.ended or any(isinstance(event, SessionEnd) for event in came)
        return came

    def finish(self) -> None:
        self.read_new()

    def close(self) -> None:
        self._events.close()
        self._thread.join(_CLOSE_WITHIN_S)

    def _run(self) -> None:
        try:
            for _, event in self._events:
                self._came.append(event)
        except LivemercError as error:
            self.failure = error
