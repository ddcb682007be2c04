"""The microphone, through PortAudio, at the device's own rate."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from livemerc.audio.devices import InputDevice, find_input, portaudio, quiet_stderr
from livemerc.audio.mic_check import SignalCheck, nothing_arrives
from livemerc.audio.source import Block, SourceHealth, block_length
from livemerc.errors import MicrophoneError
from livemerc.events import MicState

_JITTER_S = 0.2
"""The device's clock and the count of samples may differ by this much; more is time in which nothing was delivered."""
_SANE_LATENCY_S = 5.0
_SILENT_AFTER_S = 1.0
"""Without a callback for this long, empty blocks say that time passes ..."""
_BEHIND_S = 0.5
"""... up to this long ago: what is still on its way through the sound server must not come late."""
_BACK_OFF_S = (0.5, 1.0, 2.0, 4.0)
_MAX_CHANNELS = 2
"""ALSA's virtual devices announce 32 channels or more; a voice is on the first two."""


@dataclass(frozen=True, slots=True, eq=False)
class _Captured:
    samples: np.ndarray  # (n, channels)
    arrived_s: float  # monotonic
    latency_s: float  # since the first sample met the converter, as the device says
    overflowed: bool  # the device lost audio before this block
    refused: int  # samples that found the ring full before this block


