"""The rolling dialogue window: cached embeddings in, estimates out; provisional, revised, then frozen for good.

Only Stages II and III run again when an utterance arrives, over the last K utterances, so its cost does not grow with
the session. The estimate of an utterance never depends on what comes after it was frozen.

A voice is judged against the earlier ones of its speaker (`livemerc.pipeline.baselines`): those of frozen utterances
and of open ones that stand before it. When these change, S1 is found anew with the next pass, and never a frozen label.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import msgspec
from torch import Tensor

from livemerc.config import DialogueConfig
from livemerc.events import EmotionEvent, EmotionStatus, LabelShift, Modality, Probabilities
from livemerc.model.checkpoint import Abstention
from livemerc.model.merits import Window, WindowProbabilities, stacked
from livemerc.pipeline.abstention import Cues, Doubt, abstention_reason, unjudged_estimate
from livemerc.pipeline.attribution import Shifts, Unexplained
from livemerc.pipeline.baselines import KEPT, Baselines
from livemerc.pipeline.entry import Entry, Remembered
from livemerc.pipeline.judging import Answer, Judges, Question, Unheard, Voice, answer
from livemerc.pipeline.no_answer import ABSTAINED, NoAnswer
from livemerc.pipeline.passes import Run, Try, at_once


@dataclass(frozen=True, slots=True)
class Begun:
    """An utterance that stands in the window and is not judged yet; `question` is what the model is to be asked."""

    entry: Entry
    question: Question
    before: list[Entry]


class Dialogue:
    """State of one conversation. `add` and `freeze_all` return the `emotion` events in the order of their sending."""

    def __init__(self, model: Judges, config: DialogueConfig, abstention: Abstention):
        self._model = model
        self._config = config
        self._abstention = abstention
        # A revision needs the utterance in the window, so R is at most K - 1.
        self._revise = min(config.revise, config.context - 1)
        self._window: list[Entry] = []
        self._open: list[Entry] = []
        self._baselines: Baselines[Voice] = Baselines()
        self._shifts = Shifts()

    @property
    def has_baselines(self) -> bool:
        """Whether a voice is judged against earlier ones of its speaker."""
        return self._model.has_baseline

    def add(
        self,
        utterance_id: str,
        t1: Tensor | None,
        voice: Tensor | None,
        cues: Cues,
        run: Run = at_once,
        *,
        speaker: str | None = None,
        settled: bool = True,
    ) -> list[EmotionEvent]:
        """A new utterance with its embedding T1 (Dt,) and its voice, as `Encoders.speech` gives it; None = the modality
        is absent or was screened. speaker: None = unknown; then there is no baseline. settled: False = the speaker may
        turn out to be another (`set_speaker`); until that is settled, or the label frozen, the voice is in nobody's
        baseline.

        Returns revisions of earlier utterances, the new one's provisional estimate, then what is frozen now. What
        `run` or the model raises leaves the conversation as it was.
        """
        begun = self.begin(utterance_id, t1, voice, cues, speaker=speaker, settled=settled)
        try:
            return self.settle(begun, run(lambda: answer(self._model, [begun.question])[0]))
        except BaseException:
            self.undo(begun)
            raise

    def begin(
        self,
        utterance_id: str,
        t1: Tensor | None,
        voice: Tensor | None,
        cues: Cues,
        *,
        speaker: str | None = None,
        settled: bool = True,
    ) -> Begun:
        """The first half of `add`: the new utterance stands in the window, and is not judged. What comes next is
        `settle` with the model's answer to `Begun.question`, or `undo`; dialogues that are begun together can be judged
        in one pass of the model."""
        before = self._window
        entry = Entry(utterance_id, cues, t1 if t1 is None else t1.cpu(), speaker=speaker, speaker_settled=settled)
        if voice is not None:
            entry.voice = Voice(voice.cpu().clone())  # of a batch, it would keep all
            if not self.has_baselines:
                entry.s1 = entry.voice.statistics
        self._push(entry)
        return Begun(entry, self._question(), before)

    def settle(self, begun: Begun, answered: Answer) -> list[EmotionEvent]:
        """The second half."""
        entry = begun.entry
        self._open.append(entry)
        self._learn(begun.question, answered)
        estimates = self._estimates(self._open, answered.probabilities)
        events: list[EmotionEvent] = []
        for earlier in self._open[:-1]:
            events += self._revision(earlier, estimates)
        events.append(self._event(entry, estimates[entry.utterance_id], "provisional"))
        return events + self._freeze_settled()

    def undo(self, begun: Begun) -> None:
        """As if `begin` had not been called."""
        self._window = begun.before

    def partial(
        self, utterance_id: str, voice: Tensor, cues: Cues, run: Run = at_once, *, speaker: str | None = None
    ) -> EmotionEvent:
        """What an utterance that still goes on would get if it ended now, by its voice so far: of status `partial`,
        revision 0. The conversation stays as it is."""
        begun = self.begin(utterance_id, None, voice, cues, speaker=speaker)
        try:
            answered = run(lambda: answer(self._model, [begun.question])[0])
            estimates = self._estimates([begun.entry], answered.probabilities)
        finally:
            self.undo(begun)
        return msgspec.structs.replace(estimates[utterance_id], status="partial")

    def recall(self, speaker: str | None, voice: Tensor) -> None:
        """The voice of an utterance that is long out of the window, for its speaker's baseline alone."""
        if self.has_baselines:
            self._baselines.enter(speaker, Voice(voice.cpu().clone()))

    def begin_with(self, speaker: str, usual: tuple[Voice, ...]) -> None:
        """How a speaker usually sounds, known from before; () = it is not. It counts from the next pass of the model
        on: for labels that are open, and never for frozen ones."""
        self._baselines.begin_with(speaker, usual)

    def restore(self, past: Iterable[Remembered]) -> None:
        """Stands where a conversation stood in which these were the utterances, in their order. For a new one. The
        model is not asked: S1 is found again with the next pass."""
        for one in past:
            entry = one.entry()
            if one.stands_outside:
                continue
            if not self.has_baselines and entry.voice is not None:
                entry.s1 = entry.voice.statistics
            self._push(entry)
            if not entry.frozen:
                self._open.append(entry)
                continue
            if entry.voice is not None and self.has_baselines:
                entry.earlier = self._baselines.of(entry.speaker)
                self._baselines.enter(entry.speaker, entry.voice)
            self._shifts.before(entry.speaker, one.last)

    def embeddings(self, utterance_id: str) -> tuple[Tensor | None, Tensor | None]:
        """T1 (Dt,) and the voice of an utterance of the window; None where there is none, or it is not in there."""
        for entry in self._window:
            if entry.utterance_id == utterance_id:
                return entry.t1, None if entry.voice is None else entry.voice.statistics
        return None, None

    def add_unjudged(self, utterance_id: str, cues: Cues, reason: NoAnswer) -> list[EmotionEvent]:
        """An utterance that could not be judged: the prior, withheld for `reason`. It stands in the window without
        words or voice; the model is not asked."""
        entry = Entry(utterance_id, cues, unjudged=reason)
        self._push(entry)
        self._open.append(entry)
        events = [self._event(entry, unjudged_estimate(utterance_id, self._prior, reason), "provisional")]
        return events + self._freeze_settled()

    def add_no_speech(self, utterance_id: str, cues: Cues, why: Doubt = Doubt.NO_SPEECH) -> list[EmotionEvent]:
        """An utterance in which nobody speaks, or that is an echo: the prior, withheld, and frozen at once. It stands
        outside of the conversation: all events of the others are those that they would be without it."""
        return self._no_speech(Entry(utterance_id, cues), "provisional", why)

    def withdraw(self, utterance_id: str, why: Doubt = Doubt.NO_SPEECH) -> list[EmotionEvent]:
        """Nobody speaks in an open utterance after all, or it is an echo, as is found later: its revision to what
        `add_no_speech` gives, and its freezing. It leaves the window and its speaker's baseline: later ones are judged
        without it."""
        entry = self._open_one(utterance_id)
        self._window = [one for one in self._window if one is not entry]
        self._open.remove(entry)
        entry.voice = None
        return self._no_speech(entry, "revised", why)

    def _no_speech(self, entry: Entry, status: EmotionStatus, why: Doubt) -> list[EmotionEvent]:
        estimate = unjudged_estimate(entry.utterance_id, self._prior, why)
        return [self._event(entry, estimate, status), self._freeze(entry)]

    @property
    def _prior(self) -> Probabilities:
        return dict(zip(self._model.labels, self._model.prior, strict=True))

    def is_open(self, utterance_id: str) -> bool:
        """Whether its estimate may still be revised."""
        return any(entry.utterance_id == utterance_id for entry in self._open)

    def add_words(
        self,
        utterance_id: str,
        text: str,
        t1: Tensor | None,
        cues: Cues,
        run: Run = at_once,
        *,
        speaker: str | None = None,
    ) -> list[EmotionEvent]:
        """Words of an open utterance that come after it was judged without them: its revision, which carries them as
        `late_text`, and those of its neighbours. `add` without t1 and then `add_words` is `add` with t1.

        speaker: who said it, where the words tell; None = they do not."""
        entry = self._open_one(utterance_id)
        before = entry.t1, entry.cues, entry.speaker
        entry.t1, entry.cues, entry.speaker = t1 if t1 is None else t1.cpu(), cues, speaker or entry.speaker
        try:
            estimates = self._judged_again(run)
        except BaseException:
            entry.t1, entry.cues, entry.speaker = before
            raise
        entry.late_text = text
        events: list[EmotionEvent] = []
        for open_one in self._open:
            if open_one is entry:
                events.append(self._event(entry, estimates[utterance_id], "revised"))
            else:
                events += self._revision(open_one, estimates)
        return events

    def set_speaker(
        self, utterance_id: str, speaker: str | None, run: Run = at_once, *, settled: bool = True
    ) -> list[EmotionEvent]:
        """Somebody else has said an open utterance, or it is `settled` who has: the revisions of the open ones whose
        voices are judged against others now. What `run` or the model raises leaves the conversation as it was."""
        entry = self._open_one(utterance_id)
        before = entry.speaker, entry.speaker_settled
        entry.speaker, entry.speaker_settled = speaker, settled
        if not self._question().unheard:
            return []
        try:
            estimates = self._judged_again(run)
        except BaseException:
            entry.speaker, entry.speaker_settled = before
            raise
        return [event for open_one in self._open for event in self._revision(open_one, estimates)]

    def _open_one(self, utterance_id: str) -> Entry:
        return next(entry for entry in self._open if entry.utterance_id == utterance_id)

    def _judged_again(self, run: Run) -> dict[str, EmotionEvent]:
        """Estimates of the open utterances as the window stands now."""
        question = self._question()
        answered = run(lambda: answer(self._model, [question])[0])
        self._learn(question, answered)
        return self._estimates(self._open, answered.probabilities)

    def freeze_all(self) -> list[EmotionEvent]:
        """Freezes what is still open: at the end, or when nobody has spoken for a while. The context stays."""
        events = [self._freeze(entry) for entry in self._open]
        self._open.clear()
        return events

    @property
    def unexplained(self) -> int:
        """Shifts of settled labels of which nobody has asked why."""
        return len(self._shifts.waiting)

    def explain(self, run: Try = at_once) -> LabelShift | None:
        """Why the label shifted, of the shift that has waited longest. None = none waits, or `run` gives none.

        It judges a window as often as it has utterances, so it is for when nobody waits for a label.
        """
        if not self._shifts.waiting:
            return None
        shift = self._shifts.waiting.popleft()
        window = self._stacked(shift.rows)
        found = run(lambda: shift.cause(self._model, window))
        return None if found is None else shift.told(found)

    def _freeze_settled(self) -> list[EmotionEvent]:
        events = []
        while len(self._open) > self._revise:
            events.append(self._freeze(self._open.pop(0)))
        return events

    def _push(self, entry: Entry) -> None:
        kept = self._config.context - 1
        self._window = [*(self._window[-kept:] if kept else []), entry]

    def _question(self) -> Question:
        """What the model is to be asked of the present window: S1, too, where there is none yet, or its speaker's
        earlier voices are others now."""
        unheard: list[Unheard] = []
        said: dict[str, list[Voice]] = {}  # by open utterances so far
        for at, entry in enumerate(self._window):
            if entry.voice is None or not self.has_baselines:
                continue
            earlier = entry.earlier
            if not entry.frozen:
                own = [] if entry.speaker is None else said.setdefault(entry.speaker, [])
                earlier = (*self._baselines.of(entry.speaker), *own)[-KEPT:]
                if entry.speaker_settled:
                    own.append(entry.voice)
            if entry.s1 is None or entry.against != earlier:
                unheard.append(Unheard(at, entry.voice, earlier))
        window = self._stacked([(entry.t1, entry.s1) for entry in self._window])
        return Question(replace(window, has_speech=[entry.voice is not None for entry in self._window]), unheard)

    def _stacked(self, rows: Sequence[tuple[Tensor | None, Tensor | None]]) -> Window:
        return stacked(rows, *self._model.widths)

    def _learn(self, question: Question, answered: Answer) -> None:
        """Keeps what was found of the voices of the present window."""
        for one, s1 in zip(question.unheard, answered.s1, strict=True):
            entry = self._window[one.at]
            entry.s1, entry.against = s1, one.earlier

    def _estimates(self, open_ones: list[Entry], judged: WindowProbabilities) -> dict[str, EmotionEvent]:
        """Estimates (without status) of the open utterances in the present window, by id."""
        window = self._window
        fused, text, speech = (x.double() for x in (judged.fused, judged.text, judged.speech))
        still_open = {e.utterance_id for e in open_ones}
        estimates = {}
        for i, entry in enumerate(window):
            if entry.utterance_id not in still_open:
                continue
            probabilities = self._named(fused[i])
            label = max(probabilities, key=probabilities.__getitem__)
            modality = Modality(
                text=self._named(text[i]) if entry.t1 is not None else None,
                speech=self._named(speech[i]) if entry.voice is not None else None,
            )
            estimates[entry.utterance_id] = EmotionEvent(
                utterance_id=entry.utterance_id, revision=0, status="provisional", label=label,
                confidence=probabilities[label], probabilities=probabilities, modality=modality,
                abstained=self._abstained(entry, probabilities, modality),
            )  # fmt: skip
        return estimates

    def _abstained(self, entry: Entry, probabilities: Probabilities, modality: Modality) -> str | None:
        if entry.unjudged is not None:
            return ABSTAINED[entry.unjudged]
        doubt = abstention_reason(probabilities, modality, entry.cues, self._abstention)
        return None if doubt is None else doubt.value

    def _named(self, row: Tensor) -> Probabilities:
        row = row / row.sum()
        return dict(zip(self._model.labels, row.tolist(), strict=True))

    def _revision(self, entry: Entry, estimates: dict[str, EmotionEvent]) -> list[EmotionEvent]:
        new = estimates[entry.utterance_id]
        assert entry.last is not None
        assert entry.shown is not None
        moved = max(abs(new.probabilities[k] - p) for k, p in entry.shown.items())
        if (
            new.label != entry.last.label
            or new.abstained != entry.last.abstained
            or moved >= self._config.revision_step
        ):
            return [self._event(entry, new, "revised")]
        # Not worth an event, but the freezing will carry the newest numbers.
        entry.last = msgspec.structs.replace(new, revision=entry.last.revision, status=entry.last.status)
        return []

    def _event(self, entry: Entry, estimate: EmotionEvent, status: EmotionStatus) -> EmotionEvent:
        revision = 0 if entry.last is None else entry.last.revision + 1
        late = entry.late_text
        entry.last = msgspec.structs.replace(estimate, status=status, revision=revision, late_text=late)
        entry.shown = entry.last.probabilities
        return entry.last

    def _freeze(self, entry: Entry) -> EmotionEvent:
        assert entry.last is not None
        if entry.voice is not None and self.has_baselines:
            entry.earlier = self._baselines.of(entry.speaker)
            self._baselines.enter(entry.speaker, entry.voice)
        frozen = self._event(entry, entry.last, "frozen")
        before = self._shifts.before(entry.speaker, frozen)
        if before is not None:
            names, rows = [e.utterance_id for e in self._window], [(e.t1, e.s1) for e in self._window]
            self._shifts.waiting.append(Unexplained(frozen.utterance_id, before, frozen.label, names, rows))
        return frozen
