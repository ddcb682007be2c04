"""The inputs that there are, named as people name them."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest
from helpers import scripted_portaudio

from livemerc.audio.microphone.devices import InputDevice, find_input, list_inputs, portaudio
from livemerc.errors import EXIT_MICROPHONE, MicrophoneError


class ScriptedPortAudio:
    """The two questions that `list_inputs` asks, answered as PortAudio does."""

    PortAudioError = RuntimeError
    rows = (
        ("Speakers", 0, 44_100.0),
        ("Built-in Audio Analog Stereo", 2, 48_000.0),
        ("Monitor of Built-in Audio Analog Stereo", 2, 44_100.0),
        ("USB Headset", 1, 16_000.0),
    )
    default = SimpleNamespace(device=[1, 0])

    def query_devices(self):
        return [
            {"name": name, "max_input_channels": channels, "default_samplerate": rate_hz, "hostapi": 0}
            for name, channels, rate_hz in self.rows
        ]

    def query_hostapis(self):
        return [{"name": "ALSA"}]


@pytest.fixture
def scripted(monkeypatch) -> ScriptedPortAudio:
    portaudio = ScriptedPortAudio()
    scripted_portaudio.put(monkeypatch, portaudio)
    return portaudio


@pytest.mark.usefixtures("scripted")
def test_inputs_are_listed_with_what_a_user_needs_to_choose():
    found = list_inputs()
    assert [entry.index for entry in found] == [1, 2, 3]
    assert [entry.default for entry in found] == [True, False, False]
    assert [entry.monitor for entry in found] == [False, True, False]
    assert found[2] == InputDevice(3, "USB Headset", "ALSA", 16_000, 1, default=False, monitor=False)
    assert str(found[0]) == "  1  Built-in Audio Analog Stereo  (ALSA, 48000 Hz, 2 channels)  [default]"
    assert "[monitor: hears what the speakers play]" in str(found[1])


@pytest.mark.usefixtures("scripted")
@pytest.mark.parametrize(
    ("device", "index"), [(None, 1), (3, 3), ("usb", 3), ("MONITOR of", 2), ("built-in", 1), ("usb headset", 3)]
)
def test_an_input_is_found_by_default_index_or_part_of_its_name(device, index):
    assert find_input(device).index == index


@pytest.mark.usefixtures("scripted")
@pytest.mark.parametrize("device", ["no such thing", 0, 99])
def test_an_unknown_input_is_refused_with_the_list_of_those_there_are(device):
    with pytest.raises(MicrophoneError) as caught:
        find_input(device)
    assert "USB Headset" in str(caught.value)
    assert "`livemerc devices`" in str(caught.value)
    assert caught.value.exit_code == EXIT_MICROPHONE


def test_no_input_at_all_is_said_so(scripted):
    scripted.rows = scripted.rows[:1]
    with pytest.raises(MicrophoneError, match="No microphone was found"):
        find_input(None)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the mend is another one elsewhere")
def test_without_the_portaudio_library_the_mend_is_named(monkeypatch):
    scripted_portaudio.take_away(monkeypatch)
    with pytest.raises(MicrophoneError, match="apt-get install libportaudio2"):
        portaudio()
    assert "sounddevice" not in sys.modules
