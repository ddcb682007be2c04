"""What a report says, as plain data: `facts(session)`. Nothing is drawn here.

Shares are shares of the voiced time. A shift, as on the dashboard, is where a speaker's label differs from that
speaker's one before; utterances of which the monitor was not sure do not count. Its strength is the total variation
distance of the two calibrated distributions, 0 to 1. Where nobody has a name, all utterances are one person's.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from msgspec import UNSET

from livemerc.emotions import EMOTIONS, expected_valence
from livemerc.notation import ids_of_names
from livemerc.report.anonymise import Anonymiser
from livemerc.runtime.notices import is_paused, less_pause
from livemerc.sessions.bookmarks import Bookmark
from livemerc.sessions.session import RecordedSession, RecordedUtterance, Stretch

NOT_SURE = "not sure"
NOT_JUDGED = "not judged"
NOTHING = "nothing"
"""Shown where a person found no emotion to name."""
SHORTEST_S = 0.5
"""An utterance with less voice is not pointed at, as on the dashboard."""
MOMENTS = 8
SHIFTS = 12
CONFIDENCE_BINS = (0.0, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
_PAUSED = "nothing is being heard"

Shares = dict[str, float]


@dataclass(frozen=True, slots=True)
class Line:
    """One utterance as it is shown. `number` from 1; `heard`: what the recogniser wrote where a person changed it."""

    number: int
    start_s: float
    end_s: float
    speaker: str | None
    text: str
    gated: str | None
    label: str | None
    confidence: float | None
    abstained: str | None
    probabilities: Shares  # a person's label has it all
    settled: bool
    judged: bool  # by the model, from words or voice
    by_person: bool
    model: tuple[str, float] | None  # what the model said
    words: tuple[str, float] | None  # what the words alone say
    voice: tuple[str, float] | None
    was: str | None  # what it was before the last revision
    speaker_corrected: bool = False
    heard: str | None = None
    dismissed: bool = False  # a person found nothing to judge
    overlaps: tuple[tuple[float, float], ...] = ()  # from when to when somebody else speaks, too

    @property
    def shown(self) -> str:
        """The label as the report shows it: `NOTHING`, `NOT_JUDGED` and `NOT_SURE` among them."""
        if self.dismissed:
            return NOTHING
        if self.label is None:
            return NOT_JUDGED
        return NOT_SURE if self.abstained is not None else self.label

    @property
    def told(self) -> bool:
        """Whether there is a label to go by."""
        return self.label is not None and self.abstained is None and not self.dismissed

    @property
    def length_s(self) -> float:
        """Voiced seconds; an utterance of no length still counts for a millisecond."""
        return max(self.end_s - self.start_s, 1e-3)

    @property
    def valence(self) -> float | None:
        """Place on the valence curve; None where it has none."""
        return expected_valence(self.probabilities) if self.told else None

    @property
    def entropy(self) -> float:
        """Entropy of the model's distribution, 0 (certain) to 1 (nothing known)."""
        spread = [p for p in self.probabilities.values() if p > 0]
        return -sum(p * math.log(p) for p in spread) / math.log(max(2, len(self.probabilities)))


@dataclass(frozen=True, slots=True)
class Shift:
    before: Line
    after: Line
    strength: float
    because: Line | None = None  # without which the model would have said another label


@dataclass(slots=True)
class Person:
    """One speaker; `name` None: unknown."""

    name: str | None
    lines: list[Line] = field(default_factory=list)

    @property
    def voiced_s(self) -> float:
        return sum(line.length_s for line in self.lines)

    def shares(self) -> Shares:
        """Of the voiced time, by what is shown."""
        return shares(self.lines)


