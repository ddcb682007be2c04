"""A scripted monitor for the dashboard's tests: real events from a list, a clock that only tests move."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import UNSET

from livemerc.dashboard.watched import Microphone, WatchedMonitor, WatchedSource
from livemerc.emotions import LABELS
from livemerc.events import (
    AsrInfo,
    CheckpointInfo,
    EmotionEvent,
    EmotionStatus,
    Event,
    FinalAsr,
    Modality,
    SessionEnd,
    SessionStart,
    Timing,
    UtteranceFinal,
    UtterancePartial,
)
from livemerc.runtime.gauges import Gauges
from livemerc.runtime.notices import PAUSED
from livemerc.sessions.bookmarks import Bookmark


@dataclass(frozen=True)
class ScriptedGauges(Gauges):
    """The chain's own, in a silent room."""

    level_dbfs: float | None = -120.0


@dataclass
class ScriptedSource:
    """One that no other can take the place of, as a file."""

    name: str = "file:kitchen.flac"


class ScriptedMonitor:
    """Gives `events`, then ends (`ends`) or waits for `stop`, after which `last_words` come.

    It can be paused, marked and recorded; what is asked of it is remembered, and nothing is written.
    """

    paused = False
    recording: str | None = None
    recording_folder: Path | None = None

    def __init__(
        self,
        events: Sequence[Event] = (),
        *,
        gauges: ScriptedGauges | None = None,
        ends: bool = False,
        last_words: Sequence[Event] = (),
        failure: Exception | None = None,
        source: WatchedSource | None = None,
    ) -> None:
        self.source: WatchedSource = ScriptedSource() if source is None else source
        self.bookmarks: list[Bookmark] = []
        self._events = list(events)
        self._gauges = gauges or ScriptedGauges()
        self._ends = ends
        self._last_words = list(last_words)
        self._failure = failure
        self.stopped = threading.Event()
        self.delivered = threading.Event()  # all of `events` have been taken
        self.stops = 0
        self.notices_shown = 0

    def events(self) -> Iterator[Event]:
        yield from self._events
        self.delivered.set()
        if self._failure is not None:
            raise self._failure
        if not self._ends:
            self.stopped.wait()
            yield from self._last_words

    def stop(self) -> None:
        self.stops += 1
        self.stopped.set()

    def pause(self, paused: bool) -> None:
        self.paused = paused

    def switch(self, device: str | int) -> None:
        if isinstance(self.source, Microphone):
            self.source.switch(device)

    def bookmark(self, bookmark: Bookmark) -> str:
        self.bookmarks.append(bookmark)
        return "Marked, and kept with the recording"

    def notice_shown(self) -> str:
        self.notices_shown += 1
        return "The notice is shown, and the recording keeps when"

    def toggle_recording(self) -> str:
        self.recording = "rec" if self.recording is None else None
        return "Recording to somewhere" if self.recording else "Recording ended"

    def gauges(self) -> ScriptedGauges:
        return replace(self._gauges, degraded=PAUSED) if self.paused else self._gauges


if TYPE_CHECKING:  # mypy says so where it falls behind what the screen needs
    _watched: WatchedMonitor = ScriptedMonitor()


class FakeClock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def start(source: str = "file:kitchen.flac", labels: Sequence[str] = LABELS) -> SessionStart:
    return SessionStart(
        version="0.1.0",
        labels=list(labels),
        checkpoint=CheckpointInfo(id="compact-1", sha256="0" * 64, licence="Apache-2.0"),
        asr=AsrInfo(engine="pocketsphinx", model="en-us"),
        device="cpu",
        source=source,
        started_at="2026-01-02T03:04:05Z",
    )


def spread(label: str, confidence: float, second: str | None = None) -> dict[str, float]:
    """A distribution with `label` at `confidence`; most of the rest goes to `second`."""
    rest = 1 - confidence
    others = [name for name in LABELS if name not in (label, second)]
    values = dict.fromkeys(LABELS, rest * (0.3 if second else 1.0) / len(others))
    values[label] = confidence
    if second:
        values[second] = rest * 0.7
    return values


