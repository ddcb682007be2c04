"""The bundled conversation: its turns are cut one by one and given their words."""

from __future__ import annotations

import pytest
from helpers.paths import DEMO, DEMO_WORDS
from helpers.speech import read_audio

from livemerc.asr.sidecar import SidecarEngine, read_cues
from livemerc.audio.ears import Ears
from livemerc.audio.items import Utterance
from livemerc.audio.source import Block
from livemerc.config import Config


@pytest.fixture(scope="module")
def utterances() -> list[Utterance]:
    samples = read_audio(DEMO)
    ears = Ears(Config(), 16_000)
    items = []
    for at in range(0, len(samples), 320):
        items += ears.feed(Block(samples[at : at + 320], at / 16_000))
    items += ears.flush()
    return [item for item in items if isinstance(item, Utterance)]


def test_it_is_small_and_a_minute_or_two_long():
    assert DEMO.stat().st_size < 4_000_000
    assert 60 <= len(read_audio(DEMO)) / 16_000 <= 120


def test_turns_are_cut_one_by_one(utterances):
    cues = read_cues(DEMO_WORDS)
    assert len(utterances) == len(cues)
    for utterance, cue in zip(utterances, cues, strict=True):
        assert utterance.start_s == pytest.approx(cue.start_s, abs=0.3)
        assert utterance.end_s == pytest.approx(cue.end_s, abs=0.3)


def test_the_transcript_beside_it_gives_each_utterance_its_turn(utterances):
    cues = read_cues(DEMO_WORDS)
    sidecar = SidecarEngine(DEMO_WORDS)
    given = [sidecar.transcribe(utterance) for utterance in utterances]
    assert [(transcript.speaker, transcript.text) for transcript in given] == [(cue.speaker, cue.text) for cue in cues]
