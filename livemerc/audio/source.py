"""What every source hands over, how a source behaves, and what some can do beside.

The sources themselves live in `file_source`, `stdin_source` and `microphone/`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np

from livemerc.events import MicState

if TYPE_CHECKING:
    from livemerc.audio.ears import AnyEars
    from livemerc.audio.resumed import Past
    from livemerc.config import Config


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
    """Index into the source's `speakers` (`HasSpeakers`)."""


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
    warnings: list[str]
    """Sentences for the user, for instance "truncated after 12.3 s"; complete once the session has ended."""

    def blocks(self) -> Iterator[Block]:
        """Ends at the end of the input or soon after `close()`."""
        ...

    def close(self) -> None:
        """Thread-safe, idempotent; unblocks `blocks()`."""
        ...

    def health(self) -> SourceHealth: ...


@runtime_checkable
class Paced(Protocol):
    """A source that plays at a pace of its own."""

    speed: float
    """Source seconds a second; 0 = as fast as it goes."""


@runtime_checkable
class Holdable(Protocol):
    """A source that can wait, as a file can and the world cannot."""

    def hold(self, held: bool) -> None:
        """Hand over nothing from now on, or go on where it stopped; from any thread."""
        ...


@runtime_checkable
class Switchable(Protocol):
    """A source whose device can be changed while the session goes on."""

    def switch(self, device: str | int) -> None:
        """From any thread. Raises `MicrophoneError`."""
        ...


@runtime_checkable
class HasRemarks(Protocol):
    """A source that has something to say before it is heard."""

    remarks: list[str]
    """Sentences for the user, for instance which of several tracks is heard."""


@runtime_checkable
class HasLength(Protocol):
    """A source that knows how long it goes on."""

    @property
    def length_s(self) -> float | None:
        """As declared or guessed; None = unknown."""
        ...


@runtime_checkable
class Resumable(Protocol):
    """A source whose session may have been begun before: it begins anew, and is heard again as fast as it goes."""

    past: Past | None


@runtime_checkable
class HasSpeakers(Protocol):
    """A source that knows who speaks on each of its channels."""

    speakers: tuple[str, ...]
    """() = one channel, and nobody knows who."""


@runtime_checkable
class InOwnTime(Protocol):
    """A source whose channels may come from several devices, each with a clock of its own."""

    in_step: bool
    """True: one device or file, so that every channel is heard up to the same time."""


@runtime_checkable
class BringsEars(Protocol):
    """A source that was cut into utterances before."""

    def ears(self, config: Config) -> AnyEars:
        """What gives its utterances for its blocks."""
        ...


def speakers_of(source: Source) -> tuple[str, ...]:
    """Who speaks on each channel; () = one channel, and nobody knows who."""
    return source.speakers if isinstance(source, HasSpeakers) else ()


def speed_of(source: Source) -> float:
    """Source seconds a second; 1 where the world sets the pace, or nothing does."""
    return (source.speed or 1.0) if isinstance(source, Paced) else 1.0


def block_length(rate_hz: int, block_ms: float) -> int:
    """Samples in a block of `block_ms` at `rate_hz`, at least one."""
    return max(1, round(rate_hz * block_ms / 1000.0))


def speakers_and_channels(speakers: tuple[str, ...], channels: int, where: str) -> str:
    """What to say when `where` has not a channel for each of the speakers."""
    many = f"{channels} channel" + ("s" if channels != 1 else "")
    names = " or ".join(["one name", *([f"{channels} names"] if channels > 1 else [])])
    return f"--speakers names {len(speakers)} ({', '.join(speakers)}), and {where} has {many}; give {names}."
