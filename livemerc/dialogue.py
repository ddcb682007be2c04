"""The rolling dialogue window: cached embeddings in, estimates out; provisional, revised, then frozen for good.

Only Stages II and III run again when an utterance arrives, over the last K utterances, so its cost does not grow with
the session. The estimate of an utterance never depends on what comes after it was frozen.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import torch
from torch import Tensor

from livemerc.config import DialogueConfig
from livemerc.events import EmotionEvent, EmotionStatus, Modality, Probabilities
from livemerc.model.checkpoint import Abstention
from livemerc.model.merits import MeritsL

NOTHING_TO_JUDGE = "nothing to judge"


@dataclass(frozen=True, slots=True)
class Cues:
    """What else is known of an utterance when its label is in doubt. `asr_confidence` 0..1 or None."""

    duration_s: float
    asr_confidence: float | None = None


@dataclass(slots=True)
class _Entry:
    utterance_id: str
    has_text: bool
    has_speech: bool
    cues: Cues
    last: EmotionEvent | None = None
    shown: Probabilities | None = None


class Dialogue:
    """State of one conversation. `add` and `freeze_all` return the `emotion` events in the order of their sending."""

    def __init__(self, model: MeritsL, config: DialogueConfig, abstention: Abstention):
        self._model = model
        self._config = config
        self._abstention = abstention
        self._device = next(model.parameters()).device
        # A revision needs the utterance in the window, so R is at most K - 1.
        self._revise = min(config.revise, config.context - 1)
        self._t1: Tensor | None = None
        self._s1: Tensor | None = None
        self._window: list[_Entry] = []
        self._open: list[_Entry] = []

    def add(self, utterance_id: str, t1: Tensor | None, s1: Tensor | None, cues: Cues) -> list[EmotionEvent]:
        """A new utterance with its embeddings T1 (Dt,) and S1 (Ds,); None = the modality is absent or was screened.

        Returns revisions of earlier utterances, the new one's provisional estimate, then what is frozen now.
        """
        entry = _Entry(utterance_id, t1 is not None, s1 is not None, cues)
        self._window.append(entry)
        self._open.append(entry)
        widths = self._model.conversation.config
        self._t1 = self._push(self._t1, t1, widths["text"]["width"])
        self._s1 = self._push(self._s1, s1, widths["speech"]["width"])
        del self._window[: -self._config.context]
        estimates = self._judge()
        events: list[EmotionEvent] = []
        for earlier in self._open[:-1]:
            events += self._revision(earlier, estimates)
        events.append(self._event(entry, estimates[entry.utterance_id], "provisional"))
        while len(self._open) > self._revise:
            events.append(self._freeze(self._open.pop(0)))
        return events

    def freeze_all(self) -> list[EmotionEvent]:
        """Freezes what is still open: at the end, or when nobody has spoken for a while. The context stays."""
        events = [self._freeze(entry) for entry in self._open]
        self._open.clear()
        return events

    def _push(self, cache: Tensor | None, row: Tensor | None, width: int) -> Tensor:
        new = torch.zeros(1, width, device=self._device) if row is None else row.to(self._device)[None]
        if cache is None:
            return new
        return torch.cat([cache[-(self._config.context - 1) :] if self._config.context > 1 else cache[:0], new])

    def _judge(self) -> dict[str, EmotionEvent]:
        """Estimates (without status) of the open utterances in the present window, by id."""
        assert self._t1 is not None
        assert self._s1 is not None
        size = len(self._window)
        out = self._model.window(
            self._t1[None], self._s1[None],
            torch.tensor([[e.has_text for e in self._window]], device=self._device),
            torch.tensor([[e.has_speech for e in self._window]], device=self._device),
            torch.tensor([size]),
        )  # fmt: skip
        fused, text, speech = (x[0].cpu().double() for x in (out.fused, out.text, out.speech))
        still_open = {e.utterance_id for e in self._open}
        estimates = {}
        for i, entry in enumerate(self._window):
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
                abstained=abstention_reason(probabilities, modality, entry.cues, self._abstention),
            )  # fmt: skip
        return estimates

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
        entry.last = msgspec.structs.replace(estimate, status=status, revision=revision)
        entry.shown = entry.last.probabilities
        return entry.last

    def _freeze(self, entry: _Entry) -> EmotionEvent:
        assert entry.last is not None
        return self._event(entry, entry.last, "frozen")


def abstention_reason(probabilities: Probabilities, modality: Modality, cues: Cues, rule: Abstention) -> str | None:
    """Why the label is withheld, or None. Withheld when its calibrated probability is too low; the reason is the
    likeliest cause: a short utterance, doubtful words, words and voice at odds, or plain doubt."""
    if modality.text is None and modality.speech is None:
        return NOTHING_TO_JUDGE
    if max(probabilities.values()) >= rule.min_confidence:
        return None
    if cues.duration_s < rule.short_s:
        return "short"
    if modality.text is not None and cues.asr_confidence is not None and cues.asr_confidence < rule.asr_confidence:
        return "words doubtful"
    if modality.text is not None and modality.speech is not None:
        by_text, by_speech = (max(m, key=m.__getitem__) for m in (modality.text, modality.speech))
        apart = sum(abs(modality.text[k] - modality.speech[k]) for k in probabilities) / 2
        if by_text != by_speech and apart >= rule.disagreement:
            return "words and voice disagree"
    return "low confidence"
