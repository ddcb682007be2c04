from __future__ import annotations

import threading

import numpy as np
import pytest
from helpers.scripted_portaudio import Device, World, install

from livemerc.audio.microphone.group import MicGroup
from livemerc.errors import EXIT_USAGE, ConfigError, MicrophoneError


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return install(monkeypatch, Device("Desk", 16_000), Device("Call", 48_000, 2, monitor=True))


def test_speakers_are_the_devices_unless_they_are_named(world: World) -> None:
    group = MicGroup(["desk", "Monitor of Call"])
    assert group.speakers == ("Desk", "Monitor of Call")
    assert group.name == "mic:Desk + Monitor of Call"
    assert group.rate_hz == 16_000
    group.close()
    named = MicGroup(["desk", "call"], speakers=("ann", "ben"))
    assert named.speakers == ("ann", "ben")
    named.close()


@pytest.mark.parametrize(
    ("devices", "speakers", "said"),
    [
        (["desk", "call"], ("ann",), "give one name for each"),
        (["desk", "call"], ("a", "b", "c"), "give one name for each"),
        (["desk", "Desk"], (), "twice; give two different inputs"),
        (["default", 0], (), "twice; give two different inputs"),
    ],
)
def test_bad_usage_is_exit_2_with_the_mend_and_leaves_nothing_open(world, devices, speakers, said) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        MicGroup(devices, speakers=speakers)
    assert caught.value.exit_code == EXIT_USAGE
    assert not [stream for stream in world.streams if stream.open]


def test_an_unknown_device_beside_a_known_one_leaves_nothing_open(world: World) -> None:
    with pytest.raises(MicrophoneError, match="There is no microphone 'lamp'"):
        MicGroup(["desk", "lamp"])
    assert not [stream for stream in world.streams if stream.open]


def test_devices_of_one_name_are_numbered(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, Device("USB"), Device("USB"))
    group = MicGroup([0, 1])
    assert group.speakers == ("USB 1", "USB 2")
    group.close()


def test_every_device_has_its_channel_and_all_have_one_rate(world: World) -> None:
    group = MicGroup(["desk", "call"], ring_s=60)
    desk, call = world.devices
    world.say(np.full(16_000, 0.1, np.float32), desk)
    world.say(np.full((48_000, 2), 0.2, np.float32), call)
    group.close()
    blocks = list(group.blocks())
    for channel, level in ((0, 0.1), (1, 0.2)):
        heard = np.concatenate([block.samples for block in blocks if block.channel == channel])
        assert len(heard) == pytest.approx(16_000, abs=2)
        assert np.median(heard) == pytest.approx(level, abs=1e-3)
    begins_s = {channel: next(b.start_s for b in blocks if b.channel == channel) for channel in (0, 1)}
    assert begins_s == pytest.approx({0: 0.0, 1: 1.0}, abs=0.1)


def test_a_reader_that_leaves_takes_the_threads_with_it(world: World) -> None:
    group = MicGroup(["desk", "call"], ring_s=60)
    world.say(np.zeros(16_000 * 20, np.float32), world.devices[0])  # more than the lane has room for
    blocks = group.blocks()
    next(blocks)
    blocks.close()
    world.until(lambda: not [t for t in threading.enumerate() if t.name.startswith("livemerc-mic-")])


def test_what_is_wrong_is_said_of_the_device_that_has_it(world: World) -> None:
    group = MicGroup(["desk", "call"], ring_s=60)
    world.pass_time(4.0)
    world.say(np.full(1_600, 0.1, np.float32), world.devices[0])
    why = group.health().mic.why
    assert "Monitor of Call: no sound arrives" in why
    assert "Desk" not in why
    group.close()
    assert group.health().mic.ok
