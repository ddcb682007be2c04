"""Inputs as PortAudio sees them. PortAudio loads on the first question, quietly."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from livemerc.errors import MicrophoneError

_MONITOR = re.compile(r"\bmonitor\b|loopback|stereo mix|what u hear|blackhole|soundflower", re.IGNORECASE)
_NO_PORTAUDIO = {
    "linux": "PortAudio is missing, and no microphone can be heard without it; run `apt-get install libportaudio2`.",
    "darwin": "PortAudio does not load, and no microphone can be heard without it; run `brew install portaudio`.",
}
_stderr_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class InputDevice:
    """One input. `str()` is a line of `livemerc devices`."""

    index: int
    name: str
    host_api: str
    rate_hz: int
    """The device's own default rate."""
    channels: int
    default: bool
    monitor: bool
    """Hears what the computer plays (a monitor or loopback input), as far as its name tells."""

    def __str__(self) -> str:
        marks = [word for word, is_so in (("default", self.default), ("monitor", self.monitor)) if is_so]
        channels = f"{self.channels} channel" + ("s" if self.channels != 1 else "")
        mark = f"  [{', '.join(marks)}]" if marks else ""
        return f"{self.index:>3}  {self.name}  ({self.host_api}, {self.rate_hz} Hz, {channels}){mark}"


def portaudio() -> Any:
    """The `sounddevice` module. Raises `MicrophoneError` where the PortAudio library is missing."""
    try:
        with quiet_stderr():
            import sounddevice
    except OSError as error:
        fallback = "PortAudio does not load, and no microphone can be heard without it; reinstall `sounddevice`."
        raise MicrophoneError(_NO_PORTAUDIO.get(sys.platform, fallback)) from error
    return sounddevice


def list_inputs() -> list[InputDevice]:
    """Every input in PortAudio's order, perhaps none. Raises `MicrophoneError` without PortAudio."""
    sd = portaudio()
    try:
        devices, host_apis = sd.query_devices(), sd.query_hostapis()
    except sd.PortAudioError as error:
        raise MicrophoneError(f"PortAudio cannot list the inputs ({error}); is the sound server running?") from error
    default = default_index(sd)
    return [
        InputDevice(
            index=index,
            name=device["name"],
            host_api=host_apis[device["hostapi"]]["name"],
            rate_hz=round(device["default_samplerate"]),
            channels=device["max_input_channels"],
            default=index == default,
            monitor=bool(_MONITOR.search(device["name"])),
        )
        for index, device in enumerate(devices)
        if device["max_input_channels"] > 0
    ]


def default_index(sd: Any) -> int | None:
    """Index of the default input; None where there is none."""
    index = sd.default.device[0]
    return index if isinstance(index, int) and index >= 0 else None


def find_input(device: str | int | None) -> InputDevice:
    """The input that `device` names: None = the default, an index, or a part of its name in any case.

    An exact name wins over a part; of several, the default one or the first. Raises `MicrophoneError`.
    """
    inputs = list_inputs()
    if not inputs:
        allowed = " and that your user may use it (group `audio`)" if sys.platform.startswith("linux") else ""
        raise MicrophoneError(
            f"No microphone was found; connect one, or check that the system's sound settings show one{allowed}."
        )
    if device is None:
        return next((entry for entry in inputs if entry.default), inputs[0])
    if isinstance(device, int):
        found = [entry for entry in inputs if entry.index == device]
    else:
        wanted = device.casefold()
        found = [entry for entry in inputs if entry.name.casefold() == wanted]
        found = found or [entry for entry in inputs if wanted in entry.name.casefold()]
    if not found:
        known = ", ".join(f"{entry.index} {entry.name!r}" for entry in inputs)
        raise MicrophoneError(
            f"There is no microphone {device!r}; the inputs are {known} (`livemerc devices` lists them)."
        )
    return next((entry for entry in found if entry.default), found[0])


@contextlib.contextmanager
def quiet_stderr() -> Iterator[None]:
    """ALSA and JACK print to descriptor 2 while PortAudio looks for devices: nothing there that a user could mend."""
    with _stderr_lock:
        try:
            kept = os.dup(2)
        except OSError:  # no stderr at all
            yield
            return
        try:
            with open(os.devnull, "wb") as nowhere:
                os.dup2(nowhere.fileno(), 2)
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
