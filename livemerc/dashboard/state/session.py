"""What the screen shows, as plain data: `SessionState.apply(event)`. No Textual here; widgets redraw from this."""

from __future__ import annotations

import copy
from bisect import insort
from dataclasses import replace
from sys import intern
from typing import Literal

from msgspec import UNSET, structs

from livemerc.dashboard.state.course import Course
from livemerc.dashboard.state.floor import Floor
from livemerc.dashboard.state.gaps import Gaps
from livemerc.dashboard.state.moments import Shifts, Strongest
from livemerc.dashboard.state.speakers import Speakers
from livemerc.dashboard.state.utterance import Estimate, Utterance, Vector
from livemerc.dashboard.state.vitals import GaugesLike, Health, Latencies, Levels, Playback
from livemerc.emotions import LABELS
from livemerc.events import (
    EmotionEvent,
    Event,
    LabelShift,
    SessionEnd,
    SessionStart,
    SpeakerName,
    Status,
    UtteranceFinal,
    UtterancePartial,
    UtteranceSpeaker,
)
from livemerc.purpose import VoiceScope
from livemerc.sessions.bookmarks import Bookmark
from livemerc.sessions.talk import Talk

Phase = Literal["loading", "live", "finishing", "finished"]

UTTERANCES_KEPT = 20_000
"""How many stay on the screen; a session of a day has fewer. Older ones leave it in lots, and the first row says so."""
_LOT = 1000
_CHANGES_KEPT = 8


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
        self.bookmarks: list[Bookmark] = []
        self.gaps = Gaps()
        self.version = 0  # grows with every change of an utterance
        self.forgotten = 0  # utterances that are no longer on the screen
        self.revisions = 0
        self.judged = 0
        self.levels = Levels()
        self.newest: Utterance | None = None  # the last one that has an estimate: "now"
        self.recording: str | None = None
        self.playback: Playback | None = None
        self._who = Speakers()
        self._by_id: dict[str, Utterance] = {}
        self._latencies = Latencies()
        self._changed_from: int | None = None
        self._left = 0
        self._shifts = Shifts()
        self._strongest = Strongest()
        self._floor = Floor()

    # -- what widgets ask ---------------------------------------------------------------------------------------------

    def take_changed_from(self) -> int | None:
        """Index of the first utterance that changed since the last call; None: no change."""
        changed, self._changed_from = self._changed_from, None
        return changed

    @property
    def voice(self) -> VoiceScope | None:
        """Whose voice is judged; None where that is not known (yet)."""
        return None if self.start is None else self.start.voice

    @property
    def speakers(self) -> set[str]:
        """Who has been heard, by what they are called now."""
        return self._who.heard

    def coloured(self, shown: str) -> str:
        """The id whose colour a speaker has who is called so."""
        return self._who.coloured(shown) or shown

    @property
    def courses(self) -> dict[str, Course]:
        """Of each of the first speakers."""
        return self._who.courses

    @property
    def has_words(self) -> bool:
        """Whether there is anything to write to a file."""
        return any(utterance.final for utterance in self.utterances[:2])

    def take_left(self) -> int:
        """How many utterances have left the beginning of the list since the last call."""
        left, self._left = self._left, 0
        return left

    def shifts_s(self) -> list[float]:
        """When the expressed emotion shifted (`livemerc.dashboard.state.moments.Shifts`), in order."""
        return self._shifts.look(self.utterances)

    def talk(self) -> Talk:
        """Who talks how much, and how the floor changes hands, among the utterances that are kept."""
        return self._floor.look(self.utterances)

    def strongest(self, count: int) -> list[Utterance]:
        """The utterances with the surest labels other than neutral, the surest first."""
        return self._strongest.best(count)

    def find(self, utterance_id: str) -> Utterance | None:
        return self._by_id.get(utterance_id)

    def latency_ms(self, quantile: float) -> float | None:
        """End of speech to emotion (`Latencies`); None before the first."""
        return self._latencies.quantile_ms(quantile)

    @property
    def duration_s(self) -> float:
        """Seconds of audio so far."""
        if self.end is not None:
            return self.end.duration_s
        last = self.utterances[-1] if self.utterances else None
        return max(self.health.t_s, (last.end_s or last.start_s) if last else 0.0)

    def troubles(self) -> list[str]:
        """What a person must see at once, the worst first."""
        told = self.playback.trouble if self.playback is not None else None
        return [*([told] if told else []), *self.health.troubles()]

    # -- moments of a replay -------------------------------------------------------------------------------------------

    def copy(self) -> SessionState:
        """One that changes on its own."""
        other = SessionState()
        other.start, other.end, other.phase = self.start, self.end, self.phase
        other.labels, other._who = list(self.labels), self._who.copy()
        other.utterances = [copy.copy(utterance) for utterance in self.utterances]
        other._by_id = {utterance.utterance_id: utterance for utterance in other.utterances}
        other.newest = None if self.newest is None else other._by_id[self.newest.utterance_id]
        other.health, other.course = replace(self.health), self.course.copy()
        other.gaps = self.gaps.copy()
        other.forgotten, other.revisions, other.judged = self.forgotten, self.revisions, self.judged
        other._strongest = self._strongest.moved(other._by_id)
        other._latencies = self._latencies.copy()
        return other

    def become(self, other: SessionState) -> None:
        """Take over everything of `other`, which must not be used afterwards. Rows that are the same stay in place."""
        before = self.utterances
        for name in (
            "start", "end", "phase", "labels", "utterances", "newest", "health", "course", "gaps", "forgotten",
            "revisions", "judged", "_who", "_by_id", "_latencies", "_shifts", "_strongest",
        ):  # fmt: skip
            setattr(self, name, getattr(other, name))
        self.version += 1
        self.levels = Levels()
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
        elif isinstance(event, UtteranceSpeaker):
            self._speaker(event)
        elif isinstance(event, SpeakerName):
            self._name(event)
        elif isinstance(event, EmotionEvent):
            self._emotion(event)
        elif isinstance(event, LabelShift):
            self._shift(event)
        elif isinstance(event, Status):
            self._status(event)
        else:
            self.end = event
            self.gaps.note_lost(event.duration_s, event.dropped_s)
            self.health.dropped_s, self.health.overruns = event.dropped_s, event.overruns
            self.finished()

    def apply_gauges(self, gauges: GaugesLike) -> None:
        """Takes in a poll of the monitor (ten a second). After the end it says nothing any more."""
        if self.phase == "finished":
            return
        self.health.note_gauges(gauges)
        self.levels.note(gauges)

    def add_bookmark(self, bookmark: Bookmark) -> None:
        insort(self.bookmarks, bookmark, key=lambda other: other.t_s)

    def changed_source(self, name: str) -> None:
        """The session goes on with another microphone."""
        if self.start is not None:
            self.start = structs.replace(self.start, source=name)

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
        if utterance.final and utterance.estimate is not None:  # said twice, as in a damaged record
            self._count(utterance, -1)
        utterance.final = True
        utterance.end_s, utterance.text = event.end_s, event.text
        utterance.overlaps = None if event.overlaps is UNSET else tuple(event.overlaps)
        self._who.spoke(utterance, event.speaker)
        utterance.asr = intern(event.asr.engine + (f" {event.asr.model}" if event.asr.model else ""))
        utterance.gated, utterance.asr_confidence = event.asr.gated, event.asr.confidence
        if utterance.estimate is not None:
            self._count(utterance, 1)
        self._changed(utterance)

    def _speaker(self, event: UtteranceSpeaker) -> None:
        utterance = self._by_id.get(event.utterance_id)
        if utterance is not None and utterance.speaker_id != event.speaker:
            utterance.speaker_id = event.speaker
            self._call([utterance])

    def _name(self, event: SpeakerName) -> None:
        touched = self._who.name(event.speaker, event.name)
        self._call([utterance for utterance in self.utterances if utterance.speaker_id in touched])

    def _call(self, utterances: list[Utterance]) -> None:
        """Each by what its speaker is called now."""
        changed, before = self._who.call(utterances, self._count)
        if not changed:
            return
        for utterance in changed:
            utterance.version += 1
            self._strongest.note(utterance)
        self._touch(self._index(changed[0]))
        if not self.forgotten:
            self._who.forget(before - {utterance.speaker for utterance in self.utterances})

    def _emotion(self, event: EmotionEvent) -> None:
        utterance = self._by_id.get(event.utterance_id)
        if utterance is None:
            utterance = self._utterance(event.utterance_id, self.duration_s)
        if event.late_text is not None:  # the recogniser was behind
            utterance.text, utterance.gated, utterance.late = event.late_text, None, True
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
            if old.differs(new) and old.status != "partial":
                utterance.earlier = (*utterance.earlier, old.once_replaced(new))[-_CHANGES_KEPT:]
            # What a partial guessed was no label yet: only what followed the final can be revised.
            if old.status != "partial" and old.shown != new.shown:
                utterance.changes = (*utterance.changes, old.shown)[-_CHANGES_KEPT:]
                self.revisions += 1
        if new.status != "partial" and (old is None or old.status == "partial"):
            self.judged += 1
            utterance.timing = event.timing
        utterance.estimate = new
        self._count(utterance, 1)
        if event.timing is not None and event.timing.total_ms is not None and event.status == "provisional":
            self._latencies.add(event.timing.total_ms)
        if self.newest is None or utterance.start_s >= self.newest.start_s:
            self.newest = utterance
        self._changed(utterance)

    def _shift(self, event: LabelShift) -> None:
        utterance = self._by_id.get(event.utterance_id)
        if utterance is not None:
            utterance.shift = (event.before, event.because)
            self._changed(utterance)

    def _status(self, event: Status) -> None:
        self.health.note_status(event)
        self.gaps.note_lost(event.t_s, event.dropped_s)
        deaf = event.mic is not None and not event.mic.ok
        self.gaps.note_hearing("pause" if self.health.paused else "deaf" if deaf else None, event.t_s)

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
        if len(self.utterances) > UTTERANCES_KEPT + _LOT:
            self._forget(_LOT)

    def _forget(self, count: int) -> None:
        """The oldest leave the screen; the course and the figures keep them."""
        self._shifts.look(self.utterances)
        for utterance in self.utterances[:count]:
            self._by_id.pop(utterance.utterance_id, None)
        del self.utterances[:count]
        self.forgotten += count
        self._left += count
        self._changed_from = None if self._changed_from is None else max(0, self._changed_from - count)
        self._shifts.forget(count)

    def _index(self, utterance: Utterance) -> int:
        for index in reversed(range(len(self.utterances))):  # nearly always among the last few
            if self.utterances[index] is utterance:
                return index
        raise KeyError(utterance.utterance_id)

    def _changed(self, utterance: Utterance) -> None:
        utterance.version += 1
        self._strongest.note(utterance)
        self._touch(self._index(utterance))

    def _touch(self, index: int) -> None:
        self._changed_from = index if self._changed_from is None else min(self._changed_from, index)
        self._shifts.touch(index)
        self.version += 1

    def _count(self, utterance: Utterance, sign: Literal[1, -1]) -> None:
        estimate = utterance.estimate
        if utterance.final and estimate is not None and utterance.end_s is not None:
            valence = estimate.valence(self.labels)
            courses = [self.course, *filter(None, [self.courses.get(utterance.speaker or "")])]
            for course in courses:
                course.add(utterance.start_s, utterance.end_s, estimate.shown, sign, valence=valence)

    def _vector(self, probabilities: dict[str, float]) -> Vector:
        for label in probabilities:
            if label not in self.labels:  # a checkpoint that says more than it promised: shown, in grey, at the end
                self.labels.append(label)
        return tuple(probabilities.get(label, 0.0) for label in self.labels)
