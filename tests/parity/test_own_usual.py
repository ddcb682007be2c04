"""A voice against its speaker's own usual: the same live, offline, rerun, resumed and among other streams."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from helpers import wav_file
from helpers.networks import write_checkpoint
from helpers.paths import DEMO, DEMO_WORDS
from helpers.settled import settled

from livemerc.audio.file_source import FileSource
from livemerc.audio.read import read_samples
from livemerc.config import Config
from livemerc.events import EmotionEvent, Event, UtteranceFinal
from livemerc.pipeline.monitor import Monitor
from livemerc.pipeline.recording_monitor import RecordingMonitor
from livemerc.pipeline.rerun import Options, rerun_monitor
from livemerc.pipeline.resume import broken_off
from livemerc.sessions import journal
from livemerc.streams.streams import Streams

SPEAKERS = ("ann", "ben")
PATIENT = {
    f"overload__{key}": 600.0
    for key in ("skip_partials_after_s", "fast_asr_after_s", "speech_only_after_s", "unjudged_after_s")
}
"""On a busy machine everything is judged all the same."""


@pytest.fixture(scope="module")
def judging(configured: Callable[..., Config], tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Config]:
    """Settings with a random checkpoint that has baselines."""
    folder = write_checkpoint(tmp_path_factory.mktemp("checkpoint") / "baselines", baselines=True)

    def configure(**keys: object) -> Config:
        settings = {"model__checkpoint": str(folder), "asr__engine": "none", **PATIENT, **keys}
        return configured(**{key.replace("__", "."): value for key, value in settings.items()})

    return configure


@pytest.fixture(scope="module")
def call(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's first half minute on the left, and what comes then on the right."""
    left, right = read_samples(DEMO, 16_000, 0.0, 30.0), read_samples(DEMO, 16_000, 30.0, 60.0)
    return wav_file.write(tmp_path_factory.mktemp("call") / "call.wav", np.stack([left, right], axis=1), 16_000)


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's first half."""
    return wav_file.write(tmp_path_factory.mktemp("talk") / "talk.wav", read_samples(DEMO, 16_000, 0.0, 36.0), 16_000)


def of_the_demo(**keys: object) -> dict[str, object]:
    """Its words and who says them, from the transcript beside it."""
    return {"asr__engine": "transcript", "asr__transcript": str(DEMO_WORDS), **keys}


def by_voice(events: list[Event]) -> dict[str, EmotionEvent]:
    return {e.utterance_id: e for e in events if isinstance(e, EmotionEvent) and e.status == "provisional"}


def speakers_of(events: list[Event]) -> dict[str, str | None]:
    return {e.utterance_id: e.speaker for e in events if isinstance(e, UtteranceFinal)}


def test_two_channels_are_judged_alike_however_they_are_played(call: Path, judging: Callable[..., Config]) -> None:
    config = judging()

    def events(speed: float, block_ms: float) -> list[UtteranceFinal | EmotionEvent]:
        return settled(Monitor(FileSource(call, speed, block_ms, speakers=SPEAKERS), config).events())

    reference = events(0, 20.0)
    assert {final.speaker for final in reference if isinstance(final, UtteranceFinal)} == set(SPEAKERS)
    for speed, block_ms in ((0, 1000.0), (8.0, 333.0)):
        assert events(speed, block_ms) == reference, (speed, block_ms)


def test_a_sidecars_names_tell_whose_usual_counts_live_offline_and_rerun(
    talk: Path, judging: Callable[..., Config], tmp_path: Path
) -> None:
    config = judging(**of_the_demo())
    offline = list(RecordingMonitor(Monitor(FileSource(talk, 0), config), tmp_path / "first", audio=True).events())
    live = list(Monitor(FileSource(talk, 8.0), config).events())
    again = list(rerun_monitor(tmp_path / "first", Options(new=tmp_path / "again", settings={})).events())
    assert set(speakers_of(offline).values()) == {"Anna", "Ben"}
    assert settled(live) == settled(offline)
    assert settled(again) == settled(offline)


