"""PortAudio as a script plays it: devices that come, go, stall, overflow and lie about the time, on a clock of its own.

A test says what happens (`say`, `unplug`, `plug`, ...); the source under test reads `World` as `time` and as PortAudio.
"""

from __future__ import annotations

import ctypes.util
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from livemerc.audio.microphone import devices
from livemerc.audio.microphone import group as mic_group
from livemerc.audio.microphone import source as mic_source

BEGIN_S = 1000.0
_PATIENCE_S = 60.0


@dataclass(eq=False)
class Device:
    name: str = "Scripted"
    rate_hz: int = 16_000
    channels: int = 1
    monitor: bool = False
    present: bool = True
    refuses_hz: tuple[int, ...] = ()
    all_channels_or_none: bool = False
    slow_ppm: float = 0.0
    """Its crystal is this much too slow: a second of samples takes longer."""


@dataclass(eq=False)
class Stream:
    world: World
    device: Device
    settings: dict[str, Any]
    open: bool = False
    closed: bool = False

    def start(self) -> None:
        self.open = True

    def close(self, ignore_errors: bool = False) -> None:
        if not self.closed:
            self.open, self.closed = False, True
            self.settings["finished_callback"]()

    def deliver(self, samples: np.ndarray, latency_s: float = 0.05, *, overflow: bool = False, leap_s: float = 0.0):
        """One callback now; the last of `samples`, (n, channels), met the converter `latency_s` ago.

        leap_s: the stream's own clock is off by so much.
        """
        current_s = self.world.now_s - BEGIN_S + 7.0 + leap_s
        taken_s = latency_s + len(samples) / self.settings["samplerate"]
        timing = SimpleNamespace(currentTime=current_s, inputBufferAdcTime=current_s - taken_s)
        self.settings["callback"](
            np.ascontiguousarray(samples, np.float32), len(samples), timing, SimpleNamespace(input_overflow=overflow)
        )


