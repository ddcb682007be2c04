"""The microphone, through PortAudio, at the device's own rate and in the session's time."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
import weakref
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from livemerc.audio.microphone.blocks import Captured, HeardBlocks, OpenStream
from livemerc.audio.microphone.check import nothing_arrives, wrong_default
from livemerc.audio.microphone.device_clock import JITTER_S
from livemerc.audio.microphone.devices import InputDevice, find_input, inputs_now, list_inputs, portaudio, quiet_stderr
from livemerc.audio.microphone.pulse_sources import chosen, pulse_sources
from livemerc.audio.source import Block, SourceHealth, block_length, speakers_and_channels
from livemerc.errors import ConfigError, MicrophoneError
from livemerc.events import MicState

_SILENT_AFTER_S = 1.0
"""Without a callback for this long, empty blocks say that time passes ..."""
_BEHIND_S = 0.5
"""... up to this long ago: what is still on its way through the sound server must not come late."""
_BACK_OFF_S = (0.5, 1.0, 2.0, 4.0)
_BACK_OFF_BESIDE_S = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
"""Beside another microphone, which a restart of PortAudio interrupts for a moment."""
_WATCH_EVERY_S = 1.0
_MAX_CHANNELS = 2
"""ALSA's virtual devices announce 32 channels or more; a voice is on the first two."""
_USUAL_RATES_HZ = (48_000, 44_100, 16_000)
"""Tried where a device refuses its own rate."""

_portaudio_lock = threading.RLock()
"""Streams are opened and closed by one thread at a time: a restart of PortAudio ends every stream there is."""
_listening: weakref.WeakSet[MicSource] = weakref.WeakSet()


