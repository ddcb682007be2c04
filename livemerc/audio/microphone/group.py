"""Several microphones at once: one speaker each, one session."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

from livemerc.audio.microphone.source import MicSource
from livemerc.audio.source import Block, SourceHealth
from livemerc.errors import ConfigError
from livemerc.events import MicState

_BLOCKS_WAITING = 16
"""Little: what is not taken shall wait in the microphones' own rings, where it is counted."""
_LOOK_EVERY_S = 0.2


class MicGroup:
    """The blocks of several `MicSource`s as they come, each on its own channel, on one session clock.

    `speakers`: who is at which device; () = the devices' names. All blocks have the first device's rate. A device that
    goes or says nothing holds up none of the others. Raises `MicrophoneError`; `ConfigError` for one device given
    twice, or not as many speakers as devices.
    """

    in_step = False
    """Each device has its own clock: channels do not wait for each other."""

    def __init__(
        self,
        devices: Sequence[str | int | None],
        block_ms: float = 20.0,
        ring_s: float = 120.0,
        speakers: tuple[str, ...] = (),
    ) -> None:
        if speakers and len(speakers) != len(devices):
            raise ConfigError(
                f"--speakers names {len(speakers)} ({', '.join(speakers)}), and --mic {len(devices)} microphones; "
                "give one name for each."
            )
        zero_s = time.monotonic()
        self._sources: list[MicSource] = []
        try:
            for device in devices:
                rate_hz = self._sources[0].rate_hz if self._sources else None
                source = MicSource(device, block_ms, ring_s, rate_hz=rate_hz, zero_s=zero_s)
                self._sources.append(source)
                if source.device in [other.device for other in self._sources[:-1]]:
                    raise ConfigError(
                        f"--mic names {source.device.name!r} twice; give two different inputs (`livemerc devices`)."
                    )
        except BaseException:
            self.close()
            raise
        self.rate_hz = self._sources[0].rate_hz
        self.speakers = speakers or _different([source.device.name for source in self._sources])
        self.name = "mic:" + " + ".join(source.device.name for source in self._sources)
        self.live = True
        self.warnings: list[str] = []

    def blocks(self) -> Iterator[Block]:
        lane: queue.Queue[Block | BaseException | None] = queue.Queue(_BLOCKS_WAITING)
        left = threading.Event()
        threads = [
            threading.Thread(
                target=_pass_on, args=(source, channel, lane, left), name=f"livemerc-mic-{channel}", daemon=True
            )
            for channel, source in enumerate(self._sources)
        ]
        for thread in threads:
            thread.start()
        try:
            ended = 0
            while ended < len(threads):
                block = lane.get()
                if isinstance(block, BaseException):
                    raise block
                if block is None:
                    ended += 1
                else:
                    yield block
        finally:
            left.set()
            self.close()
            for thread in threads:
                thread.join()

    def close(self) -> None:
        for source in self._sources:
            source.close()

    def health(self) -> SourceHealth:
        """`dropped_s` is the sum over the devices."""
        each = [source.health() for source in self._sources]
        faults = [
            f"{source.device.name}: {health.mic.why}"
            for source, health in zip(self._sources, each, strict=True)
            if health.mic is not None and not health.mic.ok
        ]
        return SourceHealth(
            overruns=sum(health.overruns for health in each),
            dropped_s=sum(health.dropped_s for health in each),
            mic=MicState(ok=not faults, why="; ".join(faults) or None),
        )


def _pass_on(
    source: MicSource, channel: int, lane: queue.Queue[Block | BaseException | None], left: threading.Event
) -> None:
    """The blocks of one microphone, then None; also what it dies of. Ends when the reader has left."""
    last: BaseException | None = None
    try:
        for block in source.blocks():
            if not _put(lane, replace(block, channel=channel), left):
                return
    except BaseException as error:  # noqa: BLE001 - the boundary of a thread: raised again in the reader's
        last = error
    _put(lane, last, left)


def _put(
    lane: queue.Queue[Block | BaseException | None], what: Block | BaseException | None, left: threading.Event
) -> bool:
    while not left.is_set():
        try:
            lane.put(what, timeout=_LOOK_EVERY_S)
        except queue.Full:
            continue
        return True
    return False


def _different(names: list[str]) -> tuple[str, ...]:
    """The names, numbered where they are the same."""
    return tuple(
        f"{name} {names[: i + 1].count(name)}" if names.count(name) > 1 else name for i, name in enumerate(names)
    )
