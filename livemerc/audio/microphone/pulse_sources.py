"""The inputs of PulseAudio (or PipeWire's PulseAudio) that PortAudio's ALSA sees only as one device.

Among them are the monitors: what the speakers play, and so the far side of a meeting.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_ANSWER_WITHIN_S = 3.0


@dataclass(frozen=True, slots=True)
class PulseSource:
    name: str
    """As `pactl` and `PULSE_SOURCE` take it, for instance "alsa_output.pci-0000_00_1f.3.analog-stereo.monitor"."""
    description: str
    rate_hz: int
    channels: int
    default: bool
    monitor: bool


def pulse_sources() -> list[PulseSource]:
    """What the sound server has; nothing where there is none or `pactl` is not installed."""
    if not sys.platform.startswith("linux") or shutil.which("pactl") is None:
        return []
    sources, info = _ask("list", "sources"), _ask("info")
    if not isinstance(sources, list) or not isinstance(info, dict):
        return []
    return [_source(entry, info.get("default_source_name")) for entry in sources if "name" in entry]


def _source(entry: dict[str, Any], default: str | None) -> PulseSource:
    rate_hz, channels = 44_100, 2
    for word in str(entry.get("sample_specification", "")).split():  # "s16le 2ch 44100Hz"
        if word.endswith("Hz") and word[:-2].isdecimal():
            rate_hz = int(word[:-2])
        elif word.endswith("ch") and word[:-2].isdecimal():
            channels = int(word[:-2])
    name = str(entry["name"])
    properties = entry.get("properties") or {}
    monitor = properties.get("device.class") == "monitor" or name.endswith(".monitor")
    return PulseSource(name, str(entry.get("description") or name), rate_hz, channels, name == default, monitor)


def _ask(*question: str) -> Any:
    try:
        answer = subprocess.run(
            ["pactl", "--format=json", *question],
            capture_output=True, timeout=_ANSWER_WITHIN_S, check=True, stdin=subprocess.DEVNULL,
        ).stdout  # fmt: skip
        return json.loads(answer)
    except (OSError, subprocess.SubprocessError, ValueError):
        return None  # no server, or one that does not answer: then PortAudio's own list is all there is


@contextlib.contextmanager
def chosen(source: str | None) -> Iterator[None]:
    """A stream that ALSA's PulseAudio plugin opens meanwhile hears `source`; None = the server's default.

    libpulse reads the variable whenever it connects.
    """
    before = os.environ.get("PULSE_SOURCE")
    if source is None:
        yield
        return
    os.environ["PULSE_SOURCE"] = source
    try:
        yield
    finally:
        if before is None:
            del os.environ["PULSE_SOURCE"]
        else:
            os.environ["PULSE_SOURCE"] = before
