"""What can be said without the model: when a label is withheld, and what stands where there is no estimate."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from livemerc import events
from livemerc.events import EmotionEvent, Modality, Probabilities
from livemerc.model.checkpoint import Abstention
from livemerc.pipeline.no_answer import ABSTAINED, NoAnswer


class Doubt(Enum):
    """Why a label is withheld, whatever the model makes of it; the value is what `emotion.abstained` says."""

    NOTHING_TO_JUDGE = events.NOTHING_TO_JUDGE
    NO_SPEECH = events.NO_SPEECH
    ECHO = events.ECHO
    SHORT = "short"
    WORDS = "words doubtful"
    DISAGREEMENT = "words and voice disagree"
    CONFIDENCE = "low confidence"


@dataclass(frozen=True, slots=True)
class Cues:
    """What else is known of an utterance when its label is in doubt. `asr_confidence` 0..1 or None."""

    duration_s: float
    asr_confidence: float | None = None


def unjudged_estimate(utterance_id: str, prior: Probabilities, reason: NoAnswer | Doubt) -> EmotionEvent:
    """The estimate of an utterance that the model has not seen: the prior, withheld for `reason`."""
    abstained = reason.value if isinstance(reason, Doubt) else ABSTAINED[reason]
    total = sum(prior.values())
    prior = {name: share / total for name, share in prior.items()}
    label = max(prior, key=prior.__getitem__)
    return EmotionEvent(
        utterance_id=utterance_id, revision=0, status="provisional", label=label, confidence=prior[label],
        abstained=abstained, probabilities=prior, modality=Modality(),
    )  # fmt: skip


def abstention_reason(probabilities: Probabilities, modality: Modality, cues: Cues, rule: Abstention) -> Doubt | None:
    """Why the label is withheld, or None. Withheld when its calibrated probability is too low; the reason is the
    likeliest cause: a short utterance, doubtful words, words and voice at odds, or plain doubt."""
    if modality.text is None and modality.speech is None:
        return Doubt.NOTHING_TO_JUDGE
    if max(probabilities.values()) >= rule.min_confidence:
        return None
    if cues.duration_s < rule.short_s:
        return Doubt.SHORT
    if modality.text is not None and cues.asr_confidence is not None and cues.asr_confidence < rule.asr_confidence:
        return Doubt.WORDS
    if modality.text is not None and modality.speech is not None:
        by_text, by_speech = (max(m, key=m.__getitem__) for m in (modality.text, modality.speech))
        apart = sum(abs(modality.text[k] - modality.speech[k]) for k in probabilities) / 2
        if by_text != by_speech and apart >= rule.disagreement:
            return Doubt.DISAGREEMENT
    return Doubt.CONFIDENCE
