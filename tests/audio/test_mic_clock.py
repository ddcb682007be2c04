"""The microphone's ring and clock, with PortAudio's callback called by the test."""

from __future__ import annotations

import numpy as np
import pytest
from helpers.scripted_portaudio import BEGIN_S, Device, World, install

from livemerc.audio.microphone.source import MicSource
from livemerc.errors import ConfigError, MicrophoneError

RATE_HZ = 1_000


@pytest.fixture
def world(monkeypatch) -> World:
    return install(monkeypatch, Device(rate_hz=RATE_HZ, channels=32))


@pytest.fixture
def source(world) -> MicSource:
    return MicSource(block_ms=100, ring_s=1)


def deliver(world: World, at_s: float, latency_s: float = 0.13, value: float = 0.5, **how) -> None:
    """A block of 100 ms whose callback comes `at_s` after the start, with the ADC's word on when it began."""
    world.now_s = BEGIN_S + at_s
    samples = np.zeros((100, 2))
    samples[:, 0] = value
    world.stream().deliver(samples, latency_s - 0.1, **how)


def ended(source: MicSource) -> list[tuple[float, float, int]]:
    source.close()
    return [(round(b.start_s, 6), round(b.gap_s, 6), len(b.samples)) for b in source.blocks()]


def test_blocks_are_timed_by_the_converter_and_then_by_their_samples(world, source):
    for i in range(3):
        deliver(world, 0.2 + 0.1 * i, latency_s=0.13 + (0.05 if i == 1 else 0.0))
    (first, _, third) = (start_s for start_s, _, _ in ended(source))
    assert first == 0.07
    assert third == pytest.approx(0.27, abs=0.003)


def test_a_callback_that_python_held_up_is_not_late(world, source):
    deliver(world, 0.2)
    stream = world.stream()
    for i in range(1, 9):  # the interpreter was busy for 0.8 s: what PortAudio noted at its calls is right
        world.now_s = BEGIN_S + 1.0
        stream.deliver(np.zeros((100, 2)), 0.03, leap_s=0.2 + 0.1 * i - 1.0)
    assert [block[:2] for block in ended(source)] == [(pytest.approx(0.07 + 0.1 * i), 0) for i in range(9)]


def test_what_was_captured_before_close_is_still_handed_over_in_mono(world, source):
    deliver(world, 0.2, value=0.8)
    source.close()
    (block,) = source.blocks()
    assert block.samples.dtype == np.float32
    assert block.samples == pytest.approx(np.full(100, 0.4))


def test_a_silent_monitor_moves_the_clock_without_a_loss(monkeypatch):
    world = install(monkeypatch, Device("Speakers", RATE_HZ, 2, monitor=True))
    source = MicSource(block_ms=100)
    deliver(world, 0.2)
    deliver(world, 5.2)
    assert ended(source) == [(0.07, 0, 100), (5.07, 0, 100)]
    assert source.health().dropped_s == 0


def test_a_microphone_that_stalls_has_lost_what_it_did_not_deliver(world, source):
    deliver(world, 0.2)
    deliver(world, 5.2)
    assert ended(source) == [(0.07, 0, 100), (5.07, 4.9, 100)]
    assert source.health().dropped_s == pytest.approx(4.9)


@pytest.mark.parametrize("latency_s", [-1e9, 1e9, -0.2, 6.0])
def test_nonsense_from_the_converter_is_not_believed(world, source, latency_s):
    deliver(world, 0.2, latency_s=latency_s)
    deliver(world, 0.3, latency_s=latency_s)
    assert ended(source) == [(0.1, 0, 100), (0.2, 0, 100)]


@pytest.mark.parametrize("leap_s", [-30.0, 30.0])
def test_a_converter_whose_clock_leaps_is_no_gap(world, source, leap_s):
    for i in range(9):
        deliver(world, 0.2 + 0.1 * i, leap_s=leap_s if i >= 4 else 0.0)
    blocks = ended(source)
    assert [gap_s for _, gap_s, _ in blocks] == [0] * 9
    assert blocks[-1][0] == pytest.approx(0.87, abs=0.01)


@pytest.mark.parametrize("latency_s", [0.12, 0.9])
def test_a_driver_that_thinks_better_of_its_latency_has_lost_nothing(world, source, latency_s):
    for i in range(9):
        deliver(world, 0.5 + 0.1 * i, latency_s=0.4 if i < 4 else latency_s)
    blocks = ended(source)
    assert [gap_s for _, gap_s, _ in blocks] == [0] * 9
    assert blocks[-1][0] == pytest.approx(0.1 + 0.8, abs=0.01)  # it follows, slowly


def test_blocks_that_the_sound_server_held_up_come_where_they_were_spoken(world, source):
    deliver(world, 0.2)
    for i in range(1, 6):  # all at once, half a second late
        deliver(world, 1.2, latency_s=1.2 - (0.07 + 0.1 * i))
    deliver(world, 1.3, latency_s=0.13)
    assert [block[:2] for block in ended(source)] == [
        *((pytest.approx(0.07 + 0.1 * i, abs=0.01), 0) for i in range(6)), (1.17, 0.5)
    ]  # fmt: skip


def test_a_full_ring_counts_what_it_refuses_and_the_next_block_says_so(world, source):
    for i in range(13):
        deliver(world, 0.2 + 0.1 * i)
    assert source.health().dropped_s == pytest.approx(0.3)
    assert source.health().overruns == 1
    blocks = source.blocks()
    for i in range(10):
        assert next(blocks).start_s == pytest.approx(0.07 + 0.1 * i)
    deliver(world, 1.5)
    late = next(blocks)
    assert late.gap_s == pytest.approx(0.3)
    assert late.start_s == pytest.approx(1.37)
    assert source.health().dropped_s == pytest.approx(0.3)


