"""`pactl` as PulseAudio's and PipeWire's servers answer it, by a script in its place."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from helpers import scripted_portaudio

from livemerc.audio.microphone.devices import InputDevice, find_input, list_inputs
from livemerc.audio.microphone.pulse_sources import chosen, pulse_sources

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="PulseAudio's tools")
SOURCES = [
    {
        "name": "alsa_output.pci.analog-stereo.monitor", "description": "Monitor of Built-in Audio",
        "sample_specification": "s32le 2ch 48000Hz", "properties": {"device.class": "monitor"},
    },
    {"name": "alsa_input.usb.mono", "description": "Headset", "sample_specification": "s16le 1ch 16000Hz"},
]  # fmt: skip


def install(monkeypatch: pytest.MonkeyPatch, folder: Path, sources: str, default: str) -> None:
    (folder / "sources").write_text(sources)
    (folder / "info").write_text(json.dumps({"default_source_name": default}))
    script = folder / "pactl"
    script.write_text(f'#!/bin/sh\ncase "$*" in *info) cat {folder}/info;; *sources) cat {folder}/sources;; esac\n')
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)


class PortAudioWithPulse:
    PortAudioError = RuntimeError

    class default:
        device = (1, 0)

    def query_devices(self) -> list[dict]:
        names = ("hw:0", "default", "pulse")
        return [{"name": n, "max_input_channels": 32, "default_samplerate": 44_100.0, "hostapi": 0} for n in names]

    def query_hostapis(self) -> list[dict]:
        return [{"name": "ALSA"}]


def test_sources_are_listed_behind_portaudios_and_opened_through_its_pulse(monkeypatch, tmp_path) -> None:
    install(monkeypatch, tmp_path, json.dumps(SOURCES), SOURCES[0]["name"])
    scripted_portaudio.put(monkeypatch, PortAudioWithPulse())
    inputs = list_inputs()
    assert [entry.index for entry in inputs] == [0, 1, 2, 3, 4]
    assert [entry.monitor for entry in inputs] == [False, True, True, True, False]  # what the default is, too
    assert inputs[4] == InputDevice(
        4, "Headset", "PulseAudio", 16_000, 1, default=False, monitor=False, pulse="alsa_input.usb.mono", opens=2
    )
    assert "hears what the speakers play" in str(inputs[3])
    for name in ("headset", "alsa_input.usb.mono", 4):
        assert find_input(name).pulse == "alsa_input.usb.mono"
    assert find_input("default").index == 1


@pytest.mark.parametrize("answer", ["", "not JSON", "{}", '[{"description": "no name"}]'])
def test_a_server_that_answers_nonsense_has_no_sources(monkeypatch, tmp_path, answer) -> None:
    install(monkeypatch, tmp_path, answer, "x")
    assert pulse_sources() == []


def test_the_choice_lasts_as_long_as_the_stream_is_opened(monkeypatch) -> None:
    monkeypatch.setenv("PULSE_SOURCE", "mine")
    with chosen("other"):
        assert os.environ["PULSE_SOURCE"] == "other"
    assert os.environ["PULSE_SOURCE"] == "mine"
    monkeypatch.delenv("PULSE_SOURCE")
    with chosen("other"):
        pass
    assert "PULSE_SOURCE" not in os.environ