@dataclass(slots=True)
class Facts:
    session: RecordedSession
    lines: list[Line]
    people: list[Person]  # by voiced time; one of name None where nobody has a name
    labels: tuple[str, ...]
    shifts: list[Shift]  # all, in order of time
    anonymiser: Anonymiser | None
    bookmarks: list[Bookmark] = field(default_factory=list)
    replaced: dict[str, int] = field(default_factory=dict)  # in the words, by what stands there now
    paused: list[Stretch] = field(default_factory=list)
    degraded: list[Stretch] = field(default_factory=list)  # less the pauses
    microphone: list[Stretch] = field(default_factory=list)  # outside of pauses
    coloured: dict[str | None, str] = field(default_factory=dict)  # the id whose colour a speaker has, as shown

    @property
    def duration_s(self) -> float:
        return self.session.duration_s

    @property
    def named(self) -> bool:
        return any(person.name is not None for person in self.people)

    @property
    def told(self) -> list[Line]:
        return [line for line in self.lines if line.told]

    @property
    def by_model(self) -> list[Line]:
        """Utterances with a label that the model gave and was sure enough of."""
        return [line for line in self.lines if line.told and not line.by_person]

    @property
    def voiced_s(self) -> float:
        return sum(line.length_s for line in self.lines)

    def shares(self) -> Shares:
        return shares(self.lines)

    def abstentions(self) -> Counter[str]:
        return Counter(self.phrase(line.abstained) for line in self.lines if line.abstained is not None)

    def gates(self) -> Counter[str]:
        return Counter(self.phrase(line.gated) for line in self.lines if line.gated is not None)

    def strongest_shifts(self) -> list[Shift]:
        """The `SHIFTS` strongest, in order of time."""
        chosen = sorted(self.shifts, key=lambda shift: -shift.strength)[:SHIFTS]
        return sorted(chosen, key=lambda shift: shift.after.number)

    def strongest(self) -> list[Line]:
        """Labels other than neutral that the model is surest of."""
        found = [line for line in self.by_model if line.label != "neutral" and line.length_s >= SHORTEST_S]
        return sorted(found, key=lambda line: -(line.confidence or 0.0))[:MOMENTS]

    def least_certain(self) -> list[Line]:
        """Where the model saw something and its probabilities are the flattest."""
        found = [line for line in self.lines if line.judged and not line.by_person and not line.dismissed]
        count = min(MOMENTS, -(-len(found) // 3))
        return sorted(found, key=lambda line: -line.entropy)[:count]

    def confidences(self) -> list[tuple[float, float, int]]:
        """(from, to, how many of the model's labels) in steps of calibrated probability."""
        bins = list(pairwise(CONFIDENCE_BINS))
        values = [line.confidence or 0.0 for line in self.by_model]
        return [(low, high, sum(low <= v < high or (high == 1.0 and v >= high) for v in values)) for low, high in bins]

    def agreement(self) -> tuple[int, int]:
        """(how many labels of the model a person left as they were when setting an emotion, how many were set)."""
        checked = [line for line in self.lines if line.by_person and line.model is not None]
        return sum(line.model is not None and line.model[0] == line.label for line in checked), len(checked)

    def phrase(self, words: str) -> str:
        """A reason, a name of a model and the like, as the report may show it."""
        return words if self.anonymiser is None else self.anonymiser.phrase(words)

    def mentions(self, words: str) -> str:
        """A public name or licence, as the report may show it: its digits stay, for they tell of nobody."""
        return words if self.anonymiser is None else self.anonymiser.mentions(words)

    def words(self, words: str) -> str:
        """What a person wrote, as the report may show it."""
        return words if self.anonymiser is None else self.anonymiser.text(words)


def facts(session: RecordedSession, *, anonymise: bool = False) -> Facts:
    """Everything of `session`; with `anonymise` no speaker's name is in it (`livemerc.report.anonymise`)."""
    anonymiser = _anonymiser(session) if anonymise else None
    lines = [_line(number, u, anonymiser) for number, u in enumerate(session.utterances, start=1)]
    people: dict[str | None, Person] = {}
    for line in lines:
        people.setdefault(line.speaker, Person(line.speaker)).lines.append(line)
    ranked = sorted(people.values(), key=lambda person: -person.voiced_s)
    seen = {line.label for line in lines if line.label is not None}
    labels = (*session.labels, *sorted(seen - set(session.labels)))
    replaced = {} if anonymiser is None else dict(anonymiser.replaced)
    paused, degraded = _pauses(session.degraded)
    microphone = [
        s for s in session.microphone if not any(p.start_s <= s.start_s and s.end_s <= p.end_s for p in paused)
    ]
    shifts = _shifts(ranked, _causes(session, lines))
    return Facts(
        session, lines, ranked, labels, shifts, anonymiser, session.bookmarks, replaced, paused, degraded,
        microphone, _coloured(session, lines),
    )  # fmt: skip


def _coloured(session: RecordedSession, lines: Sequence[Line]) -> dict[str | None, str]:
    """By the speakers of `lines`, also where those are pseudonyms: whose colour is no secret."""
    ids = ids_of_names(session.names)
    found: dict[str | None, str] = {}
    for utterance, line in zip(session.utterances, lines, strict=True):
        if utterance.speaker:
            found.setdefault(line.speaker, ids.get(utterance.speaker, utterance.speaker))
    return found


def _pauses(stretches: Sequence[Stretch]) -> tuple[list[Stretch], list[Stretch]]:
    """(when somebody had paused the session, the rest of what `status.degraded` told)."""
    paused: list[Stretch] = []
    degraded: list[Stretch] = []
    for stretch in stretches:
        trouble = less_pause(stretch.reason)
        if trouble is not None:
            degraded.append(replace(stretch, reason=trouble))
        if is_paused(stretch.reason):
            if paused and paused[-1].end_s == stretch.start_s:
                paused[-1] = replace(paused[-1], end_s=stretch.end_s)
            else:
                paused.append(replace(stretch, reason=_PAUSED))
    return paused, degraded


def shares(lines: Sequence[Line]) -> Shares:
    """Shares of the voiced time, by what is shown; the largest first."""
    totals: Shares = {}
    for line in lines:
        totals[line.shown] = totals.get(line.shown, 0.0) + line.length_s
    whole = sum(totals.values())
    return {shown: seconds / whole for shown, seconds in sorted(totals.items(), key=lambda item: -item[1])}


def _anonymiser(session: RecordedSession) -> Anonymiser:
    names: list[str] = []
    texts: list[str] = []
    for utterance in session.utterances:
        names += [name for name in (utterance.speaker, utterance.heard_speaker) if name]
        texts += {utterance.text, utterance.heard_text}
    if session.info is not None and session.info.audio is not None:
        names += session.info.audio.speakers
    if session.start is not None:
        names += session.start.judge_voice_of or []
    return Anonymiser(dict.fromkeys(name for name in names if name.strip()), texts)


def _line(number: int, utterance: RecordedUtterance, anonymiser: Anonymiser | None) -> Line:
    estimate, person, dismissed = utterance.estimate, utterance.corrected_emotion, utterance.nothing_to_judge
    speaker = (utterance.speaker or "").strip() or None
    changed = utterance.text != utterance.heard_text
    heard = utterance.heard_text if changed else None
    text = utterance.text
    if anonymiser is not None:
        speaker = None if speaker is None else anonymiser.speaker(speaker)
        text = anonymiser.text(text)
        heard = None if heard is None else anonymiser.text(heard)
    probabilities = {} if estimate is None else dict(estimate.probabilities)
    modality = None if estimate is None else estimate.modality
    correction = utterance.correction
    return Line(
        number=number,
        start_s=utterance.start_s,
        end_s=max(utterance.end_s, utterance.start_s),
        speaker=speaker,
        text=text,
        gated=utterance.gated,
        label=utterance.label,
        confidence=utterance.confidence,
        abstained=None if dismissed else utterance.abstained,
        probabilities=probabilities if person is None else {person: 1.0},
        settled=person is not None or dismissed or (estimate is not None and estimate.status == "frozen"),
        judged=modality is not None and (modality.text is not None or modality.speech is not None),
        by_person=person is not None,
        model=None if estimate is None else (estimate.label, estimate.confidence),
        words=None if modality is None else _top(modality.text),
        voice=None if modality is None else _top(modality.speech),
        was=None if person is not None or dismissed else _was(utterance),
        speaker_corrected=correction is not None and correction.speaker not in (None, UNSET),
        heard=heard,
        dismissed=dismissed,
        overlaps=tuple(utterance.final.overlaps or ()),
    )


def _top(spread: Shares | None) -> tuple[str, float] | None:
    return max(spread.items(), key=lambda item: item[1]) if spread else None


def _was(utterance: RecordedUtterance) -> str | None:
    course = [NOT_SURE if e.abstained is not None else e.label for e in utterance.estimates]
    return next((shown for shown in reversed(course) if shown != course[-1]), None)


def _causes(session: RecordedSession, lines: Sequence[Line]) -> dict[tuple[int, int], Line]:
    """By the numbers of both utterances of a shift. What a person labelled has no cause in the model."""
    of = {u.utterance_id: line for u, line in zip(session.utterances, lines, strict=True)}
    found = {}
    for shift in session.shifts.values():
        before, after, because = (of.get(name or "") for name in (shift.before, shift.utterance_id, shift.because))
        if (
            before is not None
            and after is not None
            and because is not None
            and not (before.by_person or after.by_person)
        ):
            found[before.number, after.number] = because
    return found


def _shifts(people: Sequence[Person], causes: dict[tuple[int, int], Line]) -> list[Shift]:
    found = []
    for person in people:
        told = [line for line in person.lines if line.told]
        for before, after in pairwise(told):
            if before.label != after.label:
                strength = _distance(before.probabilities, after.probabilities)
                found.append(Shift(before, after, strength, causes.get((before.number, after.number))))
    return sorted(found, key=lambda shift: shift.after.number)


def _distance(one: Shares, other: Shares) -> float:
    return sum(abs(one.get(label, 0.0) - other.get(label, 0.0)) for label in {*one, *other}) / 2


def known(label: str) -> bool:
    """Whether the label has a colour and a sign of its own."""
    return label in EMOTIONS
