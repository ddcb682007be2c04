"""What the screen shows, as plain data: `SessionState.apply(event)`. No Textual here; widgets redraw from this."""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol

import msgspec

from livemerc.dashboard.course import NOT_SURE, Course
from livemerc.emotions import LABELS
from livemerc.events import (
    EmotionEvent,
    EmotionStatus,
    Event,
    MicState,
    SessionEnd,
    SessionStart,
    Status,
    UtteranceFinal,
    UtterancePartial,
)

Phase = Literal["loading", "live", "finishing", "finished"]

CLIPPING_DBFS = -3.0
"""RMS of a full-scale sine is -3 dBFS: a louder block has its peaks cut."""
CLIPPING_HELD_S = 1.5
"""How long the clipping mark stays: a glance must be able to catch it."""
LAG_TROUBLE_S = 5.0
"""Lag beyond which the screen says so in red: the words on screen are no longer what is being said."""
_LATENCIES_KEPT = 500
_LEVELS_KEPT = 600  # a minute at 10 polls a second
_CHANGES_KEPT = 8


class GaugesLike(Protocol):
    """What `monitor.gauges()` returns; the fields of `livemerc.gauges.Gauges`."""

    @property
    def t_s(self) -> float: ...
    @property
    def level_dbfs(self) -> float | None: ...
    @property
    def speaking(self) -> bool: ...
    @property
    def lag_s(self) -> float: ...
    @property
    def queued(self) -> dict[str, int]: ...
    @property
    def dropped_s(self) -> float: ...
    @property
    def overruns(self) -> int: ...
    @property
    def mic(self) -> MicState | None: ...
    @property
    def degraded(self) -> str | None: ...
    @property
    def elapsed_s(self) -> float: ...
    @property
    def loading(self) -> str | None: ...


@dataclass(slots=True)
class Estimate:
    """The newest emotion estimate of one utterance. Vectors follow `SessionState.labels`."""

    revision: int
    status: EmotionStatus
    label: str
    confidence: float
    abstained: str | None
    probabilities: tuple[float, ...]
    text: tuple[float, ...] | None
    speech: tuple[float, ...] | None

    @property
    def shown(self) -> str:
        """The label, or `NOT_SURE`."""
        return NOT_SURE if self.abstained is not None else self.label


@dataclass(slots=True)
class Utterance:
    """One row of the transcript. `version` grows with every change: the key of whatever is cached for it."""

    utterance_id: str
    start_s: float
    end_s: float | None = None
    text: str = ""
    speaker: str | None = None
    gated: str | None = None
    asr_confidence: float | None = None
    final: bool = False
    estimate: Estimate | None = None
    changes: list[str] = field(default_factory=list)  # what it was before, oldest first: labels or NOT_SURE
    version: int = 0

    @property
    def was(self) -> str | None:
        """What it was before the last revision, where that differs from what it is."""
        return self.changes[-1] if self.changes else None


@dataclass(slots=True)
class Health:
    """How the monitor itself is; the newest of `status` events and gauges."""

    t_s: float = 0.0
    elapsed_s: float = 0.0
    lag_s: float = 0.0
    queued: dict[str, int] = field(default_factory=dict)
    dropped_s: float = 0.0
    overruns: int = 0
    level_dbfs: float | None = None
    speaking: bool = False
    mic: MicState | None = None
    degraded: str | None = None
    loading: str | None = None
    clipped_at_s: float | None = None  # on the clock of `elapsed_s`

    @property
    def clipping(self) -> bool:
        return self.clipped_at_s is not None and self.elapsed_s - self.clipped_at_s <= CLIPPING_HELD_S

    def troubles(self) -> list[str]:
        """What a person must see at once, the worst first; each a plain sentence."""
        found = []
        if self.mic is not None and not self.mic.ok:
            found.append(f"MICROPHONE: {self.mic.why or 'nothing is being heard'}")
        if self.degraded:
            found.append(f"DEGRADED: {self.degraded}")
        if self.lag_s >= LAG_TROUBLE_S:
            found.append(f"BEHIND: what you see was said {self.lag_s:.0f} s ago")
        return found


@dataclass(frozen=True, slots=True)
class Playback:
    """Where a replay is. `growing`: the session is still being recorded; `ended`: nothing will follow."""

    position_s: float
    duration_s: float
    speed: float
    paused: bool
    growing: bool
    ended: bool