def test_an_overflow_of_the_device_is_a_gap_as_long_as_the_clock_says(world, source):
    deliver(world, 0.2)
    deliver(world, 0.7, overflow=True)
    assert ended(source) == [(0.07, 0, 100), (0.57, 0.4, 100)]
    health = source.health()
    assert health.overruns == 1
    assert health.dropped_s == pytest.approx(0.4)


def test_an_overflow_that_the_clock_does_not_show_is_a_gap_too(world, source):
    deliver(world, 0.2)
    deliver(world, 0.3, overflow=True)
    assert ended(source) == [(0.07, 0, 100), (0.17, 1 / RATE_HZ, 100)]
    assert source.health().overruns == 1


def test_time_passes_while_nothing_arrives(world, source):
    deliver(world, 0.2)
    blocks = source.blocks()
    next(blocks)
    world.now_s = BEGIN_S + 3.0
    passed = next(blocks)
    assert len(passed.samples) == 0
    assert passed.start_s == pytest.approx(2.5)
    assert source.health().dropped_s == pytest.approx(2.33)  # so far
    deliver(world, 3.1, latency_s=1.0)  # what was long on its way is placed behind, not before
    late = next(blocks)
    assert late.start_s == pytest.approx(2.5, abs=0.002)
    assert late.gap_s == pytest.approx(2.33, abs=0.002)
    deliver(world, 6.1)
    assert next(blocks).start_s == pytest.approx(5.97)
    source.close()


def test_health_names_what_is_wrong(world, source):
    assert source.health().mic.ok
    world.now_s = BEGIN_S + 4.0
    assert "no sound arrives" in source.health().mic.why
    deliver(world, 4.1)
    assert source.health().mic.ok
    source.close()


def test_a_monitor_that_was_heard_may_be_silent(monkeypatch):
    world = install(monkeypatch, Device("Speakers", RATE_HZ, 2, monitor=True))
    source = MicSource(0, block_ms=100)
    blocks = source.blocks()
    world.now_s += 4.0
    assert "no sound arrives" in source.health().mic.why
    deliver(world, 4.2)
    while not len(next(blocks).samples):
        pass
    world.now_s += 60.0
    assert source.health().mic.ok
    source.close()


def test_a_default_that_is_no_microphone_is_named_where_there_is_one(monkeypatch):
    install(monkeypatch, Device("Speakers", monitor=True), Device("Headset"))
    assert "choose 'Headset' with --mic" in MicSource().health().mic.why
    assert MicSource("Monitor of Speakers").health().mic.ok
    assert MicSource("headset").health().mic.ok


def test_virtual_devices_with_many_channels_are_opened_with_two(world, source):
    assert world.stream().settings["channels"] == 2
    assert world.stream().settings["samplerate"] == RATE_HZ


def test_a_device_that_refuses_its_own_rate_is_heard_at_another_and_resampled(monkeypatch):
    world = install(monkeypatch, Device(rate_hz=96_000, channels=1, refuses_hz=(96_000,)))
    source = MicSource(block_ms=100)
    assert world.stream().settings["samplerate"] == 48_000
    t = np.arange(4_800 * 10) / 48_000
    for i in range(10):
        world.now_s += 0.1
        world.stream().deliver(0.5 * np.sin(2 * np.pi * 440 * t[i * 4800 : (i + 1) * 4800, None]))
    source.close()
    blocks = list(source.blocks())
    heard = np.concatenate([block.samples for block in blocks])
    assert len(heard) == pytest.approx(96_000, abs=2)
    expected = 0.5 * np.sin(2 * np.pi * 440 * np.arange(len(heard)) / 96_000)
    assert heard[1_000:-1_000] == pytest.approx(expected[1_000:-1_000], abs=0.01)
    ends = [block.start_s + len(block.samples) / 96_000 for block in blocks]
    assert [block.start_s for block in blocks][1:] == pytest.approx(ends[:-1], abs=1e-4)


def test_a_device_that_gives_all_its_channels_or_none_is_mixed(monkeypatch):
    world = install(monkeypatch, Device(rate_hz=RATE_HZ, channels=6, all_channels_or_none=True))
    source = MicSource(block_ms=100)
    world.now_s += 0.1
    world.stream().deliver(np.tile([[0.6, 0, 0, 0, 0, 0]], (100, 1)))
    source.close()
    (block,) = source.blocks()
    assert block.samples == pytest.approx(np.full(100, 0.1))


def test_the_channels_of_one_device_are_heard_apart(monkeypatch):
    world = install(monkeypatch, Device(rate_hz=RATE_HZ, channels=6))
    source = MicSource(block_ms=100, speakers=("left", "right"))
    assert world.stream().settings["channels"] == 2
    world.now_s += 0.1
    world.stream().deliver(np.tile([[0.1, 0.2]], (100, 1)))
    source.close()
    left, right = source.blocks()
    assert (left.channel, right.channel) == (0, 1)
    assert left.start_s == right.start_s
    assert left.samples == pytest.approx(np.full(100, 0.1))
    assert right.samples == pytest.approx(np.full(100, 0.2))


def test_more_speakers_than_channels_are_refused_with_the_mend(monkeypatch):
    install(monkeypatch, Device(channels=1))
    with pytest.raises(ConfigError, match="'Scripted' has 1 channel; give one name"):
        MicSource(speakers=("left", "right"))


def test_a_device_that_cannot_be_opened_is_refused_with_the_mend(world, source):
    def refuse(stream) -> None:
        raise World.PortAudioError("Device unavailable")

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("helpers.scripted_portaudio.Stream.start", refuse)
        with pytest.raises(MicrophoneError, match=r"'Scripted' cannot be opened \(Device unavailable\); close other"):
            MicSource()
