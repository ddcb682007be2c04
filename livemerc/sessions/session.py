"""A recorded session as one sees it afterwards: each utterance with its words, its estimates and its corrections.

Export, report, compare and label work on it. `read_session` reads the journal and the corrections.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from msgspec import UNSET

from livemerc.emotions import LABELS
from livemerc.errors import InputError
from livemerc.events import (
    NOTHING_TO_JUDGE,
    EmotionEvent,
    FinalAsr,
    LabelShift,
    SessionEnd,
    SessionStart,
    SpeakerName,
    Status,
    UtteranceFinal,
    UtteranceSpeaker,
)
from livemerc.sessions.bookmarks import Bookmark, read_bookmarks
from livemerc.sessions.corrections import Correction, read_corrections
from livemerc.sessions.folder import SessionInfo, audio_path, being_recorded
from livemerc.sessions.journal import Journal, read
from livemerc.sessions.talk import length_s


@dataclass(frozen=True, slots=True)
class RecordedUtterance:
    """One utterance. `text`, `speaker` and `label` hold the corrections; `final` and `estimates` what was recorded,
    the final with the speaker as it was known last; `named`: what that speaker was called last, None = nothing."""

    final: UtteranceFinal
    estimates: tuple[EmotionEvent, ...]  # provisional, revised ..., frozen; without those of status partial
    correction: Correction | None = None
    named: str | None = None

    @property
    def utterance_id(self) -> str:
        return self.final.utterance_id

    @property
    def start_s(self) -> float:
        return self.final.start_s

    @property
    def end_s(self) -> float:
        return self.final.end_s

    @property
    def overlap_s(self) -> float | None:
        """Seconds of it in which somebody else speaks, too; None where nobody listened for that."""
        return None if self.final.overlaps is UNSET else length_s(self.final.overlaps)

    @property
    def asr(self) -> FinalAsr:
        return self.final.asr

    @property
    def estimate(self) -> EmotionEvent | None:
        """The last one; None where the session broke off before the first."""
        return self.estimates[-1] if self.estimates else None

    @property
    def heard_text(self) -> str:
        """What the recogniser heard, late words included."""
        late = next((e.late_text for e in reversed(self.estimates) if e.late_text is not None), None)
        return self.final.text if late is None else late

    @property
    def text(self) -> str:
        corrected = None if self.correction is None else self.correction.text
        return self.heard_text if corrected is None or corrected is UNSET else corrected

    @property
    def heard_speaker(self) -> str | None:
        """Who spoke as it was recorded: by name where there is one."""
        return self.named or self.final.speaker

    @property
    def speaker(self) -> str | None:
        corrected = None if self.correction is None else self.correction.speaker
        return self.heard_speaker if corrected is None or corrected is UNSET else corrected or None

    @property
    def corrected_emotion(self) -> str | None:
        """The emotion that a person has set; None = none was set."""
        emotion = None if self.correction is None else self.correction.emotion
        return None if emotion is UNSET else emotion or None

    @property
    def nothing_to_judge(self) -> bool:
        """Whether a person found no emotion to name in it."""
        return (
            self.corrected_emotion is None and self.correction is not None and self.correction.nothing_to_judge is True
        )

    @property
    def labelled(self) -> bool:
        """Whether a person has said what it expresses, or that there is nothing to judge."""
        return self.corrected_emotion is not None or self.nothing_to_judge

    @property
    def label(self) -> str | None:
        """A person's label, else the model's (its arg max, also when it abstained); None without an estimate."""
        if self.corrected_emotion is not None:
            return self.corrected_emotion
        return None if self.estimate is None else self.estimate.label

    @property
    def confidence(self) -> float | None:
        """The model's calibrated probability of `label`; None for a person's."""
        if self.corrected_emotion is not None or self.estimate is None:
            return None
        return self.estimate.confidence

    @property
    def abstained(self) -> str | None:
        """Why the model was not sure, or that a person found nothing to judge; None for a person's label."""
        if self.nothing_to_judge:
            return NOTHING_TO_JUDGE
        if self.corrected_emotion is not None or self.estimate is None:
            return None
        return self.estimate.abstained

    @property
    def gated(self) -> str | None:
        """Why the recognised words were screened out; None once they came late or were corrected."""
        corrected = None if self.correction is None else self.correction.text
        if (corrected is not None and corrected is not UNSET) or any(e.late_text is not None for e in self.estimates):
            return None
        return self.final.asr.gated


@dataclass(frozen=True, slots=True)
class Gap:
    """Audio that was lost: `lost_s` long, and noticed at `t_s`."""

    t_s: float
    lost_s: float


@dataclass(frozen=True, slots=True)
class Stretch:
    """Something was wrong from `start_s` to `end_s`. `reason`: what `status.degraded` or the microphone said."""

    start_s: float
    end_s: float
    reason: str


@dataclass(slots=True)
class RecordedSession:
    """What a session's folder or events file holds. Utterances are in order of time; `warnings` are for the user."""

    path: Path
    info: SessionInfo | None
    start: SessionStart | None
    labels: tuple[str, ...]
    utterances: list[RecordedUtterance]
    duration_s: float
    gaps: list[Gap]
    degraded: list[Stretch]
    microphone: list[Stretch]  # trouble with the microphone
    ended: bool  # came to its session.end
    growing: bool  # is still being recorded
    damaged: int
    warnings: list[str] = field(default_factory=list)
    bookmarks: list[Bookmark] = field(default_factory=list)  # in order of their time
    cues_unheard: int | None = None  # of a transcript beside the audio: cues that met no speech
    shifts: dict[str, LabelShift] = field(default_factory=dict)  # of the model's labels, by the later utterance
    names: dict[str, str | None] = field(default_factory=dict)  # what speakers were called last, by ids

    @property
    def name(self) -> str:
        return self.path.resolve().name

    @property
    def started_at(self) -> str:
        """ISO 8601, UTC; "" where unknown."""
        return self.info.started_at if self.info else self.start.started_at if self.start else ""

    @property
    def source(self) -> str:
        return self.info.source if self.info else self.start.source if self.start else ""

    @property
    def lost_s(self) -> float:
        """Seconds of audio that were lost in all."""
        return sum(gap.lost_s for gap in self.gaps)

    def audio(self) -> Path | None:
        """The recorded audio; None if there is none. Raises `InputError` for one that leads elsewhere."""
        return None if self.info is None or not self.path.is_dir() else audio_path(self.path, self.info)


