"""What a microphone's callbacks brought, as blocks in the session's time: gaps, rates, channels."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from livemerc.audio.microphone.check import SignalCheck
from livemerc.audio.microphone.device_clock import ConverterClock, SessionClock
from livemerc.audio.microphone.devices import InputDevice
from livemerc.audio.resample import Resampler
from livemerc.audio.source import Block


@dataclass(slots=True, eq=False)
class OpenStream:
    """One opening of a device."""

    device: InputDevice
    rate_hz: int
    channels: int
    handle: Any = None
    finished: threading.Event = field(default_factory=threading.Event)
    clock: ConverterClock = field(default_factory=ConverterClock)


@dataclass(frozen=True, slots=True, eq=False)
class Captured:
    """One callback."""

    stream: OpenStream
    samples: np.ndarray
    """(n, channels) float32."""
    now_s: float
    """Monotonic."""
    current_s: float
    """The stream's clock at the callback ..."""
    adc_s: float
    """... and when the first sample met the converter."""
    overflowed: bool
    """The device lost audio before this block."""
    refused_s: float
    """Audio that found the ring full before this block."""


class HeardBlocks:
    """`blocks` of one capture after the other, for one thread; `dropped_s`, `t_s` and `check` may be read from any.

    rate_hz: of the blocks; a stream of another rate is resampled. speakers: more than one = its first channels apart,
    else all of them mixed. zero_s: the session's beginning on the monotonic clock.
    """

    def __init__(self, rate_hz: int, speakers: tuple[str, ...], zero_s: float) -> None:
        self._rate_hz = rate_hz
        self._voices = max(1, len(speakers))
        self._zero_s = zero_s
        self.check = SignalCheck(rate_hz)
        self._stream: OpenStream | None = None
        self._clock = SessionClock()
        self._resamplers: list[Resampler] = []
        self._held_s = 0.0  # what the resamplers hold back
        self._lost_s = 0.0
        self._missing_since_s: float | None = None

    @property
    def t_s(self) -> float:
        """End of what was handed over."""
        return self._clock.t_s or 0.0

    @property
    def dropped_s(self) -> float:
        """Audio lost, also what is still missing now."""
        since_s = self._missing_since_s
        return self._lost_s + (0.0 if since_s is None else max(0.0, self.t_s - since_s))

    def missing(self) -> None:
        """From here on nothing arrives that should: a gap, until the next capture."""
        if self._missing_since_s is None:
            self._missing_since_s = self.t_s

    def pass_to(self, t_s: float, *, missing: bool) -> Iterator[Block]:
        """Nothing arrived until `t_s`: empty blocks. `missing`: of a device that should have delivered."""
        if missing and self._stream is not None:
            self.missing()
        yield from self.rest()
        self._clock.pass_to(t_s)
        for channel in range(self._voices):
            yield Block(np.zeros(0, np.float32), t_s, channel=channel)

    def blocks(self, captured: Captured) -> Iterator[Block]:
        stream, length_s = captured.stream, len(captured.samples) / captured.stream.rate_hz
        another = stream is not self._stream
        if another:
            self.check = SignalCheck(stream.rate_hz)
        self.check.feed(captured.samples)
        measured = stream.clock.measure(length_s, captured.now_s, captured.current_s, captured.adc_s)
        end_s = self._clock.t_s
        placed = self._clock.place(
            length_s,
            measured.began_s - self._zero_s,
            measured.called_s - self._zero_s,
            jump=another or captured.overflowed,
            lost_s=captured.refused_s,
        )
        gap_s = self._gap_s(captured, placed.start_s, end_s, jumped=placed.jump_s > 0, another=another)
        self._missing_since_s = None
        self._lost_s += gap_s
        if another or gap_s > 0 or placed.jump_s > 0:
            yield from self.rest(end_s)
            self._stream = stream
            same = stream.rate_hz == self._rate_hz
            self._resamplers = [] if same else [Resampler(stream.rate_hz, self._rate_hz) for _ in range(self._voices)]
        yield from self._resampled(captured.samples, length_s, gap_s)

    def _gap_s(self, captured: Captured, start_s: float, end_s: float | None, *, jumped: bool, another: bool) -> float:
        """What is missing before a block that begins at `start_s`, where the last one ended at `end_s`."""
        since_s = end_s if self._missing_since_s is None else self._missing_since_s
        if since_s is None:
            return 0.0
        if captured.overflowed:  # something is missing, also where the driver's clock does not show it
            return max(start_s - since_s, 1 / captured.stream.rate_hz)
        changed = another and self._stream is not None
        silent = jumped and not captured.stream.device.monitor  # a monitor delivers nothing while nothing plays
        if captured.refused_s > 0 or self._missing_since_s is not None or changed or silent:
            return start_s - since_s
        return 0.0

    def _resampled(self, samples: np.ndarray, length_s: float, gap_s: float) -> Iterator[Block]:
        voices = samples.T[: self._voices] if self._voices > 1 else samples.mean(axis=1)[None, :]
        voices = np.clip(voices, -1.0, 1.0)
        if self._resamplers:
            voices = np.stack([r.feed(v) for r, v in zip(self._resamplers, voices, strict=True)])
            self._held_s += length_s - voices.shape[1] / self._rate_hz
        start_s = self.t_s - self._held_s - voices.shape[1] / self._rate_hz
        for channel, voice in enumerate(voices):
            yield Block(np.ascontiguousarray(voice), start_s, gap_s, channel)

    def rest(self, end_s: float | None = None) -> Iterator[Block]:
        """What the resamplers hold back of the audio up to `end_s` (None = all that was heard)."""
        end_s = self._clock.t_s if end_s is None else end_s
        resamplers, self._resamplers, self._held_s = self._resamplers, [], 0.0
        for channel, resampler in enumerate(resamplers):
            voice = resampler.flush()
            if len(voice) and end_s is not None:
                yield Block(voice, end_s - len(voice) / self._rate_hz, channel=channel)
