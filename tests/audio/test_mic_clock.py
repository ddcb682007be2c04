"""The microphone's ring and clock, with PortAudio's callback called by the test."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from livemerc.audio import mic_source
from livemerc.audio.devices import InputDevice
from livemerc.audio.mic_source import MicSource
from livemerc.errors import MicrophoneError

RATE_HZ = 1_000


class ScriptedStream:
    def __init__(self, **settings: object) -> None:
        self.settings = settings

    def start(self) -> None: ...

    def close(self, ignore_errors: bool) -> None: ...


class ScriptedPortAudio:
    class PortAudioError(Exception): ...

    InputStream = ScriptedStream


class Clock:
    """Stands in for `time.monotonic` where the source reads it."""

    now_s = 100.0

    def monotonic(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(mic_source, "time", clock)
    return clock


@pytest.fixture
def source(monkeypatch, clock) -> MicSource:
    device = InputDevice(4, "Scripted", "ALSA", RATE_HZ, 32, default=True, monitor=False)
    monkeypatch.setattr(mic_source, "portaudio", ScriptedPortAudio)
    monkeypatch.setattr(mic_source, "find_input", lambda wanted: device)
    return MicSource(block_ms=100, ring_s=1)


def deliver(
    source: MicSource, clock: Clock, at_s: float, latency_s: float = 0.13, overflow: bool = False, value: float = 0.5
) -> None:
    """A block of 100 ms whose callback comes `at_s` after the start, with the ADC's word on when it began."""
    clock.now_s = 100.0 + at_s
    samples = np.zeros((100, 2), np.float32)
    samples[:, 0] = value
    timing = SimpleNamespace(currentTime=7.0, inputBufferAdcTime=7.0 - latency_s)
    source._callback(samples, 100, timing, SimpleNamespace(input_overflow=overflow))


def ended(source: MicSource) -> list[tuple[float, float, int]]:
    source.close()
    return [(round(b.start_s, 6), round(b.gap_s, 6), len(b.samples)) for b in source.blocks()]


def test_blocks_are_timed_by_the_converter_and_then_by_their_samples(source, clock):
    for i in range(3):
        deliver(source, clock, 0.2 + 0.1 * i + (0.05 if i == 1 else 0.0))
    assert ended(source) == [(0.07, 0, 100), (0.17, 0, 100), (0.27, 0, 100)]


def test_what_was_captured_before_close_is_still_handed_over_in_mono(source, clock):
    deliver(source, clock, 0.2, value=0.8)
    source.close()
    (block,) = source.blocks()
    assert block.samples.dtype == np.float32
    assert block.samples == pytest.approx(np.full(100, 0.4))


def test_a_silent_device_moves_the_clock_without_a_loss(source, clock):
    deliver(source, clock, 0.2)
    deliver(source, clock, 5.2)
    assert ended(source) == [(0.07, 0, 100), (5.07, 0, 100)]
    assert source.health().dropped_s == 0


def test_nonsense_from_the_converter_is_not_believed(source, clock):
    deliver(source, clock, 0.2, latency_s=-1e9)
    deliver(source, clock, 0.3, latency_s=1e9)
    assert ended(source) == [(0.1, 0, 100), (0.2, 0, 100)]


def test_a_full_ring_counts_what_it_refuses_and_the_next_block_says_so(source, clock):
    for i in range(13):
        deliver(source, clock, 0.2 + 0.1 * i)
    assert source.health().dropped_s == pytest.approx(0.3)
    assert source.health().overruns == 1
    blocks = source.blocks()
    for i in range(10):
        assert next(blocks).start_s == pytest.approx(0.07 + 0.1 * i)
    deliver(source, clock, 1.5)
    late = next(blocks)
    assert late.gap_s == pytest.approx(0.3)
    assert late.start_s == pytest.approx(1.37)
    assert source.health().dropped_s == pytest.approx(0.3)


def test_an_overflow_of_the_device_is_a_gap_as_long_as_the_clock_says(source, clock):
    deliver(source, clock, 0.2)
    deliver(source, clock, 0.7, overflow=True)
    assert ended(source) == [(0.07, 0, 100), (0.57, 0.4, 100)]
    health = source.health()
    assert health.overruns == 1
    assert health.dropped_s == pytest.approx(0.4)


def test_time_passes_while_nothing_arrives(source, clock):
    deliver(source, clock, 0.2)
    blocks = source.blocks()
    next(blocks)
    clock.now_s = 103.0
    passed = next(blocks)
    assert len(passed.samples) == 0
    assert passed.start_s == pytest.approx(2.5)
    deliver(source, clock, 3.1, latency_s=1.0)  # what was long on its way is placed behind, not before
    assert next(blocks).start_s == pytest.approx(2.5)
    deliver(source, clock, 6.1)
    assert next(blocks).start_s == pytest.approx(5.97)
    source.close()


def test_health_names_what_is_wrong(source, clock):
    assert source.health().mic.ok
    clock.now_s = 104.0
    assert "no sound arrives" in source.health().mic.why
    deliver(source, clock, 4.1)
    assert source.health().mic.ok
    source.close()


def test_virtual_devices_with_many_channels_are_opened_with_two(source):
    assert source._stream.settings["channels"] == 2
    assert source._stream.settings["samplerate"] == RATE_HZ


def test_a_device_that_cannot_be_opened_is_refused_with_the_mend(monkeypatch, source):
    class Refusing(ScriptedStream):
        def start(self) -> None:
            raise ScriptedPortAudio.PortAudioError("Device unavailable")

    monkeypatch.setattr(ScriptedPortAudio, "InputStream", Refusing)
    with pytest.raises(MicrophoneError, match=r"'Scripted' cannot be opened \(Device unavailable\); close other"):
        MicSource()
