"""From the flags of a source to the source: microphones, a file, standard input, or the demo that ships."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from livemerc.errors import ConfigError

if TYPE_CHECKING:
    from livemerc.audio.source import Source
    from livemerc.config import Config

DEMO_FOLDER = Path(__file__).parents[1] / "demo"
"""Holds demo.flac and its transcript, demo.vtt."""


def open_source(
    flag: str,
    mic: list[str] | None,
    file: Path | None,
    rate_hz: int | None,
    speed: float,
    audio_track: str | None,
    speakers: tuple[str, ...],
    settings: Config,
) -> Source:
    """The source that `flag` names.

    Raises `ConfigError`, `InputError` or `MicrophoneError`.
    """
    block_ms = settings.audio.block_ms
    if flag == "--mic":
        from livemerc.audio.microphone.group import MicGroup
        from livemerc.audio.microphone.source import MicSource

        names: list[str | int | None] = [int(name) if name.isdecimal() else name for name in mic or ()]
        if len(names) > 1:
            return MicGroup(names, block_ms, settings.audio.ring_s, speakers)
        return MicSource(names[0] if names else None, block_ms, settings.audio.ring_s, speakers)
    if flag == "--stdin":
        if sys.stdin is None or sys.stdin.isatty():
            raise ConfigError("--stdin wants samples piped in, and standard input is a terminal; see the README.")
        from livemerc.audio.stdin_source import StdinSource

        return StdinSource(sys.stdin.buffer, 16_000 if rate_hz is None else rate_hz, block_ms)
    from livemerc.audio.file_source import FileSource

    if flag == "--demo":
        return FileSource(DEMO_FOLDER / "demo.flac", speed=speed, block_ms=block_ms, name="demo")
    assert file is not None
    return FileSource(file, speed=speed, block_ms=block_ms, speakers=speakers, audio_track=audio_track)
