"""A session that does not sound like English to an English-only Whisper says so, and names the mend."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from helpers.speech import noise, utterance

from livemerc.asr.engine import Transcript
from livemerc.audio.items import Utterance
from livemerc.config import load_config
from livemerc.pipeline.recogniser import Recogniser
from livemerc.runtime.notices import Notice

INVENTED = Transcript("I'm going to go to the hotel.", confidence=0.2, mean_log_probability=-1.6, tokens=8)
ENGLISH = Transcript("I'm going to go to the hotel.", confidence=0.8, mean_log_probability=-0.22, tokens=8)


class Says:
    """A recogniser that says what it is told."""

    engine, model = "scripted", None

    def __init__(self, transcript: Transcript) -> None:
        self.transcript = transcript

    def transcribe(self, utterance: Utterance) -> Transcript:
        return self.transcript

    def partial(self, samples: np.ndarray) -> str:
        return ""

    def close(self) -> None: ...


def told(transcripts: list[Transcript], language: str | None = None) -> list[str | None]:
    """What the board says of the language after each."""
    board: dict[Notice, str | None] = {}
    engine = Says(ENGLISH)
    config = load_config(overrides={"asr.language": language}, environ={})
    recogniser = Recogniser(engine, config, languages=("en",), tell=board.__setitem__)
    said = []
    for number, transcript in enumerate(transcripts):
        engine.transcript = transcript
        one = dataclasses.replace(utterance(noise(2.0), 3.0 * number), utterance_id=f"u{number + 1}")
        recogniser.hear(one, fast=False, give_up=lambda _: None)
        said.append(board.get(Notice.ASR_LANGUAGE))
    recogniser.close()
    return said


def test_another_language_is_told_after_some_utterances_and_taken_back() -> None:
    sentences = told([INVENTED] * 8 + [ENGLISH] * 8)
    assert sentences[:7] == [None] * 7
    assert sentences[7] is not None
    assert "livemerc models pull small" in sentences[7]
    assert sentences[-1] is None


@pytest.mark.parametrize(
    "transcripts",
    [
        [ENGLISH, ENGLISH, INVENTED] * 8,
        [dataclasses.replace(INVENTED, text="Hotel.")] * 12,
        [dataclasses.replace(INVENTED, language="pl", language_probabilities={"pl": 1.0})] * 12,
        [dataclasses.replace(INVENTED, mean_log_probability=None)] * 12,
    ],
    ids=["now and then", "one word", "it knows the language", "no figures"],
)
def test_nothing_is_told_where_there_is_no_sign_of_it(transcripts: list[Transcript]) -> None:
    assert set(told(transcripts)) == {None}


def test_nothing_is_told_where_somebody_has_said_that_it_is_english() -> None:
    assert set(told([INVENTED] * 12, language="en")) == {None}