def read_session(path: str | Path, *, corrected: bool = True) -> RecordedSession:
    """What was recorded, as far as it is sound, with the corrections unless `corrected` is False.

    Raises `InputError` (exit 5) as `livemerc.sessions.journal.read` does.
    """
    path = Path(path)
    growing = path.is_dir() and being_recorded(path)
    journal = read(path)
    corrections: dict[str, Correction] = {}
    warnings = list(journal.warnings)
    if corrected and path.is_dir():
        corrections, damaged = read_corrections(path)
        warnings += damaged
    bookmarks = _bookmarks(path, warnings)
    names = {event.speaker: event.name for event in journal.events if isinstance(event, SpeakerName)}
    utterances = _utterances(journal, names, corrections, warnings)
    start = next((event for event in journal.events if isinstance(event, SessionStart)), None)
    end = next((event for event in reversed(journal.events) if isinstance(event, SessionEnd)), None)
    statuses = [event for event in journal.events if isinstance(event, Status)]
    duration_s = max(
        [u.end_s for u in utterances] + [s.t_s for s in statuses] + ([] if end is None else [end.duration_s]),
        default=0.0,
    )
    return RecordedSession(
        path=path,
        info=journal.info,
        start=start,
        labels=_labels(start, utterances),
        utterances=utterances,
        duration_s=duration_s,
        gaps=_gaps(statuses, end),
        degraded=_stretches([(s.t_s, s.degraded) for s in statuses], duration_s),
        microphone=_stretches([(s.t_s, _trouble(s)) for s in statuses], duration_s),
        ended=journal.ended,
        growing=growing,
        damaged=journal.damaged,
        warnings=warnings,
        bookmarks=bookmarks,
        cues_unheard=next((s.cues_unheard for s in reversed(statuses) if s.cues_unheard is not None), None),
        shifts={event.utterance_id: event for event in journal.events if isinstance(event, LabelShift)},
        names=names,
    )


def _bookmarks(path: Path, warnings: list[str]) -> list[Bookmark]:
    """The bookmarks. A file that cannot be read is a warning, for nothing else in a session hangs on it."""
    if not path.is_dir():
        return []
    try:
        bookmarks, damaged = read_bookmarks(path)
    except InputError as error:
        warnings.append(str(error))
        return []
    warnings += damaged
    return bookmarks


def _utterances(
    journal: Journal, names: dict[str, str | None], corrections: dict[str, Correction], warnings: list[str]
) -> list[RecordedUtterance]:
    finals: dict[str, UtteranceFinal] = {}
    estimates: dict[str, list[EmotionEvent]] = {}
    twice = 0
    for event in journal.events:
        if isinstance(event, UtteranceFinal):
            twice += event.utterance_id in finals
            finals.setdefault(event.utterance_id, event)
        elif isinstance(event, EmotionEvent) and event.status != "partial":
            estimates.setdefault(event.utterance_id, []).append(event)
        elif isinstance(event, UtteranceSpeaker) and event.utterance_id in finals:
            final = finals[event.utterance_id]
            finals[event.utterance_id] = msgspec.structs.replace(final, speaker=event.speaker)
    if twice:
        warnings.append(f"{journal.path.name}: {twice} utterance(s) came twice; the first of each is kept.")
    if unknown := sorted(set(corrections) - set(finals)):
        warnings.append(f"{journal.path.name}: {len(unknown)} correction(s) are of utterances that are not there.")
    found = [
        RecordedUtterance(
            final,
            tuple(estimates.get(name, ())),
            corrections.get(name),
            None if final.speaker is None else names.get(final.speaker),
        )
        for name, final in finals.items()
    ]
    return sorted(found, key=lambda utterance: (utterance.start_s, utterance.end_s))


def _labels(start: SessionStart | None, utterances: list[RecordedUtterance]) -> tuple[str, ...]:
    if start is not None:
        return tuple(start.labels)
    first = next((utterance.estimate for utterance in utterances if utterance.estimate is not None), None)
    return LABELS if first is None else tuple(first.probabilities)


def _gaps(statuses: list[Status], end: SessionEnd | None) -> list[Gap]:
    gaps, lost_s = [], 0.0
    times = [(s.t_s, s.dropped_s) for s in statuses] + ([] if end is None else [(end.duration_s, end.dropped_s)])
    for t_s, dropped_s in times:
        if dropped_s > lost_s + 1e-9:
            gaps.append(Gap(t_s, dropped_s - lost_s))
            lost_s = dropped_s
    return gaps


def _trouble(status: Status) -> str | None:
    return None if status.mic is None or status.mic.ok else status.mic.why or "microphone trouble"


def _stretches(course: list[tuple[float, str | None]], duration_s: float) -> list[Stretch]:
    """Runs of one sentence; a status holds until the next one."""
    stretches: list[Stretch] = []
    began_s, present = 0.0, None
    for t_s, reason in [*course, (duration_s, None)]:
        if reason != present:
            if present is not None:
                stretches.append(Stretch(began_s, max(began_s, t_s), present))
            began_s, present = t_s, reason
    return stretches