@dataclass(eq=False)
class World:
    devices: list[Device] = field(default_factory=lambda: [Device()])
    now_s: float = BEGIN_S
    streams: list[Stream] = field(default_factory=list)
    refused: int = 0
    """How often a device could not be found or opened."""

    class PortAudioError(Exception): ...

    def __post_init__(self) -> None:
        self._initialize()

    # -- as `time` -----------------------------------------------------------------------------------------------------

    def monotonic(self) -> float:
        return self.now_s

    # -- as sounddevice ------------------------------------------------------------------------------------------------

    def _initialize(self) -> None:
        self._listed = [device for device in self.devices if device.present]
        self.default = SimpleNamespace(device=[0 if self._listed else -1, 0])
        self.refused += not self._listed

    def _terminate(self) -> None:
        for stream in self.streams:
            stream.close()

    def query_hostapis(self) -> list[dict[str, str]]:
        return [{"name": "ALSA"}]

    def query_devices(self) -> list[dict[str, Any]]:
        return [
            {
                "name": ("Monitor of " if d.monitor else "") + d.name,
                "hostapi": 0,
                "default_samplerate": float(d.rate_hz),
                "max_input_channels": d.channels,
            }
            for d in self._listed
        ]

    def InputStream(self, **settings: Any) -> Stream:
        device = self._listed[settings["device"]]
        if not device.present:
            self.refused += 1
            raise self.PortAudioError("Device unavailable")
        if settings["samplerate"] in device.refuses_hz:
            raise self.PortAudioError("Invalid sample rate")
        few = settings["channels"] < device.channels and device.all_channels_or_none
        if settings["channels"] > device.channels or few:
            raise self.PortAudioError("Invalid number of channels")
        stream = Stream(self, device, settings)
        self.streams.append(stream)
        return stream

    # -- what happens --------------------------------------------------------------------------------------------------

    def stream(self, device: Device | None = None) -> Stream:
        """The open stream of `device` (the first, if None); waits for it."""
        wanted = self.devices[0] if device is None else device

        def found() -> list[Stream]:
            return [stream for stream in self.streams if stream.device is wanted and stream.open]

        self.until(lambda: bool(found()))
        return found()[-1]

    def say(self, samples: np.ndarray, device: Device | None = None, **how: Any) -> None:
        """(n,) or (n, channels) at the device's rate, in the stream's blocks; the clock goes on with them."""
        stream = self.stream(device)
        assert stream.settings["samplerate"] == stream.device.rate_hz, "samples for a stream of another rate"
        voices = samples.reshape(len(samples), -1)
        voices = np.pad(voices, ((0, 0), (0, stream.settings["channels"] - voices.shape[1])), mode="edge")
        size = stream.settings["blocksize"]
        for begin in range(0, len(voices), size):
            block = voices[begin : begin + size]
            self.now_s += len(block) / stream.device.rate_hz * (1 + stream.device.slow_ppm * 1e-6)
            stream.deliver(block, **how)

    def together(self, *voices: tuple[Device, np.ndarray]) -> None:
        """Several devices of one rate at once."""
        streams = [self.stream(device) for device, _ in voices]
        size = streams[0].settings["blocksize"]
        for begin in range(0, max(len(samples) for _, samples in voices), size):
            self.now_s += size / voices[0][0].rate_hz
            for stream, (_, samples) in zip(streams, voices, strict=True):
                block = samples[begin : begin + size]
                if stream.open and len(block):
                    stream.deliver(np.repeat(block[:, None], stream.settings["channels"], axis=1))

    def unplug(self, device: Device | None = None) -> None:
        """It goes, and the source has noticed."""
        gone = self.devices[0] if device is None else device
        gone.present = False
        before = self.refused
        for stream in self.streams:
            if stream.device is gone and stream.open:
                stream.open = False
                stream.settings["finished_callback"]()
        self.until(lambda: self.refused > before)

    def plug(self, device: Device | None = None, *, instead_of: Device | None = None) -> None:
        """It is there again (or another in its place), and the source has opened it."""
        new = self.devices[0] if device is None else device
        if instead_of is not None:
            self.devices[self.devices.index(instead_of)] = new
        new.present = True
        self.stream(new)

    def pass_time(self, seconds: float) -> None:
        """Nobody delivers anything."""
        self.now_s += seconds

    def until(self, seen: Callable[[], bool]) -> None:
        """Waits, in the world's own time, for what another thread does."""
        deadline = time.monotonic() + _PATIENCE_S
        while not seen():
            assert time.monotonic() < deadline, "it never happened"
            threading.Event().wait(0.005)


def put(monkeypatch: pytest.MonkeyPatch, scripted: Any) -> None:
    """In the place of the `sounddevice` module, which this project imports where it needs it."""
    monkeypatch.setitem(sys.modules, "sounddevice", scripted)


def take_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine without the PortAudio library."""
    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    monkeypatch.setattr(ctypes.util, "find_library", lambda name: None)


def install(monkeypatch: pytest.MonkeyPatch, *scripted: Device) -> World:
    """A world whose devices the microphone sources of this process hear."""
    world = World(list(scripted)) if scripted else World()
    put(monkeypatch, world)
    for module in (mic_source, mic_group):
        monkeypatch.setattr(module, "time", world)
    monkeypatch.setattr(mic_source, "inputs_now", lambda given_up: fresh(world))
    monkeypatch.setattr(mic_source, "_BACK_OFF_S", (0.01,))
    monkeypatch.setattr(mic_source, "_BACK_OFF_BESIDE_S", (0.01,))
    return world


def fresh(world: World) -> list[devices.InputDevice]:
    """What another process would see."""
    return [
        devices.InputDevice(
            index, ("Monitor of " if d.monitor else "") + d.name, "ALSA", d.rate_hz, d.channels,
            default=index == 0, monitor=d.monitor,
        )
        for index, d in enumerate([d for d in world.devices if d.present])
    ]  # fmt: skip