class SessionState:
    """Everything the dashboard knows, from events and gauges alone.

    Not thread-safe: only the UI's thread touches it. Utterances are ordered by `start_s`.
    """

    def __init__(self) -> None:
        self.start: SessionStart | None = None
        self.end: SessionEnd | None = None
        self.phase: Phase = "loading"
        self.labels: list[str] = list(LABELS)
        self.utterances: list[Utterance] = []
        self.health = Health()
        self.course = Course()
        self.levels_dbfs: deque[float] = deque(maxlen=_LEVELS_KEPT)
        self.newest: Utterance | None = None  # the last one that has an estimate: "now"
        self.speakers: set[str] = set()
        self.recording: str | None = None
        self.playback: Playback | None = None
        self._by_id: dict[str, Utterance] = {}
        self._latencies_ms: deque[float] = deque(maxlen=_LATENCIES_KEPT)
        self._changed_from: int | None = None

    # -- what widgets ask ---------------------------------------------------------------------------------------------

    def take_changed_from(self) -> int | None:
        """Index of the first utterance that changed since the last call; None: no change."""
        changed, self._changed_from = self._changed_from, None
        return changed

    def latency_ms(self, quantile: float) -> float | None:
        """End of speech to emotion, nearest rank over the last 500 utterances; None before the first."""
        if not self._latencies_ms:
            return None
        ordered = sorted(self._latencies_ms)
        return ordered[min(len(ordered) - 1, int(quantile * len(ordered)))]

    @property
    def duration_s(self) -> float:
        """Seconds of audio so far."""
        if self.end is not None:
            return self.end.duration_s
        last = self.utterances[-1] if self.utterances else None
        return max(self.health.t_s, (last.end_s or last.start_s) if last else 0.0)

    # -- moments of a replay -------------------------------------------------------------------------------------------

    def copy(self) -> SessionState:
        """One that goes its own way."""
        other = SessionState()
        other.start, other.end, other.phase = self.start, self.end, self.phase
        other.labels, other.speakers = list(self.labels), set(self.speakers)
        other.utterances = [copy.copy(utterance) for utterance in self.utterances]
        other._by_id = {utterance.utterance_id: utterance for utterance in other.utterances}
        other.newest = None if self.newest is None else other._by_id[self.newest.utterance_id]
        other.health, other.course = replace(self.health), self.course.copy()
        other._latencies_ms = self._latencies_ms.copy()
        return other

    def become(self, other: SessionState) -> None:
        """Take over everything of `other`, which is not to be used any more. Rows that are the same stay in place."""
        before = self.utterances
        for name in (
            "start", "end", "phase", "labels", "speakers", "utterances", "newest", "health", "course", "_by_id",
            "_latencies_ms",
        ):  # fmt: skip
            setattr(self, name, getattr(other, name))
        self.levels_dbfs.clear()
        same = 0
        for old, new in zip(before, self.utterances, strict=False):
            if (old.utterance_id, old.version, old.start_s) != (new.utterance_id, new.version, new.start_s):
                break
            same += 1
        if same < max(len(before), len(self.utterances)):
            self._touch(same)

    # -- what happens --------------------------------------------------------------------------------------------------

    def apply(self, event: Event) -> None:
        if isinstance(event, SessionStart):
            self.start = event
            self.labels = list(event.labels)
            if self.phase == "loading":
                self.phase = "live"
        elif isinstance(event, UtterancePartial):
            self._partial(event)
        elif isinstance(event, UtteranceFinal):
            self._final(event)
        elif isinstance(event, EmotionEvent):
            self._emotion(event)
        elif isinstance(event, Status):
            self._status(event)
        else:
            self.end = event
            self.health.dropped_s, self.health.overruns = event.dropped_s, event.overruns
            self.finished()

    def apply_gauges(self, gauges: GaugesLike) -> None:
        """A poll of the monitor, ten a second. After the end there is nothing to be well or ill any more."""
        if self.phase == "finished":
            return
        health = self.health
        health.t_s, health.elapsed_s, health.lag_s = gauges.t_s, gauges.elapsed_s, gauges.lag_s
        health.queued, health.loading = gauges.queued, gauges.loading
        health.dropped_s, health.overruns = (
            max(health.dropped_s, gauges.dropped_s),
            max(health.overruns, gauges.overruns),
        )
        health.mic, health.degraded = gauges.mic, gauges.degraded
        health.speaking = gauges.speaking
        self._level(gauges.level_dbfs)
        self.levels_dbfs.append(-120.0 if gauges.level_dbfs is None else gauges.level_dbfs)

    def changed_source(self, name: str) -> None:
        """The session goes on with another microphone."""
        if self.start is not None:
            self.start = msgspec.structs.replace(self.start, source=name)

    def finishing(self) -> None:
        """Someone asked to stop: the last utterance is on its way."""
        if self.phase != "finished":
            self.phase = "finishing"

    def finished(self) -> None:
        """No event will follow. A hypothesis that never became final was too short to be an utterance: it goes."""
        self.phase = "finished"
        self.health.speaking = False
        for index in reversed(range(len(self.utterances))):
            utterance = self.utterances[index]
            if not utterance.final:
                del self.utterances[index], self._by_id[utterance.utterance_id]
                self._touch(index)
                if self.newest is utterance:
                    self.newest = next((u for u in reversed(self.utterances) if u.estimate), None)

    # -- one event each ------------------------------------------------------------------------------------------------

    def _partial(self, event: UtterancePartial) -> None:
        utterance = self._utterance(event.utterance_id, event.start_s)
        if not utterance.final:  # a partial that lost the race against its final says nothing any more
            utterance.text = event.text
            self._changed(utterance)

    def _final(self, event: UtteranceFinal) -> None:
        utterance = self._utterance(event.utterance_id, event.start_s)
        utterance.final = True
        utterance.end_s = event.end_s
        utterance.text, utterance.speaker = event.text, event.speaker
        if event.speaker:
            self.speakers.add(event.speaker)
        utterance.gated, utterance.asr_confidence = event.asr.gated, event.asr.confidence
        if utterance.estimate is not None:
            self._count(utterance, 1)
        self._changed(utterance)

    def _emotion(self, event: EmotionEvent) -> None:
        utterance = self._by_id.get(event.utterance_id)
        if utterance is None:
            utterance = self._utterance(event.utterance_id, self.duration_s)
        if event.late_text is not None:  # the recogniser was behind
            utterance.text, utterance.gated = event.late_text, None
        old = utterance.estimate
        if old is not None and (old.status == "frozen" or (event.revision < old.revision and event.status != "frozen")):
            return
        new = Estimate(
            revision=event.revision,
            status=event.status,
            label=event.label,
            confidence=event.confidence,
            abstained=event.abstained,
            probabilities=self._vector(event.probabilities),
            text=None if event.modality.text is None else self._vector(event.modality.text),
            speech=None if event.modality.speech is None else self._vector(event.modality.speech),
        )
        if old is not None:
            self._count(utterance, -1)
            # What a partial guessed was no label yet: only what followed the final can be revised.
            if old.status != "partial" and old.shown != new.shown:
                utterance.changes = [*utterance.changes, old.shown][-_CHANGES_KEPT:]
        utterance.estimate = new
        self._count(utterance, 1)
        if event.timing is not None and event.timing.total_ms is not None and event.status == "provisional":
            self._latencies_ms.append(event.timing.total_ms)
        if self.newest is None or utterance.start_s >= self.newest.start_s:
            self.newest = utterance
        self._changed(utterance)

    def _status(self, event: Status) -> None:
        health = self.health
        health.t_s, health.lag_s, health.queued = max(health.t_s, event.t_s), event.lag_s, event.queued
        health.dropped_s, health.overruns = max(health.dropped_s, event.dropped_s), max(health.overruns, event.overruns)
        health.mic, health.degraded = event.mic, event.degraded
        if event.level_dbfs is not None:
            self._level(event.level_dbfs)

    def _level(self, level_dbfs: float | None) -> None:
        self.health.level_dbfs = level_dbfs
        if level_dbfs is not None and level_dbfs >= CLIPPING_DBFS:
            self.health.clipped_at_s = self.health.elapsed_s

    # -- bookkeeping ---------------------------------------------------------------------------------------------------

    def _utterance(self, utterance_id: str, start_s: float) -> Utterance:
        """The utterance of that id, made or moved so that the list stays in order of `start_s`."""
        utterance = self._by_id.get(utterance_id)
        if utterance is not None:
            if utterance.start_s != start_s and not utterance.final:  # the id of a dropped one, used again
                index = self._index(utterance)
                del self.utterances[index]
                self._touch(index)
                utterance.start_s = start_s
                self._insert(utterance)
            return utterance
        utterance = self._by_id[utterance_id] = Utterance(utterance_id, start_s)
        self._insert(utterance)
        return utterance

    def _insert(self, utterance: Utterance) -> None:
        index = len(self.utterances)
        while index and self.utterances[index - 1].start_s > utterance.start_s:
            index -= 1
        self.utterances.insert(index, utterance)
        self._touch(index)

    def _index(self, utterance: Utterance) -> int:
        for index in reversed(range(len(self.utterances))):  # nearly always among the last few
            if self.utterances[index] is utterance:
                return index
        raise KeyError(utterance.utterance_id)

    def _changed(self, utterance: Utterance) -> None:
        utterance.version += 1
        self._touch(self._index(utterance))

    def _touch(self, index: int) -> None:
        self._changed_from = index if self._changed_from is None else min(self._changed_from, index)

    def _count(self, utterance: Utterance, sign: Literal[1, -1]) -> None:
        if utterance.final and utterance.estimate is not None and utterance.end_s is not None:
            self.course.add(utterance.start_s, utterance.end_s, utterance.estimate.shown, sign)

    def _vector(self, probabilities: dict[str, float]) -> tuple[float, ...]:
        for label in probabilities:
            if label not in self.labels:  # a checkpoint that says more than it promised: shown, in grey, at the end
                self.labels.append(label)
        return tuple(probabilities.get(label, 0.0) for label in self.labels)


def top(labels: Sequence[str], vector: Sequence[float]) -> tuple[str, float]:
    """The most probable label and its probability; of equals the first."""
    best = max(range(len(vector)), key=vector.__getitem__)
    return labels[best], vector[best]