def test_a_speaker_that_is_known_is_judged_otherwise_from_the_second_utterance_on(
    talk: Path, judging: Callable[..., Config], tmp_path: Path
) -> None:
    """By the voice alone and without a window, so that nothing else can be the cause."""
    nameless = tmp_path / "nameless.vtt"
    nameless.write_text(DEMO_WORDS.read_text().replace("<v Anna>", "").replace("<v Ben>", ""))
    alone: dict[str, object] = {"dialogue__context": 1, "dialogue__revise": 0}
    known = list(Monitor(FileSource(talk, 0), judging(**of_the_demo(**alone))).events())
    config = judging(**of_the_demo(**alone) | {"asr__transcript": str(nameless)})
    unknown = by_voice(list(Monitor(FileSource(talk, 0), config).events()))
    seen: set[str | None] = set()
    for name, speaker in speakers_of(known).items():
        now, cold = by_voice(known)[name].modality.speech, unknown[name].modality.speech
        assert now is not None
        assert cold is not None
        moved = max(abs(now[label] - cold[label]) for label in now)
        assert (moved > 1e-4) == (speaker in seen), (name, speaker, moved)
        seen.add(speaker)


@pytest.mark.parametrize(("finals", "more", "speed"), [(2, 0, 0.0), (8, 1, 0.0), (8, 0, 8.0)])
def test_a_session_that_goes_on_knows_whose_usual_is_which(
    talk: Path, judging: Callable[..., Config], tmp_path: Path, finals: int, more: int, speed: float
) -> None:
    """With a window of three utterances: most of what the baselines hold is long out of it."""
    config = judging(**of_the_demo(dialogue__context=3, dialogue__revise=1))
    expected = list(RecordingMonitor(Monitor(FileSource(talk, 0), config), tmp_path / "whole").events())
    lines = (tmp_path / "whole" / "events.jsonl").read_bytes().splitlines(keepends=True)
    at = [number for number, line in enumerate(lines) if b'"utterance.final"' in line]
    cut = shutil.copytree(tmp_path / "whole", tmp_path / "cut")
    (cut / "events.jsonl").write_bytes(b"".join(lines[: at[finals - 1] + 1 + more]))
    source = FileSource(talk, speed)
    goes_on = broken_off(cut, source, config)
    assert goes_on is not None
    list(RecordingMonitor(Monitor(source, config), cut, goes_on=goes_on).events())
    found = journal.read(cut).events
    assert [e for e in found if isinstance(e, UtteranceFinal)] == [e for e in expected if isinstance(e, UtteranceFinal)]
    frozen = [{e.utterance_id: e for e in of if isinstance(e, EmotionEvent)} for of in (found, expected)]
    assert frozen[0].keys() == frozen[1].keys()
    for name, event in frozen[1].items():
        assert frozen[0][name].status == event.status == "frozen"
        assert frozen[0][name].label == event.label
        assert frozen[0][name].probabilities == pytest.approx(event.probabilities, abs=1e-6)


def test_a_stream_among_others_is_a_session_of_its_own(call: Path, judging: Callable[..., Config]) -> None:
    """Where others have speakers of the same names: theirs are other people."""
    config = judging()
    session = settled(Monitor(FileSource(call, 0, speakers=SPEAKERS), config).events())
    sources = {"call": FileSource(call, 0, speakers=SPEAKERS), "swapped": FileSource(call, 0, speakers=SPEAKERS[::-1])}
    streams = Streams(sources, config)
    found = settled(event for stream, event in streams.events() if stream == "call")
    assert streams.failures == {}
    assert len(found) == len(session)
    for one, other in zip(found, session, strict=True):
        assert type(one) is type(other)
        assert one.utterance_id == other.utterance_id
        if isinstance(one, EmotionEvent) and isinstance(other, EmotionEvent):
            assert (one.status, one.label) == (other.status, other.label)
            assert one.probabilities == pytest.approx(other.probabilities, abs=1e-5)
