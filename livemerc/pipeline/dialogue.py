"""The rolling dialogue window: cached embeddings in, estimates out; provisional, revised, then frozen for good.

Only Stages II and III run again when an utterance arrives, over the last K utterances, so its cost does not grow with
the session. The estimate of an utterance never depends on what comes after it was frozen.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import msgspec
import torch
from torch import Tensor

from livemerc.config import DialogueConfig
from livemerc.events import EmotionEvent, EmotionStatus, Modality, Probabilities
from livemerc.model.checkpoint import Abstention
from livemerc.model.merits import MeritsL, Window, WindowProbabilities
from livemerc.pipeline.abstention import Cues, Doubt, abstention_reason, unjudged_estimate
from livemerc.pipeline.no_answer import ABSTAINED, NoAnswer

Windows = Callable[[Callable[[], WindowProbabilities]], WindowProbabilities]
"""Runs a pass of the model and gives what it gave, for instance on another thread; may raise what it likes."""


def at_once(work: Callable[[], WindowProbabilities]) -> WindowProbabilities:
    """Here and now."""
    return work()


@dataclass(slots=True)
class _Entry:
    utterance_id: str
    has_text: bool
    has_speech: bool
    cues: Cues
    unjudged: NoAnswer | None = None
    late_text: str | None = None
    last: EmotionEvent | None = None
    shown: Probabilities | None = None


@dataclass(frozen=True, slots=True)
class Begun:
    """An utterance that stands in the window and is not judged yet; `window` is what the model is to see."""

    entry: _Entry
    window: Window
    before: tuple[list[_Entry], Tensor | None, Tensor | None]


class Dialogue:
    """State of one conversation. `add` and `freeze_all` return the `emotion` events in the order of their sending."""

    def __init__(self, model: MeritsL, config: DialogueConfig, abstention: Abstention):
        self._model = model
        self._config = config
        self._abstention = abstention
        # A revision needs the utterance in the window, so R is at most K - 1.
        self._revise = min(config.revise, config.context - 1)
        self._t1: Tensor | None = None
        self._s1: Tensor | None = None
        self._window: list[_Entry] = []
        self._open: list[_Entry] = []

    def add(
        self, utterance_id: str, t1: Tensor | None, s1: Tensor | None, cues: Cues, run: Windows = at_once
    ) -> list[EmotionEvent]:
        """A new utterance with its embeddings T1 (Dt,) and S1 (Ds,); None = the modality is absent or was screened.

        Returns revisions of earlier utterances, the new one's provisional estimate, then what is frozen now. What
        `run` or the model raises leaves the conversation as it was.
        """
        begun = self.begin(utterance_id, t1, s1, cues)
        try:
            return self.settle(begun, run(lambda: self._model.windows([begun.window])[0]))
        except BaseException:
            self.undo(begun)
            raise

    def begin(self, utterance_id: str, t1: Tensor | None, s1: Tensor | None, cues: Cues) -> Begun:
        """The first half of `add`: the new utterance stands in the window, and is not judged. What comes next is
        `settle` with what the model says of `Begun.window`, or `undo`; dialogues that are begun together can be judged
        in one pass of the model."""
        before = self._window, self._t1, self._s1
        entry = _Entry(utterance_id, t1 is not None, s1 is not None, cues)
        self._push(entry, t1, s1)
        return Begun(entry, self._seen(), before)

    def settle(self, begun: Begun, judged: WindowProbabilities) -> list[EmotionEvent]:
        """The second half. Raises ArithmeticError for probabilities that are not finite; then `undo` is due."""
        entry = begun.entry
        estimates = self._estimates([*self._open, entry], judged)
        self._open.append(entry)
        events: list[EmotionEvent] = []
        for earlier in self._open[:-1]:
            events += self._revision(earlier, estimates)
        events.append(self._event(entry, estimates[entry.utterance_id], "provisional"))
        return events + self._freeze_settled()

    def undo(self, begun: Begun) -> None:
        """As if `begin` had not been called."""
        self._window, self._t1, self._s1 = begun.before

    def partial(self, utterance_id: str, s1: Tensor, cues: Cues, run: Windows = at_once) -> EmotionEvent:
        """What an utterance that still goes on would get if it ended now, by its voice so far: of status `partial`,
        revision 0. The conversation stays as it is."""
        begun = self.begin(utterance_id, None, s1, cues)
        try:
            estimates = self._estimates([begun.entry], run(lambda: self._model.windows([begun.window])[0]))
        finally:
            self.undo(begun)
        return msgspec.structs.replace(estimates[utterance_id], status="partial")

    def add_unjudged(self, utterance_id: str, cues: Cues, reason: NoAnswer) -> list[EmotionEvent]:
        """An utterance that could not be judged: the prior, withheld for `reason`. It stands in the window without
        words or voice; the model is not asked."""
        entry = _Entry(utterance_id, False, False, cues, unjudged=reason)
        self._push(entry, None, None)
        self._open.append(entry)
        events = [self._event(entry, unjudged_estimate(utterance_id, self._prior, reason), "provisional")]
        return events + self._freeze_settled()

    def add_no_speech(self, utterance_id: str, cues: Cues, why: Doubt = Doubt.NO_SPEECH) -> list[EmotionEvent]:
        """An utterance in which nobody speaks, or that is an echo: the prior, withheld, and frozen at once. It stands
        outside of the conversation: all events of the others are those that they would be without it."""
        return self._no_speech(_Entry(utterance_id, False, False, cues), "provisional", why)

    def withdraw(self, utterance_id: str, why: Doubt = Doubt.NO_SPEECH) -> list[EmotionEvent]:
        """Nobody speaks in an open utterance after all, or it is an echo, as is found later: its revision to what
        `add_no_speech` gives, and its freezing. It leaves the window, so later ones are judged without it."""
        at = next(i for i, entry in enumerate(self._window) if entry.utterance_id == utterance_id)
        entry = self._window[at]
        self._window = [*self._window[:at], *self._window[at + 1 :]]
        self._t1, self._s1 = _less(self._t1, at), _less(self._s1, at)
        self._open.remove(entry)
        return self._no_speech(entry, "revised", why)

    def _no_speech(self, entry: _Entry, status: EmotionStatus, why: Doubt) -> list[EmotionEvent]:
        estimate = unjudged_estimate(entry.utterance_id, self._prior, why)
        return [self._event(entry, estimate, status), self._freeze(entry)]

    @property
    def _prior(self) -> Probabilities:
        return dict(zip(self._model.labels, self._model.prior, strict=True))

    def is_open(self, utterance_id: str) -> bool:
        """Whether its estimate may still be revised."""
        return any(entry.utterance_id == utterance_id for entry in self._open)

    def add_words(
        self, utterance_id: str, text: str, t1: Tensor | None, cues: Cues, run: Windows = at_once
    ) -> list[EmotionEvent]:
        """Words of an open utterance that come after it was judged without them: its revision, which carries them as
        `late_text`, and those of its neighbours. `add` without t1 and then `add_words` is `add` with t1."""
        at = next(i for i, entry in enumerate(self._window) if entry.utterance_id == utterance_id)
        entry = self._window[at]
        before = self._t1, entry.has_text, entry.cues
        self._t1 = _put(self._t1, at, t1)
        entry.has_text |= t1 is not None
        entry.cues = cues
        try:
            window = self._seen()
            estimates = self._estimates(self._open, run(lambda: self._model.windows([window])[0]))
        except BaseException:
            self._t1, entry.has_text, entry.cues = before
            raise
        entry.late_text = text or None
        events: list[EmotionEvent] = []
        for open_one in self._open:
            if open_one is entry:
                events.append(self._event(entry, estimates[utterance_id], "revised"))
            else:
                events += self._revision(open_one, estimates)
        return events

    def freeze_all(self) -> list[EmotionEvent]:
        """Freezes what is still open: at the end, or when nobody has spoken for a while. The context stays."""
        events = [self._freeze(entry) for entry in self._open]
        self._open.clear()
        return events

    def _freeze_settled(self) -> list[EmotionEvent]:
        events = []
        while len(self._open) > self._revise:
            events.append(self._freeze(self._open.pop(0)))
        return events

    def _push(self, entry: _Entry, t1: Tensor | None, s1: Tensor | None) -> None:
        widths = self._model.conversation.config
        kept = self._config.context - 1
        self._window = [*(self._window[-kept:] if kept else []), entry]
        self._t1 = self._longer(self._t1, t1, widths["text"]["width"])
        self._s1 = self._longer(self._s1, s1, widths["speech"]["width"])

    def _longer(self, cache: Tensor | None, row: Tensor | None, width: int) -> Tensor:
        new = torch.zeros(1, width) if row is None else row.cpu()[None]
        if cache is None:
            return new
        return torch.cat([cache[-(self._config.context - 1) :] if self._config.context > 1 else cache[:0], new])

    def _seen(self) -> Window:
        """The present window, as the model takes it."""
        assert self._t1 is not None
        assert self._s1 is not None
        entries = self._window
        return Window(self._t1, self._s1, [e.has_text for e in entries], [e.has_speech for e in entries])

    def _estimates(self, open_ones: list[_Entry], judged: WindowProbabilities) -> dict[str, EmotionEvent]:
        """Estimates (without status) of the open utterances in the present window, by id."""
        window = self._window
        fused, text, speech = (x.double() for x in (judged.fused, judged.text, judged.speech))
        if not bool(fused.isfinite().all()):
            raise ArithmeticError("the model gave probabilities that are not finite")
        still_open = {e.utterance_id for e in open_ones}
        estimates = {}
        for i, entry in enumerate(window):
            if entry.utterance_id not in still_open:
                continue
            probabilities = self._named(fused[i])
            label = max(probabilities, key=probabilities.__getitem__)
            modality = Modality(
                text=self._named(text[i]) if entry.has_text else None,
                speech=self._named(speech[i]) if entry.has_speech else None,
            )
            estimates[entry.utterance_id] = EmotionEvent(
                utterance_id=entry.utterance_id, revision=0, status="provisional", label=label,
                confidence=probabilities[label], probabilities=probabilities, modality=modality,
                abstained=self._abstained(entry, probabilities, modality),
            )  # fmt: skip
        return estimates

    def _abstained(self, entry: _Entry, probabilities: Probabilities, modality: Modality) -> str | None:
        if entry.unjudged is not None:
            return ABSTAINED[entry.unjudged]
        doubt = abstention_reason(probabilities, modality, entry.cues, self._abstention)
        return None if doubt is None else doubt.value

    def _named(self, row: Tensor) -> Probabilities:
        row = row / row.sum()
        return dict(zip(self._model.labels, row.tolist(), strict=True))

    def _revision(self, entry: _Entry, estimates: dict[str, EmotionEvent]) -> list[EmotionEvent]:
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

    def _event(self, entry: _Entry, estimate: EmotionEvent, status: EmotionStatus) -> EmotionEvent:
        revision = 0 if entry.last is None else entry.last.revision + 1
        late = entry.late_text
        entry.last = msgspec.structs.replace(estimate, status=status, revision=revision, late_text=late)
        entry.shown = entry.last.probabilities
        return entry.last

    def _freeze(self, entry: _Entry) -> EmotionEvent:
        assert entry.last is not None
        return self._event(entry, entry.last, "frozen")


def _less(cache: Tensor | None, at: int) -> Tensor:
    """The cache without the row there."""
    assert cache is not None
    return torch.cat([cache[:at], cache[at + 1 :]])


def _put(cache: Tensor | None, at: int, row: Tensor | None) -> Tensor | None:
    """The cache with another row there; as it was without one."""
    assert cache is not None
    return cache if row is None else torch.cat([cache[:at], row.cpu()[None], cache[at + 1 :]])