class MicSource:
    """Listens from construction on; what nobody has taken yet waits in a ring of `ring_s`.

    `device`: None = the default input, an index, or a part of a name. The session clock is the monotonic clock minus
    the latency that the device's converter (ADC) reports, so time passes also while a device delivers nothing; then
    `blocks()` yields empty blocks. Between such jumps samples are counted, so blocks are contiguous. After `close()`
    what was captured before is still handed over. Raises `MicrophoneError`.
    """

    def __init__(self, device: str | int | None = None, block_ms: float = 20.0, ring_s: float = 120.0) -> None:
        self._device = device
        found = find_input(device)
        self.name = f"mic:{found.name}"
        self.rate_hz = found.rate_hz
        self.live = True
        self.speakers: tuple[str, ...] = ()
        self.warnings: list[str] = []
        self._block_samples = block_length(self.rate_hz, block_ms)
        self._ring_samples = round(ring_s * self.rate_hz)
        self._ring: queue.SimpleQueue[_Captured | None] = queue.SimpleQueue()
        # One writer each: the callback counts what went in, blocks() what came out. Their difference is the fill.
        self._put = 0
        self._got = 0
        self._refused = 0
        self._overruns = 0
        self._dropped_s = 0.0
        self._check = SignalCheck(self.rate_hz)
        self._lost: str | None = None
        self._lost_since_s: float | None = None
        self._attempts = 0
        self._closed = threading.Event()
        self._stream_lock = threading.Lock()
        self._stream: Any = None
        self._finished = threading.Event()
        self._t_s: float | None = None  # end of what was handed over, session clock
        self._last_arrival_s = self._zero_s = time.monotonic()
        self._open(found)

    def _open(self, found: InputDevice) -> None:
        """Raises `MicrophoneError`."""
        sd = portaudio()
        finished = threading.Event()
        failure: Exception | None = None
        for channels in sorted({min(_MAX_CHANNELS, found.channels), found.channels}):
            try:
                with quiet_stderr():
                    stream = sd.InputStream(
                        device=found.index,
                        samplerate=self.rate_hz,
                        channels=channels,
                        blocksize=self._block_samples,
                        dtype="float32",
                        latency="high",  # more room against overruns; the endpoint wait is ten times as long
                        callback=self._callback,
                        finished_callback=finished.set,
                    )
                    stream.start()
            except sd.PortAudioError as error:
                failure = error
                continue
            self._stream, self._finished = stream, finished
            self._last_arrival_s = time.monotonic()
            return
        raise MicrophoneError(
            f"{found.name!r} cannot be opened ({failure}); close other programs that use it, check that this program "
            "may use the microphone, or choose another (`livemerc devices`)."
        ) from failure

    def _callback(self, indata: np.ndarray, frames: int, timing: Any, status: Any) -> None:
        # PortAudio's thread: copy, count, nothing else
        self._last_arrival_s = now = time.monotonic()
        if status.input_overflow:
            self._overruns += 1
        if self._put - self._got + frames > self._ring_samples:
            self._overruns += not self._refused
            self._refused += frames
            return
        latency_s = timing.currentTime - timing.inputBufferAdcTime
        refused, self._refused = self._refused, 0
        self._ring.put(_Captured(indata.copy(), now, latency_s, bool(status.input_overflow), refused))
        self._put += frames

    def blocks(self) -> Iterator[Block]:
        while True:
            try:
                captured = self._ring.get(timeout=_SILENT_AFTER_S / 4)
            except queue.Empty:
                if self._finished.is_set() and not self._closed.is_set():
                    self._reopen()
                passed = self._time_passed()
                if passed is not None:
                    yield passed
                continue
            if captured is None:
                return
            self._got += len(captured.samples)
            yield self._block(captured)

    def _block(self, captured: _Captured) -> Block:
        samples = captured.samples.mean(axis=1) if captured.samples.shape[1] > 1 else captured.samples[:, 0]
        self._check.feed(captured.samples)
        latency_s = captured.latency_s
        if not 0.0 <= latency_s <= _SANE_LATENCY_S:  # some drivers report no ADC time: then it came as it filled
            latency_s = len(samples) / self.rate_hz
        measured_s = max(0.0, captured.arrived_s - latency_s - self._zero_s)
        expected_s = measured_s if self._t_s is None else self._t_s
        start_s, gap_s = expected_s, 0.0
        if captured.refused:
            gap_s = captured.refused / self.rate_hz
            start_s = expected_s + gap_s
        elif self._lost_since_s is not None:
            start_s = max(expected_s, measured_s)
            gap_s, self._lost_since_s = start_s - self._lost_since_s, None
        elif captured.overflowed:
            start_s = max(expected_s, measured_s)
            gap_s = start_s - expected_s
        elif measured_s - expected_s > _JITTER_S:
            start_s = measured_s
        self._dropped_s += gap_s
        self._t_s = start_s + len(samples) / self.rate_hz
        return Block(np.clip(samples, -1.0, 1.0), start_s, gap_s)

    def _time_passed(self) -> Block | None:
        """An empty block if the device has been silent for a while."""
        now = time.monotonic()
        t_s = now - self._zero_s - _BEHIND_S
        if now - self._last_arrival_s < _SILENT_AFTER_S or t_s <= (self._t_s or 0.0) + _JITTER_S:
            return None
        self._t_s = t_s
        return Block(np.zeros(0, np.float32), t_s)

    def _reopen(self) -> None:
        """The device has gone: one try to open it again, after a wait that grows."""
        if self._lost is None:
            self._lost = "the microphone has gone: connect it again, or choose another (`livemerc devices`)"
            self._lost_since_s = self._t_s or 0.0
            self._attempts = 0
        wait_s = _BACK_OFF_S[min(self._attempts, len(_BACK_OFF_S) - 1)]
        self._attempts += 1
        if self._closed.wait(wait_s):
            return
        with self._stream_lock:
            if self._closed.is_set():
                return
            self._end_stream()
            sd = portaudio()
            try:
                with quiet_stderr():
                    # PortAudio lists the devices once: only a restart sees one that came back. sounddevice has no
                    # public name for it.
                    sd._terminate()
                    sd._initialize()
                found = find_input(self._device)
                self._open(found)
            except (MicrophoneError, sd.PortAudioError):
                return  # the next try comes from blocks(); health() says why nothing arrives
            self._lost = None

    def close(self) -> None:
        if self._closed.is_set():
            return
        self._closed.set()
        self._ring.put(None)
        with self._stream_lock:
            self._end_stream()

    def _end_stream(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            with contextlib.suppress(portaudio().PortAudioError):  # a device that has gone cannot be closed
                stream.close(ignore_errors=True)

    def health(self) -> SourceHealth:
        why = self._lost or nothing_arrives(time.monotonic() - self._last_arrival_s) or self._check.why()
        if self._closed.is_set():
            why = None
        return SourceHealth(
            overruns=self._overruns,
            dropped_s=self._dropped_s + self._refused / self.rate_hz,
            mic=MicState(ok=why is None, why=why),
        )
