"""What every source hands over, and how a source behaves.

The sources themselves live in `file_source`, `stdin_source` and `microphone.source`, and can be had from here too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from livemerc.events import MicState

if TYPE_CHECKING:
    from livemerc.audio.file_source import FileSource as FileSource
    from livemerc.audio.microphone.source import MicSource as MicSource
    from livemerc.audio.stdin_source import StdinSource as StdinSource

_SOURCES = {"FileSource": "file_source", "MicSource": "microphone.source", "StdinSource": "stdin_source"}


@dataclass(frozen=True, slots=True)
class Block:
    """What a source hands over at once; `samples` may be empty: then only time has passed (a silent device)."""

    samples: np.ndarray
    """(n,) float32 mono in [-1, 1] at the source's rate."""
    start_s: float
    """Time of samples[0] on the session clock."""
    gap_s: float = 0.0
    """Audio lost just before this block (overrun, device gone); 0 = contiguous."""
    channel: int = 0
    """Index into the source's `speakers`."""


@dataclass(frozen=True, slots=True)
class SourceHealth:
    """What a source knows about itself; a snapshot, safe to read from any thread."""

    overruns: int = 0
    dropped_s: float = 0.0
    mic: MicState | None = None


JUMP_S = 0.2
"""A clock that runs ahead of the samples by more than this has jumped; less is the device's jitter or its drift."""


class Source(Protocol):
    """One stream of audio, or one for each speaker, all at `rate_hz`.

    `blocks()` is for one thread; `close()` and `health()` for any.
    """

    name: str
    """Goes to `session.start`: "file:call.wav", "mic:Built-in", "stdin", "demo"."""
    rate_hz: int
    live: bool
    """True: the pace is the world's (microphone, stdin, file at speed 1). False: as fast as it goes."""
    speakers: tuple[str, ...]
    """Who speaks on each channel; () = one channel, and nobody knows who."""
    warnings: list[str]
    """Sentences for the user, for instance "truncated after 12.3 s"; complete once `blocks()` has ended."""

    def blocks(self) -> Iterator[Block]:
        """Ends at the end of the input or soon after `close()`."""
        ...

    def close(self) -> None:
        """Thread-safe, idempotent; unblocks `blocks()`."""
        ...

    def health(self) -> SourceHealth: ...


def block_length(rate_hz: int, block_ms: float) -> int:
    """Samples in a block of `block_ms` at `rate_hz`, at least one."""
    return max(1, round(rate_hz * block_ms / 1000.0))


def speakers_and_channels(speakers: tuple[str, ...], channels: int, where: str) -> str:
    """What to say when `where` has not a channel for each of the speakers."""
    many = f"{channels} channel" + ("s" if channels != 1 else "")
    names = " or ".join(["one name", *([f"{channels} names"] if channels > 1 else [])])
    return f"--speakers names {len(speakers)} ({', '.join(speakers)}), and {where} has {many}; give {names}."


def __getattr__(name: str) -> Any:
    if name in _SOURCES:
        return getattr(import_module(f"livemerc.audio.{_SOURCES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
