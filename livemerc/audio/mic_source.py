"""The microphone, through PortAudio, at the device's own rate and in the session's time."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
import weakref
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from livemerc.audio.device_clock import JITTER_S, ConverterClock, SessionClock
from livemerc.audio.devices import InputDevice, find_input, inputs_now, list_inputs, portaudio, quiet_stderr
from livemerc.audio.mic_check import SignalCheck, nothing_arrives, wrong_default
from livemerc.audio.pulse_sources import chosen, pulse_is_there, pulse_sources
from livemerc.audio.resample import Resampler
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


@dataclass(slots=True, eq=False)
class _Stream:
    """One opening of a device."""

    device: InputDevice
    rate_hz: int
    channels: int
    handle: Any = None
    finished: threading.Event = field(default_factory=threading.Event)
    clock: ConverterClock = field(default_factory=ConverterClock)


@dataclass(frozen=True, slots=True, eq=False)
class _Captured:
    stream: _Stream
    samples: np.ndarray  # (n, channels)
    now_s: float  # monotonic
    current_s: float  # the stream's clock at the callback, and at the first sample
    adc_s: float
    overflowed: bool  # the device lost audio before this block
    refused_s: float  # found the ring full before this block


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
        self._ring: queue.SimpleQueue[_Captured | None] = queue.SimpleQueue()
        # One writer each: the callback counts what went in, blocks() what came out. Their difference is the fill.
        self._put_s = 0.0
        self._got_s = 0.0
        self._refused_s = 0.0
        self._overruns = 0
        self._dropped_s = 0.0
        self._lost: str | None = None
        self._missing_since_s: float | None = None
        self._attempts = 0
        self._closed = threading.Event()
        self._stream: _Stream | None = None  # what delivers
        self._heard: _Stream | None = None  # what blocks() last heard; older captures of another may still wait
        self._check = SignalCheck(self.rate_hz)
        self._clock = SessionClock()
        self._resamplers: list[Resampler] = []
        self._held_s = 0.0  # what the resamplers hold back
        self._last_arrival_s = time.monotonic()
        self._zero_s = self._last_arrival_s if zero_s is None else zero_s
        with _portaudio_lock:
            self._open(found)
            _listening.add(self)
        if pulse_is_there():
            threading.Thread(target=self._watch_source, name="livemerc-mic-watch", daemon=True).start()

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
                    self._start(_Stream(found, rate_hz, channels))
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

    def _start(self, stream: _Stream) -> None:
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

    def _callback(self, stream: _Stream, indata: np.ndarray, frames: int, timing: Any, status: Any) -> None:
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
        self._ring.put(_Captured(stream, indata.copy(), *times, bool(status.input_overflow), refused_s))
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
                yield from self._rest()
                return
            yield from self._heard_blocks(captured)

    def _heard_blocks(self, captured: _Captured) -> Iterator[Block]:
        stream, length_s = captured.stream, len(captured.samples) / captured.stream.rate_hz
        self._got_s += length_s
        another = stream is not self._heard
        if another:
            self._check = SignalCheck(stream.rate_hz)
        self._check.feed(captured.samples)
        measured = stream.clock.measure(length_s, captured.now_s, captured.current_s, captured.adc_s)
        end_s = self._clock.t_s
        since_s = end_s if self._missing_since_s is None else self._missing_since_s
        placed = self._clock.place(
            length_s,
            measured.began_s - self._zero_s,
            measured.called_s - self._zero_s,
            jump=another or captured.overflowed,
            lost_s=captured.refused_s,
        )
        moved = placed.jump_s > 0 or self._missing_since_s is not None
        lost = captured.refused_s > 0 or captured.overflowed or self._missing_since_s is not None
        lost = lost or (another and self._heard is not None)
        gap_s = 0.0
        if since_s is not None and (lost or (moved and not stream.device.monitor)):
            gap_s = placed.start_s - since_s
            if captured.overflowed:  # something is missing, also where the driver's clock does not show it
                gap_s = max(gap_s, 1 / stream.rate_hz)
        self._missing_since_s = None
        self._dropped_s += gap_s
        if another or gap_s > 0 or placed.jump_s > 0:
            yield from self._rest(end_s)
            self._heard = stream
            voices = max(1, len(self.speakers))
            same = stream.rate_hz == self.rate_hz
            self._resamplers = [] if same else [Resampler(stream.rate_hz, self.rate_hz) for _ in range(voices)]
        yield from self._resampled(captured.samples, gap_s)

    def _resampled(self, samples: np.ndarray, gap_s: float) -> Iterator[Block]:
        assert self._clock.t_s is not None
        voices = samples.T[: len(self.speakers)] if len(self.speakers) > 1 else samples.mean(axis=1)[None, :]
        voices = np.clip(voices, -1.0, 1.0)
        if self._resamplers:
            length_s = samples.shape[0] / self._heard_rate_hz
            voices = np.stack([r.feed(v) for r, v in zip(self._resamplers, voices, strict=True)])
            self._held_s += length_s - voices.shape[1] / self.rate_hz
        start_s = self._clock.t_s - self._held_s - voices.shape[1] / self.rate_hz
        for channel, voice in enumerate(voices):
            yield Block(np.ascontiguousarray(voice), start_s, gap_s, channel)

    @property
    def _heard_rate_hz(self) -> int:
        return self.rate_hz if self._heard is None else self._heard.rate_hz

    def _rest(self, end_s: float | None = None) -> Iterator[Block]:
        """What the resamplers hold back of the audio up to `end_s`."""
        end_s = self._clock.t_s if end_s is None else end_s
        resamplers, self._resamplers, self._held_s = self._resamplers, [], 0.0
        for channel, resampler in enumerate(resamplers):
            voice = resampler.flush()
            if len(voice) and end_s is not None:
                yield Block(voice, end_s - len(voice) / self.rate_hz, channel=channel)

    def _time_passed(self) -> Iterator[Block]:
        """Empty blocks if the device has been silent for a while."""
        now = time.monotonic()
        t_s = now - self._zero_s - _BEHIND_S
        heard_s = self._clock.t_s or 0.0
        if now - self._last_arrival_s < _SILENT_AFTER_S or t_s <= heard_s + JITTER_S:
            return
        if self._missing_since_s is None and self._heard is not None and not self.device.monitor:
            self._missing_since_s = heard_s
        yield from self._rest()
        self._clock.pass_to(t_s)
        for channel in range(max(1, len(self.speakers))):
            yield Block(np.zeros(0, np.float32), t_s, channel=channel)

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
            if self._missing_since_s is None:
                self._missing_since_s = self._clock.t_s or 0.0
            beside = self._others()
        waits_s = _BACK_OFF_BESIDE_S if beside else _BACK_OFF_S
        wait_s = waits_s[min(self._attempts, len(waits_s) - 1)]
        self._attempts += 1
        if self._closed.wait(wait_s):
            return
        if beside and self._opened_again(restart=False):
            return
        if beside and not _is_there(self._wanted):
            return  # the next try comes from blocks(); health() says why nothing arrives
        self._opened_again(restart=True)

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
        missing_s = 0.0
        if self._missing_since_s is not None:
            missing_s = max(0.0, (self._clock.t_s or 0.0) - self._missing_since_s)
        why = self._lost or self._why_not_heard() or self._wrong
        if self._closed.is_set():
            why = None
        return SourceHealth(
            overruns=self._overruns,
            dropped_s=self._dropped_s + self._refused_s + missing_s,
            mic=MicState(ok=why is None, why=why),
        )

    def _why_not_heard(self) -> str | None:
        if self.device.monitor and self._check.heard:
            return self._check.why_too_loud()  # that nothing plays any more is no fault
        return nothing_arrives(time.monotonic() - self._last_arrival_s) or self._check.why()


def _lasting(device: str | int | None, found: InputDevice) -> str | int | None:
    """What finds the same input again after PortAudio has counted anew; the default stays the default."""
    if device is None or device == "default":
        return None
    return found.pulse or found.name


def _is_there(wanted: str | int | None) -> bool:
    return any(wanted in (None, entry.index, entry.name, entry.pulse) for entry in inputs_now())
