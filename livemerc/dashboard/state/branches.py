"""Words versus voice in plain words, no surer than the figures are."""

from __future__ import annotations

from collections.abc import Sequence

from livemerc.dashboard.state.utterance import Estimate, Vector, top
from livemerc.text_safety import sure_width

CLEAR = 0.45
"""Below this probability a branch's best label is not named as if it were its verdict."""
_MOOD = 0.6
_EXPRESSED = {
    "neutral": "neutral",
    "joy": "joyful",
    "sadness": "sad",
    "anger": "angry",
    "surprise": "surprised",
    "fear": "fearful",
    "disgust": "disgusted",
}
_MOODS = (("tense", ("anger", "fear")), ("lively", ("joy", "surprise")), ("low", ("sadness", "disgust")))
"""What two labels have in common. It is said where neither alone is clear and both together are."""


def expressed(labels: Sequence[str], vector: Vector | None) -> str:
    """How one branch sounds: `neutral`, `angry`; `tense` (anger or fear), `lively` (joy or surprise) or `low` (sadness
    or disgust) where no label reaches .45 but two together .6; else `unclear`; `nothing` where there is none."""
    if vector is None:
        return "nothing"
    label, probability = top(labels, vector)
    if probability >= CLEAR:
        return _EXPRESSED.get(label) or sure_width(label)
    known = dict(zip(labels, vector, strict=False))
    for mood, members in _MOODS:
        if sum(known.get(member, 0.0) for member in members) >= _MOOD:
            return mood
    return "unclear"


def disagree(labels: Sequence[str], estimate: Estimate) -> bool:
    """Whether the best labels of words and voice differ."""
    text, speech = estimate.text, estimate.speech
    return text is not None and speech is not None and top(labels, text)[0] != top(labels, speech)[0]


def side_by_side(labels: Sequence[str], estimate: Estimate) -> str:
    """`words neutral, voice tense`; `words and voice sad`; `voice angry, no words`."""
    words, voice = expressed(labels, estimate.text), expressed(labels, estimate.speech)
    if estimate.text is None and estimate.speech is None:
        return "neither words nor voice to judge"
    if estimate.status == "partial":
        return f"voice {voice} so far, words not judged yet"
    if estimate.text is None:
        return f"voice {voice}, no words"
    if estimate.speech is None:
        return f"words {words}, voice not judged"
    if words == voice:
        return f"words and voice {words}"
    return f"words {words}, voice {voice}"
