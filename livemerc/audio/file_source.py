"""Files: whatever PyAV (FFmpeg) decodes, streamed at the file's own rate, mono or a channel for each speaker."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from livemerc.audio.container import Decoder
from livemerc.audio.resumed import Past
from livemerc.audio.source import Block, SourceHealth, block_length, speakers_and_channels
from livemerc.errors import ConfigError, InputError
from livemerc.text_safety import encodable

_LOOK_EVERY_S = 0.1


class FileSource:
    """Plays a file: `speed` 1.0 at real pace, 2.0 twice as fast, 0 as fast as it goes.

    Times are those of the container, as players count them: a sound that begins late begins late, and gaps between
    packets are silence. `speakers`: who is on which channel, in order; one name or none: the channels are mixed.
    `audio_track`: number (from 1) or language of the track to hear; None = the default one. The container is opened
    and its first audio decoded here, so nothing starts on bad input.
    Raises `InputError`: missing, a directory, empty, unreadable, not audio, no audio stream, no samples;
    `ConfigError`: not as many speakers as channels, no such track.
    """

    def __init__(
        self,
        path: str | Path,
        speed: float = 1.0,
        block_ms: float = 20.0,
        name: str | None = None,
        speakers: tuple[str, ...] = (),
        audio_track: str | None = None,
    ) -> None:
        if speed < 0 or not math.isfinite(speed):
            raise InputError(f"--speed {speed} is not a pace; give 1.0 for real time or 0 for as fast as it goes.")
        self._path = Path(path)
        self.speed = speed
        self.name = name if name is not None else encodable(f"file:{self._path.name}")
        self.live = speed > 0
        self.speakers = speakers
        self.warnings: list[str] = []
        self.past: Past | None = None
        self._closed = threading.Event()
        self._going = threading.Event()
        self._going.set()
        self._iterating = threading.Lock()
        self._decoder = Decoder(self._path, separate=len(speakers) > 1, track=audio_track)
        self.remarks = self._decoder.remarks
        if len(speakers) > 1 and self._decoder.channels != len(speakers):
            channels = self._decoder.channels
            self._decoder.close()
            raise ConfigError(speakers_and_channels(speakers, channels, str(path)))
        self.rate_hz = self._decoder.rate_hz
        self._block_samples = block_length(self.rate_hz, block_ms)

    @property
    def length_s(self) -> float | None:
        """As the header declares it, or as FFmpeg guesses it."""
        return self._decoder.length_s

    @property
    def duration_s(self) -> float | None:
        """As the header declares it; None where it does not."""
        return self._decoder.declared_s

    def blocks(self) -> Iterator[Block]:
        if not self._iterating.acquire(blocking=False):
            if self._closed.is_set():
                return  # closed before it began
            raise RuntimeError("blocks() of a FileSource is for one iteration")
        try:
            begin_s = time.monotonic()
            past_s = 0.0 if self.past is None else self.past.until_s
            for samples, start in self._decoder.chunks(self._block_samples):
                if self.speed > 0 and start / self.rate_hz < past_s:  # the past is heard again as fast as it goes
                    begin_s = time.monotonic() - start / self.rate_hz / self.speed
                elif self.speed > 0:
                    # a block is due when its last sample has sounded
                    due_s = begin_s + (start + samples.shape[1]) / self.rate_hz / self.speed
                    self._closed.wait(max(0.0, due_s - time.monotonic()))
                begin_s += self._held()
                if self._closed.is_set():
                    return
                for channel, heard in enumerate(samples):
                    yield Block(heard, start / self.rate_hz, channel=channel)
            if not self._closed.is_set():  # a stop is no truncation
                self.warnings.extend(self._decoder.verdict())
        finally:
            self._decoder.close()

    def hold(self, held: bool) -> None:
        """Give no further block until it is let go; from any thread."""
        if held:
            self._going.clear()
        else:
            self._going.set()

    def _held(self) -> float:
        """Waits while it is held; the seconds that took."""
        if self._going.is_set():
            return 0.0
        since_s = time.monotonic()
        while not self._going.wait(_LOOK_EVERY_S) and not self._closed.is_set():
            pass
        return time.monotonic() - since_s

    def close(self) -> None:
        self._closed.set()
        # the decoder is not thread-safe: while blocks() runs, it closes it itself
        if self._iterating.acquire(blocking=False):
            self._decoder.close()

    def health(self) -> SourceHealth:
        return SourceHealth()
