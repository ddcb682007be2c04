"""Words versus voice in plain words."""

from __future__ import annotations

import pytest
from helpers.scripted_monitor import emotion, final

from livemerc.dashboard.state.branches import expressed, side_by_side
from livemerc.dashboard.state.session import SessionState
from livemerc.emotions import LABELS


@pytest.mark.parametrize(
    ("probabilities", "said"),
    [
        ({"neutral": 0.8}, "neutral"),
        ({"anger": 0.5}, "angry"),
        ({"anger": 0.4, "fear": 0.3}, "tense"),
        ({"joy": 0.35, "surprise": 0.3}, "lively"),
        ({"sadness": 0.4, "disgust": 0.25}, "low"),
        ({"joy": 0.4, "anger": 0.3}, "unclear"),
    ],
)
def test_a_branch_is_named_no_surer_than_it_is(probabilities: dict[str, float], said: str) -> None:
    assert expressed(LABELS, tuple(probabilities.get(label, 0.0) for label in LABELS)) == said


def test_words_and_voice_side_by_side() -> None:
    def told(words: tuple[str, float] | None, voice: tuple[str, float] | None) -> str:
        state = SessionState()
        state.apply(final(1, 0, 1, "x"))
        state.apply(emotion(1, "joy", 0.5, words=words, voice=voice))
        estimate = state.utterances[0].estimate
        assert estimate is not None
        return side_by_side(LABELS, estimate)

    assert told(("neutral", 0.8), ("anger", 0.6)) == "words neutral, voice angry"
    assert told(("sadness", 0.8), ("sadness", 0.6)) == "words and voice sad"
    assert told(None, ("fear", 0.6)) == "voice fearful, no words"
    assert told(("joy", 0.9), None) == "words joyful, voice not judged"
    assert told(None, None) == "neither words nor voice to judge"