class MicSource:
    """Listens from construction on; what nobody has taken yet waits in a ring of `ring_s`.

    `device`: None = the default input, an index, or a part of a name. `speakers`: one name, or one for each of the
    device's first channels, which are then heard apart; else they are mixed. `rate_hz`: of the blocks; None = the
    device's own. A device that comes back, or takes its place (`switch`), at another rate is resampled.

    The session clock is the monotonic clock (from `zero_s` on) at which the samples met the converter (ADC), so time
    passes also while a device delivers nothing; then `blocks()` yields empty blocks. In between samples are counted,
    and the count follows the clock slowly, so blocks are contiguous to a fraction of a millisecond and never drift.
    What is missing is a gap: lost to an overrun, while the device was gone or changed, or not delivered by a device
    that is no monitor (a monitor delivers nothing while nothing plays). After `close()` what was captured before is
    still handed over. Raises `MicrophoneError`; `ConfigError` for more speakers than channels.
    """

    def __init__(
        self,
        device: str | int | None = None,
        block_ms: float = 20.0,
        ring_s: float = 120.0,
        speakers: tuple[str, ...] = (),
        *,
        rate_hz: int | None = None,
        zero_s: float | None = None,
    ) -> None:
        found = find_input(device)
        self._wrong = wrong_default(list_inputs()) if device is None and found.monitor else None
        self.name = f"mic:{found.name}"
        self.device = found
        self.rate_hz = found.rate_hz if rate_hz is None else rate_hz
        self.live = True
        self.speakers = speakers
        self.warnings: list[str] = []
        self._wanted = _lasting(device, found)
        self._block_ms = block_ms
        self._ring_s = ring_s
        self._ring: queue.SimpleQueue[Captured | None] = queue.SimpleQueue()
        # One writer each: the callback counts what went in, blocks() what came out. Their difference is the fill.
        self._put_s = 0.0
        self._got_s = 0.0
        self._refused_s = 0.0
        self._overruns = 0
        self._lost: str | None = None
        self._attempts = 0
        self._closed = threading.Event()
        self._watcher: threading.Thread | None = None
        self._stream: OpenStream | None = None  # what delivers
        self._last_arrival_s = time.monotonic()
        self._zero_s = self._last_arrival_s if zero_s is None else zero_s
        self._heard = HeardBlocks(self.rate_hz, speakers, self._zero_s)
        with _portaudio_lock:
            self._open(found)
            _listening.add(self)

    # -- capture -------------------------------------------------------------------------------------------------------

    def _open(self, found: InputDevice) -> None:
        """Raises `MicrophoneError`, or `ConfigError` if it lacks channels."""
        apart = len(self.speakers)
        if apart > max(1, found.channels):
            raise ConfigError(speakers_and_channels(self.speakers, found.channels, repr(found.name)))
        some = apart if apart > 1 else min(_MAX_CHANNELS, found.channels)
        failure: Exception | None = None
        for rate_hz in dict.fromkeys((found.rate_hz, *_USUAL_RATES_HZ)):
            for channels in sorted({some, found.channels}):
                try:
                    self._start(OpenStream(found, rate_hz, channels))
                except portaudio().PortAudioError as error:
                    failure = error
                    continue
                return
            if "sample rate" not in str(failure).lower():
                break
        raise MicrophoneError(
            f"{found.name!r} cannot be opened ({failure}); close other programs that use it, check that this program "
            "may use the microphone, or choose another (`livemerc devices`)."
        ) from failure

    def _start(self, stream: OpenStream) -> None:
        found, sd = stream.device, portaudio()
        with quiet_stderr(), chosen(found.pulse):
            stream.handle = sd.InputStream(
                device=found.index if found.opens is None else found.opens,
                samplerate=stream.rate_hz,
                channels=stream.channels,
                blocksize=block_length(stream.rate_hz, self._block_ms),
                dtype="float32",
                latency="high",  # more room against overruns; the endpoint wait is ten times as long
                callback=partial(self._callback, stream),
                finished_callback=stream.finished.set,
            )
            stream.handle.start()
        self._stream, self.device, self.name = stream, found, f"mic:{found.name}"
        self._lost = None
        self._attempts = 0
        self._last_arrival_s = time.monotonic()
        if found.pulse is not None and self._watcher is None:
            self._watcher = threading.Thread(target=self._watch_source, name="livemerc-mic-watch", daemon=True)
            self._watcher.start()

    def _callback(self, stream: OpenStream, indata: np.ndarray, frames: int, timing: Any, status: Any) -> None:
        # PortAudio's thread: copy, count, nothing else
        self._last_arrival_s = now = time.monotonic()
        length_s = frames / stream.rate_hz
        if status.input_overflow:
            self._overruns += 1
        if self._put_s - self._got_s + length_s > self._ring_s + 1e-9:
            self._overruns += not self._refused_s
            self._refused_s += length_s
            return
        refused_s, self._refused_s = self._refused_s, 0.0
        times = (now, timing.currentTime, timing.inputBufferAdcTime)
        self._ring.put(Captured(stream, indata.copy(), *times, bool(status.input_overflow), refused_s))
        self._put_s += length_s

    # -- blocks --------------------------------------------------------------------------------------------------------

    def blocks(self) -> Iterator[Block]:
        while True:
            try:
                captured = self._ring.get(timeout=_SILENT_AFTER_S / 4)
            except queue.Empty:
                if self._gone() and not self._closed.is_set():
                    self._reopen()
                yield from self._time_passed()
                continue
            if captured is None:
                yield from self._heard.rest()
                return
            self._got_s += len(captured.samples) / captured.stream.rate_hz
            yield from self._heard.blocks(captured)

    def _time_passed(self) -> Iterator[Block]:
        """Empty blocks if the device has been silent for a while."""
        now = time.monotonic()
        t_s = now - self._zero_s - _BEHIND_S
        if now - self._last_arrival_s >= _SILENT_AFTER_S and t_s > self._heard.t_s + JITTER_S:
            yield from self._heard.pass_to(t_s, missing=not self.device.monitor)

    # -- a device that goes, comes back, or is changed -----------------------------------------------------------------

    def _gone(self) -> bool:
        stream = self._stream
        return stream is None or stream.finished.is_set()

    def _reopen(self) -> None:
        """The device has gone: one try to open it again, after a wait that grows."""
        with _portaudio_lock:
            if not self._gone():  # another thread was faster
                return
            if self._lost is None:
                self._lost = "the microphone has gone: connect it again, or choose another (`livemerc devices`)"
            self._heard.missing()
            beside = self._others()
        waits_s = _BACK_OFF_BESIDE_S if beside else _BACK_OFF_S
        wait_s = waits_s[min(self._attempts, len(waits_s) - 1)]
        self._attempts += 1
        if self._closed.wait(wait_s):
            return
        if beside and self._opened_again(restart=False):
            return
        if beside and not self._is_there():
            return  # the next try comes from blocks(); health() says why nothing arrives
        self._opened_again(restart=True)

    def _is_there(self) -> bool:
        return any(self._wanted in (None, entry.name, entry.pulse) for entry in inputs_now(self._closed))

    def _watch_source(self) -> None:
        """A sound server moves the streams of a source that goes to another one, and tells nobody: the voice of the
        wrong device would be heard from then on."""
        while not self._closed.wait(_WATCH_EVERY_S):
            stream = self._stream
            if stream is None or stream.device.pulse is None:
                continue
            names = [source.name for source in pulse_sources()]
            with _portaudio_lock:
                if names and stream.device.pulse not in names and self._stream is stream:
                    self._end_stream()

    def _opened_again(self, *, restart: bool) -> bool:
        with _portaudio_lock:
            if self._closed.is_set() or not self._gone():
                return True
            try:
                if restart:
                    self._restart_portaudio()
                else:
                    self._end_stream()
                self._open(find_input(self._wanted))
            except (ConfigError, MicrophoneError, portaudio().PortAudioError):
                return False
            return True

    def switch(self, device: str | int) -> None:
        """Listen to another input in the same session; the gap is marked. Thread-safe.

        Raises `MicrophoneError`, or `ConfigError` if it lacks channels for the speakers; then the old one is heard on.
        """
        with _portaudio_lock:
            if self._closed.is_set():
                return
            try:
                found = self._ready_for(device)
                self._open(found)
            except (ConfigError, MicrophoneError):
                with contextlib.suppress(MicrophoneError):  # gone meanwhile: blocks() goes on trying
                    self._open(find_input(self._wanted))
                raise
            self._wanted, self._wrong = _lasting(device, found), None

    def _ready_for(self, device: str | int) -> InputDevice:
        """The input, with nothing open here any more. Raises `MicrophoneError`."""
        with contextlib.suppress(MicrophoneError):
            found = find_input(device)
            if found.pulse is not None:  # the sound server's own list is never old, and a restart costs a second
                self._end_stream()
                return found
        self._restart_portaudio()
        return find_input(device)

    def _others(self) -> list[MicSource]:
        return [other for other in list(_listening) if other is not self and other._stream is not None]

    def _restart_portaudio(self) -> None:
        """PortAudio lists the devices once: only a restart sees one that came. The others' streams end with it, and
        are opened again at once."""
        others = self._others()
        for source in (self, *others):
            source._end_stream()
        sd = portaudio()
        with quiet_stderr():
            sd._terminate()  # sounddevice has no public name for it
            sd._initialize()
        for other in others:
            with contextlib.suppress(MicrophoneError, ConfigError):  # its own blocks() goes on trying
                other._open(find_input(other._wanted))

    def close(self) -> None:
        if self._closed.is_set():
            return
        self._closed.set()
        self._ring.put(None)
        with _portaudio_lock:
            _listening.discard(self)
            self._end_stream()

    def _end_stream(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            with contextlib.suppress(portaudio().PortAudioError):  # a device that has gone cannot be closed
                stream.handle.close(ignore_errors=True)

    def health(self) -> SourceHealth:
        why = self._lost or self._why_not_heard() or self._wrong
        if self._closed.is_set():
            why = None
        return SourceHealth(
            overruns=self._overruns,
            dropped_s=self._heard.dropped_s + self._refused_s,
            mic=MicState(ok=why is None, why=why),
        )

    def _why_not_heard(self) -> str | None:
        if self.device.monitor and self._heard.check.heard:
            return self._heard.check.why_too_loud()  # that nothing plays any more is no fault
        return nothing_arrives(time.monotonic() - self._last_arrival_s) or self._heard.check.why()


def _lasting(device: str | int | None, found: InputDevice) -> str | None:
    """What finds the same input again after PortAudio has counted anew; the default stays the default."""
    if device is None or device == "default":
        return None
    return found.pulse or found.name
