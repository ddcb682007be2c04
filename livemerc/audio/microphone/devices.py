"""Inputs as PortAudio sees them, and what PulseAudio has behind its one device. Both are asked quietly, when needed."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from livemerc.audio.microphone.pulse_sources import pulse_sources
from livemerc.errors import MicrophoneError

_MONITOR = re.compile(r"\bmonitor\b|loopback|stereo mix|what u hear|blackhole|soundflower", re.IGNORECASE)
_NO_PORTAUDIO = {
    "linux": "PortAudio is missing, and no microphone can be heard without it; run `apt-get install libportaudio2`.",
    "darwin": "PortAudio does not load, and no microphone can be heard without it; run `brew install portaudio`.",
}
_FAR_SIDE = {
    "linux": "PulseAudio and PipeWire list a monitor of every output; `pactl` (pulseaudio-utils) must be installed",
    "darwin": "install BlackHole, and play through a Multi-Output Device that has it (Audio MIDI Setup)",
    "win32": "switch on Stereo Mix under Sound > Recording, or install a virtual cable (WASAPI loopback is no input)",
}
_LISTED_WITHIN_S = 10.0
_stderr_lock = threading.RLock()


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
    pulse: str | None = None
    """PulseAudio's name of the source, of inputs that only PulseAudio tells apart."""
    opens: int | None = None
    """PortAudio's index, where it is not `index`."""

    def __str__(self) -> str:
        far_side = "monitor: hears what the speakers play"
        marks = [word for word, is_so in (("default", self.default), (far_side, self.monitor)) if is_so]
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
    inputs = [
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
    return _with_pulse(inputs, first_index=len(devices))


def _with_pulse(inputs: list[InputDevice], first_index: int) -> list[InputDevice]:
    """ALSA shows a sound server as one device, "pulse": what is behind it is listed too, and opened through it."""
    through = next((entry for entry in inputs if entry.host_api == "ALSA" and entry.name == "pulse"), None)
    if through is None:
        return inputs
    sources = pulse_sources()
    hears_speakers = any(source.default and source.monitor for source in sources)
    listed = [
        replace(entry, monitor=True) if hears_speakers and entry.name in ("pulse", "default") else entry
        for entry in inputs
    ]
    return listed + [
        InputDevice(
            index=first_index + number,
            name=source.description,
            host_api="PulseAudio",
            rate_hz=source.rate_hz,
            channels=source.channels,
            default=False,
            monitor=source.monitor,
            pulse=source.name,
            opens=through.index,
        )
        for number, source in enumerate(sources)
    ]


def inputs_now(given_up: threading.Event | None = None) -> list[InputDevice]:
    """The inputs as they are at this moment: PortAudio lists them once in a process, so another process is asked.

    Where none can be started, the list of this one; none once `given_up`. Raises `MicrophoneError` without PortAudio.
    """
    here = str(Path(__file__).resolve().parents[3])
    paths = os.pathsep.join([here, *filter(None, [os.environ.get("PYTHONPATH")])])
    try:
        asked = subprocess.Popen(
            [sys.executable, "-m", "livemerc.audio.microphone.devices"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
            env=os.environ | {"PYTHONPATH": paths},
        )  # fmt: skip
    except OSError:
        return list_inputs()
    with asked:
        until_s = time.monotonic() + _LISTED_WITHIN_S
        while time.monotonic() < until_s:
            try:
                answer, _ = asked.communicate(timeout=0.2)
            except subprocess.TimeoutExpired:
                if given_up is not None and given_up.is_set():
                    asked.kill()
                    return []
                continue
            with contextlib.suppress(ValueError):  # no list but an error: this process has the same to say
                return [InputDevice(**entry) for entry in json.loads(answer)]
            break
        asked.kill()
    return list_inputs()


def far_side_hint() -> str:
    """How to hear the other people of a call on this system, where no monitor is listed."""
    how = _FAR_SIDE.get(sys.platform, "choose a monitor or loopback input of the sound system")
    return f"No input hears what the speakers play (the far side of a call): {how}."


def default_index(sd: Any) -> int | None:
    """Index of the default input; None where there is none."""
    index = sd.default.device[0]
    return index if isinstance(index, int) and index >= 0 else None


def find_input(device: str | int | None) -> InputDevice:
    """The input that `device` names: None or "default" = the default, an index, or a part of its name in any case.

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
    if device == "default" and (default := [entry for entry in inputs if entry.default]):
        return default[0]
    if isinstance(device, int):
        found = [entry for entry in inputs if entry.index == device]
    else:
        wanted = device.casefold()
        found = [entry for entry in inputs if wanted in (entry.name.casefold(), (entry.pulse or "").casefold())]
        found = found or [entry for entry in inputs if wanted in f"{entry.name} {entry.pulse or ''}".casefold()]
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


if __name__ == "__main__":
    print(json.dumps([asdict(entry) for entry in list_inputs()]))
