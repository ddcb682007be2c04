"""What a device may do to a session: go, come back as another, fall silent, clip, stall, overflow, lie about the time.

Each time: no utterance is lost, what is missing is a gap in the events, and the status says what is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from faults.microphone_session import MicrophoneSession
from helpers.scripted_portaudio import Device, World, install

from livemerc.asr.engine import NoAsr
from livemerc.audio.microphone.group import MicGroup
from livemerc.audio.microphone.source import MicSource
from livemerc.config import Config
from livemerc.events import Status

LATENCY_S = 0.05


@pytest.fixture(scope="module")
def config(configured: Callable[..., Config]) -> Config:
    return configured(asr__engine="none", vad__engine="webrtc")


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return install(monkeypatch, Device())


@pytest.fixture
def session(world: World, config: Config) -> Iterator[MicrophoneSession]:
    """Two seconds in which one utterance was said; ring for an hour, so that only the script loses anything."""
    with MicrophoneSession(world, MicSource(ring_s=3600), config) as session:
        session.rest(0.6)
        session.speak()
        session.rest()
        yield session


def finished(session: MicrophoneSession) -> MicrophoneSession:
    session.rest()
    session.speak()
    session.rest()
    session.__exit__(None, None, None)
    return session


def test_without_a_fault_nothing_is_missing(session: MicrophoneSession) -> None:
    finished(session).nothing_is_lost()
    assert session.end.dropped_s == 0
    assert session.end.overruns == 0


@pytest.mark.parametrize(("rate_hz", "channels"), [(16_000, 1), (48_000, 2), (44_100, 6), (8_000, 1)])
def test_a_device_that_goes_and_comes_back_as_another(session, world, rate_hz, channels) -> None:
    session.speak()
    world.unplug()
    state = session.until(lambda s: s.mic is not None and not s.mic.ok)
    assert "the microphone has gone: connect it again" in state.mic.why
    world.pass_time(3.0)
    world.plug(Device(rate_hz=rate_hz, channels=channels), instead_of=world.devices[0])
    session.speak()
    session.until(lambda s: s.mic.ok and s.dropped_s > 0)
    finished(session).nothing_is_lost()
    assert session.end.dropped_s == pytest.approx(3.0, abs=0.1)


def test_a_device_that_goes_and_stays_away_is_missing_to_the_end(session, world) -> None:
    session.speak()
    world.unplug()
    session.until(lambda s: not s.mic.ok)
    world.pass_time(20.0)
    session.until(lambda s: s.dropped_s > 19)
    session.__exit__(None, None, None)
    session.nothing_is_lost()
    assert session.end.dropped_s == pytest.approx(19.5, abs=0.3)  # up to half a second ago: later may still come


def test_unplugged_twice_the_session_has_all_three_parts(session, world) -> None:
    for _ in range(2):
        session.speak()
        world.unplug()
        world.pass_time(2.0)
        world.plug()
    finished(session).nothing_is_lost()
    assert session.end.dropped_s == pytest.approx(4.0, abs=0.2)


def test_a_muted_device_is_named_and_what_follows_is_heard(session, world) -> None:
    session.speak()
    session.send(np.zeros(16_000 * 31, np.float32))
    state = session.until(lambda s: not s.mic.ok)
    assert "only digital silence arrives" in state.mic.why
    session.speak()
    session.until(lambda s: s.mic.ok)
    finished(session).nothing_is_lost()
    assert session.end.dropped_s == 0


def test_a_device_that_is_muted_from_the_start_is_named_within_seconds(world, config) -> None:
    with MicrophoneSession(world, MicSource(ring_s=3600), config) as session:
        session.send(np.zeros(16_000 * 4, np.float32))
        assert "only digital silence" in session.until(lambda s: not s.mic.ok).mic.why
        session.speak()
        session.until(lambda s: s.mic.ok)
        session.rest()
    session.nothing_is_lost()


def test_a_device_with_hardly_any_level_is_named(world, config) -> None:
    with MicrophoneSession(world, MicSource(ring_s=3600), config) as session:
        session.send(np.random.default_rng(0).choice([-3e-5, 3e-5], 16_000 * 11).astype(np.float32))
        assert "hardly any level arrives" in session.until(lambda s: not s.mic.ok).mic.why


def test_clipping_is_named_and_heard_all_the_same(session) -> None:
    session.speak(4.0, level=20.0)
    assert "the input clips" in session.until(lambda s: not s.mic.ok).mic.why
    session.rest(6.0)
    session.until(lambda s: s.mic.ok)
    finished(session).nothing_is_lost()


@pytest.mark.parametrize("lost_s", [0.3, 2.5])
def test_an_overflow_is_a_gap(session, world, lost_s) -> None:
    session.speak()
    world.pass_time(lost_s)
    world.say(np.zeros(320, np.float32), overflow=True)
    state = session.until(lambda s: s.overruns > 0 and s.dropped_s > 0)  # counted by two threads, one after the other
    assert state.dropped_s == pytest.approx(lost_s, abs=0.03)
    session.rest()
    session.speak()
    finished(session).nothing_is_lost()
    assert session.end.overruns == 1


def test_a_stall_ends_the_utterance_and_is_a_gap(session, world) -> None:
    session.speak()
    session.until(lambda s: s.t_s > session.now_s - 0.2)
    world.pass_time(5.0)
    state = session.until(lambda s: not s.mic.ok)
    assert "no sound arrives" in state.mic.why
    session.until(lambda s: s.dropped_s > 4)
    session.speak()
    session.until(lambda s: s.mic.ok)
    finished(session).nothing_is_lost()
    assert session.end.dropped_s == pytest.approx(5.0, abs=0.1)


@pytest.mark.parametrize("leap_s", [-40.0, 0.7, 40.0])
def test_a_device_clock_that_jumps_loses_and_moves_nothing(session, world, leap_s) -> None:
    session.speak(leap_s=leap_s)
    session.rest()
    session.speak(leap_s=leap_s)
    finished(session).nothing_is_lost()
    assert session.end.dropped_s == 0


def test_what_is_said_while_the_models_load_is_not_lost(world, config) -> None:
    def slow() -> NoAsr:
        world.until(lambda: session.now_s > 30.0)
        return NoAsr()

    session = MicrophoneSession(world, MicSource(), config, slow)  # the ring as it is by default
    with session:  # its threads look at `session` as soon as they run
        session.speak()  # from the first sample on
        for _ in range(10):
            session.rest(2.0)
            session.speak()
        session.rest()
        session.world.until(lambda: len(session.finals) == 11)
    session.nothing_is_lost()
    assert session.end.dropped_s == 0


# -- two devices -----------------------------------------------------------------------------------------------------


def test_one_of_two_devices_goes_and_the_other_goes_on(monkeypatch: pytest.MonkeyPatch, config: Config) -> None:
    from helpers.synthetic import buzz, hush

    near, far = Device("Near", 16_000), Device("Far", 16_000)
    world = install(monkeypatch, near, far)
    source = MicGroup(["near", "far"], ring_s=3600)
    assert source.speakers == ("Near", "Far")
    with MicrophoneSession(world, source, config) as session:
        world.together((near, np.concatenate((hush(0.5), buzz(1.0), hush(2.5)))), (far, hush(4.0)))
        world.together((near, hush(3.0)), (far, np.concatenate((hush(0.5), buzz(1.0), hush(1.5)))))
        world.unplug(far)
        state = session.until(lambda s: not s.mic.ok)
        assert state.mic.why.startswith("Far: the microphone has gone")
        world.together((near, np.concatenate((hush(0.5), buzz(1.0), hush(1.5)))))
        world.until(lambda: len(session.finals) == 3)  # without waiting for the one that is gone
        world.plug(far)
        world.stream(near)
        world.together((near, hush(3.0)), (far, np.concatenate((hush(0.5), buzz(1.0), hush(1.5)))))
        session.until(lambda s: s.mic.ok)
    assert [(final.utterance_id, final.speaker) for final in session.finals] == [
        *(("u1", "Near"), ("u2", "Far"), ("u3", "Near"), ("u4", "Far"))
    ]
    assert [final.start_s for final in session.finals] == pytest.approx([0.5, 4.5, 7.5, 10.5], abs=0.15)
    assert session.end.dropped_s == pytest.approx(3.0, abs=0.3)


def test_two_devices_of_different_rates_share_one_clock(monkeypatch: pytest.MonkeyPatch, config: Config) -> None:
    from helpers.synthetic import buzz, hush

    near, far = Device("Near", 16_000), Device("Far", 48_000)
    world = install(monkeypatch, near, far)
    with MicrophoneSession(world, MicGroup(["near", "far"], ring_s=3600, speakers=("ann", "ben")), config) as session:
        world.say(np.concatenate((hush(0.5), buzz(1.0), hush(1.0))), near)
        world.say(np.concatenate((hush(0.5, 48_000), buzz(1.0, 48_000), hush(1.0, 48_000))), far)
    assert [final.speaker for final in session.finals] == ["ann", "ben"]
    assert [final.start_s for final in session.finals] == pytest.approx([0.5, 3.0], abs=0.1)


# -- another device ----------------------------------------------------------------------------------------------------


def test_another_device_takes_over_and_the_gap_is_marked(monkeypatch: pytest.MonkeyPatch, config: Config) -> None:
    desk, headset = Device("Desk", 16_000), Device("Headset", 44_100)
    world = install(monkeypatch, desk, headset)
    with MicrophoneSession(world, MicSource("desk", ring_s=3600), config) as session:
        session.speak()
        session.rest(0.2)
        world.until(lambda: session.monitor.gauges().t_s > session.now_s - 0.2)
        world.pass_time(0.5)
        session.monitor.switch("Headset")
        assert session.source.name == "mic:Headset"
        world.devices.reverse()  # `speak` is for the first
        session.speak()
        session.rest()
    session.nothing_is_lost()
    assert session.end.dropped_s == pytest.approx(0.5, abs=0.1)


def test_a_switch_to_what_is_not_there_leaves_the_old_one_listening(session, world) -> None:
    from livemerc.errors import MicrophoneError

    with pytest.raises(MicrophoneError, match="There is no microphone 'Lamp'"):
        session.monitor.switch("Lamp")
    session.speak()
    finished(session).nothing_is_lost()
    assert all(status.mic.ok for status in session.events if isinstance(status, Status))