def partial(number: int, start_s: float, text: str) -> UtterancePartial:
    return UtterancePartial(utterance_id=f"u{number}", start_s=start_s, text=text)


def final(
    number: int, start_s: float, end_s: float, text: str, speaker: str | None = None, gated: str | None = None,
    overlaps: list[tuple[float, float]] | None = None,
) -> UtteranceFinal:  # fmt: skip
    return UtteranceFinal(
        utterance_id=f"u{number}",
        start_s=start_s,
        end_s=end_s,
        text=text,
        speaker=speaker,
        asr=FinalAsr(engine="pocketsphinx", model="en-us", confidence=0.8, gated=gated),
        overlaps=UNSET if overlaps is None else overlaps,
    )


def emotion(
    number: int,
    label: str,
    confidence: float,
    *,
    status: EmotionStatus = "provisional",
    revision: int = 0,
    second: str | None = None,
    words: tuple[str, float] | None = None,
    voice: tuple[str, float] | None = None,
    abstained: str | None = None,
    total_ms: float | None = 640.0,
) -> EmotionEvent:
    return EmotionEvent(
        utterance_id=f"u{number}",
        revision=revision,
        status=status,
        label=label,
        confidence=confidence,
        abstained=abstained,
        probabilities=spread(label, confidence, second),
        modality=Modality(text=spread(*words) if words else None, speech=spread(*voice) if voice else None),
        timing=None if total_ms is None else Timing(endpoint_wait_ms=450.0, total_ms=total_ms),
    )


def end(duration_s: float, utterances: int) -> SessionEnd:
    return SessionEnd(duration_s=duration_s, utterances=utterances)


def conversation() -> list[Event]:
    """Two people in a kitchen; the last utterances are not settled, one is still being said."""
    said: list[tuple[float, float, str, str, str, float, str, tuple[str, float], tuple[str, float]]] = [
        (0.6, 2.4, "Ann", "so you came after all", "neutral", 0.81, "joy", ("neutral", 0.74), ("neutral", 0.62)),
        (2.9, 6.2, "Robert", "of course I came, I would not have missed this for anything in the world",
         "joy", 0.77, "surprise", ("joy", 0.81), ("joy", 0.48)),
        (7.1, 9.0, "Ann", "you said that last time", "anger", 0.58, "neutral", ("neutral", 0.71), ("anger", 0.55)),
        (9.6, 13.8, "Robert", "I know. I sat in the car for an hour and I could not bring myself to ring the bell",
         "sadness", 0.69, "fear", ("sadness", 0.77), ("sadness", 0.41)),
        (15.0, 16.1, "Ann", "in the car? all this time?", "surprise", 0.73, "fear", ("surprise", 0.7),
         ("surprise", 0.6)),
        (17.2, 19.0, "Robert", "yes", "neutral", 0.88, "sadness", ("neutral", 0.9), ("neutral", 0.6)),
        (20.4, 23.9, "Ann", "and I thought you had simply forgotten us, like everybody else did",
         "anger", 0.52, "sadness", ("sadness", 0.5), ("anger", 0.66)),
    ]  # fmt: skip
    events: list[Event] = [start()]
    for number, (t0, t1, who, text, label, p, second, words, voice) in enumerate(said, 1):
        events.append(partial(number, t0, text[: len(text) // 2]))
        events.append(final(number, t0, t1, text, who))
        events.append(emotion(number, label, p, second=second, words=words, voice=voice, total_ms=560.0 + 40 * number))
        if number > 2:
            earlier = said[number - 3]
            events.append(
                emotion(number - 2, earlier[4], earlier[5], status="frozen", revision=1, second=earlier[6],
                        words=earlier[7], voice=earlier[8], total_ms=None)
            )  # fmt: skip
    return [*events, partial(8, 25.0, "I never forgot you, not for a")]
