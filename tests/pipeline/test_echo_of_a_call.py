"""Both sides of a call without headphones: no sentence is judged twice, and nobody who speaks is lost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from helpers import wav_file
from helpers.paths import DEMO, DEMO_WORDS
from helpers.scripted_parts import Recited, Watched

from livemerc.asr.engine import Transcript
from livemerc.asr.sidecar import read_cues
from livemerc.audio.file_source import FileSource
from livemerc.audio.items import Utterance
from livemerc.audio.read import read_samples
from livemerc.config import Config
from livemerc.events import Event
from livemerc.pipeline.monitor import Monitor

RATE_HZ = 16_000
CUES = read_cues(DEMO_WORDS)


class Told(Recited):
    """The words of the demo's cue that lies nearest, whoever is heard saying it."""

    def transcribe(self, utterance: Utterance) -> Transcript:
        nearest = min(CUES, key=lambda cue: abs(cue.start_s - utterance.start_s))
        return Transcript(text=nearest.text, confidence=0.9)


@pytest.fixture(scope="module")
def config(configured: Callable[..., Config]) -> Config:
    return configured()


def call(folder: Path, them: np.ndarray, me: np.ndarray) -> FileSource:
    path = wav_file.write(folder / "call.wav", np.stack([me, them], axis=1), RATE_HZ)
    return FileSource(path, speed=0, speakers=("me", "them"))


def late(samples: np.ndarray, delay_s: float, level_db: float = -15.0) -> np.ndarray:
    """As the near microphone hears it, in a room that is never quite silent."""
    shift = round(delay_s * RATE_HZ)
    heard = np.concatenate([np.zeros(shift, np.float32), samples[: len(samples) - shift]]) * 10 ** (level_db / 20)
    return (heard + 3e-4 * np.random.default_rng(5).standard_normal(len(samples))).astype(np.float32)


def judged(session: Watched) -> list[tuple[str | None, str]]:
    """Who said what, of all that was judged."""
    last = {final.utterance_id: session.emotions(final.utterance_id)[-1] for final in session.finals}
    return [(final.speaker, final.text) for final in session.finals if last[final.utterance_id].abstained != "echo"]


def watched(source: FileSource, config: Config) -> Watched:
    session = Watched(Monitor(source, config, engine=Told()))
    assert session.error is None
    session.keeps_the_contract()
    return session


@pytest.mark.parametrize("delay_s", [0.04, 0.12, 0.25])
def test_no_sentence_is_judged_twice(tmp_path, config, delay_s):
    them = read_samples(DEMO, RATE_HZ, 0.0, 19.0)
    session = watched(call(tmp_path, them, late(them, delay_s)), config)
    assert judged(session) == [("them", cue.text) for cue in CUES[:5]]
    assert len([final for final in session.finals if final.speaker == "me"]) >= 4
    assert session.said("headphones mend it")


def test_what_the_near_side_says_itself_is_judged(tmp_path, config):
    """Anna is at the far side, Ben at the near one, whose microphone hears both."""
    whole = read_samples(DEMO, RATE_HZ, 0.0, 19.0)
    them, mine = whole.copy(), np.zeros_like(whole)
    for cue in CUES[:5]:
        if cue.speaker == "Ben":
            stretch = slice(round((cue.start_s - 0.2) * RATE_HZ), round((cue.end_s + 0.2) * RATE_HZ))
            mine[stretch], them[stretch] = whole[stretch], 0.0
    session = watched(call(tmp_path, them, mine + late(them, 0.1)), config)
    names = {"Anna": "them", "Ben": "me"}
    assert judged(session) == [(names[cue.speaker or ""], cue.text) for cue in CUES[:5]]


def test_an_echo_leaves_the_labels_of_the_others_as_they_are(tmp_path, config):
    them = read_samples(DEMO, RATE_HZ, 0.0, 19.0)
    silence = (3e-4 * np.random.default_rng(5).standard_normal(len(them))).astype(np.float32)
    alone = watched(call(tmp_path, them, silence), config)
    both = watched(call(tmp_path, them, late(them, 0.1)), config)

    def labels(session: Watched) -> list[Event]:
        return [session.emotions(f.utterance_id)[-1].probabilities for f in session.finals if f.speaker == "them"]

    for without, with_echo in zip(labels(alone), labels(both), strict=True):
        assert with_echo == pytest.approx(without, abs=0.002)


def test_two_people_who_say_the_same_at_once_are_both_judged(tmp_path, config):
    """Both say "Good morning", each in a microphone of their own."""
    whole = read_samples(DEMO, RATE_HZ, 0.0, 8.0)
    silence = np.zeros(2 * RATE_HZ, np.float32)
    ann = np.concatenate([silence, whole[round(0.7 * RATE_HZ) : round(1.6 * RATE_HZ)], silence])
    ben = np.concatenate([silence, whole[round(4.2 * RATE_HZ) : round(5.1 * RATE_HZ)], silence])
    size = min(len(ann), len(ben))
    session = watched(call(tmp_path, ann[:size], ben[:size]), config)
    assert sorted(speaker or "" for speaker, _ in judged(session)) == ["me", "them"]
