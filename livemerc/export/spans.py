"""Times, names and labels as the formats write them. Times are whole milliseconds, and are rounded here alone."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import NamedTuple, TypeVar

from livemerc.sessions.bookmarks import Bookmark
from livemerc.sessions.session import RecordedUtterance
from livemerc.text_safety import plain_text

UNKNOWN_SPEAKER = "unknown"

_Key = TypeVar("_Key", bound=Hashable)


class Span(NamedTuple):
    start_ms: int
    end_ms: int

    @property
    def duration_ms(self) -> int:
        return self.end_ms - self.start_ms


def ms(time_s: float) -> int:
    return round(time_s * 1000)


def span(utterance: RecordedUtterance, *, shortest_ms: int = 0) -> Span:
    """When an utterance was. It never ends before it starts.

    shortest_ms: it lasts at least so long, for many formats hold no interval without a duration.
    """
    start_ms = ms(utterance.start_s)
    return Span(start_ms, max(ms(utterance.end_s), start_ms + shortest_ms))


def seconds(time_ms: int) -> str:
    """`12.345`, exactly, which a float's own digits might not be."""
    return f"{time_ms // 1000}.{time_ms % 1000:03d}"


def clock(time_ms: int, point: str) -> str:
    """`01:02:03.456`; from 100 hours on the hours have more digits."""
    minutes, rest_ms = divmod(time_ms, 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{rest_ms // 1000:02d}{point}{rest_ms % 1000:03d}"


def shown(text: str) -> str:
    """`text` on one line, without what a terminal would interpret, and without white space at its ends."""
    return plain_text(text).strip()


def shown_speaker(utterance: RecordedUtterance) -> str | None:
    """The speaker's name, as `shown`; None where unknown."""
    return (shown(utterance.speaker) or None) if utterance.speaker else None


def shown_label(utterance: RecordedUtterance) -> str:
    """`joy`; `joy?` where the model abstained; `?` where the session broke off before the first estimate."""
    if utterance.label is None:
        return "?"
    return shown(utterance.label) + ("?" if utterance.abstained is not None else "")


def shown_words(utterance: RecordedUtterance) -> str:
    """`(words)` in brackets, as in Jefferson's transcription, where they are doubtful: screened out, and not judged."""
    words = shown(utterance.text)
    return f"({words})" if words and utterance.gated is not None else words


def mark(bookmark: Bookmark) -> str:
    """The note of a bookmark, or `bookmark` where it has none."""
    return shown(bookmark.note) or "bookmark"


def caption(utterance: RecordedUtterance) -> str:
    """`Ann: [joy] what she said`, in one line."""
    speaker = shown_speaker(utterance)
    head = f"{speaker}: " if speaker else ""
    return f"{head}[{shown_label(utterance)}] {shown_words(utterance)}".rstrip()


class Names(dict[_Key, str]):
    """Gives each key a name that a format can hold; no two keys get the same one: `Ann_B`, `Ann_B_2`."""

    def __init__(self, legal: Callable[[_Key], str], joint: str = "_{}") -> None:
        super().__init__()
        self._legal = legal
        self._joint = joint
        self._taken: set[str] = set()
        self._next: dict[str, int] = {}

    def __missing__(self, key: _Key) -> str:
        name = wanted = self._legal(key)
        while name in self._taken:
            number = self._next[wanted] = self._next.get(wanted, 1) + 1
            name = wanted + self._joint.format(number)
        self._taken.add(name)
        self[key] = name
        return name
